package sqs

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"time"

	"berth/sim/awsjson"
)

const maxBytes = 1 << 20 // of a message, and of a batch

type sendRequest struct {
	QueueUrl          string
	Id                string
	MessageBody       string
	DelaySeconds      int
	MessageAttributes json.RawMessage
}

func (s *SQS) send(_ context.Context, in *sendRequest) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return s.put(q, in)
}

// put adds a message. s.mu is held.
func (s *SQS) put(q *queue, in *sendRequest) (map[string]any, error) {
	if n := len(in.MessageBody); n == 0 || n > maxBytes || in.DelaySeconds < 0 || in.DelaySeconds > 900 {
		return nil, &awsjson.Error{Code: "InvalidParameterValue", Message: "a message has 1 byte to 1 MiB, and a delay of at most 900 seconds"}
	}
	now := time.Now()
	m := &message{id: newID(), body: in.MessageBody, extra: in.MessageAttributes, sent: now, visible: now.Add(time.Duration(in.DelaySeconds) * time.Second)}
	q.messages = append(q.messages, m)
	s.tell()
	sum := md5.Sum([]byte(m.body))
	return map[string]any{"MessageId": m.id, "MD5OfMessageBody": hex.EncodeToString(sum[:])}, nil
}

// tell wakes those who wait for messages. s.mu is held.
func (s *SQS) tell() {
	close(s.come)
	s.come = make(chan struct{})
}

type sendBatchRequest struct {
	QueueUrl string
	Entries  []sendRequest
}

func (s *SQS) sendBatch(_ context.Context, in *sendBatchRequest) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if n := len(in.Entries); n == 0 || n > 10 {
		return nil, &awsjson.Error{Code: "com.amazonaws.sqs#TooManyEntriesInBatchRequest", Message: "a batch has 1 to 10 entries"}
	}
	good, bad := []any{}, []any{}
	for i := range in.Entries {
		out, err := s.put(q, &in.Entries[i])
		if err != nil {
			bad = append(bad, map[string]any{"Id": in.Entries[i].Id, "Code": "InvalidParameterValue", "Message": err.Error(), "SenderFault": true})
			continue
		}
		out["Id"] = in.Entries[i].Id
		good = append(good, out)
	}
	return map[string]any{"Successful": good, "Failed": bad}, nil
}

type receiveRequest struct {
	QueueUrl            string
	MaxNumberOfMessages int
	VisibilityTimeout   *int
	WaitTimeSeconds     int
}

func (s *SQS) receive(ctx context.Context, in *receiveRequest) (map[string]any, error) {
	if in.MaxNumberOfMessages == 0 {
		in.MaxNumberOfMessages = 1
	}
	if in.MaxNumberOfMessages > 10 || in.WaitTimeSeconds > 20 {
		return nil, &awsjson.Error{Code: "InvalidParameterValue", Message: "at most 10 messages, and 20 seconds"}
	}
	end := time.NewTimer(time.Duration(in.WaitTimeSeconds) * time.Second)
	defer end.Stop()
	for {
		s.mu.Lock()
		q, err := s.find(in.QueueUrl)
		if err != nil {
			s.mu.Unlock()
			return nil, err
		}
		got, next := s.take(q, in)
		come := s.come
		s.mu.Unlock()
		if len(got) > 0 || in.WaitTimeSeconds == 0 {
			return map[string]any{"Messages": got}, nil
		}
		again := time.NewTimer(next)
		select {
		case <-ctx.Done():
			again.Stop()
			return nil, ctx.Err()
		case <-end.C:
			again.Stop()
			return map[string]any{"Messages": got}, nil
		case <-come:
		case <-again.C:
		}
		again.Stop()
	}
}

// take receives what is visible, and tells when there may be more. s.mu is held.
func (s *SQS) take(q *queue, in *receiveRequest) (got []any, next time.Duration) {
	now := time.Now()
	next = time.Minute
	if s.faults.Shuffle {
		rand.Shuffle(len(q.messages), func(i, j int) { q.messages[i], q.messages[j] = q.messages[j], q.messages[i] })
	}
	var stay []*message
	for _, m := range q.messages {
		if len(got) >= in.MaxNumberOfMessages || m.visible.After(now) {
			if wait := m.visible.Sub(now); wait > 0 {
				next = min(next, wait)
			}
			stay = append(stay, m)
			continue
		}
		if dead := s.queues[q.Dead]; dead != nil && m.received >= q.Most {
			dead.messages = append(dead.messages, m)
			continue
		}
		visibility := q.Visibility
		if in.VisibilityTimeout != nil {
			visibility = time.Duration(*in.VisibilityTimeout) * time.Second
		}
		m.received++
		m.receipt = newID()
		m.visible = now.Add(time.Duration(float64(visibility) * s.scale))
		got = append(got, m.shown())
		stay = append(stay, m)
	}
	q.messages = stay
	return got, next
}

func (m *message) shown() map[string]any {
	sum := md5.Sum([]byte(m.body))
	return map[string]any{
		"MessageAttributes": m.extra,
		"MessageId":         m.id, "ReceiptHandle": m.receipt, "Body": m.body, "MD5OfBody": hex.EncodeToString(sum[:]),
		"Attributes": map[string]string{
			"ApproximateReceiveCount": strconv.Itoa(m.received), "SentTimestamp": strconv.FormatInt(m.sent.UnixMilli(), 10),
		},
	}
}
