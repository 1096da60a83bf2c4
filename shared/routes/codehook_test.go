package routes_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"berth/shared/routes"
	"berth/shared/routes/routestest"
	"berth/shared/web"
)

// The webhook of a code repository is proven by its secret alone. What it answers is
// as the OpenAPI document says, and it uses no more of the storage than its route says.
func TestCodeHook(t *testing.T) {
	w := routestest.Make()
	doc := apiDocument(t)
	table := routes.Table()
	r := table[slices.IndexFunc(table, func(r web.Route) bool { return r.Name == "code-hook" })]
	h := open(w)
	path, kind, body := w.Request(r, "closed")
	for _, want := range []int{http.StatusAccepted, http.StatusOK} {
		req := httptest.NewRequest(r.Method, path, strings.NewReader(body))
		req.Header.Set("Content-Type", kind)
		req.Header.Set("X-Gitlab-Token", w.Known["hook secret closed"])
		rec := httptest.NewRecorder()
		h.used.take()
		h.handler.ServeHTTP(rec, req)
		if rec.Code != want {
			t.Fatalf("%d %s, want %d", rec.Code, rec.Body, want)
		}
		checkDocumented(t, doc, r, rec)
		checkNeeds(t, r, h)
	}
}
