// Package lambda runs functions as AWS Lambda does: as many instances of each as
// there are calls at a time, each a process with the function's environment, kept
// for later calls, frozen between them, and killed when a call takes too long.
package lambda

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"berth/sim/runtimeapi"
)

// Function says how a function is run.
type Function struct {
	Name    string
	Program string
	Env     []string // beside it an instance gets AWS_SESSION_TOKEN, which is its own
	Timeout time.Duration
}

// Lambda runs functions.
type Lambda struct {
	slots     chan struct{} // one for each process there is
	calls     atomic.Int64  // that are under way
	mu        sync.Mutex
	functions map[string]*function
	instances map[string]*instance // by session token
	started   int
	closed    bool
}

type function struct {
	Function
	idle []*instance // the one that was used last at the end
}

type instance struct {
	*runtimeapi.Function
	of    *function
	token string
	used  time.Time
}

// New runs at most some processes at a time; more calls wait.
func New(most int) *Lambda {
	return &Lambda{slots: make(chan struct{}, most), functions: map[string]*function{}, instances: map[string]*instance{}}
}

// Add makes a function known, or replaces it for instances that start later.
func (l *Lambda) Add(f Function) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.functions[f.Name] = &function{Function: f}
}

// Error is a call that a function did not answer.
type Error struct {
	Type    string // as "Sandbox.Timedout", or what the function calls it
	Message string
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

// Invoke calls a function with an event.
func (l *Lambda) Invoke(ctx context.Context, name string, event []byte) ([]byte, error) {
	l.calls.Add(1)
	defer l.calls.Add(-1)
	l.mu.Lock()
	f := l.functions[name]
	l.mu.Unlock()
	if f == nil {
		return nil, &Error{"ResourceNotFoundException", "there is no function " + name}
	}
	i, err := l.take(ctx, f)
	if err != nil {
		return nil, err
	}
	// Whoever has called may go away: the call goes on, as it does on Lambda.
	call, stop := context.WithTimeout(context.WithoutCancel(ctx), f.Timeout)
	defer stop()
	answer, err := i.Invoke(call, event)
	var failed runtimeapi.FailedError
	switch {
	case err == nil:
		l.give(i)
		return answer, nil
	case errors.As(err, &failed):
		l.give(i)
		var told struct{ ErrorType, ErrorMessage string }
		json.Unmarshal(failed, &told)
		return nil, &Error{told.ErrorType, told.ErrorMessage}
	case errors.Is(err, context.DeadlineExceeded):
		l.end(i)
		return nil, &Error{"Sandbox.Timedout", fmt.Sprintf("task timed out after %v", f.Timeout)}
	}
	l.end(i)
	return nil, &Error{"Runtime.ExitError", err.Error()}
}

// take is an idle instance, or a new one.
func (l *Lambda) take(ctx context.Context, f *function) (*instance, error) {
	l.mu.Lock()
	if n := len(f.idle); n > 0 {
		i := f.idle[n-1]
		f.idle = f.idle[:n-1]
		l.mu.Unlock()
		return i, nil
	}
	if len(l.slots) == cap(l.slots) {
		if old := l.oldest(); old != nil {
			l.mu.Unlock()
			l.end(old)
			l.mu.Lock()
		}
	}
	l.mu.Unlock()
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	token := rand.Text()
	process, err := runtimeapi.Start(f.Program, append(slices.Clone(f.Env), "AWS_SESSION_TOKEN="+token)...)
	if err != nil {
		<-l.slots
		return nil, err
	}
	i := &instance{Function: process, of: f, token: token}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.instances[token] = i
	l.started++
	return i, nil
}

// oldest takes out the instance that is idle for longest. l.mu is held.
func (l *Lambda) oldest() *instance {
	var from *function
	for _, f := range l.functions {
		if len(f.idle) > 0 && (from == nil || f.idle[0].used.Before(from.idle[0].used)) {
			from = f
		}
	}
	if from == nil {
		return nil
	}
	i := from.idle[0]
	from.idle = from.idle[1:]
	return i
}

func (l *Lambda) give(i *instance) {
	l.mu.Lock()
	i.used = time.Now()
	closed := l.closed
	if !closed {
		i.of.idle = append(i.of.idle, i)
	}
	l.mu.Unlock()
	if closed {
		l.end(i)
	}
}

func (l *Lambda) end(i *instance) {
	i.Close()
	l.mu.Lock()
	delete(l.instances, i.token)
	l.mu.Unlock()
	<-l.slots
}

// Kill ends the instance that has a session token, amid whatever it does. The
// answer is false if there is none.
func (l *Lambda) Kill(token string) bool {
	l.mu.Lock()
	i := l.instances[token]
	l.mu.Unlock()
	if i != nil {
		i.Kill()
	}
	return i != nil
}

// Started tells how many instances have been started.
func (l *Lambda) Started() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.started
}

// Idle tells whether no call is under way.
func (l *Lambda) Idle() bool { return l.calls.Load() == 0 }

// Said is the end of what the instances of a function that are there now have written.
func (l *Lambda) Said(name string) (said string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.instances {
		if i.of.Name == name {
			said += i.Said()
		}
	}
	return said
}

// Close ends all instances.
func (l *Lambda) Close() {
	l.mu.Lock()
	l.closed = true
	var idle []*instance
	for _, f := range l.functions {
		idle = append(idle, f.idle...)
		f.idle = nil
	}
	busy := make([]*instance, 0, len(l.instances))
	for _, i := range l.instances {
		if !slices.Contains(idle, i) {
			busy = append(busy, i)
		}
	}
	l.mu.Unlock()
	for _, i := range idle {
		l.end(i)
	}
	for _, i := range busy {
		i.Kill() // its call ends it
	}
}
