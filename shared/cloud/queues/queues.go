// Package queues sends a hub's hints and pulls by SQS. What takes them from there
// are functions: see [cloud.StartEvent].
package queues

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"berth/shared/cloud"
	"berth/shared/hub"
	"berth/shared/web"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// With gives a hub the queues that its function sends to. That of mails may be left
// out: then the hub sends no mails.
func With(e *cloud.Environment, h *hub.Hub) {
	urls := map[web.Queue]string{}
	for _, q := range e.Needs.Sends {
		if urls[q] = e.Get(cloud.Settings.Queues[q]); q != web.Mail {
			e.Need(cloud.Settings.Queues[q])
		}
	}
	Serve(h, sqs.NewFromConfig(e.For(cloud.Settings.SQS)), urls)
}

// Serve lets a hub send to queues, by their addresses. Where one has none, what
// belongs there is not sent.
func Serve(h *hub.Hub, client *sqs.Client, urls map[web.Queue]string) {
	q := &queues{client, urls, func() time.Time { return h.Now() }}
	h.Options.Mail = urls[web.Mail] != ""
	h.Hint = q.hint
	if urls[web.Pulls] != "" {
		h.Pulled = func(ctx context.Context, p hub.PullCount) error {
			if err := q.pulled(ctx, h.PullMessage(p)); err != nil { // the image is served all the same
				h.Log.WarnContext(ctx, "a pull may not be counted", "repository", p.RepoID, "err", err)
			}
			return nil
		}
	}
}

type queues struct {
	client *sqs.Client
	urls   map[web.Queue]string
	now    func() time.Time
}

const (
	// patience is how long a call may take: a request waits for it, and what it tells
	// can be found out without it.
	patience = 3 * time.Second
	// longest is how far SQS puts a message off.
	longest = 15 * time.Minute
	// together is how many messages SQS takes in a call.
	together = 10
)

// hint sends hints: see [hub.Hub.Hint]. What is due later than SQS can wait is left
// to the function event-outbox.
func (q *queues) hint(ctx context.Context, hints []hub.Hint) error {
	byQueue := map[string][]types.SendMessageBatchRequestEntry{}
	for _, h := range hints {
		to := q.urls[web.Webhooks]
		if h.Mail {
			to = q.urls[web.Mail]
		}
		wait := h.Due.Sub(q.now())
		if to == "" || wait > longest {
			continue
		}
		byQueue[to] = append(byQueue[to], types.SendMessageBatchRequestEntry{
			Id:           aws.String(strconv.Itoa(len(byQueue[to]) % together)),
			MessageBody:  aws.String(cloud.HintMessage(h)),
			DelaySeconds: int32(math.Ceil(max(0, wait).Seconds())),
		})
	}
	var failed []error
	for to, entries := range byQueue {
		for batch := range slices.Chunk(entries, together) {
			failed = append(failed, q.send(ctx, to, batch))
		}
	}
	return errors.Join(failed...)
}

func (q *queues) send(ctx context.Context, to string, batch []types.SendMessageBatchRequestEntry) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	if len(batch) == 1 {
		_, err := q.client.SendMessage(ctx, &sqs.SendMessageInput{
			QueueUrl: &to, MessageBody: batch[0].MessageBody, DelaySeconds: batch[0].DelaySeconds,
		})
		return err
	}
	out, err := q.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &to, Entries: batch})
	if err == nil && len(out.Failed) > 0 {
		first := out.Failed[0]
		err = fmt.Errorf("%d of %d messages were not taken: %s %s", len(out.Failed), len(batch), aws.ToString(first.Code), aws.ToString(first.Message))
	}
	return err
}

// pulled sends a pull to be counted.
func (q *queues) pulled(ctx context.Context, m hub.PullMessage) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	_, err = q.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(q.urls[web.Pulls]), MessageBody: aws.String(string(body))})
	return err
}
