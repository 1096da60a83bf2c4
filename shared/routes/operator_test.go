package routes_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store"
	"berth/shared/store/memory"
)

// brokenRecords are records that answer some calls with an error, as a disk does
// that fails.
type brokenRecords struct {
	store.Records
	read, write error
}

func (b *brokenRecords) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if b.read != nil {
		return nil, b.read
	}
	return b.Records.Get(ctx, keys...)
}

func (b *brokenRecords) Write(ctx context.Context, ops ...store.Op) error {
	if b.write != nil {
		return b.write
	}
	return b.Records.Write(ctx, ops...)
}

func TestReadiness(t *testing.T) {
	b := &brokenRecords{Records: memory.NewRecords()}
	h := hub.New(b, memory.NewLayers(), hub.Keys{}, hub.Options{PublicURL: &url.URL{Scheme: "http", Host: "hub.example"}})
	h.Log = slog.New(slog.DiscardHandler)
	handler := routes.Handler(h, nil)
	for _, c := range []struct {
		name        string
		read, write error
		healthz     int
		readyz      int
	}{
		{"well", nil, nil, 200, 200},
		{"no reads", store.ErrUnavailable, nil, 200, 503},
		{"no writes", nil, store.ErrUnavailable, 200, 503},
		{"well again", nil, nil, 200, 200},
	} {
		b.read, b.write = c.read, c.write
		for path, want := range map[string]int{"/healthz": c.healthz, "/readyz": c.readyz} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != want || strings.Contains(w.Body.String(), store.ErrUnavailable.Error()) {
				t.Errorf("%s: %s answers %d %s, not %d", c.name, path, w.Code, w.Body, want)
			}
		}
	}
}

// A full disk is told from a hub that stumbled: repeating the request does not help.
func TestFullStorage(t *testing.T) {
	b := &brokenRecords{Records: memory.NewRecords(), write: fmt.Errorf("%w: %w", store.ErrUnavailable, store.ErrFull)}
	h := hub.New(b, memory.NewLayers(), hub.Keys{}, hub.Options{PublicURL: &url.URL{Scheme: "http", Host: "hub.example"}, OpenSignup: true})
	h.Log = slog.New(slog.DiscardHandler)
	w := httptest.NewRecorder()
	req := httptest.NewRequest("POST", "/v1/auth/register", strings.NewReader(`{"username":"alice","password":"a long password"}`))
	req.Header.Set("Content-Type", "application/json")
	routes.Handler(h, nil).ServeHTTP(w, req)
	if w.Code != 507 || !strings.Contains(w.Body.String(), `"storage_full"`) || !strings.Contains(w.Body.String(), "make room") {
		t.Errorf("the answer is %d %s", w.Code, w.Body)
	}
}

// deadlines notes which of a connection's deadlines were taken away.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write bool
}

func (d *deadlines) SetReadDeadline(t time.Time) error  { d.read = t.IsZero(); return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.write = t.IsZero(); return nil }

// Work on the whole hub may take longer than a connection may stand still.
func TestUpkeepHasTime(t *testing.T) {
	f := fresh(t)
	for _, path := range []string{"/v1/admin/gc", "/v1/admin/retention"} {
		d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		req := httptest.NewRequest("POST", path, nil)
		req.Header.Set("Authorization", "Bearer "+f.token)
		f.server.ServeHTTP(d, req)
		if d.Code != 200 || !d.read || !d.write {
			t.Errorf("%s answers %d %s; without a deadline for reading: %v, for writing: %v", path, d.Code, d.Body, d.read, d.write)
		}
	}
}
