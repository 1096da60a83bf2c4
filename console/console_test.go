package console_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"berth/console"
)

func pack(t *testing.T, text string) *fstest.MapFile {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: b.Bytes()}
}

func site(t *testing.T) console.Site {
	t.Helper()
	s, err := console.Open(fstest.MapFS{
		".keep": {}, "index.html.gz": pack(t, "<p>the page"), "assets/console-X.js.gz": pack(t, "let x"), "assets/style-X.css.gz": pack(t, "a {}"),
		"assets/licences-X.txt.gz": pack(t, "MIT"),
	})
	if err != nil || !s.Has() {
		t.Fatalf("%v, %v", s.Has(), err)
	}
	return s
}

// ask is a request of a path below /console/, with headers as "Name: value".
func ask(t *testing.T, s console.Site, method, path string, headers ...string) (*httptest.ResponseRecorder, bool) {
	t.Helper()
	r := httptest.NewRequest(method, "/console/"+path, nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	return w, s.Serve(w, r, path)
}

func TestServe(t *testing.T) {
	s := site(t)
	for _, c := range []struct{ path, kind, caching, body string }{
		{"", "text/html; charset=utf-8", "no-cache", "<p>the page"},
		{"repositories/acme/web.api/tags/v1.2", "text/html; charset=utf-8", "no-cache", "<p>the page"},
		{"assets", "text/html; charset=utf-8", "no-cache", "<p>the page"},
		{"assets/console-X.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "let x"},
		{"assets/style-X.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable", "a {}"},
		{"assets/licences-X.txt", "text/plain; charset=utf-8", "public, max-age=31536000, immutable", "MIT"},
	} {
		for _, takes := range []string{"", "gzip", "br, gzip;q=0.5", "gzip;q=0, br", "deflate"} {
			packed := takes == "gzip" || takes == "br, gzip;q=0.5"
			w, ok := ask(t, s, "GET", c.path, "Accept-Encoding: "+takes)
			var body io.Reader = w.Body
			if packed {
				z, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				body = z
			}
			got, err := io.ReadAll(body)
			h := w.Header()
			if !ok || err != nil || w.Code != 200 || string(got) != c.body || (h.Get("Content-Encoding") == "gzip") != packed {
				t.Errorf("%q, taking %q: %v %d %q %q, %v", c.path, takes, ok, w.Code, h.Get("Content-Encoding"), got, err)
			}
			if h.Get("Content-Type") != c.kind || h.Get("Cache-Control") != c.caching || h.Get("Vary") != "Accept-Encoding" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%q: %v", c.path, h)
			}
			policy := h.Get("Content-Security-Policy")
			if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("%q: policy %q", c.path, policy)
			}
			again, _ := ask(t, s, "GET", c.path, "Accept-Encoding: "+takes, `If-None-Match: "other", W/`+h.Get("ETag"))
			if again.Code != http.StatusNotModified || again.Body.Len() != 0 || again.Header().Get("ETag") != h.Get("ETag") {
				t.Errorf("%q once more: %d with %d bytes", c.path, again.Code, again.Body.Len())
			}
			head, _ := ask(t, s, "HEAD", c.path, "Accept-Encoding: "+takes)
			if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != h.Get("Content-Length") {
				t.Errorf("HEAD %q: %d with %d bytes, %v", c.path, head.Code, head.Body.Len(), head.Header())
			}
		}
	}
	plain, _ := ask(t, s, "GET", "")
	zipped, _ := ask(t, s, "GET", "", "Accept-Encoding: gzip")
	if plain.Header().Get("ETag") == zipped.Header().Get("ETag") {
		t.Error("one tag stands for two forms of the page")
	}
	for _, path := range []string{"assets/", "assets/console-Y.js", "assets/../index.html", "assets/console-X.js.gz", "assets/console-X.js/"} {
		if w, ok := ask(t, s, "GET", path); ok || w.Body.Len() > 0 || len(w.Header()) > 0 {
			t.Errorf("%q: answers %d %s", path, w.Code, w.Body)
		}
	}
}

// A program may be compiled without its console, but not with half of one.
func TestOpen(t *testing.T) {
	if s, err := console.Open(fstest.MapFS{".keep": {}}); err != nil || s.Has() {
		t.Errorf("of nothing: %v, %v", s.Has(), err)
	}
	for _, broken := range []fstest.MapFS{
		{"assets/console-X.js.gz": pack(t, "x")},
		{"index.html.gz": pack(t, "x"), "assets/song.ogg.gz": pack(t, "x")},
	} {
		if _, err := console.Open(broken); err == nil {
			t.Errorf("%v is a site", broken)
		}
	}
	if _, err := console.Built(); err != nil {
		t.Error(err)
	}
}
