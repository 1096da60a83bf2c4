package hub

import (
	"hash"
	"io"
)

// hashReader reads from another reader and sums what it gives in a goroutine of
// its own, so that neither the disk nor the sum waits for the other. Its memory is
// two pieces of hashPiece bytes. The sums are complete after Close.
type hashReader struct {
	src  io.Reader
	err  error // what src ended with, once its last bytes were given
	free chan []byte
	full chan []byte
	done chan struct{}
}

const hashPiece = 128 << 10

func newHashReader(src io.Reader, sums ...hash.Hash) *hashReader {
	r := &hashReader{src: src, free: make(chan []byte, 2), full: make(chan []byte, 2), done: make(chan struct{})}
	r.free <- make([]byte, hashPiece)
	r.free <- make([]byte, hashPiece)
	go func() {
		defer close(r.done)
		for b := range r.full {
			for _, sum := range sums {
				sum.Write(b)
			}
			r.free <- b[:hashPiece]
		}
	}()
	return r
}

// Read fills p as far as one piece goes, so that small reads of the source do not
// become small writes.
func (r *hashReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) > hashPiece {
		p = p[:hashPiece]
	}
	n, err := 0, error(nil)
	for n < len(p) && err == nil {
		var m int
		m, err = r.src.Read(p[n:])
		n += m
	}
	r.err = err
	if n == 0 {
		return 0, err
	}
	b := <-r.free
	r.full <- b[:copy(b, p[:n])]
	return n, nil
}

// Err is the error of the source, nil if it ended well or was not read to its end.
func (r *hashReader) Err() error {
	if r.err == io.EOF {
		return nil
	}
	return r.err
}

// Close waits for the sums. It may be called once.
func (r *hashReader) Close() {
	close(r.full)
	<-r.done
}
