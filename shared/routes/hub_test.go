package routes_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/routes/routestest"
	"berth/shared/store/storetest"
)

// testHub is a hub that began as a world.
type testHub struct {
	hub     *hub.Hub
	handler http.Handler
	calls   *storetest.CountedRecords
	used    *use
}

// open is a hub of its own that begins as the world.
func open(w *routestest.World) *testHub {
	u := &use{}
	h := &testHub{calls: storetest.Count(usedRecords{w.Records.Clone(), u}), used: u}
	h.hub = hub.New(h.calls, usedLayers{w.Layers.Clone(), u}, routestest.Keys, w.Options)
	h.hub.Sealer = usedSealer{hub.KeySealer{Key: routestest.Keys.Seal, Rand: h.hub.Rand}, u}
	u.tells(h.hub)
	h.hub.Log = slog.New(slog.DiscardHandler)
	h.hub.Now = func() time.Time { return w.Now }
	h.handler = routes.Handler(h.hub, nil, routestest.Console...)
	return h
}

// do sends a request with the credentials of somebody: see callers.
func (h *testHub) do(w *routestest.World, who, method, path, kind string, body io.Reader) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, body)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if who != "anonymous" {
		req.SetBasicAuth(who, w.Tokens[who])
	}
	rec := httptest.NewRecorder()
	h.calls.Take()
	h.used.take()
	h.handler.ServeHTTP(rec, req)
	return rec
}

// decode reads a JSON answer.
func decode(t *testing.T, rec *httptest.ResponseRecorder) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Errorf("%v in %q", err, rec.Body)
	}
	return v
}
