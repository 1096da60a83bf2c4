package routes_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

// use is what a request used of the storage, whether it sealed or opened a stored
// secret, and which queues it told of work.
type use struct {
	mu            sync.Mutex
	read, written map[store.Table]bool
	layers        web.Rights
	secrets       bool
	told          []web.Queue
}

func (u *use) add(change func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.read == nil {
		u.read, u.written = map[store.Table]bool{}, map[store.Table]bool{}
	}
	change()
}

// take is what was used since the last time.
func (u *use) take() *use {
	taken := &use{}
	u.add(func() {
		taken.read, taken.written, taken.layers, taken.secrets, taken.told = u.read, u.written, u.layers, u.secrets, u.told
		u.read, u.written, u.layers, u.secrets, u.told = map[store.Table]bool{}, map[store.Table]bool{}, web.NoLayers, false, nil
	})
	return taken
}

func (u *use) ofLayers(r web.Rights) { u.add(func() { u.layers = max(u.layers, r) }) }

type usedRecords struct {
	store.Records
	use *use
}

func (u usedRecords) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	for _, k := range keys {
		u.use.add(func() { u.use.read[k.Table] = true })
	}
	return u.Records.Get(ctx, keys...)
}

func (u usedRecords) List(ctx context.Context, r store.Range) (store.Page, error) {
	u.use.add(func() { u.use.read[r.Table] = true })
	return u.Records.List(ctx, r)
}

func (u usedRecords) Write(ctx context.Context, ops ...store.Op) error {
	for _, op := range ops {
		if op.Kind == store.OpPut && strings.HasPrefix(op.Key.Part, "failed/") {
			continue // a failed log-in, which every route may count
		}
		u.use.add(func() { u.use.written[op.Key.Table] = true })
	}
	return u.Records.Write(ctx, ops...)
}

type usedLayers struct {
	store.Layers
	use *use
}

func (u usedLayers) Append(ctx context.Context, key string, st store.State, r io.Reader) (store.State, error) {
	u.use.ofLayers(web.WriteLayers)
	return u.Layers.Append(ctx, key, st, r)
}

func (u usedLayers) Finish(ctx context.Context, key string, st store.State) error {
	u.use.ofLayers(web.WriteLayers)
	return u.Layers.Finish(ctx, key, st)
}

func (u usedLayers) Delete(ctx context.Context, key string, st store.State) error {
	u.use.ofLayers(web.WriteLayers)
	return u.Layers.Delete(ctx, key, st)
}

func (u usedLayers) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	u.use.ofLayers(web.ReadLayers)
	return u.Layers.Open(ctx, key, offset, length)
}

func (u usedLayers) URL(ctx context.Context, key string, o store.URLOptions) (string, error) {
	u.use.ofLayers(web.ReadLayers)
	return u.Layers.URL(ctx, key, o)
}

func (u usedLayers) Address(ctx context.Context, key string, s store.Sent, lives time.Duration) (store.Address, error) {
	u.use.ofLayers(web.WriteLayers)
	return u.Layers.Address(ctx, key, s, lives)
}

func (u usedLayers) Arrived(ctx context.Context, key string, s store.Sent) (store.State, error) {
	u.use.ofLayers(web.ReadLayers)
	return u.Layers.Arrived(ctx, key, s)
}

type usedSealer struct {
	hub.Sealer
	use *use
}

func (u usedSealer) Seal(ctx context.Context, place string, secret []byte) ([]byte, error) {
	u.use.add(func() { u.use.secrets = true })
	return u.Sealer.Seal(ctx, place, secret)
}

func (u usedSealer) Open(ctx context.Context, place string, sealed []byte) ([]byte, error) {
	u.use.add(func() { u.use.secrets = true })
	return u.Sealer.Open(ctx, place, sealed)
}

// tells lets a hub tell of work as it does on AWS.
func (u *use) tells(h *hub.Hub) {
	told := func(q web.Queue) { u.add(func() { u.told = append(u.told, q) }) }
	h.Hint = func(_ context.Context, hints []hub.Hint) error {
		for _, hint := range hints {
			if hint.Mail {
				told(web.Mail)
			} else {
				told(web.Webhooks)
			}
		}
		return nil
	}
	h.Pulled = func(context.Context, hub.PullCount) error { told(web.Pulls); return nil }
}

// checkNeeds wants a route to have used no more of the storage than it says: where
// a route has rights of its own, it would fail.
func checkNeeds(t *testing.T, r web.Route, h *testHub) {
	t.Helper()
	used := h.used.take()
	needs := r.All()
	for table := range used.read {
		if !slices.Contains(needs.Read, table) && !slices.Contains(needs.Write, table) {
			t.Errorf("%s reads the table %s, which it does not say that it needs", r.Name, table)
		}
	}
	for table := range used.written {
		if !slices.Contains(needs.Write, table) {
			t.Errorf("%s writes the table %s, which it does not say that it needs", r.Name, table)
		}
	}
	if used.layers > needs.Layers {
		t.Errorf("%s uses the layers with the right %d, and says that it needs %d", r.Name, used.layers, needs.Layers)
	}
	for _, q := range used.told {
		if !slices.Contains(needs.Sends, q) {
			t.Errorf("%s tells the queue %s of work, which it does not say that it needs", r.Name, q)
		}
	}
	if used.secrets && !needs.Secrets {
		t.Errorf("%s seals or opens a secret, which it does not say that it needs", r.Name)
	}
}
