package hubapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store/memory"
	"berth/shared/store/storetest"
)

// repoAPI is a hub in memory with two accounts, madams and stranger, and the
// administrator admin.
type repoAPI struct {
	t       *testing.T
	hub     *hub.Hub
	handler http.Handler
	calls   *storetest.CountedRecords
	faults  *storetest.FaultyRecords
	now     time.Time
}

const repoPassword = "correct horse"

func newRepoAPI(t *testing.T) *repoAPI {
	t.Helper()
	a := &repoAPI{t: t, now: time.Date(2014, 11, 19, 5, 54, 22, 741e6, time.UTC)}
	a.over(memory.NewRecords())
	for _, name := range []string{"admin", "madams", "stranger"} {
		n := hub.NewAccount{Name: name, Password: repoPassword, Email: name + "@example.com", Admin: name == "admin"}
		if _, err := a.hub.CreateAccount(context.Background(), n); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// over makes the hub one over these records.
func (a *repoAPI) over(r *memory.Records) {
	a.faults = storetest.Faulty(r)
	a.calls = storetest.Count(a.faults)
	public, _ := url.Parse("https://hub.example:8443")
	key := bytes.Repeat([]byte{7}, 32)
	a.hub = hub.New(a.calls, memory.NewLayers(), hub.Keys{Registry: key, SDK: key, Seal: key}, hub.Options{PublicURL: public})
	a.hub.Log = slog.New(slog.DiscardHandler)
	a.hub.Now = func() time.Time { return a.now }
	a.handler = routes.Handler(a.hub, nil)
}

// repoAnswer is what the hub answered.
type repoAnswer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

// do sends a request as an account; "" is anonymous. A body that is no string is sent as JSON.
func (a *repoAPI) do(as, method, path string, body any) repoAnswer {
	a.t.Helper()
	var reader io.Reader = http.NoBody
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		j, err := json.Marshal(b)
		if err != nil {
			a.t.Fatal(err)
		}
		reader = bytes.NewReader(j)
	}
	req := httptest.NewRequest(method, path, reader)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if as != "" {
		req.SetBasicAuth(as, repoPassword)
	}
	rec := httptest.NewRecorder()
	a.handler.ServeHTTP(rec, req)
	return repoAnswer{a.t, as + " " + method + " " + path, rec.Code, rec.Header(), rec.Body.Bytes()}
}

// is wants a status, and decodes the body into v if it is not nil.
func (r repoAnswer) is(status int, v any) repoAnswer {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: %d %s, want %d", r.what, r.status, r.body, status)
	}
	if v != nil {
		if got := r.header.Get("Content-Type"); got != "application/json" {
			r.t.Errorf("%s: Content-Type %q", r.what, got)
		}
		if err := json.Unmarshal(r.body, v); err != nil {
			r.t.Fatalf("%s: %v in %s", r.what, err, r.body)
		}
	} else if len(r.body) != 0 {
		r.t.Errorf("%s: body %q, want none", r.what, r.body)
	}
	return r
}

// fails wants the hub API's error with a status and a code, whose message has each part.
func (r repoAnswer) fails(status int, code string, parts ...string) {
	r.t.Helper()
	var e struct {
		Errors []struct{ Code, Message, Source string }
	}
	if err := json.Unmarshal(r.body, &e); err != nil || len(e.Errors) != 1 {
		r.t.Fatalf("%s: %d %s, want an error", r.what, r.status, r.body)
	}
	if got := e.Errors[0]; r.status != status || got.Code != code || got.Source != "berth" || got.Message == "" {
		r.t.Errorf("%s: %d %s, want %d %s", r.what, r.status, r.body, status, code)
	}
	for _, p := range parts {
		if !strings.Contains(e.Errors[0].Message, p) {
			r.t.Errorf("%s: %q does not say %q", r.what, e.Errors[0].Message, p)
		}
	}
}

// object is a JSON object of an answer.
type object map[string]any

// has wants each printed field as it is printed: the same value, except that a
// printed time wants any time of its form.
func (o object) has(t *testing.T, printed string) {
	t.Helper()
	var want object
	if err := json.Unmarshal([]byte(printed), &want); err != nil {
		t.Fatal(err)
	}
	for name, w := range want {
		got, ok := o[name]
		if !ok {
			t.Errorf("field %s is missing", name)
			continue
		}
		if s, _ := w.(string); isTime(s) {
			if s, _ := got.(string); !isTime(s) {
				t.Errorf("field %s is %v, want a time like %s", name, got, w)
			}
			continue
		}
		if !reflect.DeepEqual(got, w) {
			t.Errorf("field %s is %#v, want %#v", name, got, w)
		}
	}
}

func isTime(s string) bool {
	_, err := time.Parse("2006-01-02T15:04:05.000Z", s)
	return err == nil && len(s) == len("2014-11-19T05:54:22.741Z")
}

// page is a page of repositories.
type page struct {
	Count    int64
	Next     *string
	Previous *string
	Results  []object
}

func (p page) names() string {
	var names []string
	for _, r := range p.Results {
		names = append(names, r["repo_name"].(string))
	}
	return strings.Join(names, " ")
}

// make makes a repository of madams without asking over HTTP.
func (a *repoAPI) make(name string, public bool) {
	a.t.Helper()
	ctx := context.Background()
	g, err := a.hub.Authorize(ctx, hub.Caller{Account: "madams"}, hub.Target{Namespace: "madams", Need: hub.Writer})
	if err != nil {
		a.t.Fatal(err)
	}
	if _, err := a.hub.CreateRepository(ctx, g, hub.Repository{Name: name, Public: public}, ""); err != nil {
		a.t.Fatal(err)
	}
}

// withToken sends a request without a body with an access token.
func (a *repoAPI) withToken(method, token, path string) repoAnswer {
	a.t.Helper()
	req := httptest.NewRequest(method, path, nil)
	req.Header.Set("Authorization", "Token "+token)
	rec := httptest.NewRecorder()
	a.handler.ServeHTTP(rec, req)
	return repoAnswer{a.t, method + " " + path, rec.Code, rec.Header(), rec.Body.Bytes()}
}

// whole wants every list and count of the hub to be as a recount finds it.
func (a *repoAPI) whole() {
	a.t.Helper()
	report, err := a.hub.Verify(context.Background(), true)
	if err != nil || len(report.Problems) > 0 {
		a.t.Errorf("verify: %v, %q", err, report.Problems)
	}
}
