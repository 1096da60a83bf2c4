package registry_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"berth/shared/routes"
)

// discard is an answer that nobody reads.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// What the hub itself spends on a pull, without net/http's connection.
func BenchmarkPull(b *testing.B) {
	r := start(b)
	as := r.pusher("alice", "alice/app")
	m := r.pushImage(as, "alice/app", "v1", "x")
	as = r.token("alice", "repository:alice/app:pull")
	handler := routes.Handler(r.hub, nil)
	for _, c := range []struct{ name, method, path string }{
		{"manifest by tag", "GET", "manifests/v1"},
		{"manifest by digest", "GET", "manifests/" + digestOf(m)},
		{"ask for a tag", "HEAD", "manifests/v1"},
		{"ask for a blob", "HEAD", "blobs/" + digestOf("layer x")},
	} {
		b.Run(c.name, func(b *testing.B) {
			req := httptest.NewRequest(c.method, "/v2/alice/app/"+c.path, nil)
			req.Header.Set("Authorization", string(as))
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(&discard{make(http.Header, 16)}, req)
			}
		})
	}
}
