package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"berth/shared/store"
)

// Layers is a store.Layers that forgets everything when it is dropped.
type Layers struct {
	mu      sync.Mutex
	objects map[string]*object
}

type object struct {
	data     []byte // never changed in place once readers may have it
	finished bool
	busy     bool
}

// NewLayers returns a store without objects.
func NewLayers() *Layers { return &Layers{objects: make(map[string]*object)} }

// Append implements store.Layers.
func (m *Layers) Append(ctx context.Context, key string, st store.State, r io.Reader) (store.State, error) {
	if err := ctx.Err(); err != nil {
		return st, err
	}
	o, err := m.begin(key, st)
	if err != nil {
		return st, err
	}
	var more bytes.Buffer
	_, err = more.ReadFrom(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	o.data = append(o.data[:st.Size:st.Size], more.Bytes()...)
	o.busy = false
	return store.State{Size: int64(len(o.data))}, err
}

// begin marks the object as being written, and makes it for the zero state.
func (m *Layers) begin(key string, st store.State) (*object, error) {
	if err := store.CheckKey(key); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.objects[key]
	switch {
	case o == nil && st.Size == 0:
		o = &object{}
		m.objects[key] = o
	case o == nil || st.Size < 0 || st.Size > int64(len(o.data)):
		return nil, fmt.Errorf("append to %s at %d: %w", key, st.Size, store.ErrNoObject)
	case o.busy:
		return nil, store.ErrBusy
	case o.finished:
		return nil, errFinished(key)
	}
	o.busy = true
	return o, nil
}

func errFinished(key string) error {
	return errors.New("object " + key + " is finished and cannot be appended to")
}

// Finish implements store.Layers.
func (m *Layers) Finish(ctx context.Context, key string, st store.State) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.CheckKey(key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.objects[key]
	switch {
	case o == nil && st.Size == 0:
		m.objects[key] = &object{finished: true}
		return nil
	case o == nil || st.Size < 0 || st.Size > int64(len(o.data)):
		return fmt.Errorf("finish %s at %d: %w", key, st.Size, store.ErrNoObject)
	case o.busy:
		return store.ErrBusy
	case !o.finished:
		o.data, o.finished = o.data[:st.Size], true
	}
	return nil
}

// Open implements store.Layers.
func (m *Layers) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := store.CheckKey(key); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.objects[key]
	if o == nil || !o.finished {
		return nil, fmt.Errorf("open %s: %w", key, store.ErrNoObject)
	}
	if offset < 0 {
		return nil, fmt.Errorf("open %s at %d: an offset is not negative", key, offset)
	}
	rest := o.data[min(offset, int64(len(o.data))):]
	if length < 0 {
		if offset > int64(len(o.data)) {
			return io.NopCloser(short{bytes.NewReader(nil)}), nil
		}
		return io.NopCloser(bytes.NewReader(rest)), nil
	}
	if length > int64(len(rest)) {
		return io.NopCloser(short{bytes.NewReader(rest)}), nil
	}
	return io.NopCloser(bytes.NewReader(rest[:length])), nil
}

// short is a reader of less than was asked for.
type short struct{ r io.Reader }

func (s short) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// URL implements store.Layers. There is none.
func (m *Layers) URL(context.Context, string, store.URLOptions) (string, error) { return "", nil }

// Address implements store.Layers. There is none.
func (m *Layers) Address(context.Context, string, store.Sent, time.Duration) (store.Address, error) {
	return store.Address{}, nil
}

// Arrived implements store.Layers: nothing is ever sent elsewhere.
func (m *Layers) Arrived(context.Context, string, store.Sent) (store.State, error) {
	return store.State{}, store.ErrNoObject
}

// Delete implements store.Layers.
func (m *Layers) Delete(ctx context.Context, key string, _ store.State) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.CheckKey(key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

// Close implements store.Layers.
func (m *Layers) Close() error { return nil }
