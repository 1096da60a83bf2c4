package manage_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/shared/store/storetest"
)

const busyboxForm = "--X\r\n" +
	"Content-Disposition: form-data; name=\"repository\"\r\n\r\nbusybox\r\n--X\r\n" +
	"Content-Disposition: form-data; name=\"category\"\r\n\r\nlinux\r\n--X\r\n" +
	"Content-Disposition: form-data; name=\"description\"\r\n\r\nthis is a busybox repository\r\n--X\r\n" +
	"Content-Disposition: form-data; name=\"is_public\"\r\n\r\ntrue\r\n--X--\r\n"

// The request that the vendor's document prints, in each form a body may have.
func TestCreateRepository(t *testing.T) {
	bodies := map[string]func(a *api, path string) answer{
		"multipart": func(a *api, path string) answer {
			return a.do("alice", "POST", path, busyboxForm, "Content-Type", "multipart/form-data; boundary=X")
		},
		"url-encoded": func(a *api, path string) answer {
			return a.do("alice", "POST", path, url.Values{"repository": {"busybox"}, "category": {"linux"},
				"description": {"this is a busybox repository"}, "is_public": {"true"}})
		},
		"JSON": func(a *api, path string) answer {
			return a.do("alice", "POST", path, `{"repository":"busybox","category":"linux","description":"this is a busybox repository","is_public":true}`)
		},
		"JSON with strings": func(a *api, path string) answer {
			return a.do("alice", "POST", path, `{"repository":"busybox","category":"linux","description":"this is a busybox repository","is_public":"true"}`)
		},
		"query": func(a *api, path string) answer {
			return a.do("alice", "POST", path+"?repository=busybox&category=linux&description=this+is+a+busybox+repository&is_public=true", nil)
		},
	}
	for name, send := range bodies {
		for _, slash := range []string{"", "/"} {
			t.Run(name+slash, func(t *testing.T) {
				a := newAPI(t, "alice")
				send(a, "/v2/manage/namespaces/alice/repos"+slash).empty(201)
				send(a, "/v2/manage/namespaces/alice/repos"+slash).fails(409, "4090006")
			})
		}
	}
}

// The printed request has a Host that is not the hub's, and a bearer token.
func TestCreateRepositoryAsPrinted(t *testing.T) {
	a := newAPI(t, "alice")
	var made struct{ Token string }
	a.do("alice", "POST", "/v1/tokens", `{"name":"k","permissions":["push"]}`).into(201, &made)
	send := func() answer {
		return a.do("", "POST", "http://10.0.0.0:30303"+aliceRepos, busyboxForm,
			"Content-Type", "multipart/form-data; boundary=X", "Authorization", "Bearer "+made.Token)
	}
	send().empty(201)
	a.do("alice", "GET", aliceRepos+"/busybox", nil).says(`"name":"busybox","category":"linux","description":"this is a busybox repository"`).
		says(`"is_public":true`).says(`"path":"hub.example:8443/alice/busybox"`)
	send().fails(409, "4090006")
}

func TestCreateRepositoryRefuses(t *testing.T) {
	a := newAPI(t, "alice", "bob")
	const path = "/v2/manage/namespaces/alice/repos"
	long := strings.Repeat("a", 129)
	for _, test := range []struct {
		name, as, path string
		body           any
		status         int
		number         string
	}{
		{"no repository", "alice", path, fields{"is_public", "true"}, 400, "4001029"},
		{"empty repository", "alice", path, fields{"repository", "", "is_public", "true"}, 400, "4001029"},
		{"upper case", "alice", path, fields{"repository", "Busybox", "is_public", "true"}, 400, "4001029"},
		{"begins with a digit", "alice", path, fields{"repository", "1a", "is_public", "true"}, 400, "4001029"},
		{"dot", "alice", path, fields{"repository", "a.b", "is_public", "true"}, 400, "4001029"},
		{"slash", "alice", path, fields{"repository", "a/b", "is_public", "true"}, 400, "4001029"},
		{"three underscores", "alice", path, fields{"repository", "a___b", "is_public", "true"}, 400, "4001029"},
		{"underscore beside hyphen", "alice", path, fields{"repository", "a_-b", "is_public", "true"}, 400, "4001029"},
		{"ends in a hyphen", "alice", path, fields{"repository", "a-", "is_public", "true"}, 400, "4001029"},
		{"129 characters", "alice", path, fields{"repository", long, "is_public", "true"}, 400, "4001029"},
		{"repository is a number", "alice", path, `{"repository":5,"is_public":true}`, 400, "4001029"},
		{"no is_public", "alice", path, fields{"repository", "a"}, 400, "4001009"},
		{"is_public is null", "alice", path, `{"repository":"a","is_public":null}`, 400, "4001009"},
		{"is_public is a word", "alice", path, fields{"repository", "a", "is_public", "yes"}, 400, "4001009"},
		{"is_public is a number", "alice", path, `{"repository":"a","is_public":1}`, 400, "4001009"},
		{"unknown category", "alice", path, fields{"repository", "a", "is_public", "true", "category", "toys"}, 400, "4000000"},
		{"category is a number", "alice", path, `{"repository":"a","is_public":true,"category":1}`, 400, "4000000"},
		{"long description", "alice", path, fields{"repository", "a", "is_public", "true", "description", long}, 400, "4000000"},
		{"cut off JSON", "alice", path, `{"repository":"a"`, 400, "4000000"},
		{"JSON of another kind", "alice", path, `["a"]`, 400, "4000000"},
		{"no body", "alice", path, nil, 400, "4000000"},
		{"dollar in the namespace", "alice", "/v2/manage/namespaces/a$b/repos", fields{"repository", "a", "is_public", "true"}, 400, "4001028"},
		{"upper case namespace", "alice", "/v2/manage/namespaces/Alice/repos", fields{"repository", "a", "is_public", "true"}, 400, "4001028"},
		{"no such namespace", "alice", "/v2/manage/namespaces/nobody/repos", fields{"repository", "a", "is_public", "true"}, 404, "4040000"},
		{"stranger", "bob", path, fields{"repository", "a", "is_public", "true"}, 403, "4039002"},
		{"anonymous", "", path, fields{"repository", "a", "is_public", "true"}, 401, "4010000"},
		{"too large", "alice", path, fields{"repository", "a", "is_public", "true", "x", strings.Repeat("x", 1<<20)}, 413, "4130000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a.t = t
			a.do(test.as, "POST", test.path, test.body).fails(test.status, test.number)
		})
	}
	a.t = t
	a.do("alice", "PUT", path, nil).fails(405, "4050000")
	a.do("alice", "POST", path+"/a/b", nil).fails(404, "4040000")
}

func TestCreateRepositoryTakesEveryCategory(t *testing.T) {
	a := newAPI(t, "alice")
	for _, category := range strings.Fields("app_server linux framework_app database lang other windows arms arm") {
		name := strings.ReplaceAll(category, "_", "-")
		a.do("alice", "POST", "/v2/manage/namespaces/alice/repos",
			fields{"repository", name, "is_public", "false", "category", category}).empty(201)
	}
}

// An answer of the store that is lost once is no failure, whether or not the write
// was done. A store that fails is a 500 that tells nothing but the request's id.
func TestCreateRepositoryWhenTheStoreFails(t *testing.T) {
	a := newAPI(t, "alice")
	const path = "/v2/manage/namespaces/alice/repos"
	for i, mode := range storetest.Modes {
		form := fields{"repository", "r" + strconv.Itoa(i), "is_public", "true"}
		a.faults.Fail(1, mode)
		a.do("alice", "POST", path, form).empty(201)
		a.do("alice", "POST", path, form).fails(409, "4090006")
	}
	a.hub.Records = broken{a.hub.Records}
	r := a.do("alice", "POST", path, fields{"repository", "other", "is_public", "true"}).fails(500, "5000000")
	r.says(r.header.Get("X-Request-Id"))
	if strings.Contains(string(r.body), "short write") {
		t.Errorf("the answer tells the hub's own error: %s", r.body)
	}
}

const aliceRepos = "/v2/manage/namespaces/alice/repos"

// create makes repositories in a namespace, private ones by a hyphen in front.
func (a *api) create(owner string, names ...string) {
	a.t.Helper()
	for _, name := range names {
		name, private := strings.CutPrefix(name, "-")
		body := map[string]any{"repository": name, "is_public": !private, "category": "linux", "description": "all about " + name}
		a.do("admin", "POST", "/v2/manage/namespaces/"+owner+"/repos", body).empty(201)
		a.now = a.now.Add(time.Minute)
	}
}

func TestShowRepository(t *testing.T) {
	a := newAPI(t, "alice", "bob")
	a.create("alice", "busybox", "-secret")
	want := `{"id":%ID,"ns_id":%NS,"name":"busybox","category":"linux","description":"all about busybox","creator_id":"admin",
		"creator_name":"admin","size":0,"is_public":true,"num_images":0,"num_download":0,"url":"","path":"hub.example:8443/alice/busybox",
		"internal_path":"hub.example:8443/alice/busybox","created":"2015-09-02T08:37:13.728Z","updated":"2015-09-02T08:37:13.728Z",
		"domain_id":"alice","priority":0}`
	shown := a.do("alice", "GET", aliceRepos+"/busybox", nil)
	var ids struct {
		ID int32 `json:"id"`
		NS int32 `json:"ns_id"`
	}
	shown.into(200, &ids)
	want = strings.NewReplacer("%ID", strconv.Itoa(int(ids.ID)), "%NS", strconv.Itoa(int(ids.NS))).Replace(want)
	if ids.ID <= 0 || ids.NS <= 0 {
		t.Errorf("ids %d and %d, want positive ones", ids.ID, ids.NS)
	}
	for _, as := range []string{"alice", "bob", "admin", ""} {
		a.do(as, "GET", aliceRepos+"/busybox", nil).is(200, want)
	}
	a.do("alice", "GET", aliceRepos+"/secret/", nil).says(`"is_public":false`)
	a.do("bob", "GET", aliceRepos+"/secret", nil).fails(404, "4040000")
	a.do("", "GET", aliceRepos+"/secret", nil).fails(404, "4040000")
	a.do("alice", "GET", aliceRepos+"/none", nil).fails(404, "4040000")
	a.do("alice", "GET", aliceRepos+"/a$b", nil).fails(400, "4001029")
}

func TestUpdateRepository(t *testing.T) {
	a := newAPI(t, "alice", "bob", "wendy")
	a.create("alice", "busybox")
	a.do("alice", "POST", "/v2/manage/namespaces/alice/access", []any{map[string]any{"user_id": "wendy", "user_name": "wendy", "auth": 3}}).empty(201)

	a.do("alice", "PATCH", aliceRepos+"/busybox", `{"category":"database","description":"this is a busybox repository","is_public":false}`).empty(201)
	a.do("alice", "GET", aliceRepos+"/busybox", nil).says(`"category":"database","description":"this is a busybox repository"`).
		says(`"is_public":false`).says(`"updated":"2015-09-02T08:38:13.728Z"`)
	a.do("wendy", "PATCH", aliceRepos+"/busybox", fields{"description", "other"}).empty(201)
	a.do("wendy", "PATCH", aliceRepos+"/busybox", `{"is_public":false}`).empty(201)
	a.do("wendy", "PATCH", aliceRepos+"/busybox", `{"is_public":"true"}`).fails(403, "4039002")
	a.do("alice", "PATCH", aliceRepos+"/busybox", `{"is_public":"maybe"}`).fails(400, "4001009")
	a.do("alice", "PATCH", aliceRepos+"/busybox", `{"category":"toys"}`).fails(400, "4000000")
	a.do("alice", "PATCH", aliceRepos+"/busybox", `{"description":7}`).fails(400, "4000000").says("description")
	a.do("bob", "PATCH", aliceRepos+"/busybox", `{"is_public":true}`).fails(404, "4040000")
	a.do("", "PATCH", aliceRepos+"/busybox", `{"is_public":true}`).fails(401, "4010000")
	a.do("alice", "GET", aliceRepos+"/busybox", nil).says(`"category":"database","description":"other"`).says(`"is_public":false`)
}

func TestDeleteRepository(t *testing.T) {
	a := newAPI(t, "alice", "bob", "wendy")
	a.create("alice", "busybox")
	a.do("alice", "POST", "/v2/manage/namespaces/alice/access", `[{"user_id":"wendy","user_name":"wendy","auth":3}]`).empty(201)
	a.do("", "DELETE", aliceRepos+"/busybox", nil).fails(401, "4010000")
	a.do("bob", "DELETE", aliceRepos+"/busybox", nil).fails(403, "4039002")
	a.do("wendy", "DELETE", aliceRepos+"/busybox", nil).fails(403, "4039002")
	a.do("alice", "DELETE", aliceRepos+"/busybox/", nil).empty(204)
	a.do("alice", "DELETE", aliceRepos+"/busybox", nil).fails(404, "4040000")
	a.create("alice", "busybox")
}
