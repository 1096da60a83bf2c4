// Package tail keeps the end of what programs write.
package tail

import "sync"

const size = 64 << 10

// Buffer is an io.Writer for several goroutines. It keeps at least the last 64 KiB.
type Buffer struct {
	mu sync.Mutex
	b  []byte
}

func (t *Buffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*size {
		t.b = append(t.b[:0], t.b[len(t.b)-size:]...)
	}
	return len(p), nil
}

func (t *Buffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
