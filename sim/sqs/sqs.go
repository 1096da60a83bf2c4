// Package sqs stands in for Amazon SQS: standard queues, with visibility time-outs, long
// polling, delays and dead-letter queues. A message that was sent is kept in memory.
//
// Left alone it delivers each message once and in order, which SQS does not promise.
// [Faults] ends that.
package sqs

import (
	"encoding/json"
	"strings"
	"sync"
	"time"

	"berth/sim/awsjson"
)

// Queue describes a queue.
type Queue struct {
	Name       string
	Visibility time.Duration // of a message that was received; 0 = 30 s
	Dead       string        // name of the queue for what was received in vain; "" = none
	Most       int           // times that a message is received before it goes there
}

// Faults are what SQS may do at any time. Each number is a share of the messages, from 0 to 1.
type Faults struct {
	Twice   float64 // it is delivered a second time, although it was deleted
	Shuffle bool    // messages come in any order
}

// SQS is all queues of an account.
type SQS struct {
	awsjson.Service
	mu     sync.Mutex
	queues map[string]*queue
	faults Faults
	twice  int
	come   chan struct{} // closed when a message has come
	scale  float64       // of visibility
}

type queue struct {
	Queue
	messages []*message
}

type message struct {
	id, body string
	extra    json.RawMessage // its attributes
	sent     time.Time
	visible  time.Time
	received int
	receipt  string
	doomed   bool // a second delivery of one that was deleted
}

// New makes queues. Visibility lasts a share, 0 to 1, of the time that it has.
func New(scale float64, all ...Queue) *SQS {
	s := &SQS{queues: map[string]*queue{}, come: make(chan struct{}), scale: scale}
	for _, q := range all {
		if q.Visibility == 0 {
			q.Visibility = 30 * time.Second
		}
		s.queues[q.Name] = &queue{Queue: q}
	}
	s.Service = awsjson.Service{
		"SendMessage": awsjson.Op(s.send), "SendMessageBatch": awsjson.Op(s.sendBatch),
		"ReceiveMessage": awsjson.Op(s.receive), "DeleteMessage": awsjson.Op(s.remove), "DeleteMessageBatch": awsjson.Op(s.removeBatch),
		"CreateQueue": awsjson.Op(s.create), "ChangeMessageVisibility": awsjson.Op(s.change), "GetQueueAttributes": awsjson.Op(s.attributes), "GetQueueUrl": awsjson.Op(s.url),
	}
	return s
}

// Inject replaces the faults. The zero Faults ends them.
func (s *SQS) Inject(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// Twice tells how many messages were delivered a second time.
func (s *SQS) Twice() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.twice
}

// Waiting tells how many messages there are in queues that somebody should empty, which
// is all but dead-letter queues.
func (s *SQS) Waiting() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		if !s.isDead(q.Name) {
			n += len(q.messages)
		}
	}
	return n
}

// Dead are the bodies of messages that were received in vain.
func (s *SQS) Dead() (bodies []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		if s.isDead(q.Name) {
			for _, m := range q.messages {
				bodies = append(bodies, q.Name+": "+m.body)
			}
		}
	}
	return bodies
}

func (s *SQS) isDead(name string) bool {
	for _, q := range s.queues {
		if q.Dead == name {
			return true
		}
	}
	return false
}

// find is a queue by its address, whose last part is the name. s.mu is held.
func (s *SQS) find(url string) (*queue, error) {
	if q := s.queues[url[strings.LastIndexByte(url, '/')+1:]]; q != nil {
		return q, nil
	}
	return nil, &awsjson.Error{Code: "com.amazonaws.sqs#QueueDoesNotExist", Message: "The specified queue does not exist."}
}
