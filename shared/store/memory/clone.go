package memory

import (
	"maps"
	"slices"
)

// Clone is a store with the same items, which go different ways from here on.
func (m *Records) Clone() *Records {
	m.mu.RLock()
	defer m.mu.RUnlock()
	c := &Records{version: m.version, parts: make(map[partition]*items, len(m.parts))}
	for p, in := range m.parts {
		c.parts[p] = &items{sorts: slices.Clone(in.sorts), byKey: maps.Clone(in.byKey)}
	}
	return c
}

// Clone is a store with the same objects; none may be under way.
func (m *Layers) Clone() *Layers {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewLayers()
	for key, o := range m.objects {
		c.objects[key] = &object{data: slices.Clone(o.data), finished: o.finished}
	}
	return c
}
