package states

import (
	"context"
	"encoding/json"
	"reflect"
	"sync"
	"testing"
	"time"
)

const definition = `{
  "StartAt": "Prepare",
  "States": {
    "Prepare": {"Type": "Task", "Resource": "prepare", "Parameters": {"id.$": "$.id", "run.$": "$$.Execution.Name"},
      "ResultSelector": {"claim.$": "$.claim"}, "ResultPath": "$.prepared",
      "Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 2, "IntervalSeconds": 1, "BackoffRate": 2}],
      "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Record"}], "Next": "Which"},
    "Which": {"Type": "Choice", "Choices": [{"Variable": "$.prepared.claim", "StringEquals": "none", "Next": "Never"}], "Default": "Build"},
    "Never": {"Type": "Fail", "Error": "Never", "Cause": "no claim"},
    "Build": {"Type": "Task", "Resource": "build", "TimeoutSeconds": 1, "ResultPath": null,
      "Catch": [{"ErrorEquals": ["States.Timeout"], "ResultPath": null, "Next": "Record"}, {"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.failure", "Next": "Record"}], "Next": "Record"},
    "Record": {"Type": "Pass", "Parameters": {"text.$": "States.Format('{} of {}', $.id, $$.Execution.Name)", "all.$": "$"}, "End": true}
  }
}`

// Each machine has what its tasks answer, in turn.
func TestExecutions(t *testing.T) {
	busy, broken := &Error{"Busy", "later"}, &Error{"Broken", "for good"}
	for _, c := range []struct {
		name           string
		prepare, build []any // an error, an answer, or nil to wait for the end
		stop           bool
		status, output string
		tasks          int
	}{
		{"success", []any{map[string]any{"claim": "c", "more": 1}}, []any{"built"}, false, "SUCCEEDED",
			`{"text": "7 of x", "all": {"id": "7", "prepared": {"claim": "c"}}}`, 2},
		{"retried", []any{busy, busy, map[string]any{"claim": "c"}}, []any{"built"}, false, "SUCCEEDED",
			`{"text": "7 of x", "all": {"id": "7", "prepared": {"claim": "c"}}}`, 4},
		{"retried in vain", []any{busy, busy, busy}, nil, false, "SUCCEEDED",
			`{"text": "7 of x", "all": {"id": "7", "failure": {"Error": "Busy", "Cause": "later"}}}`, 3},
		{"failed", []any{map[string]any{"claim": "c"}}, []any{broken}, false, "SUCCEEDED",
			`{"text": "7 of x", "all": {"id": "7", "prepared": {"claim": "c"}, "failure": {"Error": "Broken", "Cause": "for good"}}}`, 2},
		{"too long", []any{map[string]any{"claim": "c"}}, []any{nil}, false, "SUCCEEDED",
			`{"text": "7 of x", "all": {"id": "7", "prepared": {"claim": "c"}}}`, 2},
		{"a failing end", []any{map[string]any{"claim": "none"}}, nil, false, "FAILED", `null`, 1},
		{"stopped", []any{map[string]any{"claim": "c"}}, []any{nil}, true, "ABORTED", `null`, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			done := 0
			answer := func(script []any) Task {
				return func(ctx context.Context, _ any) (any, error) {
					mu.Lock()
					done++
					next := script[0]
					script = script[1:]
					mu.Unlock()
					switch next := next.(type) {
					case *Error:
						return nil, next
					case nil:
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return next, nil
				}
			}
			m, err := New(definition, 0.001, map[string]Task{"prepare": answer(c.prepare), "build": answer(c.build)})
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan Description, 2)
			e := Serve(m, "arn:aws:states:r:a:stateMachine:m", func(d Description) { ended <- d })
			start := &startRequest{"arn:aws:states:r:a:stateMachine:m", "x", `{"id": "7"}`}
			if _, err := e.start(t.Context(), start); err != nil {
				t.Fatal(err)
			}
			if d := <-ended; d.Status != "RUNNING" {
				t.Errorf("first it is %s", d.Status)
			}
			if c.stop {
				for mu.Lock(); done < 2; mu.Lock() {
					mu.Unlock()
					time.Sleep(time.Millisecond)
				}
				mu.Unlock()
				if _, err := e.end(t.Context(), &stopRequest{ExecutionArn: e.ExecutionARN("x")}); err != nil {
					t.Fatal(err)
				}
			}
			d := <-ended
			var got, want any
			json.Unmarshal([]byte(d.Output), &got)
			json.Unmarshal([]byte(c.output), &want)
			if d.Status != c.status || !reflect.DeepEqual(got, want) || done != c.tasks {
				t.Errorf("%s, %s, %d tasks; want %s, %s, %d", d.Status, d.Output, done, c.status, c.output, c.tasks)
			}
			if _, err := e.start(t.Context(), start); err == nil || err.Error()[:22] != "ExecutionAlreadyExists" {
				t.Errorf("starting it again: %v", err)
			}
			got2, err := e.describe(t.Context(), &stopRequest{ExecutionArn: e.ExecutionARN("x")})
			if err != nil || got2 != d {
				t.Errorf("described as %v, %v", got2, err)
			}
		})
	}
}

func TestUnknownIsRefused(t *testing.T) {
	for _, bad := range []string{
		`{"StartAt": "A", "States": {"A": {"Type": "Parallel", "End": true}}}`,
		`{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}`,
		`{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true, "Output": "{% 1 %}"}}}`,
		`{"StartAt": "A", "QueryLanguage": "JSONata", "States": {"A": {"Type": "Pass", "End": true}}}`,
	} {
		if _, err := New(bad, 1, nil); err == nil {
			t.Errorf("taken: %s", bad)
		}
	}
}
