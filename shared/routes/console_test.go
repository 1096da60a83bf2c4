package routes_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"berth/shared/routes"
	"berth/shared/routes/routestest"
)

// Browsers are led to the console, programs told where what is; whoever was compiled
// without a console says so.
func TestConsole(t *testing.T) {
	w := routestest.Make()
	without := open(w)
	without.handler = routes.Handler(without.hub, nil)
	for _, c := range []struct {
		method, path, accept string
		status               int
		says, without        string
	}{
		{"GET", "/", "text/html,application/xhtml+xml,*/*;q=0.8", 303, "", "make build"},
		{"GET", "/", "application/json", 200, `"console":"https://hub.example/console/"`, "make build"},
		{"GET", "/", "*/*", 200, `"openapi":"https://hub.example/openapi.json"`, "make build"},
		{"POST", "/", "", 405, "use GET, HEAD", "use GET, HEAD"},
		{"GET", "/console", "", 200, "<!doctype html>", "make build"},
		{"GET", "/console/", "", 200, "<!doctype html>", "make build"},
		{"GET", "/console/repositories/acme/web.x", "", 200, "<!doctype html>", "make build"},
		{"GET", "/console/assets/console-7.js", "", 200, "document.title", "make build"},
		{"GET", "/console/assets/console-8.js", "", 404, "load its page anew", "make build"},
		{"GET", "/console//assets", "", 404, "there is nothing at", "there is nothing at"},
		{"GET", "/consoles", "", 404, "there is nothing at", "there is nothing at"},
		{"DELETE", "/console/", "", 405, "use GET, HEAD", "use GET, HEAD"},
		{"PUT", "/console/a/b", "", 405, "use GET, HEAD", "use GET, HEAD"},
		{"GET", "/static/images/user/default-logo.png", "", 200, "PNG", "make build"},
	} {
		for _, h := range []*testHub{open(w), without} {
			req := httptest.NewRequest(c.method, c.path, nil)
			req.Header.Set("Accept", c.accept)
			rec := httptest.NewRecorder()
			h.handler.ServeHTTP(rec, req)
			status, says := c.status, c.says
			if h == without {
				if says = c.without; status < 400 {
					status = 404
				}
			}
			if rec.Code != status || !strings.Contains(rec.Body.String(), says) {
				t.Errorf("%s %s, accepting %q, without a console: %v: %d %s, want %d and %q", c.method, c.path, c.accept, h == without, rec.Code, rec.Body, status, says)
			}
			if at := rec.Header().Get("Location"); (rec.Code == 303) != (at == "/console/") {
				t.Errorf("%s %s leads to %q", c.method, c.path, at)
			}
		}
	}
}
