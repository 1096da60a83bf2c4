package client

import (
	"context"
	"io"
	"sync"
)

// State is what becomes of a layer.
type State string

const (
	Packing State = "packing" // it is compressed before it is sent
	Moving  State = "moving"
	Moved   State = "done"
	There   State = "already there"
)

// Event tells how far a layer, or another blob, has come.
type Event struct {
	Digest     string // while it is packed, its name in the archive
	State      State
	Done, Size int64 // bytes
}

// Watch is told of events, from several goroutines at once and often.
type Watch func(Event)

// parallel is how many blobs move at once.
const parallel = 4

// each does f for every item, a few at once. The first failure ends the others, and
// is the answer.
func each[T any](ctx context.Context, items []T, f func(context.Context, T) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var group sync.WaitGroup
	next := make(chan T)
	for range min(parallel, len(items)) {
		group.Go(func() {
			for item := range next {
				if err := f(ctx, item); err != nil {
					stop(err)
				}
			}
		})
	}
	for _, item := range items {
		select {
		case next <- item:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	group.Wait()
	return context.Cause(ctx)
}

// counted tells of what is read.
type counted struct {
	io.Reader
	tell func(n int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if n > 0 {
		c.tell(int64(n))
	}
	return n, err
}
