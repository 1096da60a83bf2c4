package e2e_test

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"sync"
	"sync/atomic"
)

// weakNet is the way to a hub: it counts the requests that pass, and loses what it is
// told to lose.
type weakNet struct {
	url    string
	server *http.Server
	to     atomic.Pointer[url.URL]

	mu     sync.Mutex
	passed []string // METHOD path of each request
	losses []loss
}

// loss is a connection that breaks once: that of the next request that matches, after
// so many bytes of its body, or of the answer's; 0 = before any of it.
type loss struct {
	of     *regexp.Regexp
	after  int64
	answer bool
}

var errLost = errors.New("the connection is lost")

func newWeakNet() (*weakNet, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &weakNet{url: "http://" + l.Addr().String()}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(n.to.Load())
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(res *http.Response) error {
			if l, ok := n.next(res.Request, true); ok {
				if l.after == 0 {
					return errLost
				}
				res.Body = &breaking{res.Body, l.after}
			}
			return nil
		},
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	n.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		n.passed = append(n.passed, r.Method+" "+r.URL.Path)
		n.mu.Unlock()
		if l, ok := n.next(r, false); ok {
			if l.after == 0 {
				panic(http.ErrAbortHandler)
			}
			r.Body = &breaking{r.Body, l.after}
		}
		proxy.ServeHTTP(w, r)
	})}
	go n.server.Serve(l)
	return n, nil
}

// lose breaks the connections of the next requests that match.
func (n *weakNet) lose(l loss, times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for range times {
		n.losses = append(n.losses, l)
	}
}

// next is the loss that a request, or its answer, is to suffer.
func (n *weakNet) next(r *http.Request, answer bool) (loss, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, l := range n.losses {
		if l.answer == answer && l.of.MatchString(r.Method+" "+r.URL.Path) {
			n.losses = append(n.losses[:i], n.losses[i+1:]...)
			return l, true
		}
	}
	return loss{}, false
}

// count is how many requests passed that match, and left how many losses have not
// come yet.
func (n *weakNet) count(of *regexp.Regexp) (count, left int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.passed {
		if of.MatchString(p) {
			count++
		}
	}
	return count, len(n.losses)
}

// breaking is a body that ends too early.
type breaking struct {
	io.ReadCloser
	left int64
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLost
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
