// Package states stands in for AWS Step Functions: it executes a state machine
// written in the Amazon States Language with JSONPath, of which it knows what
// Berth's machine uses: Task, Choice, Pass, Wait, Succeed and Fail, the paths, Retry,
// Catch and time-outs. What it does not know it refuses when the machine is made.
package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Machine is a definition, and how its tasks are done.
type Machine struct {
	StartAt        string
	TimeoutSeconds int
	States         map[string]*state
	Comment        string
	Version        string
	QueryLanguage  string

	tasks map[string]Task
	wait  func(context.Context, time.Duration) error
}

// Task does what a Task state wants, by its Resource. It ends when the context does.
type Task func(ctx context.Context, parameters any) (result any, err error)

// Error is a failure as Retry and Catch see it.
type Error struct{ Name, Cause string }

func (e *Error) Error() string { return e.Name + ": " + e.Cause }

type state struct {
	Type, Comment, Next                string
	End                                bool
	InputPath, OutputPath, ResultPath  path
	Parameters, ResultSelector         any
	Result                             any
	Resource                           string
	Credentials                        any
	TimeoutSeconds, HeartbeatSeconds   int
	Retry                              []retrier
	Catch                              []catcher
	Choices                            []choice
	Default                            string
	Seconds                            int
	SecondsPath                        string
	Error, Cause, ErrorPath, CausePath string
}

type retrier struct {
	ErrorEquals     []string
	IntervalSeconds *float64
	BackoffRate     *float64
	MaxAttempts     *int
	MaxDelaySeconds float64
	JitterStrategy  string
	Comment         string
}

type catcher struct {
	ErrorEquals []string
	Next        string
	ResultPath  path
	Comment     string
}

// New reads a definition. Waits take a share of the time that they name, 0 to 1:
// that is for retries and Wait, and not for time-outs.
func New(definition string, speed float64, tasks map[string]Task) (*Machine, error) {
	m := &Machine{tasks: tasks}
	if err := strict([]byte(definition), m); err != nil {
		return nil, fmt.Errorf("the state machine: %w", err)
	}
	if m.QueryLanguage != "" && m.QueryLanguage != "JSONPath" {
		return nil, fmt.Errorf("the state machine speaks %s; this simulation knows JSONPath", m.QueryLanguage)
	}
	for name, s := range m.States {
		if err := m.check(s); err != nil {
			return nil, fmt.Errorf("state %s: %w", name, err)
		}
	}
	m.wait = func(ctx context.Context, d time.Duration) error {
		t := time.NewTimer(time.Duration(float64(d) * speed))
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return m, m.leads(m.StartAt)
}

func (m *Machine) check(s *state) error {
	switch s.Type {
	case "Task":
		if m.tasks[s.Resource] == nil {
			return fmt.Errorf("this simulation does not know the task %q", s.Resource)
		}
	case "Choice":
		if s.Default != "" {
			if err := m.leads(s.Default); err != nil {
				return err
			}
		}
		for _, c := range s.Choices {
			if err := m.leads(c.Next); err != nil {
				return err
			}
		}
		return nil
	case "Pass", "Wait":
	case "Succeed", "Fail":
		return nil
	default:
		return fmt.Errorf("this simulation does not know the type %q", s.Type)
	}
	for _, c := range s.Catch {
		if err := m.leads(c.Next); err != nil {
			return err
		}
	}
	if s.End {
		return nil
	}
	return m.leads(s.Next)
}

func (m *Machine) leads(name string) error {
	if m.States[name] == nil {
		return fmt.Errorf("there is no state %q", name)
	}
	return nil
}

// errTimedOut ends an execution that takes longer than the machine allows.
var errTimedOut = &Error{Name: "States.Timeout", Cause: "the execution took too long"}

// run executes the machine on an input. about is the context object.
func (m *Machine) run(ctx context.Context, about map[string]any, input any) (any, error) {
	if m.TimeoutSeconds > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, time.Duration(m.TimeoutSeconds)*time.Second, errTimedOut)
		defer stop()
	}
	name := m.StartAt
	for {
		s := m.States[name]
		about["State"] = map[string]any{"Name": name, "EnteredTime": time.Now().UTC().Format(time.RFC3339)}
		output, next, err := m.step(ctx, s, about, input)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		if next == "" {
			return output, nil
		}
		name, input = next, output
	}
}

// step does one state, and tells what it gives and which is next; "" ends.
func (m *Machine) step(ctx context.Context, s *state, about map[string]any, raw any) (output any, next string, err error) {
	input, err := s.InputPath.get(raw, about)
	if err != nil {
		return nil, "", err
	}
	next = s.Next
	switch s.Type {
	case "Succeed":
		output, err = s.OutputPath.get(input, about)
		return output, "", err
	case "Fail":
		return nil, "", &Error{orPath(s.Error, s.ErrorPath, input, about), orPath(s.Cause, s.CausePath, input, about)}
	case "Choice":
		if next, err = s.choose(input, about); err != nil {
			return nil, "", err
		}
		output, err = s.OutputPath.get(input, about)
		return output, next, err
	case "Wait":
		if err := m.wait(ctx, time.Duration(s.Seconds)*time.Second); err != nil {
			return nil, "", err
		}
		output, err = s.OutputPath.get(input, about)
		return output, next, err
	}
	output, err = m.work(ctx, s, about, raw, input)
	if err == nil {
		return output, next, nil
	}
	failed := asError(err)
	for _, c := range s.Catch {
		if catches(c.ErrorEquals, failed.Name) {
			output, err := c.ResultPath.put(raw, map[string]any{"Error": failed.Name, "Cause": failed.Cause})
			return output, c.Next, err
		}
	}
	return nil, "", failed
}

// work does a Task or a Pass, as often as its retriers say.
func (m *Machine) work(ctx context.Context, s *state, about map[string]any, raw, input any) (any, error) {
	tries := make([]int, len(s.Retry))
	for {
		output, err := m.attempt(ctx, s, about, raw, input)
		if err == nil || ctx.Err() != nil {
			return output, err
		}
		failed := asError(err)
		i := slices.IndexFunc(s.Retry, func(r retrier) bool { return catches(r.ErrorEquals, failed.Name) })
		if i < 0 || tries[i] >= or(s.Retry[i].MaxAttempts, 3) {
			return nil, failed
		}
		r := s.Retry[i]
		seconds := or(r.IntervalSeconds, 1) * math.Pow(or(r.BackoffRate, 2), float64(tries[i]))
		if r.MaxDelaySeconds > 0 {
			seconds = min(seconds, r.MaxDelaySeconds)
		}
		tries[i]++
		if err := m.wait(ctx, time.Duration(seconds*float64(time.Second))); err != nil {
			return nil, err
		}
	}
}

func (m *Machine) attempt(ctx context.Context, s *state, about map[string]any, raw, input any) (any, error) {
	var err error
	if s.Parameters != nil {
		if input, err = fill(s.Parameters, input, about); err != nil {
			return nil, err
		}
	}
	result := input
	switch {
	case s.Type == "Pass" && s.Result != nil:
		result = s.Result
	case s.Type == "Task":
		if s.TimeoutSeconds > 0 {
			var stop context.CancelFunc
			ctx, stop = context.WithTimeoutCause(ctx, time.Duration(s.TimeoutSeconds)*time.Second, &Error{Name: "States.Timeout"})
			defer stop()
		}
		if result, err = m.tasks[s.Resource](ctx, input); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, err
		}
		if result, err = plain(result); err != nil {
			return nil, err
		}
	}
	if s.ResultSelector != nil {
		if result, err = fill(s.ResultSelector, result, about); err != nil {
			return nil, err
		}
	}
	output, err := s.ResultPath.put(raw, result)
	if err != nil {
		return nil, err
	}
	return s.OutputPath.get(output, about)
}

// plain is a value as JSON reads it.
func plain(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out any
	return out, json.Unmarshal(b, &out)
}

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{"States.Runtime", err.Error()}
}

func catches(names []string, name string) bool {
	for _, n := range names {
		switch {
		case n == name, n == "States.ALL" && name != "States.DataLimitExceeded" && name != "States.Runtime",
			n == "States.TaskFailed" && name != "States.Timeout" && name != "States.Runtime":
			return true
		}
	}
	return false
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func orPath(text, at string, input any, about map[string]any) string {
	if at == "" {
		return text
	}
	v, _ := evaluate(at, input, about)
	t, _ := v.(string)
	return t
}
