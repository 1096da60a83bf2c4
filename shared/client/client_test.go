package client

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestAdvice calls servers at addresses that are nearly right.
func TestAdvice(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
	plain, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	host := func(s *httptest.Server) string { return strings.SplitN(s.URL, "://", 2)[1] }
	for _, c := range []struct{ at, want string }{
		{"https://" + host(plain), "http://" + host(plain)},
		{"http://" + host(secure), "https://" + host(secure)},
		{secure.URL, "SSL_CERT_FILE"},
	} {
		u, err := url.Parse(c.at)
		if err != nil {
			t.Fatal(err)
		}
		err = (&Client{URL: u}).Do(t.Context(), http.MethodGet, "/", nil, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s answers %v, which does not say %s", c.at, err, c.want)
		}
	}
}
