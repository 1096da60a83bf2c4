package web_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"berth/shared/hub"
	"berth/shared/store/memory"
	"berth/shared/web"
)

// Only what trusted proxies wrote counts for the client's address.
func TestClientBehindProxies(t *testing.T) {
	for _, test := range []struct{ trusted, from, forwarded, want string }{
		{"", "10.0.0.1:5", "8.8.8.8", "10.0.0.1"},
		{"10.0.0.0/8", "8.8.4.4:5", "8.8.8.8", "8.8.4.4"},
		{"10.0.0.0/8", "10.0.0.1:5", "", "10.0.0.1"},
		{"10.0.0.0/8", "10.0.0.1:5", "8.8.8.8", "8.8.8.8"},
		{"10.0.0.0/8", "[::ffff:10.0.0.1]:5", "8.8.8.8", "8.8.8.8"},
		{"10.0.0.0/8", "10.0.0.1:5", "1.1.1.1, 8.8.8.8", "8.8.8.8"},
		{"10.0.0.0/8", "10.0.0.1:5", "1.1.1.1, 8.8.8.8,10.9.9.9", "8.8.8.8"},
		{"10.0.0.0/8", "10.0.0.1:5", "1.1.1.1, nonsense, 10.9.9.9", "10.9.9.9"},
		{"10.0.0.0/8", "10.0.0.1:5", "nonsense", "10.0.0.1"},
		{"10.0.0.0/8", "10.0.0.1:5", "10.2.2.2, 10.3.3.3", "10.2.2.2"},
		{"10.0.0.0/8,fd00::/8", "[fd00::1]:5", "[2606:4700::1111]", "2606:4700::1111"},
	} {
		var o hub.Options
		for p := range strings.SplitSeq(test.trusted, ",") {
			if p != "" {
				o.TrustedProxies = append(o.TrustedProxies, netip.MustParsePrefix(p))
			}
		}
		header := http.Header{}
		if test.forwarded != "" {
			header.Set("X-Forwarded-For", test.forwarded)
		}
		if got, _ := seen(t, o, test.from, header); got != test.want {
			t.Errorf("%v: %s", test, got)
		}
	}
}

// seen is the address that a route knows the caller by, and the header that it sees.
func seen(t *testing.T, o hub.Options, from string, header http.Header) (address string, left http.Header) {
	t.Helper()
	o.PublicURL = &url.URL{Scheme: "https", Host: "hub.example"}
	h := hub.New(memory.NewRecords(), memory.NewLayers(), hub.Keys{}, o)
	h.Log = slog.New(slog.DiscardHandler)
	handler := web.Logged(h, web.Mux(h, []web.Route{{Name: "x", Surface: web.HubAPI, Method: "GET", Pattern: "/v1/x", Rule: web.Open,
		Handle: func(c *web.Call) error { address, left = c.Remote(), c.R.Header; return nil }}}), nil)
	req := httptest.NewRequest("GET", "/v1/x", nil)
	req.RemoteAddr, req.Header = from, header
	handler.ServeHTTP(httptest.NewRecorder(), req)
	return address, left
}

// CloudFront's word on who asks counts where it proves that it is CloudFront, and
// nobody else's does.
func TestClientBehindTheEdge(t *testing.T) {
	key := strings.Repeat("k", 64)
	for name, test := range map[string]struct {
		key, want string
		header    http.Header
	}{
		"through the edge":          {key, "198.51.100.7", http.Header{"Berth-Edge": {key}, "Berth-Viewer": {"198.51.100.7"}}},
		"of version 6":              {key, "2001:db8::7", http.Header{"Berth-Edge": {key}, "Berth-Viewer": {"2001:db8::7"}}},
		"of version 4 in version 6": {key, "198.51.100.7", http.Header{"Berth-Edge": {key}, "Berth-Viewer": {"::ffff:198.51.100.7"}}},
		"forged besides":            {key, "198.51.100.7", http.Header{"Berth-Edge": {key}, "Berth-Viewer": {"198.51.100.7"}, "X-Forwarded-For": {"8.8.8.8"}}},
		"past the edge":             {key, "192.0.2.1", http.Header{"Berth-Viewer": {"198.51.100.7"}, "X-Forwarded-For": {"198.51.100.7"}}},
		"with a guess":              {key, "192.0.2.1", http.Header{"Berth-Edge": {key[1:] + "x"}, "Berth-Viewer": {"198.51.100.7"}}},
		"with a part":               {key, "192.0.2.1", http.Header{"Berth-Edge": {key[1:]}, "Berth-Viewer": {"198.51.100.7"}}},
		"with nothing":              {key, "192.0.2.1", http.Header{"Berth-Edge": {""}, "Berth-Viewer": {"198.51.100.7"}}},
		"two keys":                  {key, "192.0.2.1", http.Header{"Berth-Edge": {key, "x"}, "Berth-Viewer": {"198.51.100.7"}}},
		"two addresses":             {key, "192.0.2.1", http.Header{"Berth-Edge": {key}, "Berth-Viewer": {"203.0.113.9", "198.51.100.7"}}},
		"no address":                {key, "192.0.2.1", http.Header{"Berth-Edge": {key}}},
		"nonsense":                  {key, "192.0.2.1", http.Header{"Berth-Edge": {key}, "Berth-Viewer": {"203.0.113.9, 198.51.100.7"}}},
		"a hub without an edge":     {"", "192.0.2.1", http.Header{"Berth-Edge": {""}, "Berth-Viewer": {"198.51.100.7"}}},
	} {
		got, left := seen(t, hub.Options{EdgeKey: test.key}, "192.0.2.1:5", test.header)
		if got != test.want {
			t.Errorf("%s: the caller is %s, want %s", name, got, test.want)
		}
		if left.Get(web.EdgeHeader) != "" || left.Get(web.ViewerHeader) != "" {
			t.Errorf("%s: handlers see %v", name, left)
		}
	}
}
