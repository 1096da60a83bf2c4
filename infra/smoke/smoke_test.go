package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store/memory"
)

const password = "correct horse battery"

// gateway stands before a hub, as AWS does; wrap may do what AWS must not.
func gateway(t *testing.T, wrap func(http.Handler) http.Handler) *prober {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	public, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	key := bytes.Repeat([]byte{7}, 32)
	h := hub.New(memory.NewRecords(), memory.NewLayers(), hub.Keys{Registry: key, SDK: key, Seal: key}, hub.Options{PublicURL: public})
	h.Log = slog.New(slog.DiscardHandler)
	if _, err := h.CreateAccount(t.Context(), hub.NewAccount{Name: "admin", Password: password, Admin: true}); err != nil {
		t.Fatal(err)
	}
	handler = routes.Handler(h, nil)
	if wrap != nil {
		handler = wrap(handler)
	}
	return newProber(context.Background(), server.URL, "admin", password)
}

// A hub behind nothing passes all that it can, and keeps nothing of it.
func TestGood(t *testing.T) {
	p := gateway(t, nil)
	var out strings.Builder
	if failed := run(p, &out, ""); failed != 0 {
		t.Fatal(out.String())
	}
	for _, c := range checks {
		verdict := "ok          "
		if c.id == "layer" || c.id == "direct" { // there is no S3
			verdict = "not checked "
		}
		if !strings.Contains(out.String(), verdict+c.id+" ") {
			t.Errorf("%s is not %q in\n%s", c.id, verdict, out.String())
		}
	}
	if _, err := p.want(404, "GET", "/v1/repositories/"+p.repo, nil, nil); err != nil {
		t.Error(err)
	}
}

// Without a password what everybody may see is checked, and the rest is said.
func TestWithoutPassword(t *testing.T) {
	p := gateway(t, nil)
	p = newProber(context.Background(), p.hub, "admin", "")
	var out strings.Builder
	if failed := run(p, &out, ""); failed != 0 || !strings.Contains(out.String(), "not checked push ") || !strings.Contains(out.String(), "ok          challenge ") {
		t.Error(out.String())
	}
}

// recorded hands on what change made of an answer.
func recorded(change func(r *http.Request, rec *httptest.ResponseRecorder)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			change(r, rec)
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(rec.Code)
			io.Copy(w, rec.Body)
		})
	}
}

// What AWS must not do is found, by the check that is about it.
func TestBad(t *testing.T) {
	var mu sync.Mutex
	kept := map[string]bool{}
	for id, wrap := range map[string]func(http.Handler) http.Handler{
		"challenge": recorded(func(_ *http.Request, rec *httptest.ResponseRecorder) {
			rec.Header()["X-Amzn-Remapped-Www-Authenticate"] = rec.Header()["Www-Authenticate"]
			rec.Header().Del("WWW-Authenticate")
		}),
		"head": recorded(func(r *http.Request, rec *httptest.ResponseRecorder) {
			if r.Method == "HEAD" {
				rec.Header().Set("Content-Length", "0")
			}
		}),
		"date": recorded(func(_ *http.Request, rec *httptest.ResponseRecorder) {
			rec.Header()["Date"] = []string{"Thu", "26 Nov 2026 10:15:00 GMT"}
		}),
		"absent": recorded(func(_ *http.Request, rec *httptest.ResponseRecorder) {
			if rec.Code == 404 {
				rec.Body.Reset()
				rec.Body.WriteString("Not Found")
				rec.Header().Del("Content-Length")
			}
		}),
		"slash": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/") {
					http.NotFound(w, r)
					return
				}
				next.ServeHTTP(w, r)
			})
		},
		// Errors of HEAD are kept, as CloudFront does by default.
		"fresh": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if r.Method == "HEAD" && kept[r.URL.Path] {
					w.WriteHeader(404)
					return
				}
				rec := httptest.NewRecorder()
				next.ServeHTTP(rec, r)
				kept[r.URL.Path] = kept[r.URL.Path] || r.Method == "HEAD" && rec.Code == 404
				for k, v := range rec.Header() {
					w.Header()[k] = v
				}
				w.WriteHeader(rec.Code)
				io.Copy(w, rec.Body)
			})
		},
		// Too large, without a word on what to do.
		"ingest": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ContentLength > 4<<20 {
					http.Error(w, `{"message":"Request Entity Too Large"}`, http.StatusRequestEntityTooLarge)
					return
				}
				next.ServeHTTP(w, r)
			})
		},
		"query": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.URL.RawQuery, _ = url.QueryUnescape(r.URL.RawQuery)
				next.ServeHTTP(w, r)
			})
		},
		// Somebody stands before the hub, and who asks is not said, or is what they say.
		"viewer": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.RemoteAddr = "130.176.0.9:443"
				if claimed := r.Header.Get("X-Forwarded-For"); claimed != "" {
					r.RemoteAddr = claimed + ":443"
				}
				next.ServeHTTP(w, r)
			})
		},
		"resume": recorded(func(_ *http.Request, rec *httptest.ResponseRecorder) { rec.Header().Del("Range") }),
	} {
		var out strings.Builder
		if failed := run(gateway(t, wrap), &out, id); failed != 1 || !strings.Contains(out.String(), "FAILED      "+id+" ") {
			t.Errorf("%s is not found: %s", id, out.String())
		}
	}
}

// The document tells of each check, and of no others that the command would run.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/aws-live-checks.md")
	if err != nil {
		t.Fatal(err)
	}
	byCommand, byHand, _ := strings.Cut(string(text), "The rest wants")
	var ids []string
	for line := range strings.SplitSeq(byCommand, "\n") {
		if id, ok := strings.CutPrefix(line, "| `"); ok {
			id, _, _ = strings.Cut(id, "`")
			ids = append(ids, id)
		}
	}
	var want []string
	for _, c := range checks {
		want = append(want, c.id)
		if strings.Contains(byHand, "\n| `"+c.id+"` |") {
			t.Errorf("%s is said to be checked by hand too", c.id)
		}
	}
	if !slices.Equal(ids, want) {
		t.Errorf("the document has the checks %v, the command %v", ids, want)
	}
}
