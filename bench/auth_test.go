package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestScopeOf(t *testing.T) {
	for in, want := range map[string]string{
		"GET /v2/":                                     "",
		"GET /v2/_catalog?n=3":                         "registry:catalog:*",
		"GET /v2/a/b/manifests/latest":                 "repository:a/b:pull",
		"HEAD /v2/a/b/blobs/sha256:0":                  "repository:a/b:pull",
		"GET /v2/a/b/tags/list":                        "repository:a/b:pull",
		"PUT /v2/a/b/manifests/latest":                 "repository:a/b:pull,push",
		"PATCH /v2/a/b/blobs/uploads/x":                "repository:a/b:pull,push",
		"DELETE /v2/a/b/blobs/sha256:0":                "repository:a/b:delete",
		"POST /v2/a/b/blobs/uploads/?mount=x&from=c/d": "repository:a/b:pull,push repository:c/d:pull",
	} {
		method, ref, _ := strings.Cut(in, " ")
		u, err := url.Parse(ref)
		if err != nil {
			t.Fatal(err)
		}
		if got := scopeOf(method, u); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

// guarded is the bare server behind token authentication.
type guarded struct {
	http.Handler
	url    string
	lives  int // seconds, of its tokens
	scopes []string
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v2/token" {
		user, password, _ := r.BasicAuth()
		if user != "admin" || password != "secret" || r.FormValue("service") != "here" {
			w.WriteHeader(401)
			return
		}
		scope := strings.Join(r.Form["scope"], " ")
		g.scopes = append(g.scopes, scope)
		json.NewEncoder(w).Encode(map[string]any{"token": tokenFor(scope), "expires_in": g.lives})
		return
	}
	if _, _, basic := r.BasicAuth(); basic && strings.HasPrefix(r.URL.Path, hubAPI) {
		g.Handler.ServeHTTP(w, r)
		return
	}
	if got, want := r.Header.Get("Authorization"), "Bearer "+tokenFor(scopeOf(r.Method, r.URL)); got != want {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/v2/token",service="here"`, g.url))
		w.WriteHeader(401)
		return
	}
	g.Handler.ServeHTTP(w, r)
}

func tokenFor(scope string) string { return "<" + scope + ">" }

func newGuarded(t *testing.T, lives int) *guarded {
	s := newRawServer()
	s.dir = t.TempDir()
	g := &guarded{Handler: s, lives: lives}
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	g.url = srv.URL
	return g
}

// Every phase works against a registry that wants tokens. Each scope is asked for
// once, and for tags once more when the repositories are there.
func TestPhasesWithTokens(t *testing.T) {
	g := newGuarded(t, 300)
	b, out := newTestBench(t, "-phases", "blob,layers,manifest,tags,catalog", "-repos", "100")
	if err := b.measureURLs([]string{"raw=" + strings.Replace(g.url, "://", "://admin:secret@", 1)}); err != nil {
		t.Fatal(err, out)
	}
	asked := map[string]int{}
	for _, scope := range g.scopes {
		asked[scope]++
		if most := 1 + strings.Count(scope, "/tags"); asked[scope] > most {
			t.Errorf("scope %q was asked for %d times, at most %d", scope, asked[scope], most)
		}
	}
	if scope := "repository:" + b.manifestRepo() + ":pull"; asked[scope] != 1 {
		t.Errorf("scope %q was not asked for", scope)
	}
}

func TestTokenIsRenewed(t *testing.T) {
	g := newGuarded(t, 300)
	r, err := newRegistry(strings.Replace(g.url, "://", "://admin:secret@", 1))
	if err != nil {
		t.Fatal(err)
	}
	pull := func() int {
		t.Helper()
		before := len(g.scopes)
		if _, _, err := r.call("GET", "/v2/a/b/tags/list", nil, "", 200); err != nil {
			t.Fatal(err)
		}
		return len(g.scopes) - before
	}
	if n := pull(); n != 1 {
		t.Errorf("the first pull asked for %d tokens, want 1", n)
	}
	if n := pull(); n != 0 {
		t.Errorf("the second pull asked for %d tokens, want 0", n)
	}
	k := r.auth.tokens["repository:a/b:pull"]
	k.until = time.Now().Add(renewBefore)
	r.auth.tokens["repository:a/b:pull"] = k
	if n := pull(); n != 1 {
		t.Errorf("a pull near the token's end asked for %d tokens, want 1", n)
	}
}

func TestWrongCredentials(t *testing.T) {
	g := newGuarded(t, 300)
	_, err := newRegistry(strings.Replace(g.url, "://", "://admin:wrong@", 1))
	if err == nil || !strings.Contains(err.Error(), "status 401") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("got error %v, want one of status 401 without the password", err)
	}
}

func TestChallenge(t *testing.T) {
	for header, want := range map[string]*auth{
		`Basic realm="x"`: {basic: true},
		`Bearer realm="https://r/v2/token",service="s",scope="repository:a/b:pull"`: {realm: "https://r/v2/token", service: "s"},
	} {
		var a auth
		if err := a.challenged(header); err != nil || a.basic != want.basic || a.realm != want.realm || a.service != want.service {
			t.Errorf("%s: got %+v, %v", header, &a, err)
		}
	}
	for _, header := range []string{"", "Digest x", "Bearer service=\"s\""} {
		var a auth
		if err := a.challenged(header); err == nil {
			t.Errorf("%q gave no error", header)
		}
	}
}
