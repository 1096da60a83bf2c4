package hub

import (
	"sync"

	"berth/shared/store"
)

// remembered keeps what was made of things that do not change, so that it is made
// once: V belongs to K for ever. It is emptied when it is full. What it gives is
// shared, and must not be changed.
type remembered[K comparable, V any] struct {
	mu sync.RWMutex
	m  map[K]V
}

const rememberedSize = 2048

func (r *remembered[K, V]) get(k K) (V, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v, ok := r.m[k]
	return v, ok
}

func (r *remembered[K, V]) put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m == nil || len(r.m) >= rememberedSize {
		r.m = make(map[K]V)
	}
	r.m[k] = v
}

// revision is one state of an item: a version is never used again for its key.
type revision struct {
	key     store.Key
	version int64
}

// decodeOnce is found for records that many requests read: each of their states is
// decoded once.
func decodeOnce[T any](r *remembered[revision, T], i store.Item) (T, error) {
	at := revision{i.Key, i.Version}
	if v, ok := r.get(at); ok || !i.Found() {
		return v, nil
	}
	v, err := decode[T](i)
	if err == nil {
		r.put(at, v)
	}
	return v, err
}

// pointer is what a pull needs of a tag or of a manifest's record.
type pointer struct {
	Digest    string `json:"digest"`
	MediaType string `json:"media_type"`
	Size      int64  `json:"size"`
	Object    string `json:"object"` // of a manifest
}

// tagRules are what a push needs of a repository.
type tagRules struct {
	ImmutableTags bool `json:"immutable_tags"`
}

// allowance is what a push needs of a namespace.
type allowance struct {
	ID    string `json:"id"`
	Quota int64  `json:"quota"`
}
