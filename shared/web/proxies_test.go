package web_test

import (
	"log/slog"
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
	public, _ := url.Parse("https://hub.example")
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
		h := hub.New(memory.NewRecords(), memory.NewLayers(), hub.Keys{}, hub.Options{PublicURL: public})
		h.Log = slog.New(slog.DiscardHandler)
		for p := range strings.SplitSeq(test.trusted, ",") {
			if p != "" {
				h.Options.TrustedProxies = append(h.Options.TrustedProxies, netip.MustParsePrefix(p))
			}
		}
		var got string
		handler := web.Logged(h, web.Mux(h, []web.Route{{Name: "x", Surface: web.HubAPI, Method: "GET", Pattern: "/v1/x", Rule: web.Open,
			Handle: func(c *web.Call) error { got = c.Remote(); return nil }}}), nil)
		req := httptest.NewRequest("GET", "/v1/x", nil)
		req.RemoteAddr = test.from
		if test.forwarded != "" {
			req.Header.Set("X-Forwarded-For", test.forwarded)
		}
		handler.ServeHTTP(httptest.NewRecorder(), req)
		if got != test.want {
			t.Errorf("%v: %s", test, got)
		}
	}
}
