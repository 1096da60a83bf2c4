// Package runtimeapi runs a Lambda function's program as Lambda does: a process
// of its own that asks an HTTP interface for events and posts its answers there.
// It has one instance, never freezes it, and sets no limits to time, memory or size.
package runtimeapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// Function is a running program.
type Function struct {
	process *exec.Cmd
	server  *http.Server
	calls   chan *call
	said    buffer
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
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", f.respond(nil))
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", f.respond(errors.New("the function failed")))
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

// Invoke sends an event and waits for its answer. The context's deadline is told
// to the function.
func (f *Function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	c := &call{ctx, event, make(chan answer, 1)}
	select {
	case f.calls <- c:
	case <-f.ended:
		return nil, fmt.Errorf("the function's process ended: %s", f.Said())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-c.done:
		return a.body, a.err
	case <-f.ended:
		return nil, fmt.Errorf("the function's process ended: %s", f.Said())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Said is what the process has written so far.
func (f *Function) Said() string { return f.said.String() }

// Close ends the process.
func (f *Function) Close() {
	f.process.Process.Kill()
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

func (f *Function) respond(failure error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		f.mu.Lock()
		c := f.pending[r.PathValue("id")]
		delete(f.pending, r.PathValue("id"))
		f.mu.Unlock()
		if c == nil {
			http.Error(w, "no such invocation", http.StatusBadRequest)
			return
		}
		if failure != nil {
			err = fmt.Errorf("%w: %s", failure, body)
		}
		w.WriteHeader(http.StatusAccepted)
		c.done <- answer{body, err}
	}
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
