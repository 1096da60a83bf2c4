package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"berth/sim/account"
	"berth/sim/sqs"
	"berth/sim/template"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// visibility is the share of a queue's visibility time-out that passes before a message
// that was received in vain comes again.
const visibility = 0.01

func (s *Stack) makeQueues() error {
	var all []sqs.Queue
	for _, r := range s.app.Of("AWS::SQS::Queue") {
		var p struct {
			VisibilityTimeout int
			RedrivePolicy     struct {
				DeadLetterTargetArn string
				MaxReceiveCount     int
			}
		}
		if err := s.app.Get(r, &p); err != nil {
			return err
		}
		name, err := s.app.Name(r)
		if err != nil {
			return err
		}
		all = append(all, sqs.Queue{
			Name: name, Visibility: time.Duration(p.VisibilityTimeout) * time.Second,
			Dead: p.RedrivePolicy.DeadLetterTargetArn[strings.LastIndexByte(p.RedrivePolicy.DeadLetterTargetArn, ':')+1:], Most: p.RedrivePolicy.MaxReceiveCount,
		})
	}
	s.queues = sqs.New(visibility, all...)
	s.door.services["sqs"] = s.queues
	return nil
}

// source is what Lambda does for one queue and function: receives, calls, and deletes
// what the function does not say it failed at.
type source struct {
	*Stack
	function string
	arn, url string
	client   *client.Client
	batch    int
	window   time.Duration
	partial  bool
}

func (s *Stack) source(r *template.Resource) error {
	var p struct {
		FunctionName, EventSourceArn              string
		BatchSize, MaximumBatchingWindowInSeconds int
		FunctionResponseTypes                     []string
		ScalingConfig                             struct{ MaximumConcurrency int }
	}
	if err := s.app.Get(r, &p); err != nil {
		return err
	}
	function := functionName(p.FunctionName)
	key := account.Key(s.codes[function])
	src := &source{
		Stack: s, function: function, arn: p.EventSourceArn, url: template.QueueURL(functionName(p.EventSourceArn)),
		client: client.New(client.Options{
			Region: template.Region, BaseEndpoint: &s.services, Credentials: credentials.NewStaticCredentialsProvider(key, account.Secret(key), ""),
		}),
		batch: max(1, p.BatchSize), window: min(time.Duration(p.MaximumBatchingWindowInSeconds)*time.Second, longestWindow),
		partial: len(p.FunctionResponseTypes) == 1 && p.FunctionResponseTypes[0] == "ReportBatchItemFailures",
	}
	ctx, stop := context.WithCancel(context.Background())
	s.later(stop)
	for range min(2, max(1, p.ScalingConfig.MaximumConcurrency)) {
		go func() {
			for ctx.Err() == nil {
				src.poll(ctx)
			}
		}()
	}
	return nil
}

// longestWindow is how long a batch is gathered at most, whatever the template says.
const longestWindow = 200 * time.Millisecond

// poll takes one batch.
func (s *source) poll(ctx context.Context) {
	messages := s.receive(ctx, 20*time.Second)
	if len(messages) == 0 {
		return
	}
	for end := time.Now().Add(s.window); len(messages) < s.batch && time.Now().Before(end); {
		more := s.receive(ctx, 0)
		if len(more) == 0 {
			time.Sleep(20 * time.Millisecond)
		}
		messages = append(messages, more...)
	}
	done := s.call(messages)
	for len(done) > 0 {
		n := min(10, len(done))
		if _, err := s.client.DeleteMessageBatch(ctx, &client.DeleteMessageBatchInput{QueueUrl: &s.url, Entries: done[:n]}); err != nil && ctx.Err() == nil {
			s.door.note(fmt.Sprintf("%s: its messages cannot be deleted: %v", s.function, err))
		}
		done = done[n:]
	}
}

func (s *source) receive(ctx context.Context, wait time.Duration) []types.Message {
	out, err := s.client.ReceiveMessage(ctx, &client.ReceiveMessageInput{
		QueueUrl: &s.url, MaxNumberOfMessages: int32(min(10, s.batch)), WaitTimeSeconds: int32(wait.Seconds()),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			time.Sleep(100 * time.Millisecond)
		}
		return nil
	}
	return out.Messages
}

// call calls the function with a batch, and tells what is done.
func (s *source) call(messages []types.Message) (done []types.DeleteMessageBatchRequestEntry) {
	var in events.SQSEvent
	for _, m := range messages {
		in.Records = append(in.Records, events.SQSMessage{
			MessageId: aws.ToString(m.MessageId), ReceiptHandle: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body),
			Md5OfBody: aws.ToString(m.MD5OfBody), Attributes: m.Attributes, EventSourceARN: s.arn, EventSource: "aws:sqs", AWSRegion: template.Region,
		})
	}
	event, err := json.Marshal(in)
	if err != nil {
		return nil
	}
	answer, err := s.invoke(context.Background(), s.function, event)
	if err != nil {
		return nil // all come again
	}
	failed := map[string]bool{}
	var out events.SQSEventResponse
	if s.partial && json.Unmarshal(answer, &out) == nil {
		for _, f := range out.BatchItemFailures {
			failed[f.ItemIdentifier] = true
		}
	}
	for i, m := range messages {
		if !failed[aws.ToString(m.MessageId)] {
			done = append(done, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
	}
	return done
}
