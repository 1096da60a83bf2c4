package local

import (
	"go.etcd.io/bbolt"

	"berth/shared/store"
)

// source gives keys and values in order, and no key at its end. A nil value is that
// of a deleted item.
type source interface {
	next() (key string, value []byte, ok bool)
}

// bounds are the first key of a range and the first one after it.
type bounds struct {
	from, past string
	reverse    bool
}

func boundsOf(r store.Range) bounds {
	b := bounds{from: string(appendKey(nil, r.Table, r.Part, r.From)), reverse: r.Reverse}
	if r.To != "" {
		b.past = string(appendKey(nil, r.Table, r.Part, r.To))
	} else {
		// No sort key has this byte, for it is in no UTF-8.
		b.past = string(append(appendKey(nil, r.Table, r.Part, ""), 0xff))
	}
	return b
}

func (b *bounds) has(key string) bool { return b.from <= key && key < b.past }

// overlayWalk goes over an overlay, which must not change meanwhile.
type overlayWalk struct {
	bounds
	over *overlay
	at   position
}

func walkOverlay(o *overlay, b bounds) *overlayWalk {
	w := &overlayWalk{bounds: b, over: o}
	if b.reverse {
		w.at = o.keys.seek(b.past)
		if found, ok := o.keys.at(w.at); ok && found.key == b.past {
			w.at = o.keys.before(w.at)
		}
		return w
	}
	w.at = o.keys.seek(b.from)
	if found, ok := o.keys.at(w.at); !ok || found.key != b.from {
		w.at = o.keys.after(w.at)
	}
	return w
}

func (w *overlayWalk) next() (string, []byte, bool) {
	found, ok := w.over.keys.at(w.at)
	if !ok || !w.has(found.key) {
		return "", nil, false
	}
	if w.reverse {
		w.at = w.over.keys.before(w.at)
	} else {
		w.at = w.over.keys.after(w.at)
	}
	return found.key, found.value, true
}

// databaseWalk goes over a bucket. It copies the values.
type databaseWalk struct {
	bounds
	cursor *bbolt.Cursor
	begun  bool
	table  byte
	arena  arena
}

func walkDatabase(tx *bbolt.Tx, table store.Table, b bounds) *databaseWalk {
	return &databaseWalk{bounds: b, cursor: tx.Bucket([]byte(table)).Cursor(), table: b.from[0]}
}

func (w *databaseWalk) next() (string, []byte, bool) {
	var k, v []byte
	switch {
	case w.begun && w.reverse:
		k, v = w.cursor.Prev()
	case w.begun:
		k, v = w.cursor.Next()
	case w.reverse:
		if k, _ = w.cursor.Seek([]byte(w.past[1:])); k == nil {
			k, v = w.cursor.Last()
		} else {
			k, v = w.cursor.Prev()
		}
	default:
		k, v = w.cursor.Seek([]byte(w.from[1:]))
	}
	w.begun = true
	if k == nil {
		return "", nil, false
	}
	var space [128]byte
	key := string(append(append(space[:0], w.table), k...))
	if !w.has(key) {
		return "", nil, false
	}
	return key, w.arena.copy(v), true
}

// merge goes over sources as over one. Of a key that several have, the first
// source's value counts; deleted items are passed over.
type merge struct {
	reverse bool
	sources []source
	heads   []keyValue
	live    []bool // the head is there
}

func newMerge(reverse bool, sources ...source) *merge {
	m := &merge{reverse: reverse, sources: sources, heads: make([]keyValue, len(sources)), live: make([]bool, len(sources))}
	for i := range sources {
		m.advance(i)
	}
	return m
}

func (m *merge) advance(i int) {
	m.heads[i].key, m.heads[i].value, m.live[i] = m.sources[i].next()
}

func (m *merge) next() (string, []byte, bool) {
	for {
		best := -1
		for i := range m.sources {
			if m.live[i] && (best < 0 || m.heads[i].key != m.heads[best].key && m.heads[i].key < m.heads[best].key != m.reverse) {
				best = i
			}
		}
		if best < 0 {
			return "", nil, false
		}
		found := m.heads[best]
		for i := best; i < len(m.sources); i++ {
			if m.live[i] && m.heads[i].key == found.key {
				m.advance(i)
			}
		}
		if found.value != nil {
			return found.key, found.value, true
		}
	}
}
