// Package eventbus stands in for Amazon EventBridge: events are put on a bus, and
// each goes to the targets of the rules whose pattern it fits.
package eventbus

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"berth/sim/awsjson"
	"berth/sim/template"
)

// Rule sends events that fit a pattern.
type Rule struct {
	Name    string
	Bus     string // its name
	Pattern Pattern
	Send    func(event []byte)
}

// Bus is all buses of an account.
type Bus struct {
	names []string
	rules []Rule
	wait  sync.WaitGroup
	n     atomic.Int64
}

// New serves buses of some names, beside "default".
func New(names ...string) *Bus { return &Bus{names: append(names, "default")} }

// Add adds a rule. It is not for when events come already.
func (b *Bus) Add(r Rule) { b.rules = append(b.rules, r) }

// Event is an event as targets get it.
type Event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// Put puts an event on a bus, by its name, and sends it, in the background, wherever it is
// wanted.
func (b *Bus) Put(bus, source, detailType string, detail json.RawMessage, resources ...string) {
	if resources == nil {
		resources = []string{}
	}
	event, err := json.Marshal(Event{
		Version: "0", ID: rand.Text(), DetailType: detailType, Source: source, Account: template.Account,
		Time: time.Now().UTC().Format(time.RFC3339), Region: template.Region, Resources: resources, Detail: detail,
	})
	if err != nil {
		return // a detail that is no JSON; Service refuses it before
	}
	var v map[string]any
	json.Unmarshal(event, &v)
	for _, r := range b.rules {
		if r.Bus == bus && r.Pattern.Fits(v) {
			b.n.Add(1)
			b.wait.Go(func() {
				defer b.n.Add(-1)
				r.Send(event)
			})
		}
	}
}

// Idle tells whether nothing is on its way.
func (b *Bus) Idle() bool { return b.n.Load() == 0 }

// Wait waits until nothing is on its way.
func (b *Bus) Wait() { b.wait.Wait() }

type entry struct {
	EventBusName, Source, DetailType, Detail string
	Resources                                []string
}

// Service answers PutEvents.
func (b *Bus) Service() awsjson.Service {
	return awsjson.Service{"PutEvents": awsjson.Op(func(_ context.Context, in *struct{ Entries []entry }) (map[string]any, error) {
		return b.PutEvents(in.Entries)
	})}
}

// PutEvents is the operation of that name.
func (b *Bus) PutEvents(entries []entry) (map[string]any, error) {
	if n := len(entries); n == 0 || n > 10 {
		return nil, &awsjson.Error{Code: "ValidationException", Message: "Entries must have 1 to 10 members"}
	}
	failed, answers := 0, []any{}
	for _, e := range entries {
		bus := Name(e.EventBusName)
		code := ""
		switch {
		case !json.Valid([]byte(e.Detail)):
			code = "MalformedDetail"
		case e.Source == "" || e.DetailType == "" || strings.HasPrefix(e.Source, "aws."):
			code = "InvalidArgument"
		case !b.has(bus):
			return nil, &awsjson.Error{Code: "ResourceNotFoundException", Message: "Event bus " + bus + " does not exist."}
		}
		if code != "" {
			failed++
			answers = append(answers, map[string]string{"ErrorCode": code, "ErrorMessage": "the entry is not valid"})
			continue
		}
		b.Put(bus, e.Source, e.DetailType, json.RawMessage(e.Detail), e.Resources...)
		answers = append(answers, map[string]string{"EventId": rand.Text()})
	}
	return map[string]any{"FailedEntryCount": failed, "Entries": answers}, nil
}

func (b *Bus) has(name string) bool {
	for _, n := range b.names {
		if n == name {
			return true
		}
	}
	return false
}

// Name is the name of a bus that a call names or gives the ARN of; "" is the default one.
func Name(bus string) string {
	if bus == "" {
		return "default"
	}
	return bus[strings.LastIndexByte(bus, '/')+1:]
}
