package web

import (
	"io"
	"math"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// Patience is how long a connection may make no progress; one that does may take as
// long as it likes. It is meant as the server's ReadTimeout and WriteTimeout, which
// start with each request, and which [Patient] moves on as bytes flow.
const Patience = 2 * time.Minute

// Patient serves next so that a request's deadlines move on while it is read and
// answered. They are set once in Patience/8, not with each piece.
func Patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p := &patientWriter{ResponseWriter: w}
		p.moved.Store(time.Now().UnixNano())
		if req.Body != nil && req.Body != http.NoBody {
			req.Body = &patientBody{req.Body, p}
		}
		next.ServeHTTP(p, req)
	})
}

// patientWriter moves the deadlines while the answer is written.
type patientWriter struct {
	http.ResponseWriter
	moved atomic.Int64 // when the deadlines were last set, in Unix nanoseconds
}

func (p *patientWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *patientWriter) progress() {
	now := time.Now()
	moved := p.moved.Load()
	if now.UnixNano()-moved < int64(Patience/8) || !p.moved.CompareAndSwap(moved, now.UnixNano()) {
		return
	}
	c := http.NewResponseController(p.ResponseWriter)
	c.SetReadDeadline(now.Add(Patience))
	c.SetWriteDeadline(now.Add(Patience))
}

func (p *patientWriter) WriteHeader(status int) {
	p.progress()
	p.ResponseWriter.WriteHeader(status)
}

func (p *patientWriter) Write(b []byte) (int, error) {
	p.progress()
	return p.ResponseWriter.Write(b)
}

// leastPiece is how much of a file is handed to the kernel at first between two looks
// at the clock: whoever takes less than 9 KB a second is cut. Pieces grow up to
// mostPiece while each takes less than a second: a break between pieces costs more
// than half of what a fast connection can do.
const (
	leastPiece = 1 << 20
	mostPiece  = 16 << 20
)

// ReadFrom lets the server hand a file to the kernel instead of copying it.
func (p *patientWriter) ReadFrom(src io.Reader) (total int64, err error) {
	file, left := src, int64(math.MaxInt64)
	l, limited := src.(*io.LimitedReader)
	if limited {
		file, left = l.R, l.N
	}
	if _, ok := file.(*os.File); !ok {
		return io.Copy(struct{ io.Writer }{p}, src)
	}
	for piece := int64(leastPiece); left > 0; {
		p.progress()
		begun := time.Now()
		n, err := io.Copy(p.ResponseWriter, &io.LimitedReader{R: file, N: min(left, piece)})
		if piece = min(2*piece, mostPiece); time.Since(begun) > time.Second {
			piece = leastPiece
		}
		total, left = total+n, left-n
		if n == 0 || err != nil {
			return total, err
		}
		if limited {
			l.N = left
		}
	}
	return total, nil
}

// patientBody moves the deadlines while the request is read.
type patientBody struct {
	io.ReadCloser
	p *patientWriter
}

func (b *patientBody) Read(buf []byte) (int, error) {
	b.p.progress()
	return b.ReadCloser.Read(buf)
}
