package build

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth/shared/hub"
)

// A manifest is what its digest says, and the token goes to the hub's address alone.
func TestManifestIsHeldAgainstItsDigest(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another host was asked") }))
	defer other.Close()
	config := "sha256:" + strings.Repeat("a", 64)
	body := fmt.Sprintf(`{"config":{"digest":%q}}`, config)
	digest := hub.DigestOf(hub.SHA256, []byte(body))
	for name, test := range map[string]struct{ digest, body, err string }{
		"whole":      {digest, body, ""},
		"sha512":     {hub.DigestOf(hub.SHA512, []byte(body)), body, ""},
		"damaged":    {digest, body + " ", "damaged or replaced"},
		"cut":        {digest, body[:20], "damaged or replaced"},
		"none":       {"", body, "without a digest"},
		"redirected": {"", "", "307"},
	} {
		here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if test.body == "" {
				http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
				return
			}
			w.Header().Set("Docker-Content-Digest", test.digest)
			fmt.Fprint(w, test.body)
		}))
		r, err := newRegistry(hub.Job{Registry: here.URL, Repository: "a/b"})
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.manifest(t.Context(), "latest")
		if test.err == "" && (err != nil || p.digest != test.digest || p.imageID != config) || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		here.Close()
	}
}
