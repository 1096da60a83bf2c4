package build

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"berth/shared/outbound"
)

// The proxy leads a step to the hub and to no other host of a private network, and
// who shows the key to those that the operator allows too, by both ways of HTTP.
func TestProxy(t *testing.T) {
	say := func(text string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Proxy-Authorization") != "" {
				t.Error("the key is passed on")
			}
			fmt.Fprint(w, text)
		}))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	hub, allowed := say("hub"), say("allowed")
	proxy := httptest.NewServer(newProxy(hub, "key", outbound.New([]string{"127.0.0.1"})))
	defer proxy.Close()
	for _, c := range []struct {
		user *url.Userinfo
		to   string
		want bool
	}{
		{nil, hub, true}, {nil, allowed, false},
		{url.UserPassword("builder", "key"), hub, true}, {url.UserPassword("builder", "key"), allowed, true},
		{url.UserPassword("builder", "Key"), allowed, false}, {url.UserPassword("other", "key"), allowed, false}, {url.User("builder"), allowed, false},
		{url.UserPassword("builder", "key"), "169.254.169.254:80", false},
	} {
		at := &url.URL{Scheme: "http", User: c.user, Host: proxy.Listener.Addr().String()}
		for way, get := range map[string]func(*url.URL, string) bool{"forwarding": forwarded, "CONNECT": tunnelled} {
			if got := get(at, c.to); got != c.want {
				t.Errorf("%s to %s as %v: reached is %v, want %v", way, c.to, c.user, got, c.want)
			}
		}
	}
}

func forwarded(proxy *url.URL, to string) bool {
	client := http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return proxy, nil }, DisableKeepAlives: true}}
	resp, err := client.Get("http://" + to + "/")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func tunnelled(proxy *url.URL, to string) bool {
	c, err := net.Dial("tcp", proxy.Host)
	if err != nil {
		return false
	}
	defer c.Close()
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: to}, Host: to, Header: make(http.Header)}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
		req.Header["Proxy-Authorization"] = req.Header["Authorization"]
		delete(req.Header, "Authorization")
	}
	if err := req.Write(c); err != nil {
		return false
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, req)
	if err != nil || resp.StatusCode != http.StatusOK {
		return false
	}
	fmt.Fprintf(c, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", to)
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return err == nil && len(body) > 0
}
