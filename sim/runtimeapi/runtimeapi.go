// Package runtimeapi runs a Lambda function's program as Lambda does: a process
// of its own that asks an HTTP interface for events and posts its answers there,
// and that is frozen between an answer and the next event. It is one instance, and
// sets no limits to time, memory or size.
package runtimeapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"berth/sim/tail"
)

// Function is a running program.
type Function struct {
	process *exec.Cmd
	server  *http.Server
	calls   chan *call
	said    tail.Buffer
	ended   chan struct{} // closed when the process has ended

	mu      sync.Mutex
	pending map[string]*call
	last    int
}

type call struct {
	ctx   context.Context
	event []byte
	done  chan answer
}

type answer struct {
	body []byte
	err  error
}

// Start runs a program with an environment and nothing else of this process's.
func Start(program string, env ...string) (*Function, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &Function{calls: make(chan *call), ended: make(chan struct{}), pending: map[string]*call{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", f.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{what}", f.respond)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	f.server = &http.Server{Handler: mux}
	go f.server.Serve(l)
	f.process = exec.Command(program)
	f.process.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + l.Addr().String(),
		"AWS_LAMBDA_FUNCTION_NAME=function", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
		"_HANDLER=bootstrap", "LAMBDA_TASK_ROOT=/var/task",
	}, env...)
	f.process.Stdout, f.process.Stderr = &f.said, &f.said
	if err := f.process.Start(); err != nil {
		f.server.Close()
		return nil, err
	}
	go func() {
		f.process.Wait()
		close(f.ended)
	}()
	return f, nil
}

// ErrEnded is wrapped when the process has ended, by itself or by Kill, before it
// answered.
var ErrEnded = errors.New("the function's process ended")

// FailedError is what a function answers where it has no answer: JSON with the members
// errorType and errorMessage.
type FailedError []byte

func (e FailedError) Error() string { return "the function failed: " + string(e) }

// Invoke sends an event and waits for its answer. The context's deadline is told
// to the function. Between two calls the process stands still.
func (f *Function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	c := &call{ctx, event, make(chan answer, 1)}
	f.process.Process.Signal(syscall.SIGCONT)
	select {
	case f.calls <- c:
	case <-f.ended:
		return nil, fmt.Errorf("%w: %s", ErrEnded, f.Said())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-c.done:
		return a.body, a.err
	case <-f.ended:
		return nil, fmt.Errorf("%w: %s", ErrEnded, f.Said())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Said is the end of what the process has written so far.
func (f *Function) Said() string { return f.said.String() }

// Resident is the most memory that the process has had at a time, see [Resident].
func (f *Function) Resident() int64 { return Resident(f.process.Process.Pid) }

// Resident is the most memory that a process has had at a time, in bytes; 0 if that
// cannot be told.
func Resident(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	fmt.Sscan(line, &kib)
	return kib << 10
}

// Kill ends the process at once, whatever it is doing.
func (f *Function) Kill() { f.process.Process.Kill() }

// Close ends the process.
func (f *Function) Close() {
	f.Kill()
	<-f.ended
	f.server.Close()
}

func (f *Function) next(w http.ResponseWriter, r *http.Request) {
	var c *call
	select {
	case c = <-f.calls:
	case <-r.Context().Done():
		return
	}
	f.mu.Lock()
	f.last++
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", f.last)
	f.pending[id] = c
	f.mu.Unlock()
	deadline, ok := c.ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(15 * time.Minute)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Lambda-Runtime-Aws-Request-Id", id)
	w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(deadline.UnixMilli(), 10))
	w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:000000000000:function:function")
	w.Write(c.event)
}

func (f *Function) respond(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	f.mu.Lock()
	c := f.pending[r.PathValue("id")]
	delete(f.pending, r.PathValue("id"))
	f.mu.Unlock()
	if c == nil {
		http.Error(w, "no such invocation", http.StatusBadRequest)
		return
	}
	if err == nil && r.PathValue("what") == "error" {
		err = FailedError(body)
	}
	f.process.Process.Signal(syscall.SIGSTOP)
	w.WriteHeader(http.StatusAccepted)
	c.done <- answer{body, err}
}
