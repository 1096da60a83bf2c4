package routes_test

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
	"strings"
	"sync"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/routes/routestest"
	"berth/shared/store"
	"berth/shared/store/memory"
	"berth/shared/store/storetest"
)

// faultHub is a hub whose storage fails on request.
type faultHub struct {
	t       *testing.T
	hub     *hub.Hub
	records *storetest.FaultyRecords
	layers  *storetest.FaultyLayers
	server  http.Handler
	token   string
	now     time.Time
}

// seeded is the hub that every fault meets anew: an administrator who is logged
// in, an organisation, another account, a repository with an image and some tags.
var seeded = sync.OnceValue(func() *faultHub {
	f := &faultHub{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	f.over(memory.NewRecords(), memory.NewLayers())
	f.seed()
	return f
})

// seed fills an empty hub.
func (f *faultHub) seed() {
	ctx := context.Background()
	for _, name := range []string{"admin", "alice"} {
		if _, err := f.hub.CreateAccount(ctx, hub.NewAccount{Name: name, Password: "correct horse", Admin: name == "admin"}); err != nil {
			panic(err)
		}
	}
	var got struct{ Token string }
	answer := f.do(request{method: "POST", path: "/v1/generate-api-token", body: `{"username":"admin","password":"correct horse"}`})
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
		panic(err)
	}
	f.token = got.Token
	f.must(request{method: "POST", path: "/v1/orgs", body: `{"name":"team"}`})
	f.must(request{method: "POST", path: "/v1/repositories/admin", body: `{"repo_name":"app","is_public":true}`})
	f.must(request{method: "POST", path: "/v1/repositories/admin", body: `{"repo_name":"empty"}`})
	f.must(put("admin/app", "first", config))
	f.must(put("admin/app", "second", layer))
	f.must(manifest("admin/app", "latest", image()))
	f.must(manifest("admin/app", "v1", image()))
	f.must(manifest("admin/app", "old", image("old")))
	f.must(put("admin/app", "lone", "a blob that no manifest refers to"))
}

// over lets the hub run over other storage.
func (f *faultHub) over(r store.Records, l store.Layers) {
	public, _ := url.Parse("https://hub.example")
	key := bytes.Repeat([]byte{7}, 32)
	f.records, f.layers = storetest.Faulty(r), storetest.FaultLayers(l)
	f.hub = hub.New(f.records, f.layers, hub.Keys{Registry: key, SDK: key, Seal: key}, hub.Options{PublicURL: public, OpenSignup: true})
	f.hub.Log = slog.New(slog.DiscardHandler)
	f.hub.Now = func() time.Time { return f.now }
	f.server = routes.Handler(f.hub, nil)
}

// fresh is a copy of the seeded hub.
func fresh(t *testing.T) *faultHub {
	s := seeded()
	f := &faultHub{t: t, token: s.token, now: s.now}
	f.over(s.records.Records.(*memory.Records).Clone(), s.layers.Layers.(*memory.Layers).Clone())
	return f
}

type request struct {
	method, path, body, contentType string
}

func (f *faultHub) do(r request) *httptest.ResponseRecorder {
	req := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body))
	if f.token != "" {
		req.Header.Set("Authorization", "Bearer "+f.token)
	}
	if req.Header.Set("Content-Type", "application/json"); r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	w := httptest.NewRecorder()
	f.server.ServeHTTP(w, req)
	return w
}

// must makes a request that has to succeed.
func (f *faultHub) must(r request) *httptest.ResponseRecorder {
	w := f.do(r)
	if w.Code/100 != 2 {
		panic(fmt.Sprintf("%s %s: %d %s", r.method, r.path, w.Code, w.Body))
	}
	return w
}

// whole fails the test unless the records obey the rules and the counts are right.
func (f *faultHub) whole(when string) {
	f.t.Helper()
	report, err := f.hub.Verify(context.Background(), true)
	if err != nil {
		f.t.Fatalf("%s: %v", when, err)
	}
	for _, p := range report.Problems {
		f.t.Errorf("%s: %s", when, p)
	}
}

const (
	config  = `{"architecture":"amd64","os":"linux"}`
	layer   = "the bytes of a layer"
	ociType = routestest.OCIManifest
)

// image is a manifest of config and layer; notes make it another one.
func image(notes ...string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}],"annotations":{"note":%q}}`,
		ociType, routestest.Digest(config), len(config), routestest.Digest(layer), len(layer), strings.Join(notes, ","))
}

// referrer is an artifact about the image.
func referrer() string {
	return strings.Replace(image("about"), `"annotations"`, fmt.Sprintf(`"subject":{"mediaType":%q,"digest":%q,"size":%d},"annotations"`,
		ociType, routestest.Digest(image()), len(image())), 1)
}

func put(repo, _, content string) request {
	return request{"POST", "/v2/" + repo + "/blobs/uploads/?digest=" + routestest.Digest(content), content, "application/octet-stream"}
}

func manifest(repo, tag, body string) request {
	return request{"PUT", "/v2/" + repo + "/manifests/" + tag, body, ociType}
}

// change is an operation of which every write fails once.
type change struct {
	name string
	// request makes the request; it may make others before.
	request func(*faultHub) request
	status  int // that says success
	// again are further statuses with which the repeated request says that what it
	// wants is done: the first attempt did it, and only its answer was lost.
	again []int
}

func plain(r request) func(*faultHub) request { return func(*faultHub) request { return r } }

// location begins an upload and returns its path.
func (f *faultHub) location(repo string) string {
	w := f.must(request{method: "POST", path: "/v2/" + repo + "/blobs/uploads/"})
	u, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		f.t.Fatal(err)
	}
	return u.RequestURI()
}

func withDigest(path, content string) string {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + "digest=" + url.QueryEscape(routestest.Digest(content))
}

const octets = "application/octet-stream"

const aliceReads = `[{"user_id":"alice","user_name":"alice","auth":1}]`

var changes = []change{
	{"register", plain(request{"POST", "/v1/auth/register", `{"username":"bob","password":"correct horse","email":"b@example.com","realname":"Bob"}`, ""}), 201, nil},
	{"log in", plain(request{"POST", "/v1/generate-api-token", `{"username":"admin","password":"correct horse"}`, ""}), 200, nil},
	{"create token", plain(request{"POST", "/v1/tokens", `{"name":"ci","permissions":["pull"]}`, ""}), 201, nil},
	{"create org", plain(request{"POST", "/v1/orgs", `{"name":"other"}`, ""}), 201, nil},
	{"update org", plain(request{"PUT", "/v1/orgs/team", `{"company":"The Team"}`, ""}), 200, nil},
	{"delete org", plain(request{"DELETE", "/v1/orgs/team", "", ""}), 204, nil},
	{"change password", plain(request{"PUT", "/v1/auth/profile", `{"old_password":"correct horse","password":"correct horse","realname":"A"}`, ""}), 200, nil},
	{"create robot", plain(request{"POST", "/v1/tokens", `{"name":"ci","permissions":["pull"],"namespace":"team"}`, ""}), 201, nil},
	{"revoke token", func(f *faultHub) request {
		w := f.must(request{"POST", "/v1/tokens", `{"name":"ci","permissions":["pull"],"namespace":"team"}`, ""})
		var made struct{ ID string }
		if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
			f.t.Fatal(err)
		}
		return request{method: "DELETE", path: "/v1/tokens/" + made.ID}
	}, 204, nil},
	{"add member", plain(request{"POST", "/v1/orgs/team/members", `{"username":"alice","role":"writer"}`, ""}), 201, nil},
	{"remove member", func(f *faultHub) request {
		f.must(request{"POST", "/v1/orgs/team/members", `{"username":"alice","role":"owner"}`, ""})
		return request{method: "DELETE", path: "/v1/orgs/team/members/alice"}
	}, 204, nil},
	{"make secret", plain(request{"PUT", "/v1/namespaces/team/secrets/KEY", `{"value":"v"}`, ""}), 201, nil},
	{"delete secret", func(f *faultHub) request {
		f.must(request{"PUT", "/v1/namespaces/team/secrets/KEY", `{"value":"v"}`, ""})
		return request{method: "DELETE", path: "/v1/namespaces/team/secrets/KEY"}
	}, 204, nil},
	{"set quota", plain(request{"PUT", "/v1/namespaces/team/quota", `{"limit":5}`, ""}), 200, nil},
	{"make webhook", plain(request{"PUT", "/v1/namespaces/team/webhooks/h", `{"url":"https://1.1.1.1"}`, ""}), 201, nil},
	{"delete webhook", func(f *faultHub) request {
		f.must(request{"PUT", "/v1/namespaces/team/webhooks/h", `{"url":"https://1.1.1.1"}`, ""})
		return request{method: "DELETE", path: "/v1/namespaces/team/webhooks/h"}
	}, 204, nil},
	{"create repository", plain(request{"POST", "/v1/repositories/team", `{"repo_name":"app","is_public":true,"full_description":"# App"}`, ""}), 201, nil},
	{"publish repository", plain(request{"PUT", "/v1/repositories/admin/empty", `{"is_public":true,"description":"now public"}`, ""}), 200, nil},
	{"delete repository", plain(request{"DELETE", "/v1/repositories/admin/app", "", ""}), 204, nil},
	{"star", plain(request{"PUT", "/v1/repositories/admin/app/star", "", ""}), 204, nil},
	{"unstar", func(f *faultHub) request {
		f.must(request{method: "PUT", path: "/v1/repositories/admin/app/star"})
		return request{method: "DELETE", path: "/v1/repositories/admin/app/star"}
	}, 204, nil},
	{"delete tag", plain(request{"DELETE", "/v1/repositories/admin/app/tags/v1", "", ""}), 204, nil},

	{"manage: create namespace", plain(request{"POST", "/v2/manage/namespaces", `{"namespace":"group"}`, ""}), 201, nil},
	{"manage: delete namespace", plain(request{"DELETE", "/v2/manage/namespaces/team", "", ""}), 204, nil},
	{"manage: create repository", plain(request{"POST", "/v2/manage/namespaces/team/repos", `{"repository":"busybox","is_public":"true","category":"linux"}`, ""}), 201, nil},
	{"manage: update repository", plain(request{"PATCH", "/v2/manage/namespaces/admin/repos/app", `{"is_public":false,"category":"linux","description":"d"}`, ""}), 201, nil},
	{"manage: delete repository", plain(request{"DELETE", "/v2/manage/namespaces/admin/repos/empty", "", ""}), 204, nil},
	{"manage: give a role in a namespace", plain(request{"POST", "/v2/manage/namespaces/team/access", aliceReads, ""}), 201, nil},
	{"manage: change a role in a namespace", func(f *faultHub) request {
		f.must(request{"POST", "/v2/manage/namespaces/team/access", aliceReads, ""})
		return request{"PATCH", "/v2/manage/namespaces/team/access", `[{"user_id":"alice","auth":7},{"user_id":"admin","auth":1}]`, ""}
	}, 201, nil},
	{"manage: take a role in a namespace", func(f *faultHub) request {
		f.must(request{"POST", "/v2/manage/namespaces/team/access", aliceReads, ""})
		return request{"DELETE", "/v2/manage/namespaces/team/access", `["alice"]`, ""}
	}, 204, nil},
	{"manage: give a role in a repository", plain(request{"POST", "/v2/manage/namespaces/admin/repos/app/access", aliceReads, ""}), 201, nil},
	{"manage: take a role in a repository", func(f *faultHub) request {
		f.must(request{"POST", "/v2/manage/namespaces/admin/repos/app/access", aliceReads, ""})
		return request{"DELETE", "/v2/manage/namespaces/admin/repos/app/access", `["alice"]`, ""}
	}, 204, nil},
	{"manage: tag again", plain(request{"POST", "/v2/manage/namespaces/admin/repos/app/tags", `{"source_tag":"v1","destination_tag":"v2"}`, ""}), 201, nil},
	{"manage: move tag", plain(request{"POST", "/v2/manage/namespaces/admin/repos/app/tags", `{"source_tag":"v1","destination_tag":"old","override":true}`, ""}), 201, nil},
	{"manage: delete tag", plain(request{"DELETE", "/v2/manage/namespaces/admin/repos/app/tags/v1", "", ""}), 204, nil},
	{"manage: create retention routestest.Policy", plain(request{"POST", "/v2/manage/namespaces/admin/repos/app/retentions", routestest.Policy, ""}), 201, nil},
	{"manage: change retention routestest.Policy", func(f *faultHub) request {
		f.must(request{"POST", "/v2/manage/namespaces/admin/repos/app/retentions", routestest.Policy, ""})
		return request{"PATCH", "/v2/manage/namespaces/admin/repos/app/retentions/1", routestest.Policy, ""}
	}, 201, nil},
	{"manage: delete retention routestest.Policy", func(f *faultHub) request {
		f.must(request{"POST", "/v2/manage/namespaces/admin/repos/app/retentions", routestest.Policy, ""})
		return request{"DELETE", "/v2/manage/namespaces/admin/repos/app/retentions/1", "", ""}
	}, 204, nil},
	{"manage: make a log-in", plain(request{"POST", "/v2/manage/utils/secret", "", ""}), 200, nil},

	{"begin upload", plain(request{"POST", "/v2/admin/app/blobs/uploads/", "", ""}), 202, nil},
	{"push blob at once", plain(put("admin/app", "", "a new blob")), 201, nil},
	{"push blob into a new repository", plain(put("team/made", "", "a new blob")), 201, nil},
	{"push a known blob", plain(put("admin/empty", "", layer)), 201, nil},
	{"push a blob again", plain(put("admin/app", "", layer)), 201, nil},
	{"mount", plain(request{"POST", "/v2/admin/empty/blobs/uploads/?mount=" + routestest.Digest(layer) + "&from=admin/app", "", ""}), 201, nil},
	{"append", func(f *faultHub) request {
		return request{"PATCH", f.location("admin/app"), "some bytes", octets}
	}, 202, nil},
	{"finish upload", func(f *faultHub) request {
		path := f.location("admin/app")
		w := f.must(request{"PATCH", path, "some ", octets})
		u, _ := url.Parse(w.Header().Get("Location"))
		return request{"PUT", withDigest(u.RequestURI(), "some bytes"), "bytes", octets}
	}, 201, nil},
	{"cancel upload", func(f *faultHub) request { return request{method: "DELETE", path: f.location("admin/app")} }, 204, []int{404}},
	{"push manifest", plain(manifest("admin/app", "v2", image("v2"))), 201, nil},
	{"push manifest by digest", plain(manifest("admin/app", routestest.Digest(image("v3"))+"?tag=a&tag=b", image("v3"))), 201, nil},
	{"push referrer", plain(manifest("admin/app", routestest.Digest(referrer()), referrer())), 201, nil},
	{"push long manifest", plain(manifest("admin/app", "long", image(strings.Repeat("x", 300<<10)))), 201, nil},
	{"move tag", plain(manifest("admin/app", "old", image())), 201, nil},
	{"push the same again", plain(manifest("admin/app", "latest", image())), 201, nil},
	{"push after a long time", func(f *faultHub) request {
		f.now = f.now.Add(5 * time.Hour)
		return manifest("admin/app", "later", image("later"))
	}, 201, nil},
	{"registry: delete tag", plain(request{"DELETE", "/v2/admin/app/manifests/v1", "", ""}), 202, []int{404}},
	{"delete manifest", plain(request{"DELETE", "/v2/admin/app/manifests/" + routestest.Digest(image()), "", ""}), 202, []int{404}},
	{"delete blob", plain(request{"DELETE", "/v2/admin/app/blobs/" + routestest.Digest("a blob that no manifest refers to"), "", ""}), 202, []int{404}},
}

// Every write of every operation fails once, not done or done but reported as
// failed. What the client then sees is success or an error of the hub; either way
// the records obey all rules, and the request, repeated, succeeds.
func TestEveryWriteFailsOnce(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := fresh(t)
			r := c.request(f)
			f.records.Fail(0, 0)
			f.layers.Fail(0, 0)
			if w := f.do(r); w.Code != c.status {
				t.Fatalf("without a fault: %d %s", w.Code, w.Body)
			}
			writes, appends := f.records.Writes(), f.layers.Writes()
			f.whole("without a fault")
			for _, mode := range storetest.Modes {
				for n := 1; n <= writes; n++ {
					c.withFault(t, n, 0, mode)
				}
				for n := 1; n <= appends; n++ {
					c.withFault(t, 0, n, mode)
				}
			}
		})
	}
}

// withFault runs the operation with the n-th write of records, or the m-th of
// layers, failing.
func (c change) withFault(t *testing.T, n, m int, mode storetest.Mode) {
	t.Helper()
	f := fresh(t)
	r := c.request(f)
	when := fmt.Sprintf("write %d of records, %d of layers, %v", n, m, mode)
	f.records.Fail(n, mode)
	f.layers.Fail(m, mode)
	w := f.do(r)
	if n > 0 && !f.records.Failed() || m > 0 && !f.layers.Failed() {
		t.Fatalf("%s: the fault did not come", when)
	}
	f.records.Fail(0, 0)
	f.layers.Fail(0, 0)
	f.whole(when)
	if w.Code == c.status {
		return
	}
	if w.Code/100 != 5 {
		t.Errorf("%s: %d %s", when, w.Code, w.Body)
		return
	}
	if strings.Contains(w.Body.String(), "fault of the test") {
		t.Errorf("%s: the answer shows an internal message: %s", when, w.Body)
	}
	again := f.do(r)
	ok := again.Code == c.status
	for _, s := range c.again {
		ok = ok || mode == storetest.DoneButFails && again.Code == s
	}
	if !ok {
		b, _ := io.ReadAll(again.Body)
		t.Errorf("%s: repeated after %d: %d %s", when, w.Code, again.Code, b)
	}
	f.whole(when + ", repeated")
}
