package storetest

import (
	"context"
	"io"
	"sync"

	"berth/shared/store"
)

// Calls are how often a store of records was called, and with how much.
type Calls struct {
	Gets, GetKeys    int // calls of Get, keys asked for
	Lists, ListItems int // calls of List, items answered
	Writes, Ops      int // calls of Write, operations in them
}

// Reads is the number of calls that read.
func (c Calls) Reads() int { return c.Gets + c.Lists }

// CountedRecords is a store.Records that counts its calls, failed ones too.
type CountedRecords struct {
	store.Records
	mu    sync.Mutex
	calls Calls
}

// Count wraps records.
func Count(records store.Records) *CountedRecords { return &CountedRecords{Records: records} }

// Take gives the calls since the last Take and begins anew.
func (c *CountedRecords) Take() Calls {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = Calls{}
	return calls
}

func (c *CountedRecords) count(change func(*Calls)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.calls)
}

// Get implements store.Records.
func (c *CountedRecords) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	c.count(func(calls *Calls) { calls.Gets++; calls.GetKeys += len(keys) })
	return c.Records.Get(ctx, keys...)
}

// List implements store.Records.
func (c *CountedRecords) List(ctx context.Context, r store.Range) (store.Page, error) {
	page, err := c.Records.List(ctx, r)
	c.count(func(calls *Calls) { calls.Lists++; calls.ListItems += len(page.Items) })
	return page, err
}

// Write implements store.Records.
func (c *CountedRecords) Write(ctx context.Context, ops ...store.Op) error {
	c.count(func(calls *Calls) { calls.Writes++; calls.Ops += len(ops) })
	return c.Records.Write(ctx, ops...)
}

// LayerCalls are how often a store of layers was called, and with how much.
type LayerCalls struct {
	Appends  int
	Appended int64 // bytes that Append took from its reader
	Finishes int
	Opens    int
	URLs     int
	Deletes  int
}

// CountedLayers is a store.Layers that counts its calls, failed ones too.
type CountedLayers struct {
	store.Layers
	mu    sync.Mutex
	calls LayerCalls
}

// CountLayers wraps layers.
func CountLayers(layers store.Layers) *CountedLayers {
	return &CountedLayers{Layers: layers}
}

// Take gives the calls since the last Take and begins anew.
func (c *CountedLayers) Take() LayerCalls {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = LayerCalls{}
	return calls
}

func (c *CountedLayers) count(change func(*LayerCalls)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.calls)
}

// Append implements store.Layers.
func (c *CountedLayers) Append(ctx context.Context, key string, st store.State, r io.Reader) (store.State, error) {
	var read int64
	next, err := c.Layers.Append(ctx, key, st, readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		read += int64(n)
		return n, err
	}))
	c.count(func(calls *LayerCalls) { calls.Appends++; calls.Appended += read })
	return next, err
}

// Finish implements store.Layers.
func (c *CountedLayers) Finish(ctx context.Context, key string, st store.State) error {
	c.count(func(calls *LayerCalls) { calls.Finishes++ })
	return c.Layers.Finish(ctx, key, st)
}

// Open implements store.Layers.
func (c *CountedLayers) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	c.count(func(calls *LayerCalls) { calls.Opens++ })
	return c.Layers.Open(ctx, key, offset, length)
}

// URL implements store.Layers.
func (c *CountedLayers) URL(ctx context.Context, key string, o store.URLOptions) (string, error) {
	c.count(func(calls *LayerCalls) { calls.URLs++ })
	return c.Layers.URL(ctx, key, o)
}

// Delete implements store.Layers.
func (c *CountedLayers) Delete(ctx context.Context, key string, st store.State) error {
	c.count(func(calls *LayerCalls) { calls.Deletes++ })
	return c.Layers.Delete(ctx, key, st)
}
