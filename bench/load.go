package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// wire is one keep-alive connection. Requests go over it as bytes that were
// prepared before, to leave the processor to the server.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func (r *registry) dial() (*wire, error) {
	u, err := url.Parse(r.base)
	if err != nil {
		return nil, err
	}
	var c net.Conn
	if u.Scheme == "https" {
		c, err = tls.Dial("tcp", u.Host, &tls.Config{InsecureSkipVerify: true})
	} else {
		c, err = net.Dial("tcp", u.Host)
	}
	if err != nil {
		return nil, err
	}
	return &wire{c, bufio.NewReaderSize(c, 32<<10)}, nil
}

// send sends a prepared request and reads the answer, which must have that status.
func (w *wire) send(request []byte, method string, want int) error {
	w.SetDeadline(time.Now().Add(time.Minute))
	if _, err := w.Write(request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		msg, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return fmt.Errorf("status %d: %s", resp.StatusCode, msg)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.Close {
		return errors.New("the server closed a keep-alive connection")
	}
	return nil
}

// prepare makes the bytes of a request. Its body may be nil.
func (r *registry) prepare(method, path string, body []byte, ctype string) ([]byte, error) {
	u, err := url.Parse(r.base + path)
	if err != nil {
		return nil, err
	}
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: %s, */*\r\n", method, u.RequestURI(), u.Host, manifestType)
	h, err := r.authorization(method, u)
	if err != nil {
		return nil, err
	}
	if h != "" {
		b = fmt.Appendf(b, "Authorization: %s\r\n", h)
	}
	if body != nil {
		b = fmt.Appendf(b, "Content-Type: %s\r\nContent-Length: %d\r\n", ctype, len(body))
	}
	return append(append(b, "\r\n"...), body...), nil
}

// load sends one request again and again over some connections for a while. It
// returns the request rate and the sorted latencies.
func (r *registry) load(method, path string, conns int, d time.Duration) (rps float64, lat []time.Duration, err error) {
	request, err := r.prepare(method, path, nil, "")
	if err != nil {
		return 0, nil, err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	start := time.Now()
	for range conns {
		wg.Go(func() {
			l, e := r.hammer(request, method, start.Add(d))
			mu.Lock()
			defer mu.Unlock()
			lat = append(lat, l...)
			if e != nil && err == nil {
				err = fmt.Errorf("%s %s: %w", method, r.base+path, e)
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	slices.Sort(lat)
	return float64(len(lat)) / took.Seconds(), lat, err
}

func (r *registry) hammer(request []byte, method string, end time.Time) (lat []time.Duration, err error) {
	w, err := r.dial()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	for t := time.Now(); len(lat) == 0 || t.Before(end); t = time.Now() { // one at least, on however slow a machine
		if err := w.send(request, method, 200); err != nil {
			return lat, err
		}
		lat = append(lat, time.Since(t))
	}
	return lat, nil
}

// each calls f for 0..n-1 from several goroutines and returns the first error.
func each(n, workers int, f func(i int) error) error {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		next  int
		first error
	)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		i := next
		next++
		return i, first == nil && i < n
	}
	for range workers {
		wg.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if err := f(i); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}
