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

// pointer is what a pull needs of a tag.
type pointer struct {
	Digest    string `json:"digest"`
	MediaType string `json:"media_type"`
	Size      int64  `json:"size"`
}

// pointer decodes a tag for a pull. The tags that are pulled most are decoded once.
func (h *Hub) pointer(i store.Item) (pointer, error) {
	at := revision{i.Key, i.Version}
	if p, ok := h.pointers.get(at); ok {
		return p, nil
	}
	p, err := decode[pointer](i)
	if err == nil {
		h.pointers.put(at, p)
	}
	return p, err
}
