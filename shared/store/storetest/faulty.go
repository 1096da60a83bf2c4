package storetest

import (
	"context"
	"fmt"
	"io"
	"sync"

	"berth/shared/store"
)

// Mode is how a write fails.
type Mode int

const (
	NotDone      Mode = iota // the write does not happen
	DoneButFails             // the write happens, and is reported as failed
)

// Modes lists both, to range over.
var Modes = []Mode{NotDone, DoneButFails}

func (m Mode) String() string {
	if m == NotDone {
		return "not done"
	}
	return "done but reported failed"
}

// fault counts writes and knows which one fails.
type fault struct {
	mu     sync.Mutex
	writes int
	at     int // fails when writes reaches it; 0: none does
	mode   Mode
	failed int
}

// Fail lets the n-th write from now fail in the mode, counted from 1, and begins to
// count Writes anew. One write fails; n = 0 lets none fail.
func (f *fault) Fail(n int, mode Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes, f.at, f.mode, f.failed = 0, n, mode, 0
}

// Writes counts the writes since Fail was called last, the failed one included.
func (f *fault) Writes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes
}

// Failed reports whether the write that was to fail has come.
func (f *fault) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed > 0
}

func (f *fault) next() (fails bool, mode Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	if f.writes != f.at {
		return false, 0
	}
	f.failed++
	return true, f.mode
}

func (m Mode) err() error { return fmt.Errorf("a fault of the test, %v: %w", m, store.ErrUnavailable) }

// FaultyRecords is a store.Records of which a chosen Write fails. The error wraps
// store.ErrUnavailable.
type FaultyRecords struct {
	store.Records
	fault
}

// Faulty wraps records. Nothing fails before Fail is called.
func Faulty(records store.Records) *FaultyRecords { return &FaultyRecords{Records: records} }

// Write implements store.Records.
func (f *FaultyRecords) Write(ctx context.Context, ops ...store.Op) error {
	fails, mode := f.next()
	if !fails {
		return f.Records.Write(ctx, ops...)
	}
	if mode == DoneButFails {
		if err := f.Records.Write(ctx, ops...); err != nil {
			return err
		}
	}
	return mode.err()
}

// FaultyLayers is a store.Layers of which a chosen Append, Finish or Delete
// fails. The error wraps store.ErrUnavailable.
type FaultyLayers struct {
	store.Layers
	fault
}

// FaultLayers wraps layers. Nothing fails before Fail is called.
func FaultLayers(layers store.Layers) *FaultyLayers { return &FaultyLayers{Layers: layers} }

// Append implements store.Layers. One that is done but fails has taken r's bytes,
// yet gives the state that it was given.
func (f *FaultyLayers) Append(ctx context.Context, key string, st store.State, r io.Reader) (store.State, error) {
	fails, mode := f.next()
	if !fails {
		return f.Layers.Append(ctx, key, st, r)
	}
	if mode == DoneButFails {
		if next, err := f.Layers.Append(ctx, key, st, r); err != nil {
			return next, err
		}
	}
	return st, mode.err()
}

// Finish implements store.Layers.
func (f *FaultyLayers) Finish(ctx context.Context, key string, st store.State) error {
	fails, mode := f.next()
	if !fails {
		return f.Layers.Finish(ctx, key, st)
	}
	if mode == DoneButFails {
		if err := f.Layers.Finish(ctx, key, st); err != nil {
			return err
		}
	}
	return mode.err()
}

// Delete implements store.Layers.
func (f *FaultyLayers) Delete(ctx context.Context, key string, st store.State) error {
	fails, mode := f.next()
	if !fails {
		return f.Layers.Delete(ctx, key, st)
	}
	if mode == DoneButFails {
		if err := f.Layers.Delete(ctx, key, st); err != nil {
			return err
		}
	}
	return mode.err()
}
