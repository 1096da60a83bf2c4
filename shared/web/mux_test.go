package web_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"berth/shared/hub"
	"berth/shared/store/memory"
	"berth/shared/web"
)

func echo(name, method, pattern string) web.Route {
	return web.Route{Name: name, Surface: web.SurfaceOf(pattern), Method: method, Pattern: pattern, Rule: web.Open,
		Handle: func(c *web.Call) error { return c.JSON(200, name+" "+c.Var("namespace")+" "+c.Var("repo")) }}
}

// The mux finds each operation with and without its slash, tells a wrong method
// from a path that is not there, and never redirects.
func TestMux(t *testing.T) {
	public, _ := url.Parse("https://hub.example")
	h := hub.New(memory.NewRecords(), memory.NewLayers(), hub.Keys{}, hub.Options{PublicURL: public})
	h.Log = slog.New(slog.DiscardHandler)
	mux := web.Mux(h, []web.Route{
		echo("get-repo", "GET", "/v1/repositories/{namespace}/{repo}"),
		echo("put-repo", "PUT", "/v1/repositories/{namespace}/{repo}"),
		echo("manage", "GET", "/v2/manage/{namespace}/{repo}"),
		echo("tags", "GET", "/v2/{namespace}/{repo}/tags/list"),
	})
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/v1/repositories/a/b", `200 "get-repo a b"`},
		{"GET", "/v1/repositories/a/b/", `200 "get-repo a b"`},
		{"PUT", "/v1/repositories/a/b/", `200 "put-repo a b"`},
		{"GET", "/v2/manage/a/b", `200 "manage a b"`},
		{"GET", "/v2/a/b/tags/list", `200 "tags a b"`},
		{"DELETE", "/v1/repositories/a/b", `405 GET, HEAD, PUT {"errors":[{"code":"method_not_allowed"`},
		{"GET", "/v1/repositories/a", `404 {"errors":[{"code":"not_found"`},
		{"GET", "/v1/repositories//a/b", `404 {"errors":[{"code":"not_found"`},
		{"GET", "/v1/repositories/a/../b", `404 {"errors":[{"code":"not_found"`},
		{"GET", "/v1/repositories/a/b//", `404 {"errors":[{"code":"not_found"`},
		{"GET", "/v2/manage/a", `404 {"errors":[{"errorCode":"SVCSTG.SWR.4040000"`},
		{"GET", "/v2/a/b/tags", `404 {"errors":[{"code":"NAME_UNKNOWN"`},
		{"GET", "/", `404 {"errors":[{"code":"not_found"`},
		{"GET", "/elsewhere", `404 {"errors":[{"code":"not_found"`},
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(c.method, "https://hub.example"+c.path, nil))
		got := strings.Join(strings.Fields(fmt.Sprint(w.Code, " ", w.Header().Get("Allow"), " ", w.Body)), " ")
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %s: got %s, want %s…", c.method, c.path, got, c.want)
		}
		if kind := w.Header().Get("Content-Type"); kind != "application/json" {
			t.Errorf("%s %s: Content-Type %q", c.method, c.path, kind)
		}
	}
}

// A pattern that leaves the rest open fits the path before it too, and "/" itself alone.
func TestOpenPatterns(t *testing.T) {
	h := hub.New(memory.NewRecords(), memory.NewLayers(), hub.Keys{}, hub.Options{PublicURL: &url.URL{Scheme: "https", Host: "hub.example"}})
	h.Log = slog.New(slog.DiscardHandler)
	mux := web.Mux(h, []web.Route{echo("home", "GET", "/"), echo("pages", "GET", "/pages/{repo...}")})
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/", `200 "home  "`},
		{"POST", "/", `405`},
		{"GET", "/other", `404`},
		{"GET", "/pages", `200 "pages  "`},
		{"GET", "/pages/", `200 "pages  "`},
		{"GET", "/pages/a/b.c/", `200 "pages  a/b.c"`},
		{"GET", "/pagesa", `404`},
		{"PUT", "/pages", `405`},
		{"PUT", "/pages/a/b", `405`},
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(c.method, "https://hub.example"+c.path, nil))
		if got := fmt.Sprint(w.Code, " ", w.Body); !strings.HasPrefix(got, c.want) || w.Header().Get("Location") != "" {
			t.Errorf("%s %s: got %s, want %s…", c.method, c.path, got, c.want)
		}
	}
}
