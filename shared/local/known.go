package local

import "sync"

// known keeps what was read of the database beneath a view, so that what many requests
// read is found there once. While a view is the present one the database changes only
// by taking over its frozen overlay, and what that has is not looked up beneath: so
// nothing here can be out of date, and it goes with the view.
type known struct {
	mu   sync.RWMutex
	data map[string][]byte
	size int
}

// Limits of what is kept. What is read once only is not worth more.
const (
	maxKnown      = 4 << 10 // bytes of one value
	maxKnownTotal = 1 << 20 // bytes of all, keys included
)

// get is the item's encoded value, nil if it is not known.
func (k *known) get(key []byte) []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.data[string(key)]
}

// put keeps a value, which must not change. When there are too many it drops all.
func (k *known) put(key, value []byte) {
	size := len(key) + len(value)
	if len(value) > maxKnown {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.size += size; k.data == nil || k.size > maxKnownTotal {
		k.data, k.size = make(map[string][]byte), size
	}
	k.data[string(key)] = value
}
