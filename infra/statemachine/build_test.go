package statemachine_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"berth/infra/statemachine"
)

const id = "20261126T101500-abcdef"

// answer is how an attempt of a task ends.
type answer struct {
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
	Cause  string `json:"cause,omitempty"`
	Hangs  bool   `json:"hangs,omitempty"`
}

// story is an execution: what its tasks answer, attempt for attempt, the last
// answer for all that follow.
type story struct {
	Definition json.RawMessage     `json:"definition"`
	Input      any                 `json:"input"`
	Context    any                 `json:"context"`
	Tasks      map[string][]answer `json:"tasks"`
	StopIn     string              `json:"stopIn,omitempty"`
}

type call struct {
	State string
	Input map[string]any
}

// ending is what became of it.
type ending struct {
	Output map[string]any
	Error  *struct{ Name, Message string }
	Calls  []call
}

// good are the answers of an execution in which nothing goes wrong.
func good() map[string][]answer {
	return map[string][]answer{
		"Prepare": {{Result: map[string]any{"build_id": id, "claim": "brc_secret"}}},
		"Build":   {{Result: map[string]any{"Build": map[string]any{"Id": "berth-builds:1", "BuildStatus": "SUCCEEDED"}}}},
		"Record":  {{Result: map[string]any{"build_id": id}}},
		"Notify":  {{Result: map[string]any{"FailedEntryCount": 0}}},
	}
}

// definition is the file, as it is deployed. Time-outs are a second where hasty.
func definition(t *testing.T, hasty string) json.RawMessage {
	t.Helper()
	text := strings.NewReplacer(
		"${PrepareFunction}", "arn:aws:lambda:eu-central-1:111111111111:function:berth-step-prepare",
		"${RecordFunction}", "arn:aws:lambda:eu-central-1:111111111111:function:berth-step-record",
		"${Project}", "berth-builds", "${Hub}", "https://hub.example.com", "${Bus}", "default",
	).Replace(statemachine.Build)
	var d map[string]any
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	if hasty != "" {
		d["States"].(map[string]any)[hasty].(map[string]any)["TimeoutSeconds"] = 1
	}
	out, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// interpreter runs executions of the States Language, one line each, see infra/node.
// It ends with the tests, which are its standard input.
type interpreter struct {
	in  io.Writer
	out *bufio.Reader
}

var start = sync.OnceValues(func() (*interpreter, error) {
	dir, err := filepath.Abs("../node")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(dir, "node_modules/.bin/node"), "execute.mjs")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &interpreter{in, bufio.NewReader(out)}, cmd.Start()
})

// run executes the state machine.
func run(t *testing.T, s story) ending {
	t.Helper()
	node, err := start()
	if err != nil {
		t.Fatalf("%v: `make node` installs Node", err)
	}
	if s.Definition == nil {
		s.Definition = definition(t, "")
	}
	s.Input = map[string]any{"build_id": id}
	s.Context = map[string]any{"Execution": map[string]any{"Name": id}}
	line, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	out, err := node.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var e ending
	if err := json.Unmarshal(out, &e); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return e
}

// states are those that were called, in order.
func (e ending) states() string {
	var all []string
	for _, c := range e.Calls {
		all = append(all, c.State)
	}
	return strings.Join(all, " ")
}

// recorded is the input of the record state, of which there must be one.
func (e ending) recorded(t *testing.T) map[string]any {
	t.Helper()
	i := slices.IndexFunc(e.Calls, func(c call) bool { return c.State == "Record" })
	if i < 0 {
		t.Fatalf("the build was not recorded: %s, %v", e.states(), e.Error)
	}
	if in := e.Calls[i].Input; in["build_id"] != id {
		t.Errorf("the build that was recorded is %v", in["build_id"])
	}
	return e.Calls[i].Input
}

func (e ending) wantStates(t *testing.T, want string) {
	t.Helper()
	if got := e.states(); got != want || e.Error != nil {
		t.Errorf("the states were %s, want %s; error %v", got, want, e.Error)
	}
}

// wantFailure holds what was recorded against an error and a part of its cause.
func (e ending) wantFailure(t *testing.T, name, cause string) {
	t.Helper()
	failure, _ := e.recorded(t)["failure"].(map[string]any)
	got, _ := failure["Cause"].(string)
	if failure["Error"] != name || !strings.Contains(got, cause) {
		t.Errorf("recorded was the failure %v, want %s with %s", failure, name, cause)
	}
}

func TestSuccess(t *testing.T) {
	e := run(t, story{Tasks: good()})
	e.wantStates(t, "Prepare Build Record Notify")
	if in := e.Calls[0].Input; len(in) != 1 || in["build_id"] != id {
		t.Errorf("what is prepared is %v", in)
	}
	got, _ := json.Marshal(e.Calls[1].Input)
	want := `{"EnvironmentVariablesOverride":[{"Name":"BERTH_HUB","Type":"PLAINTEXT","Value":"https://hub.example.com"},` +
		`{"Name":"BERTH_BUILD_ID","Type":"PLAINTEXT","Value":"` + id + `"},{"Name":"BERTH_CLAIM","Type":"PLAINTEXT","Value":"brc_secret"}],` +
		`"IdempotencyToken":"` + id + `","ProjectName":"berth-builds"}`
	if string(got) != want {
		t.Errorf("CodeBuild is asked for\n%s\nwant\n%s", got, want)
	}
	if failure := e.recorded(t)["failure"]; failure != nil {
		t.Errorf("recorded was a failure: %v", failure)
	}
	entry, _ := json.Marshal(e.Calls[3].Input["Entries"])
	if want := `[{"Detail":{"build_id":"` + id + `"},"DetailType":"build:ended","EventBusName":"default","Source":"berth"}]`; string(entry) != want {
		t.Errorf("told was %s, want %s", entry, want)
	}
}

// A build that fails is recorded with its reason, and is no failure of the machine's.
func TestBuildFails(t *testing.T) {
	tasks := good()
	tasks["Build"] = []answer{{Error: "States.TaskFailed", Cause: `{"Id":"berth-builds:1","BuildStatus":"FAILED"}`}}
	e := run(t, story{Tasks: tasks})
	e.wantStates(t, "Prepare Build Record Notify")
	e.wantFailure(t, "States.TaskFailed", `"BuildStatus":"FAILED"`)
}

// A build that hangs is given up, and recorded.
func TestBuildTakesTooLong(t *testing.T) {
	tasks := good()
	tasks["Build"] = []answer{{Hangs: true}}
	e := run(t, story{Tasks: tasks, Definition: definition(t, "Build")})
	e.wantStates(t, "Prepare Build Record Notify")
	e.wantFailure(t, "States.Timeout", "")
}

// An execution that is stopped does nothing more: who stopped it ends the build.
func TestCancel(t *testing.T) {
	tasks := good()
	tasks["Build"] = []answer{{Hangs: true}}
	e := run(t, story{Tasks: tasks, StopIn: "Build"})
	if e.Error == nil || e.Error.Name != "ExecutionAbortedError" || e.states() != "Prepare Build" {
		t.Errorf("the states were %s, error %v", e.states(), e.Error)
	}
}

// What has no room now is tried again: an account may run a few builds at a time.
func TestThrottled(t *testing.T) {
	for name, tasks := range map[string]map[string][]answer{
		"Build":   {"Build": {{Error: "CodeBuild.AccountLimitExceededException"}, {Error: "CodeBuild.ThrottlingException"}, good()["Build"][0]}},
		"Prepare": {"Prepare": {{Error: "Lambda.TooManyRequestsException"}, {Error: "Lambda.ServiceException"}, good()["Prepare"][0]}},
		"Record":  {"Record": {{Error: "Lambda.TooManyRequestsException"}, {Error: "Lambda.Unknown"}, good()["Record"][0]}},
		"Notify":  {"Notify": {{Error: "EventBridge.SdkClientException"}, {Error: "EventBridge.FailedEntry"}, good()["Notify"][0]}},
	} {
		all := good()
		all[name] = tasks[name]
		e := run(t, story{Tasks: all})
		e.wantStates(t, strings.Replace("Prepare Build Record Notify", name, name+" "+name+" "+name, 1))
		if failure := e.recorded(t)["failure"]; failure != nil {
			t.Errorf("%s: recorded was a failure: %v", name, failure)
		}
	}
}

// What never has room is recorded in the end.
func TestThrottledForGood(t *testing.T) {
	tasks := good()
	tasks["Build"] = []answer{{Error: "CodeBuild.AccountLimitExceededException", Cause: "Cannot have more than 1 builds in queue"}}
	e := run(t, story{Tasks: tasks})
	e.wantStates(t, "Prepare"+strings.Repeat(" Build", 11)+" Record Notify")
	e.wantFailure(t, "CodeBuild.AccountLimitExceededException", "more than 1")

	tasks = good()
	tasks["Prepare"] = []answer{{Error: "wrapError", Cause: `{"errorMessage":"the storage is not available"}`}}
	e = run(t, story{Tasks: tasks})
	e.wantFailure(t, "wrapError", "storage")
	if strings.Contains(e.states(), "Build") {
		t.Errorf("a build that could not be prepared was started: %s", e.states())
	}
}

// The record state tries long; if it fails for good so does the execution, and the
// sweep of builds ends the build. A hint that is lost harms nothing.
func TestRecordFails(t *testing.T) {
	tasks := good()
	tasks["Record"] = []answer{{Error: "wrapError"}}
	e := run(t, story{Tasks: tasks})
	if e.Error == nil || e.states() != "Prepare Build"+strings.Repeat(" Record", 9) {
		t.Errorf("the states were %s, error %v", e.states(), e.Error)
	}

	tasks = good()
	tasks["Notify"] = []answer{{Error: "EventBridge.FailedEntry"}}
	e = run(t, story{Tasks: tasks})
	e.wantStates(t, "Prepare Build Record"+strings.Repeat(" Notify", 4))
}
