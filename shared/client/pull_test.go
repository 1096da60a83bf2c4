package client

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/shared/hub"
)

// oneImage is a registry with an image a/b:v1, of one layer, whose configuration says
// what it is for.
func oneImage(t *testing.T, platform, layer, sent string) *Client {
	t.Helper()
	digest := func(s string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s))) }
	config := fmt.Sprintf(`{%s"rootfs":{"type":"layers","diff_ids":[]}}`, platform)
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`,
		hub.MediaOCIManifest, hub.MediaOCIConfig, digest(config), len(config), digest(layer), len(layer))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v2/token":
			io.WriteString(w, `{"token":"secret","expires_in":300}`)
		case "/v2/a/b/manifests/v1":
			w.Header().Set("Content-Type", hub.MediaOCIManifest)
			w.Header().Set("Docker-Content-Digest", digest(manifest))
			io.WriteString(w, manifest)
		case "/v2/a/b/blobs/" + digest(config):
			io.WriteString(w, config)
		case "/v2/a/b/blobs/" + digest(layer):
			io.WriteString(w, sent)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &Client{URL: at}
}

// An image by itself is pulled for the platform that it is for alone.
func TestPullForAPlatform(t *testing.T) {
	const arm, any = `"os":"linux","architecture":"arm64",`, ``
	from := Reference{Name: Name{"a", "b"}, Tag: "v1"}
	for _, test := range []struct {
		is, wanted, says string
	}{
		{arm, "", ""}, {arm, "linux/arm64", ""}, {arm, "linux/arm64/v8", ""}, {any, "linux/amd64", ""},
		{arm, "linux/amd64", "is for linux/arm64, not for linux/amd64"}, {arm, "linux/arm", "not for linux/arm"},
	} {
		dir := t.TempDir()
		c := oneImage(t, test.is, "layer", "layer")
		_, err := c.Pull(t.Context(), from, test.wanted, filepath.Join(dir, "x.tar"), func(Event) {})
		left, _ := os.ReadDir(dir)
		if test.says == "" && (err != nil || len(left) != 1) || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says) || len(left) > 0) {
			t.Errorf("%s for %q: %v, %v", test.is, test.wanted, err, left)
		}
	}
}

// A layer that is another than the manifest says leaves no archive, and no part that a
// later pull would go on from.
func TestPullOfAnotherLayer(t *testing.T) {
	c := oneImage(t, "", "layer", "lazer and more")
	from := Reference{Name: Name{"a", "b"}, Tag: "v1"}
	dir := t.TempDir()
	for _, path := range []string{"x.tar", "folder"} {
		_, err := c.Pull(t.Context(), from, "", filepath.Join(dir, path), func(Event) {})
		if err == nil || !strings.Contains(err.Error(), "damaged or replaced") {
			t.Errorf("%s: %v", path, err)
		}
	}
	parts, _ := filepath.Glob(filepath.Join(dir, "folder", "blobs", "*", fmt.Sprintf("%x*", sha256.Sum256([]byte("layer")))))
	tars, _ := filepath.Glob(filepath.Join(dir, "*.tar"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	_, index := os.Stat(filepath.Join(dir, "folder", "index.json"))
	if len(parts)+len(tars)+len(hidden) > 0 || index == nil {
		t.Errorf("left are %v %v %v, index.json: %v", parts, tars, hidden, index)
	}
}
