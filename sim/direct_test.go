package sim_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/shared/cloud"
	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store"
	"berth/sim"
)

// s3Calls stands before S3 and tells what was asked of it: methods, with the names of
// parameters, and copy where one names a source.
type s3Calls struct {
	mu    sync.Mutex
	calls []string
}

func (c *s3Calls) before(t *testing.T, url string) string {
	t.Helper()
	to, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	// The signature covers the host that the client named.
	next := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := r.Method
		for _, name := range []string{"uploads", "uploadId", "partNumber"} {
			if r.URL.Query().Has(name) {
				what += " " + name
			}
		}
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			what += " copy"
		}
		c.mu.Lock()
		c.calls = append(c.calls, what)
		c.mu.Unlock()
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (c *s3Calls) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

// uploads is a hub on the simulated account, whose calls of S3 are told.
type uploads struct {
	t     *testing.T
	hub   *hub.Hub
	calls s3Calls
}

func newUploads(t *testing.T) *uploads {
	t.Helper()
	u := &uploads{t: t}
	account := sim.NewAccount(t)
	account.Settings[cloud.Settings.S3] = u.calls.before(t, account.Settings[cloud.Settings.S3])
	account.Seed(t)
	u.hub = account.Hub(t)
	return u
}

func (u *uploads) ask(method, path string, body io.Reader) *httptest.ResponseRecorder {
	u.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = "/v2/" + sim.SeedUser + "/" + sim.SeedRepository + path
	}
	req := httptest.NewRequest(method, path, body)
	req.SetBasicAuth(sim.SeedUser, sim.SeedPassword)
	rec := httptest.NewRecorder()
	routes.Handler(u.hub, nil).ServeHTTP(rec, req)
	return rec
}

func digestOf(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

// To commit a blob takes one call of S3, whatever its size, and copies nothing.
func TestCommitCopiesNothing(t *testing.T) {
	u := newUploads(t)
	for _, size := range []int{1000, 1 << 20, 6 << 20, 20<<20 + 77, 41 << 20} {
		data := bytes.Repeat([]byte{byte(size)}, size)
		location := u.ask("POST", "/blobs/uploads/", nil).Header().Get("Location")
		if rec := u.ask("PATCH", location, bytes.NewReader(data)); rec.Code != 202 {
			t.Fatal(rec.Code, rec.Body)
		}
		sent := u.calls.take()
		if rec := u.ask("PUT", location+"?digest="+digestOf(data), nil); rec.Code != 201 {
			t.Fatal(rec.Code, rec.Body)
		}
		if calls := u.calls.take(); len(calls) != 1 || slices.ContainsFunc(append(sent, calls...), func(c string) bool { return strings.Contains(c, "copy") }) {
			t.Errorf("a blob of %d bytes: %v when it was sent, %v when it was committed; want one call and no copy", size, sent, calls)
		}
	}
}

// direct begins an upload past the hub.
func (u *uploads) direct(data []byte) (location, url string, header map[string]string) {
	u.t.Helper()
	rec := u.ask("POST", fmt.Sprintf("/blobs/uploads/?direct=1&digest=%s&size=%d", digestOf(data), len(data)), nil)
	h := rec.Header()
	if rec.Code != 202 || h.Get("Location") == "" || json.Unmarshal([]byte(h.Get("Berth-Direct-Headers")), &header) != nil {
		u.t.Fatal(rec.Code, h, rec.Body)
	}
	return h.Get("Location"), h.Get("Berth-Direct-Url"), header
}

// send reports whether S3 took the bytes.
func send(t *testing.T, url string, header map[string]string, data []byte) bool {
	t.Helper()
	req, err := http.NewRequest("PUT", url, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false // it was refused before all was sent
	}
	res.Body.Close()
	return res.StatusCode == 200
}

// A layer goes straight to S3, which refuses a wrong byte itself; nothing is stored
// then, and nothing can be committed.
func TestDirectUpload(t *testing.T) {
	u := newUploads(t)
	data := bytes.Repeat([]byte("direct "), 1<<20)
	location, url, header := u.direct(data)
	commit := func(want int, says string) {
		t.Helper()
		rec := u.ask("PUT", location+"?digest="+digestOf(data), nil)
		if rec.Code != want || !strings.Contains(rec.Body.String(), says) {
			t.Errorf("the commit: %d %s, want %d", rec.Code, rec.Body, want)
		}
	}
	commit(400, "nothing has arrived")
	wrong := bytes.Clone(data)
	wrong[len(wrong)-1] ^= 1
	if send(t, url, header, wrong) {
		t.Error("S3 took a wrong byte")
	}
	commit(400, "nothing has arrived")
	if rec := u.ask("PATCH", location, strings.NewReader("more")); rec.Code != 400 {
		t.Errorf("bytes to the hub: %d %s, want 400", rec.Code, rec.Body)
	}
	if rec := u.ask("PUT", location+"?digest="+digestOf(wrong), nil); rec.Code != 400 {
		t.Errorf("another digest: %d %s, want 400", rec.Code, rec.Body)
	}
	if !send(t, url, header, data) {
		t.Fatal("S3 refused the right bytes")
	}
	u.calls.take()
	commit(201, "")
	if calls := u.calls.take(); !slices.Equal(calls, []string{"HEAD"}) {
		t.Errorf("the commit asked S3 %v, want one HEAD", calls)
	}
	commit(201, "") // its answer was lost
	rec := u.ask("GET", "/blobs/"+digestOf(data), nil)
	if rec.Code != 307 {
		t.Fatal(rec.Code, rec.Body)
	}
	res, err := http.Get(rec.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes come back, %v; want %d", len(got), err, len(data))
	}
}

// What was sent and never committed is swept, also if it arrives after its upload was
// given up.
func TestAbandonedDirectUpload(t *testing.T) {
	u := newUploads(t)
	now := time.Now().UTC()
	u.hub.Now = func() time.Time { return now }
	left, abandoned, header := u.direct([]byte("abandoned"))
	if !send(t, abandoned, header, []byte("abandoned")) {
		t.Fatal("S3 refused it")
	}
	location, late, header := u.direct([]byte("late"))
	if rec := u.ask("DELETE", location, nil); rec.Code != 204 {
		t.Fatal(rec.Code, rec.Body)
	}
	if _, err := u.hub.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !send(t, late, header, []byte("late")) {
		t.Fatal("S3 refused what came late")
	}
	var objects int
	for _, hours := range []int{25, 25} {
		now = now.Add(time.Duration(hours) * time.Hour)
		report, err := u.hub.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		objects += report.Objects
	}
	if objects != 2 {
		t.Errorf("%d objects were swept, want 2", objects)
	}
	for _, at := range []string{left, location} {
		if _, err := u.hub.Layers.Open(t.Context(), at[strings.LastIndexByte(at, '/')+1:], 0, -1); !errors.Is(err, store.ErrNoObject) {
			t.Errorf("what was sent for %s: %v, want none", at, err)
		}
	}
}
