package routes_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store/memory"
)

// testHub is a hub in memory with the whole table.
type testHub struct {
	hub     *hub.Hub
	handler http.Handler
	now     time.Time
}

func newHub(t *testing.T) *testHub {
	t.Helper()
	public, _ := url.Parse("https://hub.example")
	key := bytes.Repeat([]byte{7}, 32)
	h := &testHub{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	h.hub = hub.New(memory.NewRecords(), memory.NewLayers(), hub.Keys{Registry: key, SDK: key, Seal: key}, hub.Options{PublicURL: public})
	h.hub.Log = slog.New(slog.DiscardHandler)
	h.hub.Now = func() time.Time { return h.now }
	h.handler = routes.Handler(h.hub, nil)
	if _, err := h.hub.CreateAccount(context.Background(), hub.NewAccount{Name: "admin", Password: "correct horse", Admin: true}); err != nil {
		t.Fatal(err)
	}
	return h
}
