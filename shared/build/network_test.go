package build

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/shared/outbound"
)

// site is a server that remembers what requests reached it.
type site struct {
	*httptest.Server
	mu   sync.Mutex
	came []*http.Request
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.came = append(s.came, r)
		s.mu.Unlock()
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Host, body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) host() string { return s.Listener.Addr().String() }

// taken are the requests since it was called last.
func (s *site) taken() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	came := s.came
	s.came = nil
	return came
}

// said sends bytes, and reads the first answer. It waits for no end of what follows.
func said(t testing.TB, to, request string) (status int, body string, header http.Header) {
	t.Helper()
	c, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	go io.WriteString(c, request) // the answer may come before the end
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: strings.SplitN(request, " ", 2)[0]})
	if err != nil {
		t.Fatalf("%.80q: %v", request, err)
	}
	if resp.StatusCode == 200 && strings.HasPrefix(request, "CONNECT") {
		return 200, "", resp.Header
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%.80q: %v", request, err)
	}
	return resp.StatusCode, string(b), resp.Header
}

// The proxy leads to the hub and to public addresses, however another one is written;
// and to what the operator allows for who shows the key.
func TestProxyAddresses(t *testing.T) {
	hub, inside := newSite(t), newSite(t)
	_, port, _ := net.SplitHostPort(inside.host())
	server := httptest.NewServer(newProxy(hub.host(), "the key", outbound.New([]string{"127.0.0.1"})))
	t.Cleanup(server.Close)
	proxy := server.Listener.Addr().String()
	key := func(k string) string {
		return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("builder:"+k)) + "\r\n"
	}
	ask := func(way, host, more string) (int, string) {
		t.Helper()
		request := fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", host, host, more)
		if way == "GET" {
			request = fmt.Sprintf("GET http://%s/x HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", host, host, more)
		}
		status, body, _ := said(t, proxy, request)
		return status, body
	}
	for _, way := range []string{"CONNECT", "GET"} {
		if status, body := ask(way, hub.host(), ""); status != 200 {
			t.Errorf("%s to the hub: %d %s", way, status, body)
		}
		for _, host := range []string{
			"127.0.0.1:" + port, "localhost:" + port, "LOCALHOST:" + port, "[::ffff:127.0.0.1]:" + port, "[::1]:" + port, "0.0.0.0:" + port,
			"127.0.0.2:" + port, "169.254.169.254:80", "[fd00:ec2::254]:80", "10.0.0.1:80", "192.168.0.1:443", "[fe80::1]:80", "100.100.100.200:80",
		} {
			for _, more := range []string{"", key("another"), key(""), "Proxy-Authorization: Basic\r\n", "Host: " + hub.host() + "\r\n"} {
				status, body := ask(way, host, more)
				if status != 502 && status != 400 || status == 502 && !strings.Contains(body, "does not connect to loopback") {
					t.Errorf("%s to %s with %q: %d %s", way, host, more, status, body)
				}
			}
		}
		if status, _ := ask(way, inside.host(), key("the key")); status != 200 {
			t.Errorf("%s with the key to what is allowed: %d", way, status)
		}
		if status, _ := ask(way, "169.254.169.254:80", key("the key")); status != 502 {
			t.Errorf("%s with the key to what is not allowed: %d", way, status)
		}
	}
	for _, r := range append(hub.taken(), inside.taken()...) {
		if r.Header.Get("Proxy-Authorization") != "" || r.Header.Get("X-Forwarded-For") != "" {
			t.Errorf("the site was told %v", r.Header)
		}
	}
}

// What is no request to a proxy is refused, and nothing rides along with one that is.
func TestProxyRequests(t *testing.T) {
	hub := newSite(t)
	server := httptest.NewServer(newProxy(hub.host(), "key", outbound.New(nil)))
	t.Cleanup(server.Close)
	proxy := server.Listener.Addr().String()
	at := "http://" + hub.host() + "/x"
	for name, test := range map[string]struct {
		request string
		status  int
		reached int
	}{
		"a path":           {"GET /x HTTP/1.1\r\nHost: " + hub.host() + "\r\n\r\n", 400, 0},
		"https":            {"GET https://" + hub.host() + "/x HTTP/1.1\r\nHost: x\r\n\r\n", 400, 0},
		"a file":           {"GET file:///etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 400, 0},
		"no host":          {"GET http:///x HTTP/1.1\r\nHost: " + hub.host() + "\r\n\r\n", 400, 0},
		"connect, no port": {"CONNECT localhost HTTP/1.1\r\nHost: localhost\r\n\r\n", 502, 0},
		"connect a path":   {"CONNECT /x HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n", 502, 0},
		"two lengths":      {"POST " + at + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, 0},
		"length and chunks": {"POST " + at + " HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET " + at +
			"smuggled HTTP/1.1\r\nHost: x\r\n\r\n", 200, 1},
		"other coding":   {"POST " + at + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, 0},
		"space in name":  {"GET " + at + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, 0},
		"line in a name": {"GET " + at + " HTTP/1.1\r\nHost: x\r\nX: a\rX: b\r\n\r\n", 400, 0},
		"many headers":   {"GET " + at + " HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 1500) + "\r\n", 431, 0},
		"whole":          {"GET " + at + " HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nTe: trailers\r\nX-Kept: 1\r\n\r\n", 200, 1},
	} {
		status, body, header := said(t, proxy, test.request)
		came := hub.taken()
		if status != test.status || len(came) != test.reached {
			t.Errorf("%s: %d %s, and %d requests came", name, status, body, len(came))
		}
		for _, r := range came {
			if r.Host != hub.host() || r.Header.Get("X-Mine") != "" || r.URL.Path != "/x" || name == "whole" && r.Header.Get("X-Kept") != "1" {
				t.Errorf("%s: %s%s came with %v", name, r.Host, r.URL, r.Header)
			}
		}
		if header.Get("X-Hop") != "" {
			t.Errorf("%s: the answer has what was for the proxy: %v", name, header)
		}
	}
}

// FuzzProxy sends anything: no more requests go on than came, each to the host that
// it names, and none with what was for the proxy.
func FuzzProxy(f *testing.F) {
	for _, seed := range []string{
		"GET http://a.example/x HTTP/1.1\r\nHost: b\r\n\r\n", "CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"POST http://a.example/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nProxy-Authorization: Basic eA==\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"GET http://u:p@a.example:1/ HTTP/1.0\r\nConnection: keep-alive, X\r\nX: y\r\n\r\nGET http://c/ HTTP/1.1\r\n\r\n",
	} {
		f.Add(seed)
	}
	target := newSite(f)
	var mu sync.Mutex
	dialled := make(map[string]bool) // hosts; of all runs, as one may end in the next
	var asked, reached int
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(address)
		mu.Lock()
		dialled[strings.ToLower(host)] = true
		mu.Unlock()
		return (&net.Dialer{}).DialContext(ctx, network, target.host())
	}}
	p := &proxy{steps: transport, builder: transport}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect { // a tunnel: what goes through it is not the proxy's
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		mu.Lock()
		asked++
		mu.Unlock()
		p.ServeHTTP(w, r)
	}))
	f.Cleanup(server.Close)
	f.Fuzz(func(t *testing.T, request string) {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(200 * time.Millisecond))
		go io.WriteString(c, request+"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		io.Copy(io.Discard, c)
		came := target.taken()
		mu.Lock()
		defer mu.Unlock()
		if reached += len(came); reached > asked {
			t.Errorf("of %d requests became %d", asked, reached)
		}
		for _, r := range came {
			for _, h := range []string{"Proxy-Authorization", "Proxy-Connection", "Te", "Keep-Alive"} {
				if v := r.Header.Get(h); v != "" && !(h == "Te" && v == "trailers") {
					t.Errorf("went on with %s: %s", h, v)
				}
			}
			// What is no host is not told, and one that is not ASCII is told otherwise.
			if host := strings.ToLower((&url.URL{Host: r.Host}).Hostname()); host != "" && !strings.Contains(host, "xn--") && !dialled[host] {
				t.Errorf("a request for %q went elsewhere", r.Host)
			}
		}
	})
}
