// Package memory keeps records and layers in memory, for tests. It is as strict as
// any backend, and as vague: a page that reached its limit says that there may be
// more, whether or not there is.
package memory

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"berth/shared/store"
)

// Records is a store.Records that forgets everything when it is dropped.
type Records struct {
	mu      sync.RWMutex
	version int64
	parts   map[partition]*items
}

type partition struct {
	table store.Table
	part  string
}

// items are the items of one partition: sorts is sorted and has the keys of byKey.
type items struct {
	sorts []string
	byKey map[string]store.Item
}

// NewRecords returns a store without items.
func NewRecords() *Records {
	return &Records{parts: make(map[partition]*items)}
}

// Get implements store.Records.
func (m *Records) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := store.CheckGet(keys); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	found := make([]store.Item, len(keys))
	for i, key := range keys {
		found[i] = m.at(key)
	}
	return found, nil
}

// List implements store.Records.
func (m *Records) List(ctx context.Context, r store.Range) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, err
	}
	if err := store.CheckRange(r); err != nil {
		return store.Page{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	in := m.parts[partition{r.Table, r.Part}]
	if in == nil || r.Empty() {
		return store.Page{}, nil
	}
	from, _ := slices.BinarySearch(in.sorts, r.From)
	to := len(in.sorts)
	if r.To != "" {
		to, _ = slices.BinarySearch(in.sorts, r.To)
	}
	var page store.Page
	size := 0
	for n := range to - from {
		sort := in.sorts[from+n]
		if r.Reverse {
			sort = in.sorts[to-1-n]
		}
		item := in.byKey[sort]
		page.Items = append(page.Items, item)
		size += item.Size()
		if len(page.Items) == r.Limit || size >= store.MaxPage {
			page.More = true
			break
		}
	}
	return page, nil
}

// Write implements store.Records.
func (m *Records) Write(ctx context.Context, ops ...store.Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.CheckWrite(ops); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range ops {
		if !ops[i].Holds(m.at(ops[i].Key).Version) {
			return &store.ConflictError{Index: i, Key: ops[i].Key}
		}
	}
	m.version++
	after := make([]store.Item, len(ops))
	var size store.WriteSize
	for i := range ops {
		op := &ops[i]
		if op.Kind == store.OpPut || op.Kind == store.OpAdd {
			after[i] = op.Apply(m.at(op.Key), m.version)
			if err := size.Add(after[i]); err != nil {
				return err
			}
			after[i].Value = bytes.Clone(after[i].Value)
		}
	}
	for i := range ops {
		switch ops[i].Kind {
		case store.OpDelete:
			m.remove(ops[i].Key)
		case store.OpPut, store.OpAdd:
			m.set(after[i])
		}
	}
	return nil
}

// Close implements store.Records.
func (m *Records) Close() error { return nil }

func (m *Records) at(key store.Key) store.Item {
	if in := m.parts[partition{key.Table, key.Part}]; in != nil {
		if item, ok := in.byKey[key.Sort]; ok {
			return item
		}
	}
	return store.Item{Key: key}
}

func (m *Records) set(item store.Item) {
	p := partition{item.Table, item.Part}
	in := m.parts[p]
	if in == nil {
		in = &items{byKey: make(map[string]store.Item)}
		m.parts[p] = in
	}
	if at, there := slices.BinarySearch(in.sorts, item.Sort); !there {
		in.sorts = slices.Insert(in.sorts, at, item.Sort)
	}
	in.byKey[item.Sort] = item
}

func (m *Records) remove(key store.Key) {
	p := partition{key.Table, key.Part}
	in := m.parts[p]
	if in == nil {
		return
	}
	at, there := slices.BinarySearch(in.sorts, key.Sort)
	if !there {
		return
	}
	in.sorts = slices.Delete(in.sorts, at, at+1)
	delete(in.byKey, key.Sort)
	if len(in.sorts) == 0 {
		delete(m.parts, p)
	}
}
