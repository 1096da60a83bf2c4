package local

import (
	"slices"
	"sync"
)

// overlay is what the database does not have yet: for each changed key its new
// value, nil where the item was deleted. Keys are those of appendKey.
type overlay struct {
	mu   sync.RWMutex // held to change it; only the committer does
	data map[string]*held
	keys ordered
	room []held // for further ones, which are made many at a time
}

// held is what an overlay has of a key.
type held struct {
	value []byte
	// expired is when the item expires that the database has in place of the value, or
	// one of the constants of that kind.
	expired int64
}

func newOverlay() *overlay { return &overlay{data: make(map[string]*held)} }

// get reports whether the key was changed, and its value. A nil overlay is empty.
func (o *overlay) get(key []byte) (value []byte, changed bool) {
	if o == nil {
		return nil, false
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	h, changed := o.data[string(key)]
	if !changed {
		return nil, false
	}
	return h.value, true
}

// put takes over all changes, which their readers see together or not at all.
func (o *overlay) put(changes []keyValue) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		h := o.data[c.key]
		if h == nil {
			h = o.add(c.key, c.expired)
		}
		h.value = c.value
	}
}

func (o *overlay) add(key string, expired int64) *held {
	if len(o.room) == 0 {
		o.room = make([]held, 64)
	}
	h := &o.room[0]
	o.room = o.room[1:]
	h.expired = expired
	o.data[key] = h
	o.keys.insert(placed{key, h})
	return h
}

type keyValue struct {
	key     string
	value   []byte // nil: deleted
	expired int64  // when the item expired before, see expiryBefore
}

// ordered is a set of keys in their order, in chunks so that an insert moves little.
type ordered struct{ chunks [][]placed }

// placed is a key with what is held of it.
type placed struct {
	key string
	*held
}

const chunkSize = 256

// insert adds a key that is not in the set.
func (o *ordered) insert(p placed) {
	if len(o.chunks) == 0 {
		o.chunks = append(o.chunks, append(make([]placed, 0, chunkSize), p))
		return
	}
	at := o.seek(p.key)
	if at.index < 0 { // before everything
		at = position{0, -1}
	}
	chunk := slices.Insert(o.chunks[at.chunk], at.index+1, p)
	o.chunks[at.chunk] = chunk
	if len(chunk) < chunkSize {
		return
	}
	// Keys often come in order: leave the full chunk behind the last one nearly full.
	cut := chunkSize / 2
	if at.chunk == len(o.chunks)-1 && at.index == len(chunk)-2 {
		cut = chunkSize - 1
	}
	right := append(make([]placed, 0, chunkSize), chunk[cut:]...)
	clear(chunk[cut:])
	o.chunks[at.chunk] = chunk[:cut]
	o.chunks = slices.Insert(o.chunks, at.chunk+1, right)
}

// position is a place in an ordered set. Its index may be one off at either end.
type position struct{ chunk, index int }

// seek finds the last key that is not after key; index is -1 where there is none.
func (o *ordered) seek(key string) position {
	low, high := 0, len(o.chunks) // by hand, because each change to each record seeks
	for low < high {
		if at := (low + high) / 2; o.chunks[at][0].key <= key {
			low = at + 1
		} else {
			high = at
		}
	}
	if low == 0 {
		return position{0, -1}
	}
	chunk := o.chunks[low-1]
	first, past := 1, len(chunk)
	for first < past {
		if at := (first + past) / 2; chunk[at].key <= key {
			first = at + 1
		} else {
			past = at
		}
	}
	return position{low - 1, first - 1}
}

// at is what is at the position.
func (o *ordered) at(p position) (found placed, ok bool) {
	if p.chunk < 0 || p.chunk >= len(o.chunks) || p.index < 0 || p.index >= len(o.chunks[p.chunk]) {
		return placed{}, false
	}
	return o.chunks[p.chunk][p.index], true
}

func (o *ordered) after(p position) position {
	if p.index++; p.chunk < len(o.chunks) && p.index >= len(o.chunks[p.chunk]) {
		return position{p.chunk + 1, 0}
	}
	return p
}

func (o *ordered) before(p position) position {
	if p.index--; p.index < 0 && p.chunk > 0 {
		return position{p.chunk - 1, len(o.chunks[p.chunk-1]) - 1}
	}
	return p
}
