package registry_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"berth/shared/hub"
	"berth/shared/local"
	"berth/shared/routes"
)

// discard is an answer that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

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
				handler.ServeHTTP(&discard{header: make(http.Header, 16)}, req)
			}
		})
	}
}

// What the hub itself spends on a new image's tag, pushed by many at once to the
// storage of one machine.
func BenchmarkPush(b *testing.B) {
	records, err := local.OpenRecords(filepath.Join(b.TempDir(), "records.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { records.Close() })
	r := start(b)
	on := hub.New(records, r.hub.Layers, r.hub.Keys, r.hub.Options)
	on.Log = r.hub.Log
	if _, err := on.CreateAccount(b.Context(), hub.NewAccount{Name: "alice", Password: password, Email: "alice@example.com"}); err != nil {
		b.Fatal(err)
	}
	on.Now = r.hub.Now
	r.hub = on
	handler := routes.Handler(on, nil)
	send := func(as auth, method, path, body string) int {
		req := httptest.NewRequest(method, "/v2/alice/app/"+path, strings.NewReader(body))
		req.Header.Set("Authorization", string(as))
		answer := &discard{header: make(http.Header, 16)}
		handler.ServeHTTP(answer, req)
		return answer.status
	}
	as := r.pusher("alice", "alice/app")
	if status := send(as, "POST", "blobs/uploads/?digest="+digestOf("{}"), "{}"); status != http.StatusCreated {
		b.Fatal(status)
	}
	as = r.pusher("alice", "alice/app")
	const place = "its number"
	before, after, _ := strings.Cut(image("{}", nil, map[string]any{"annotations": map[string]string{"n": place}}), place)
	var last atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			n := fmt.Sprintf("%07d", last.Add(1))
			if status := send(as, "PUT", "manifests/t"+n, before+n+after); status != http.StatusCreated {
				b.Error(status)
			}
		}
	})
}
