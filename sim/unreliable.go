package sim

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Unreliable puts a bad line before a server of S3, until the test ends, and tells
// its address. A share of the requests, from 0 to 1, meets trouble: some are lost or
// refused before anything is done, some are done and their answers lost or cut off.
// injected tells how many.
func Unreliable(t testing.TB, server string, share float64, seed uint64) (address string, injected func() int) {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	line := &badLine{share: share, rnd: rand.New(rand.NewPCG(seed, 4621))}
	proxy := &httputil.ReverseProxy{
		// The signature covers the host that the client named.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, r.In.Host
		},
		ModifyResponse: line.answer,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if line.request(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	return front.URL, func() int {
		line.mu.Lock()
		defer line.mu.Unlock()
		return line.n
	}
}

type badLine struct {
	mu    sync.Mutex
	share float64
	rnd   *rand.Rand
	n     int
}

// draw picks one of n troubles, or -1 for none.
func (l *badLine) draw(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rnd.Float64() >= l.share/2 {
		return -1
	}
	l.n++
	return l.rnd.IntN(n)
}

// request reports whether the request gets through.
func (l *badLine) request(w http.ResponseWriter, r *http.Request) bool {
	switch l.draw(3) {
	case 0:
		panic(http.ErrAbortHandler)
	case 1:
		io.Copy(io.Discard, r.Body)
		refuse(w, http.StatusServiceUnavailable, "SlowDown")
		return false
	case 2:
		io.Copy(io.Discard, r.Body)
		refuse(w, http.StatusInternalServerError, "InternalError")
		return false
	}
	return true
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	io.WriteString(w, "<Error><Code>"+code+"</Code><Message>Please try again.</Message></Error>")
}

// answer loses an answer, or cuts its body off.
func (l *badLine) answer(res *http.Response) error {
	switch l.draw(2) {
	case 0:
		return io.ErrUnexpectedEOF
	case 1:
		if res.ContentLength > 1 && res.StatusCode < 300 {
			res.Body = &cutOff{res.Body, res.ContentLength / 2}
		} else {
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}

// cutOff breaks after some bytes.
type cutOff struct {
	io.ReadCloser
	left int64
}

func (c *cutOff) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
