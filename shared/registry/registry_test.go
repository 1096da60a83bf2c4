package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store/memory"
	"berth/shared/store/storetest"
)

const password = "correct horse"

// registry is a hub in memory behind real HTTP, with the accounts admin (an
// administrator), alice and bob.
type registry struct {
	t      testing.TB
	hub    *hub.Hub
	server *httptest.Server
	calls  *storetest.CountedRecords

	mu  sync.Mutex
	now time.Time
}

func start(t testing.TB) *registry {
	t.Helper()
	r := &registry{t: t, calls: storetest.Count(memory.NewRecords()), now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	key := bytes.Repeat([]byte{7}, 32)
	r.hub = hub.New(r.calls, memory.NewLayers(), hub.Keys{Registry: key, SDK: key, Seal: key}, hub.Options{})
	r.hub.Log = slog.New(slog.DiscardHandler)
	r.hub.Now = r.clock
	r.server = httptest.NewServer(routes.Handler(r.hub, nil))
	t.Cleanup(func() {
		r.server.Close()
		r.whole()
	})
	r.hub.Options.PublicURL, _ = url.Parse(r.server.URL)
	for _, name := range []string{"admin", "alice", "bob"} {
		n := hub.NewAccount{Name: name, Password: password, Email: name + "@example.com", Admin: name == "admin"}
		if _, err := r.hub.CreateAccount(context.Background(), n); err != nil {
			t.Fatal(err)
		}
	}
	r.calls.Take()
	return r
}

// whole wants every rule about the records to hold, and every byte to be there.
func (r *registry) whole() {
	r.t.Helper()
	report, err := r.hub.Verify(context.Background(), true)
	if err != nil || len(report.Problems) > 0 {
		r.t.Errorf("the hub is not whole: %v, %s", err, strings.Join(report.Problems, "\n"))
	}
}

func (r *registry) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *registry) later(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// auth is the value of an Authorization header; "" sends none.
type auth string

func basic(user string) auth {
	req, _ := http.NewRequest("GET", "/", nil)
	req.SetBasicAuth(user, password)
	return auth(req.Header.Get("Authorization"))
}

// token is a registry token for an account ("" = anonymous), made without HTTP.
func (r *registry) token(account string, scopes ...string) auth {
	r.t.Helper()
	c := hub.Caller{Account: account, Admin: account == "admin"}
	t, err := r.hub.GrantToken(context.Background(), c, hub.ParseScopes(strings.Join(scopes, " ")))
	if err != nil {
		r.t.Fatal(err)
	}
	return auth("Bearer " + r.hub.SignRegistryToken(t))
}

// pusher is a token to pull from and push to repositories.
func (r *registry) pusher(account string, paths ...string) auth {
	r.t.Helper()
	var scopes []string
	for _, path := range paths {
		scopes = append(scopes, "repository:"+path+":pull,push")
	}
	return r.token(account, scopes...)
}

type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
	length int64
}

// do sends a request. A body is a string, bytes or a reader; headers are names and
// values in turn.
func (r *registry) do(as auth, method, path string, body any, headers ...string) answer {
	r.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case []byte:
		reader = bytes.NewReader(b)
	case io.Reader:
		reader = b
	}
	if !strings.HasPrefix(path, "http") {
		path = r.server.URL + path
	}
	req, err := http.NewRequest(method, path, reader)
	if err != nil {
		r.t.Fatal(err)
	}
	if as != "" {
		req.Header.Set("Authorization", string(as))
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{r.t, method + " " + strings.TrimPrefix(path, r.server.URL), res.StatusCode, res.Header, got, res.ContentLength}
}

// is wants a status, and headers: names and values in turn, where "" wants none.
func (a answer) is(status int, headers ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d %s, want %d", a.what, a.status, a.body, status)
	}
	for i := 0; i < len(headers); i += 2 {
		if got := a.header.Get(headers[i]); got != headers[i+1] {
			a.t.Errorf("%s: %s: %q, want %q", a.what, headers[i], got, headers[i+1])
		}
	}
	return a
}

// has wants a body.
func (a answer) has(body string) answer {
	a.t.Helper()
	if string(a.body) != body {
		a.t.Errorf("%s: body %.200q, want %.200q", a.what, a.body, body)
	}
	return a
}

type errorBody struct {
	Errors []struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Detail  any    `json:"detail"`
	} `json:"errors"`
}

// fails wants the registry's error with a status and a code.
func (a answer) fails(status int, code string) answer {
	a.t.Helper()
	var e errorBody
	if err := json.Unmarshal(a.body, &e); err != nil || a.status != status || len(e.Errors) != 1 || e.Errors[0].Code != code || e.Errors[0].Message == "" {
		a.t.Fatalf("%s: %d %s, want %d %s", a.what, a.status, a.body, status, code)
	}
	return a.is(status, "Content-Type", "application/json", "X-Content-Type-Options", "nosniff")
}

func (a answer) decode(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
}

func digestOf(b string) string { return hub.DigestOf(hub.SHA256, []byte(b)) }

// pushBlob pushes a blob in one request.
func (r *registry) pushBlob(as auth, repo, content string) string {
	r.t.Helper()
	d := digestOf(content)
	r.do(as, "POST", "/v2/"+repo+"/blobs/uploads/?digest="+d, content).is(201)
	return d
}

type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int               `json:"size"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Platform     *hub.Platform     `json:"platform,omitempty"`
}

func describe(mediaType, content string) descriptor {
	return descriptor{MediaType: mediaType, Digest: digestOf(content), Size: len(content)}
}

const (
	configType = "application/vnd.oci.image.config.v1+json"
	layerType  = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// image writes an image manifest over a configuration and layers. more are further
// members.
func image(config string, layers []string, more map[string]any) string {
	m := map[string]any{"schemaVersion": 2, "mediaType": hub.MediaOCIManifest, "config": describe(configType, config)}
	list := []descriptor{}
	for _, layer := range layers {
		list = append(list, describe(layerType, layer))
	}
	m["layers"] = list
	return write(m, more)
}

func index(manifests []descriptor, more map[string]any) string {
	return write(map[string]any{"schemaVersion": 2, "mediaType": hub.MediaOCIIndex, "manifests": append([]descriptor{}, manifests...)}, more)
}

func write(m, more map[string]any) string {
	for name, v := range more {
		m[name] = v
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// pushImage pushes an image with one layer that says what, and returns its manifest.
func (r *registry) pushImage(as auth, repo, tag, what string) string {
	r.t.Helper()
	config := `{"architecture":"arm64","os":"linux","what":"` + what + `"}`
	r.pushBlob(as, repo, config)
	r.pushBlob(as, repo, "layer "+what)
	m := image(config, []string{"layer " + what}, nil)
	r.pushManifest(as, repo, tag, m).is(201)
	return m
}

func (r *registry) pushManifest(as auth, repo, reference, m string) answer {
	r.t.Helper()
	var kind struct{ MediaType string }
	if err := json.Unmarshal([]byte(m), &kind); err != nil {
		r.t.Fatal(err)
	}
	return r.do(as, "PUT", "/v2/"+repo+"/manifests/"+reference, m, "Content-Type", kind.MediaType)
}

func (r *registry) tags(as auth, repo string) []string {
	r.t.Helper()
	var list struct{ Tags []string }
	r.do(as, "GET", "/v2/"+repo+"/tags/list", nil).is(200).decode(&list)
	return list.Tags
}

// repository makes one, as /v1 does.
func (r *registry) repository(owner, path string, change func(*hub.Repository)) hub.Repository {
	r.t.Helper()
	ns, name, _ := strings.Cut(path, "/")
	g, err := r.hub.Authorize(context.Background(), hub.Caller{Account: owner, Admin: owner == "admin"}, hub.Target{Namespace: ns, Need: hub.Writer})
	if err != nil {
		r.t.Fatal(err)
	}
	repo := hub.Repository{Name: name, Category: hub.DefaultCategory}
	if change != nil {
		change(&repo)
	}
	if repo, err = r.hub.CreateRepository(context.Background(), g, repo, ""); err != nil {
		r.t.Fatal(err)
	}
	return repo
}

func public(r *hub.Repository) { r.Public = true }

// bytes wants the namespace's counted bytes to be what a recount finds, and n.
func (r *registry) bytes(namespace string, n int) {
	r.t.Helper()
	ctx := context.Background()
	before := r.dump("used/")
	sum, err := r.hub.Recount(ctx, namespace)
	if err != nil {
		r.t.Fatal(err)
	}
	if sum != int64(n) {
		r.t.Errorf("%s has %d bytes, want %d", namespace, sum, n)
	}
	if after := r.dump("used/"); before != after {
		r.t.Errorf("the counters of %s were not what a recount finds: %s, then %s", namespace, before, after)
	}
}

// dump writes the counts of the namespaces' items with that prefix.
func (r *registry) dump(prefix string) string {
	r.t.Helper()
	var lines []string
	for _, name := range []string{"admin", "alice", "bob"} {
		ns, err := r.hub.Namespace(context.Background(), name)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, item := range r.list("repositories", "ns/"+ns.ID, prefix) {
			lines = append(lines, fmt.Sprint(name, " ", item.Sort, " ", item.Counts))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
