package local

import "strings"

// arena gives out memory for bytes that live about as long as each other, many out
// of one piece.
type arena struct {
	free  []byte
	piece int // length of the last piece
	begun bool
}

const (
	arenaPiece    = 1 << 10 // the first piece; each next one is twice as long
	maxArenaPiece = 32 << 10
)

// take gives room for n bytes to be appended.
func (a *arena) take(n int) []byte {
	switch {
	case !a.begun || n > maxArenaPiece/4:
		// The first is often the only one, and a big one fills a piece by itself.
		a.begun = true
		return make([]byte, 0, n)
	case n > len(a.free):
		a.piece = min(max(2*a.piece, arenaPiece), maxArenaPiece)
		a.free = make([]byte, max(a.piece, n))
	}
	b := a.free[:0:n]
	a.free = a.free[n:]
	return b
}

// copy gives the bytes a place of their own.
func (a *arena) copy(b []byte) []byte { return append(a.take(len(b)), b...) }

// stringArena is an arena for strings.
type stringArena struct{ piece strings.Builder }

// copy gives the bytes a place of their own.
func (a *stringArena) copy(b []byte) string {
	if a.piece.Cap()-a.piece.Len() < len(b) {
		a.piece.Reset() // what was given out keeps its piece
		a.piece.Grow(max(maxArenaPiece, len(b)))
	}
	at := a.piece.Len()
	a.piece.Write(b)
	return a.piece.String()[at:]
}
