package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// load sends one request again and again over keep-alive connections for a
// while. It writes the request's bytes itself, to leave the processor to the
// server. It returns the request rate and the sorted latencies.
func (r *registry) load(method, path string, conns int, d time.Duration) (rps float64, lat []time.Duration, err error) {
	u, err := url.Parse(r.base + path)
	if err != nil {
		return 0, nil, err
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAccept: %s, */*\r\n", method, u.RequestURI(), u.Host, manifestType)
	h, err := r.authorization(method, u)
	if err != nil {
		return 0, nil, err
	}
	if h != "" {
		head += "Authorization: " + h + "\r\n"
	}
	raw := []byte(head + "\r\n")
	req := &http.Request{Method: method}

	var wg sync.WaitGroup
	var mu sync.Mutex
	start := time.Now()
	for range conns {
		wg.Go(func() {
			l, e := hammer(u, raw, req, start.Add(d))
			mu.Lock()
			defer mu.Unlock()
			lat = append(lat, l...)
			if e != nil && err == nil {
				err = fmt.Errorf("%s %s: %w", method, u, e)
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	slices.Sort(lat)
	return float64(len(lat)) / took.Seconds(), lat, err
}

func hammer(u *url.URL, raw []byte, req *http.Request, end time.Time) (lat []time.Duration, err error) {
	var c net.Conn
	if u.Scheme == "https" {
		c, err = tls.Dial("tcp", u.Host, &tls.Config{InsecureSkipVerify: true})
	} else {
		c, err = net.Dial("tcp", u.Host)
	}
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(end.Add(30 * time.Second))
	br := bufio.NewReaderSize(c, 32<<10)
	for {
		t := time.Now()
		if t.After(end) {
			return lat, nil
		}
		if _, err := c.Write(raw); err != nil {
			return lat, err
		}
		resp, err := http.ReadResponse(br, req)
		if err != nil {
			return lat, err
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			return lat, fmt.Errorf("status %d", resp.StatusCode)
		}
		lat = append(lat, time.Since(t))
		if resp.Close {
			return lat, fmt.Errorf("the server closed a keep-alive connection")
		}
	}
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
