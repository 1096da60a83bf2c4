package states

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"berth/sim/awsjson"
)

// Executions are those of one state machine.
type Executions struct {
	machine *Machine
	arn     string
	changed func(Description)

	mu   sync.Mutex
	all  map[string]*execution // by ARN
	wait sync.WaitGroup
}

type execution struct {
	Description
	stop context.CancelCauseFunc
}

// Description is what DescribeExecution answers.
type Description struct {
	ExecutionArn    string  `json:"executionArn"`
	StateMachineArn string  `json:"stateMachineArn"`
	Name            string  `json:"name"`
	Status          string  `json:"status"`
	StartDate       float64 `json:"startDate"`
	StopDate        float64 `json:"stopDate,omitempty"`
	Input           string  `json:"input"`
	Output          string  `json:"output,omitempty"`
	Error           string  `json:"error,omitempty"`
	Cause           string  `json:"cause,omitempty"`
}

// Serve serves a machine that has an ARN. changed is told of each execution that
// starts or ends.
func Serve(m *Machine, arn string, changed func(Description)) *Executions {
	return &Executions{machine: m, arn: arn, changed: changed, all: map[string]*execution{}}
}

// Service answers the operations.
func (e *Executions) Service() awsjson.Service {
	return awsjson.Service{
		"StartExecution": awsjson.Op(e.start), "StopExecution": awsjson.Op(e.end), "DescribeExecution": awsjson.Op(e.describe),
	}
}

// Running tells how many executions are not over.
func (e *Executions) Running() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.all {
		if x.Status == "RUNNING" {
			n++
		}
	}
	return n
}

// Close aborts all executions and waits for their ends.
func (e *Executions) Close() {
	e.mu.Lock()
	for _, x := range e.all {
		x.stop(&aborted{})
	}
	e.mu.Unlock()
	e.wait.Wait()
}

// ExecutionARN is the ARN of an execution by its name.
func (e *Executions) ExecutionARN(name string) string {
	return strings.Replace(e.arn, ":stateMachine:", ":execution:", 1) + ":" + name
}

// aborted ends an execution that StopExecution was called for.
type aborted struct{ name, cause string }

func (a *aborted) Error() string { return "aborted" }

type startRequest struct{ StateMachineArn, Name, Input string }

func (e *Executions) start(_ context.Context, in *startRequest) (map[string]any, error) {
	if in.StateMachineArn != e.arn {
		return nil, &awsjson.Error{Code: "StateMachineDoesNotExist", Message: "State Machine Does Not Exist: '" + in.StateMachineArn + "'"}
	}
	var input any
	if err := json.Unmarshal([]byte(in.Input), &input); err != nil {
		return nil, &awsjson.Error{Code: "InvalidExecutionInput", Message: err.Error()}
	}
	if in.Name == "" {
		in.Name = uuid()
	}
	if len(in.Name) > 80 {
		return nil, &awsjson.Error{Code: "InvalidName", Message: "a name has at most 80 characters"}
	}
	arn := e.ExecutionARN(in.Name)
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := e.all[arn]; old != nil {
		if old.Status != "RUNNING" || old.Input != in.Input {
			return nil, &awsjson.Error{Code: "ExecutionAlreadyExists", Message: "Execution Already Exists: '" + arn + "'"}
		}
		return map[string]any{"executionArn": arn, "startDate": old.StartDate}, nil
	}
	ctx, stop := context.WithCancelCause(context.Background())
	x := &execution{Description{
		ExecutionArn: arn, StateMachineArn: e.arn, Name: in.Name, Status: "RUNNING", StartDate: now(), Input: in.Input,
	}, stop}
	e.all[arn] = x
	e.wait.Go(func() { e.run(ctx, x, input) })
	return map[string]any{"executionArn": arn, "startDate": x.StartDate}, nil
}

func (e *Executions) run(ctx context.Context, x *execution, input any) {
	e.changed(e.copy(x))
	output, err := e.machine.run(ctx, map[string]any{
		"Execution":    map[string]any{"Id": x.ExecutionArn, "Name": x.Name, "Input": input, "StartTime": time.Now().UTC().Format(time.RFC3339)},
		"StateMachine": map[string]any{"Id": e.arn, "Name": e.arn[strings.LastIndexByte(e.arn, ':')+1:]},
	}, input)
	e.mu.Lock()
	x.StopDate = now()
	var stopped *aborted
	switch {
	case err == nil:
		b, _ := json.Marshal(output)
		x.Status, x.Output = "SUCCEEDED", string(b)
	case errors.As(err, &stopped):
		x.Status, x.Error, x.Cause = "ABORTED", stopped.name, stopped.cause
	default:
		failed := asError(err)
		x.Status, x.Error, x.Cause = "FAILED", failed.Name, failed.Cause
		if failed == errTimedOut {
			x.Status = "TIMED_OUT"
		}
	}
	e.mu.Unlock()
	e.changed(e.copy(x))
}

func (e *Executions) copy(x *execution) Description {
	e.mu.Lock()
	defer e.mu.Unlock()
	return x.Description
}

func (e *Executions) find(arn string) (*execution, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x := e.all[arn]; x != nil {
		return x, nil
	}
	return nil, &awsjson.Error{Code: "ExecutionDoesNotExist", Message: "Execution Does Not Exist: '" + arn + "'"}
}

type stopRequest struct{ ExecutionArn, Error, Cause string }

func (e *Executions) end(_ context.Context, in *stopRequest) (map[string]any, error) {
	x, err := e.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	x.stop(&aborted{in.Error, in.Cause})
	return map[string]any{"stopDate": now()}, nil
}

func (e *Executions) describe(_ context.Context, in *stopRequest) (Description, error) {
	x, err := e.find(in.ExecutionArn)
	if err != nil {
		return Description{}, err
	}
	return e.copy(x), nil
}

// Detail is the detail of the event "Step Functions Execution Status Change".
func (d Description) Detail() json.RawMessage {
	detail := map[string]any{
		"executionArn": d.ExecutionArn, "stateMachineArn": d.StateMachineArn, "name": d.Name, "status": d.Status,
		"startDate": int64(d.StartDate * 1000), "stopDate": nil, "input": d.Input, "output": nil,
	}
	if d.StopDate > 0 {
		detail["stopDate"] = int64(d.StopDate * 1000)
	}
	if d.Output != "" {
		detail["output"] = d.Output
	}
	b, _ := json.Marshal(detail)
	return b
}

func now() float64 { return float64(time.Now().UnixMilli()) / 1000 }

func uuid() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
