package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"berth/sim/eventbus"
	"berth/sim/template"
)

// triggers are what calls functions beside requests: rules, schedules and queues.
func (s *Stack) triggers() error {
	for _, r := range s.app.Of("AWS::Events::Rule") {
		if err := s.rule(r); err != nil {
			return fmt.Errorf("rule %s: %w", r.ID, err)
		}
	}
	for _, r := range s.app.Of("AWS::Lambda::EventSourceMapping") {
		if err := s.source(r); err != nil {
			return fmt.Errorf("event source %s: %w", r.ID, err)
		}
	}
	return nil
}

func (s *Stack) rule(r *template.Resource) error {
	var p struct {
		State, EventBusName, ScheduleExpression string
		EventPattern                            eventbus.Pattern
		Targets                                 []struct{ Arn, Id, Input string }
	}
	if err := s.app.Get(r, &p); err != nil {
		return err
	}
	name, err := s.app.Name(r)
	if err != nil {
		return err
	}
	arn, err := s.app.ARN(r)
	if err != nil {
		return err
	}
	if p.State != "" && p.State != "ENABLED" {
		return nil
	}
	for _, target := range p.Targets {
		function := functionName(target.Arn)
		if err := s.permits("events.amazonaws.com", function, arn); err != nil {
			return err
		}
		if p.ScheduleExpression != "" {
			if err := s.schedule(s.codes[function], function, arn, p.ScheduleExpression); err != nil {
				return err
			}
			continue
		}
		s.bus.Add(eventbus.Rule{Name: name, Bus: eventbus.Name(p.EventBusName), Pattern: p.EventPattern, Send: func(event []byte) {
			s.again(function, event)
		}})
	}
	return nil
}

// again calls a function for an event, and again if it fails, as Lambda does.
func (s *Stack) again(function string, event []byte) {
	for n := range 3 {
		if _, err := s.invoke(context.Background(), function, event); err == nil {
			return
		}
		time.Sleep(time.Duration(n+1) * 100 * time.Millisecond) // Lambda waits a minute, then two
	}
	s.door.note(function + " failed three times for one event: " + s.lambda.Said(function))
}

// schedule calls a function at intervals, or when Tick says so.
func (s *Stack) schedule(code, function, arn, expression string) error {
	var n int
	var unit string
	if _, err := fmt.Sscanf(expression, "rate(%d %s", &n, &unit); err != nil {
		return fmt.Errorf("this simulation does not know the schedule %q", expression)
	}
	every, ok := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[strings.TrimRight(unit, "s)")]
	if !ok {
		return fmt.Errorf("this simulation does not know the schedule %q", expression)
	}
	every *= time.Duration(n)
	tick := func(ctx context.Context) error {
		event, err := json.Marshal(eventbus.Event{
			Version: "0", ID: "scheduled", DetailType: "Scheduled Event", Source: "aws.events", Account: template.Account,
			Time: time.Now().UTC().Format(time.RFC3339), Region: template.Region, Resources: []string{arn}, Detail: json.RawMessage("{}"),
		})
		if err != nil {
			return err
		}
		_, err = s.invoke(ctx, function, event)
		return err
	}
	s.ticks[code] = tick
	if !s.options.Schedules {
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	s.later(stop)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(every):
				if err := tick(ctx); err != nil && ctx.Err() == nil {
					s.door.note(fmt.Sprintf("%s, called by its schedule, failed: %v", function, err))
				}
			}
		}
	}()
	return nil
}
