package web_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"testing"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/store/memory"
	"berth/shared/store/storetest"
	"berth/shared/web"
)

// A change that writes no line of its own has one before its answer leaves; what
// fails or reads has none; where the line cannot be written, nobody hears of success.
func TestAuditedAnswers(t *testing.T) {
	public, _ := url.Parse("https://hub.example")
	faults := storetest.Faulty(memory.NewRecords())
	h := hub.New(faults, memory.NewLayers(), hub.Keys{}, hub.Options{PublicURL: public})
	h.Log = slog.New(slog.DiscardHandler)
	entries := func() int64 {
		l, err := h.HubAuditLog(context.Background(), hub.Window{Size: 100})
		if err != nil || int64(len(l.Entries)) != l.Count {
			t.Fatalf("%d entries, count %d, %v", len(l.Entries), l.Count, err)
		}
		return l.Count
	}
	route := func(method, pattern string, handle func(*web.Call) error) web.Route {
		return web.Route{Name: method + pattern, Surface: web.HubAPI, Method: method, Pattern: pattern, Rule: web.Open, Handle: handle}
	}
	quiet := route("POST", "/v1/quiet", func(c *web.Call) error { return c.Empty(202) })
	quiet.Unaudited = true
	handler := web.Mux(h, []web.Route{
		route("POST", "/v1/made", func(c *web.Call) error {
			if entries() != 0 {
				t.Error("there is a line before the change")
			}
			err := c.JSON(201, "made")
			if entries() != 1 {
				t.Error("the answer left before the line was written")
			}
			return err
		}),
		route("GET", "/v1/made", func(c *web.Call) error { return c.JSON(200, "made") }),
		route("PUT", "/v1/failed", func(*web.Call) error { return hub.Fail(hub.Conflict, "no") }),
		route("PUT", "/v1/broken", func(*web.Call) error { return errors.New("disk gone") }),
		route("PUT", "/v1/written", func(c *web.Call) error { _, err := c.W.Write([]byte("x")); return err }),
		quiet,
	})
	for _, test := range []struct {
		method, path string
		status       int
		lines        int64
	}{
		{"POST", "/v1/made", 201, 1}, {"GET", "/v1/made", 200, 1}, {"PUT", "/v1/failed", 409, 1}, {"PUT", "/v1/broken", 500, 1},
		{"POST", "/v1/quiet", 202, 1}, {"PUT", "/v1/written", 200, 2},
	} {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(test.method, test.path, nil))
		if rec.Code != test.status || entries() != test.lines {
			t.Errorf("%s %s: %d %s, %d lines; want %d, %d", test.method, test.path, rec.Code, rec.Body, entries(), test.status, test.lines)
		}
	}

	gone, leave := context.WithCancel(context.Background())
	leave()
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequest("PUT", "/v1/written", nil).WithContext(gone))
	if rec.Code != 200 || entries() != 3 {
		t.Errorf("a client that left: %d, %d lines", rec.Code, entries())
	}

	for _, mode := range storetest.Modes { // lost once: tried again
		before := entries()
		faults.Fail(1, mode)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest("PUT", "/v1/written", nil))
		if rec.Code != 200 || rec.Body.String() != "x" || entries() != before+1 {
			t.Errorf("mode %v: %d %q, %d lines more", mode, rec.Code, rec.Body, entries()-before)
		}
	}
	before := entries()
	h.Records = brokenRecords{h.Records}
	rec = httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequest("PUT", "/v1/written", nil))
	if rec.Code != 500 || entries() != before {
		t.Errorf("without a store: %d %s, %d lines more", rec.Code, rec.Body, entries()-before)
	}
}

// brokenRecords is a store whose disk is gone.
type brokenRecords struct{ store.Records }

func (brokenRecords) Write(context.Context, ...store.Op) error { return errors.New("short write") }
