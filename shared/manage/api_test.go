package manage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store"
	"berth/shared/store/memory"
	"berth/shared/store/storetest"
)

// api is a hub in memory, asked over HTTP.
type api struct {
	t       *testing.T
	hub     *hub.Hub
	handler http.Handler
	calls   *storetest.CountedRecords
	faults  *storetest.FaultyRecords
	now     time.Time
	tokens  map[string]string // by account
}

const password = "correct horse"

// newAPI is a hub with the administrator admin and the accounts of the names.
func newAPI(t *testing.T, accounts ...string) *api {
	t.Helper()
	a := &api{t: t, tokens: make(map[string]string), now: time.Date(2015, 9, 2, 8, 37, 13, 728e6, time.UTC)}
	a.faults = storetest.Faulty(memory.NewRecords())
	a.calls = storetest.Count(a.faults)
	public, _ := url.Parse("https://hub.example:8443")
	key := bytes.Repeat([]byte{7}, 32)
	a.hub = hub.New(a.calls, memory.NewLayers(), hub.Keys{Registry: key, SDK: key, Seal: key}, hub.Options{PublicURL: public})
	a.hub.Log = slog.New(slog.DiscardHandler)
	a.hub.Now = func() time.Time { return a.now }
	a.handler = routes.Handler(a.hub, nil)
	for _, name := range append([]string{"admin"}, accounts...) {
		n := hub.NewAccount{Name: name, Password: password, Email: name + "@example.com", Admin: name == "admin"}
		if _, err := a.hub.CreateAccount(context.Background(), n); err != nil {
			t.Fatal(err)
		}
		var made struct{ Token string }
		a.do("", "POST", "/v1/generate-api-token", map[string]string{"username": name, "password": password}).into(200, &made)
		a.tokens[name] = made.Token
	}
	return a
}

// answer is what the hub answered.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

// do sends a request as an account; "" is anonymous. body is nil, a []byte, a form
// (url.Values), a multipart form (fields), or something to send as JSON.
func (a *api) do(as, method, path string, body any, header ...string) answer {
	a.t.Helper()
	var reader io.Reader = http.NoBody
	var kind string
	switch b := body.(type) {
	case nil:
	case string:
		reader, kind = strings.NewReader(b), "application/json"
	case url.Values:
		reader, kind = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	case fields:
		reader, kind = b.encode()
	default:
		j, err := json.Marshal(b)
		if err != nil {
			a.t.Fatal(err)
		}
		reader, kind = bytes.NewReader(j), "application/json;charset=utf-8"
	}
	req := httptest.NewRequest(method, path, reader)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if as != "" {
		req.SetBasicAuth(as, a.tokens[as])
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	a.handler.ServeHTTP(rec, req)
	return answer{a.t, as + " " + method + " " + path, rec.Code, rec.Header(), rec.Body.Bytes()}
}

// fields are name and value, in turn, of a multipart form.
type fields []string

func (f fields) encode() (io.Reader, string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(f); i += 2 {
		w.WriteField(f[i], f[i+1])
	}
	w.Close()
	return &b, w.FormDataContentType()
}

// empty wants a status and no body.
func (r answer) empty(status int) answer {
	r.t.Helper()
	if r.status != status || len(r.body) != 0 {
		r.t.Fatalf("%s: %d %s, want %d and no body", r.what, r.status, r.body, status)
	}
	return r
}

// fails wants the Manage API's envelope with a status and an error number.
func (r answer) fails(status int, number string) answer {
	r.t.Helper()
	var e struct {
		Errors []struct {
			Code    string `json:"errorCode"`
			Message string `json:"errorMessage"`
		} `json:"errors"`
	}
	dec := json.NewDecoder(bytes.NewReader(r.body))
	dec.DisallowUnknownFields()
	err := dec.Decode(&e)
	if r.status != status || err != nil || len(e.Errors) != 1 || e.Errors[0].Code != "SVCSTG.SWR."+number || e.Errors[0].Message == "" {
		r.t.Fatalf("%s: %d %s, want %d and SVCSTG.SWR.%s", r.what, r.status, r.body, status, number)
	}
	if got := r.header.Get("Content-Type"); got != "application/json" {
		r.t.Errorf("%s: an error of type %q", r.what, got)
	}
	return r
}

// says wants a part of the body.
func (r answer) says(part string) answer {
	r.t.Helper()
	if !strings.Contains(string(r.body), part) {
		r.t.Errorf("%s: %s does not say %q", r.what, r.body, part)
	}
	return r
}

// is wants a status and exactly this JSON, with every field.
func (r answer) is(status int, want string) answer {
	r.t.Helper()
	var got, wanted any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		r.t.Fatalf("%s: %v", want, err)
	}
	err := json.Unmarshal(r.body, &got)
	if r.status != status || err != nil || !reflect.DeepEqual(got, wanted) {
		r.t.Fatalf("%s: %d\n%s\nwant %d\n%s", r.what, r.status, r.body, status, want)
	}
	return r
}

// broken is a store whose disk is gone.
type broken struct{ store.Records }

func (broken) Write(context.Context, ...store.Op) error { return io.ErrShortWrite }

// into wants a status and decodes the body.
func (r answer) into(status int, v any) {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: %d %s, want %d", r.what, r.status, r.body, status)
	}
	if err := json.Unmarshal(r.body, v); err != nil {
		r.t.Fatalf("%s: %v: %s", r.what, err, r.body)
	}
}
