package runner

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What claims a build goes to the hub's address and to no other that it names.
func TestNoRedirectIsFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another host was asked") }))
	defer other.Close()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		here := httptest.NewServer(http.RedirectHandler(other.URL, status))
		r, err := newRemote(here.URL, "code")
		if err != nil {
			t.Fatal(err)
		}
		err = r.post(t.Context(), "b", "claim", "", map[string]string{"claim": r.claim}, nil)
		if err == nil || !strings.Contains(err.Error(), http.StatusText(status)) {
			t.Errorf("a redirect with %d ends with %v", status, err)
		}
		here.Close()
	}
}
