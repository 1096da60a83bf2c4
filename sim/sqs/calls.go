package sqs

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"berth/sim/awsjson"
	"berth/sim/template"
)

type receiptRequest struct {
	QueueUrl, Id, ReceiptHandle string
	VisibilityTimeout           int
}

func (s *SQS) remove(_ context.Context, in *receiptRequest) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	s.drop(q, in.ReceiptHandle)
	return map[string]any{}, nil
}

// drop deletes a message by its last receipt, or lets it come a second time. s.mu is held.
func (s *SQS) drop(q *queue, receipt string) {
	for i, m := range q.messages {
		if m.receipt != receipt {
			continue
		}
		if !m.doomed && rand.Float64() < s.faults.Twice {
			m.doomed, m.visible = true, time.Now()
			s.twice++
			s.tell()
			return
		}
		q.messages = append(q.messages[:i:i], q.messages[i+1:]...)
		return
	}
}

type removeBatchRequest struct {
	QueueUrl string
	Entries  []receiptRequest
}

func (s *SQS) removeBatch(_ context.Context, in *removeBatchRequest) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	good := []any{}
	for _, e := range in.Entries {
		s.drop(q, e.ReceiptHandle)
		good = append(good, map[string]string{"Id": e.Id})
	}
	return map[string]any{"Successful": good, "Failed": []any{}}, nil
}

func (s *SQS) change(_ context.Context, in *receiptRequest) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	for _, m := range q.messages {
		if m.receipt == in.ReceiptHandle {
			m.visible = time.Now().Add(time.Duration(float64(in.VisibilityTimeout) * s.scale * float64(time.Second)))
			s.tell()
			return map[string]any{}, nil
		}
	}
	return nil, &awsjson.Error{Code: "com.amazonaws.sqs#ReceiptHandleIsInvalid", Message: "The specified receipt handle isn't valid."}
}

func (s *SQS) attributes(_ context.Context, in *receiptRequest) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	visible, hidden := 0, 0
	for _, m := range q.messages {
		if m.visible.After(time.Now()) {
			hidden++
		} else {
			visible++
		}
	}
	return map[string]any{"Attributes": map[string]string{
		"ApproximateNumberOfMessages": strconv.Itoa(visible), "ApproximateNumberOfMessagesNotVisible": strconv.Itoa(hidden),
		"QueueArn":          "arn:aws:sqs:" + template.Region + ":" + template.Account + ":" + q.Name,
		"VisibilityTimeout": strconv.Itoa(int(q.Visibility.Seconds())),
	}}, nil
}

type createRequest struct {
	QueueName  string
	Attributes map[string]string
}

func (s *SQS) create(_ context.Context, in *createRequest) (map[string]any, error) {
	q := Queue{Name: in.QueueName, Visibility: 30 * time.Second}
	for name, value := range in.Attributes {
		var redrive struct{ DeadLetterTargetArn, MaxReceiveCount string }
		var err error
		switch name {
		case "VisibilityTimeout":
			q.Visibility, err = time.ParseDuration(value + "s")
		case "RedrivePolicy":
			if err = json.Unmarshal([]byte(value), &redrive); err == nil {
				q.Dead = redrive.DeadLetterTargetArn[strings.LastIndexByte(redrive.DeadLetterTargetArn, ':')+1:]
				q.Most, err = strconv.Atoi(redrive.MaxReceiveCount)
			}
		default:
			err = fmt.Errorf("this simulation does not know the attribute %s", name)
		}
		if err != nil {
			return nil, &awsjson.Error{Code: "InvalidAttributeValue", Message: err.Error()}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queues[q.Name] == nil {
		s.queues[q.Name] = &queue{Queue: q}
	}
	return map[string]any{"QueueUrl": template.QueueURL(q.Name)}, nil
}

func (s *SQS) url(_ context.Context, in *struct{ QueueName string }) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueName)
	if err != nil {
		return nil, err
	}
	return map[string]any{"QueueUrl": template.QueueURL(q.Name)}, nil
}

func newID() string {
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", rand.Uint32(), rand.Uint32N(1<<16), rand.Uint32N(1<<12), rand.Uint32N(1<<12), rand.Uint64N(1<<48))
}
