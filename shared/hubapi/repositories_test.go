package hubapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/store/storetest"
)

// What the API's document prints is sent as it stands there.
func TestPrintedRepositoryRequests(t *testing.T) {
	a := newRepoAPI(t)
	made := a.now.Format("2006-01-02T15:04:05.000Z")
	var created, again, changed, shown object
	a.do("madams", "POST", "/v1/repositories/madams/", `{
    "repo_name": "repo",
    "description": "A repo docker image repository",
    "namespace": "madams",
    "is_public": true
}`).is(201, &created)
	created.has(t, `{
    "repo_name": "repo",
    "namespace": "madams",
    "repo_path": "madams/repo",
    "is_automated": false,
    "description": "A repo docker image repository",
    "creation_time": "2014-11-19T05:54:22.741Z",
    "updated_time": "2014-11-19T05:54:22.741Z",
    "is_public": true,
    "logo": "default-icon.jpg"
}`)
	if created["creation_time"] != made || created["updated_time"] != made {
		t.Errorf("made at %v, updated at %v, want both %s", created["creation_time"], created["updated_time"], made)
	}
	a.do("madams", "POST", "/v1/repositories/madams", object{"repo_name": "repo"}).fails(409, "repository_exists", "madams/repo")

	a.now = a.now.Add(time.Hour)
	a.do("madams", "PUT", "/v1/repositories/madams/repo", object{"full_description": "# Repo"}).is(200, &changed)
	changed.has(t, `{
    "repo_name": "repo",
    "namespace": "madams",
    "repo_path": "madams/repo",
    "description": "A repo docker image repository",
    "is_public": true,
    "logo": "default-icon.jpg"
}`)
	if changed["updated_at"] != a.now.Format("2006-01-02T15:04:05.000Z") || changed["created_at"] != made {
		t.Errorf("after PUT: updated_at %v, created_at %v", changed["updated_at"], changed["created_at"])
	}

	a.do("madams", "POST", "/v1/repositories/madams/", object{"repo_name": "test", "description": "test", "full_description": "test contain 2 tags"}).is(201, &again)
	a.do("madams", "GET", "/v1/repositories/madams/test", nil).is(200, &shown)
	shown.has(t, `{
    "namespace": "madams",
    "repo_name": "test",
    "repo_path": "madams/test",
    "logo_file": "/static/images/user/default-logo.png",
    "description": "test",
    "full_description": "test contain 2 tags",
    "repo_starred_count": 0,
    "created_at": "2015-05-13T01:04:48.246Z",
    "updated_at": "2015-06-07T10:41:31.882Z",
    "is_public": false,
    "logo": "default-icon.jpg",
    "is_automated": false,
    "is_repo_starred": false
}`)
	if again["created_by"] != "madams" || again["category"] != "other" || again["build_config"] != nil {
		t.Errorf("created: %v", again)
	}
	for _, o := range []object{created, changed, shown} {
		if len(o) != len(again) {
			t.Errorf("answers differ in their fields: %v, %v", o, again)
		}
	}
	a.do("madams", "DELETE", "/v1/repositories/madams/repo/", nil).is(204, nil)
	a.do("madams", "GET", "/v1/repositories/madams/repo", nil).fails(404, "repository_not_found")
	a.do("madams", "DELETE", "/v1/repositories/madams/repo/", nil).fails(404, "repository_not_found")
}

func TestPrintedRepositoryPage(t *testing.T) {
	a := newRepoAPI(t)
	for _, name := range []string{"repo2", "repo1", "repo3"} {
		a.do("madams", "POST", "/v1/repositories/madams/", object{"repo_name": name, "description": name, "is_public": true}).is(201, new(object))
		image := a.image(name, "amd64")
		for i := range 9 {
			a.pushManifest(name, fmt.Sprint("v", i), image)
		}
	}
	var raw map[string]json.RawMessage
	var p page
	a.do("", "GET", "/v1/repositories/madams/", nil).is(200, &p).is(200, &raw)
	if p.Count != 3 || string(raw["next"]) != "null" || string(raw["previous"]) != "null" || p.names() != "repo1 repo2 repo3" {
		t.Fatalf("page: %s", raw)
	}
	for i, printed := range []string{`{
            "repo_name": "repo1",
            "namespace": "madams",
            "repo_path": "madams/repo1",
            "is_automated": false,
            "description": "repo1",
            "creation_at": "2014-11-19T05:54:22.741Z",
            "updated_at": "2014-11-19T05:54:22.741Z",
            "is_public": true,
            "logo": "default-icon.jpg",
            "repo_starred_count": 0,
            "full_description": "",
            "download": 0,
            "upload": 9,
            "pulled_at": null,
            "pushed_at": "2015-06-04T16:30:27.532Z"
        }`, `{
            "repo_name": "repo2",
            "namespace": "madams",
            "repo_path": "madams/repo2",
            "is_automated": false,
            "description": "repo2",
            "creation_at": "2014-11-19T05:55:42.741Z",
            "updated_at": "2014-11-19T05:55:42.741Z",
            "is_public": true,
            "logo": "default-icon.jpg",
            "repo_starred_count": 0,
            "full_description": "",
            "download": 0,
            "upload": 9,
            "pulled_at": null,
            "pushed_at": "2015-06-04T16:30:27.532Z"
        }`} {
		p.Results[i].has(t, printed)
	}
}

func TestPrintedRepositoryAndTags(t *testing.T) {
	a := newRepoAPI(t)
	a.do("madams", "POST", "/v1/repositories/madams/", object{"repo_name": "test", "description": "test", "full_description": "test contain 2 tags"}).is(201, new(object))
	first, second := a.image("test", "amd64"), a.image("test", "arm64")
	for i, push := range []struct {
		tag   string
		image object
	}{{"latest", first}, {"test", first}, {"latest", second}, {"test", first}} {
		a.now = a.now.Add(time.Duration(i) * time.Minute)
		a.pushManifest("test", push.tag, push.image)
	}
	for range 103 {
		if r := a.send("GET", "/v2/madams/test/manifests/latest", "", nil); r.status != 200 {
			t.Fatalf("%s: %d", r.what, r.status)
		}
	}
	a.send("HEAD", "/v2/madams/test/manifests/latest", "", nil)
	if err := a.hub.FlushPulls(t.Context()); err != nil {
		t.Fatal(err)
	}
	var shown object
	a.do("madams", "GET", "/v1/repositories/madams/test", nil).is(200, &shown)
	shown.has(t, `{
    "namespace": "madams",
    "repo_name": "test",
    "repo_path": "madams/test",
    "logo_file": "/static/images/user/default-logo.png",
    "description": "test",
    "full_description": "test contain 2 tags",
    "repo_starred_count": 0,
    "created_at": "2015-05-13T01:04:48.246Z",
    "updated_at": "2015-06-07T10:41:31.882Z",
    "is_public": false,
    "logo": "default-icon.jpg",
    "is_automated": false,
    "download": 103,
    "upload": 4,
    "pulled_at": "2015-06-07T10:41:31.881Z",
    "pushed_at": "2015-05-24T00:54:26.452Z",
    "is_repo_starred": false
}`)
	if shown["updated_at"] != shown["created_at"] {
		t.Errorf("pushes moved updated_at to %v", shown["updated_at"])
	}
	var tags []object
	a.do("madams", "GET", "/v1/repositories/madams/test/tags", nil).is(200, &tags)
	if tagNames(tags) != "test latest" || tags[0]["image_id"] != configID(first) || tags[1]["image_id"] != configID(second) {
		t.Errorf("tags: %v", tags)
	}
	a.do("madams", "DELETE", "/v1/repositories/madams/test/tags/latest", nil).is(204, nil)
	a.do("madams", "DELETE", "/v1/repositories/madams/test/", nil).is(204, nil)
}

func TestCreateRepositoryRefuses(t *testing.T) {
	a := newRepoAPI(t)
	bad := []struct {
		body   any
		status int
		code   string
		says   string
	}{
		{``, 400, "bad_request", "JSON"},
		{`null`, 400, "bad_request", "object"},
		{`[]`, 400, "bad_request", "object"},
		{`{"repo_name":`, 400, "bad_request", "JSON"},
		{`{"repo_name": "x"} {}`, 400, "bad_request", "JSON"},
		{`{}`, 400, "invalid_repository", "repo_name"},
		{`{"repo_name": null}`, 400, "invalid_repository", "repo_name"},
		{`{"repo_name": 5}`, 400, "invalid_field", "repo_name"},
		{`{"repo_name": "Upper"}`, 400, "invalid_repository", "repo_name"},
		{`{"repo_name": "a/b"}`, 400, "invalid_repository", "repo_name"},
		{object{"repo_name": strings.Repeat("a", 129)}, 400, "invalid_repository", "repo_name"},
		{`{"repo_name": "x", "namespace": "other"}`, 400, "invalid_field", "namespace"},
		{`{"repo_name": "x", "is_public": "true"}`, 400, "invalid_field", "is_public"},
		{`{"repo_name": "x", "description": {}}`, 400, "invalid_field", "description"},
		{object{"repo_name": "x", "description": strings.Repeat("字", 101)}, 400, "invalid_field", "description"},
		{object{"repo_name": "x", "full_description": strings.Repeat("a", 64<<10+1)}, 400, "invalid_field", "full_description"},
		{`{"repo_name": "x", "category": "toys"}`, 400, "invalid_field", "category"},
		{`{"repo_name": "x", "logo": "javascript:alert(1)"}`, 400, "invalid_field", "logo"},
		{`{"repo_name": "x", "build_config": {}}`, 400, "invalid_field", "build_config"},
		{object{"repo_name": "x", "full_description": strings.Repeat("a", 1<<20)}, 413, "too_large", ""},
	}
	for _, b := range bad {
		a.do("madams", "POST", "/v1/repositories/madams/", b.body).fails(b.status, b.code, b.says)
	}
	wrong := a.do("madams", "POST", "/v1/repositories/madams/", `{"repo_name": "x", "description": {}}`)
	if !strings.Contains(string(wrong.body), `"message":"description: must be a string`) {
		t.Errorf("the field is named otherwise than it was sent: %s", wrong.body)
	}
	a.do("madams", "POST", "/v1/repositories/nobody/", object{"repo_name": "x"}).fails(404, "namespace_not_found")
	a.do("madams", "POST", "/v1/repositories/No/", object{"repo_name": "x"}).fails(400, "invalid_namespace")
	a.do("stranger", "POST", "/v1/repositories/madams/", object{"repo_name": "x"}).fails(403, "permission_denied")
	a.do("", "POST", "/v1/repositories/madams/", object{"repo_name": "x"}).fails(401, "unauthenticated")
	var p page
	if a.do("madams", "GET", "/v1/repositories/madams", nil).is(200, &p); p.Count != 0 || len(p.Results) != 0 {
		t.Errorf("refused requests left %v", p)
	}
	full := object{
		"repo_name": strings.Repeat("a", 128), "description": strings.Repeat("字", 100), "full_description": strings.Repeat("a", 64<<10),
		"category": "arm", "immutable_tags": true, "logo": "https://pictures.example/x.png", "build_config": nil, "unknown": 1,
	}
	var o object
	a.do("madams", "POST", "/v1/repositories/madams/", full).is(201, &o)
	delete(full, "unknown")
	text, _ := json.Marshal(full)
	o.has(t, string(text))
}

func TestUpdateRepository(t *testing.T) {
	a := newRepoAPI(t)
	a.do("madams", "POST", "/v1/repositories/madams/", object{"repo_name": "x", "full_description": "long"}).is(201, new(object))
	var o object
	a.do("madams", "PUT", "/v1/repositories/madams/x/", object{"is_public": true, "logo": "https://pictures.example/x.png", "category": "lang"}).is(200, &o)
	o.has(t, `{"is_public": true, "logo": "https://pictures.example/x.png", "logo_file": "https://pictures.example/x.png", "category": "lang", "full_description": "long"}`)
	a.do("madams", "PUT", "/v1/repositories/madams/x", object{"full_description": "", "logo": "default-icon.jpg", "description": "d"}).is(200, &o)
	o.has(t, `{"is_public": true, "logo": "default-icon.jpg", "logo_file": "/static/images/user/default-logo.png", "full_description": "", "description": "d"}`)

	before := a.do("madams", "GET", "/v1/repositories/madams/x", nil).is(200, &o).body
	for body, field := range map[string]string{
		`{"description": "new", "is_public": 1}`:        "is_public",
		`{"description": "new", "category": ""}`:        "category",
		`{"description": "new", "immutable_tags": "x"}`: "immutable_tags",
		`{"full_description": []}`:                      "full_description",
	} {
		a.do("madams", "PUT", "/v1/repositories/madams/x", body).fails(400, "invalid_field", field)
	}
	a.do("stranger", "PUT", "/v1/repositories/madams/x", object{"description": "mine"}).fails(403, "permission_denied")
	a.do("", "PUT", "/v1/repositories/madams/x", object{"description": "mine"}).fails(401, "unauthenticated")
	a.do("madams", "PUT", "/v1/repositories/madams/none", object{"description": "mine"}).fails(404, "repository_not_found")
	if after := a.do("madams", "GET", "/v1/repositories/madams/x", nil).body; string(after) != string(before) {
		t.Errorf("refused requests changed %s to %s", before, after)
	}
	a.whole()

	var p page
	count := func(as string, want int64) {
		t.Helper()
		if a.do(as, "GET", "/v1/repositories/madams", nil).is(200, &p); p.Count != want || len(p.Results) != int(want) {
			t.Errorf("%q sees %d of %d, want %d", as, len(p.Results), p.Count, want)
		}
	}
	count("stranger", 1)
	a.do("madams", "PUT", "/v1/repositories/madams/x", object{"is_public": false}).is(200, &o)
	count("stranger", 0)
	count("", 0)
	count("madams", 1)
	a.do("stranger", "GET", "/v1/repositories/madams/x", nil).fails(404, "repository_not_found")
	a.do("", "GET", "/v1/repositories/madams/x", nil).fails(404, "repository_not_found")
	a.do("", "GET", "/v1/repositories/nobody", nil).fails(404, "namespace_not_found")
}

// The pages of a list, followed by next, give each repository once; jumps agree.
func TestRepositoryPages(t *testing.T) {
	a := newRepoAPI(t)
	const n = 45
	for i := range n {
		body := object{"repo_name": fmt.Sprintf("r%02d", i), "is_public": i%3 != 0, "description": fmt.Sprint("number ", i)}
		a.do("madams", "POST", "/v1/repositories/madams", body).is(201, new(object))
	}
	for _, list := range []struct {
		as, query string
		want      int
	}{
		{"madams", "", 45}, {"stranger", "", 30}, {"", "", 30}, {"admin", "", 45},
		{"madams", "is_public=true", 30}, {"madams", "is_public=false", 15}, {"", "is_public=false", 0}, {"stranger", "is_public=true", 30},
		{"madams", "q=R1", 10}, {"madams", "q=NUMBER+4", 6}, {"madams", "is_automated=false", 45}, {"madams", "is_automated=true", 0},
		{"", "q=r1&is_automated=false", 7},
	} {
		seen := map[string]bool{}
		last := ""
		next := "https://hub.example:8443/v1/repositories/madams?page_size=7&" + list.query
		for number := 1; next != ""; number++ {
			var p, jump page
			a.do(list.as, "GET", strings.TrimPrefix(next, "https://hub.example:8443"), nil).is(200, &p)
			a.do(list.as, "GET", fmt.Sprintf("/v1/repositories/madams/?page_size=7&%s&page=%d", list.query, number), nil).is(200, &jump)
			if p.names() != jump.names() {
				t.Errorf("%+v: page %d by link is %s, by number %s", list, number, p.names(), jump.names())
			}
			if p.Count != int64(list.want) || (p.Previous == nil) != (number == 1) {
				t.Errorf("%+v: page %d: count %d, previous %v", list, number, p.Count, p.Previous)
			}
			for _, r := range p.Results {
				name := r["repo_name"].(string)
				if seen[name] || name <= last {
					t.Errorf("%+v: %s comes after %s", list, name, last)
				}
				seen[name], last = true, name
			}
			next = ""
			if p.Next != nil {
				next = *p.Next
				if !strings.HasPrefix(next, "https://hub.example:8443/v1/repositories/madams?") || !strings.Contains(next, "page_size=7") {
					t.Fatalf("next is %s", next)
				}
				for _, part := range strings.Split(list.query, "&") {
					if !strings.Contains(next, part) {
						t.Errorf("next %s lost %s", next, part)
					}
				}
			}
		}
		if len(seen) != list.want {
			t.Errorf("%+v: the pages show %d", list, len(seen))
		}
	}
	for query, field := range map[string]string{
		"page=0": "page", "page=-1": "page", "page=x": "page", "page=": "page", "page_size=0": "page_size", "page_size=x": "page_size",
		"is_public=1": "is_public", "is_automated=": "is_automated", "cursor=!": "cursor",
	} {
		a.do("madams", "GET", "/v1/repositories/madams?"+query, nil).fails(400, "invalid_field", field)
	}
	a.do("madams", "GET", "/v1/repositories/madams?page=4", nil).fails(404, "not_found")
	a.do("madams", "GET", "/v1/repositories/madams?page=2147483647", nil).fails(404, "not_found")
	var p page
	if a.do("madams", "GET", "/v1/repositories/madams?page_size=1000", nil).is(200, &p); len(p.Results) != n {
		t.Errorf("page_size=1000 shows %d", len(p.Results))
	}
}

// A page costs the same however long the list is.
func TestRepositoryPageCost(t *testing.T) {
	cost := func(n int) string {
		a := newRepoAPI(t)
		for i := range n {
			a.make(fmt.Sprintf("r%04d", i), i%2 == 0)
		}
		var costs []string
		for _, as := range []string{"madams", "stranger", ""} {
			a.do(as, "GET", "/v1/repositories/madams", nil).is(200, new(page)) // names are remembered
			var p page
			a.calls.Take()
			a.do(as, "GET", "/v1/repositories/madams?page_size=5", nil).is(200, &p)
			first := a.calls.Take()
			a.do(as, "GET", strings.TrimPrefix(*p.Next, "https://hub.example:8443"), nil).is(200, &p)
			costs = append(costs, fmt.Sprintf("%s: %+v then %+v", as, first, a.calls.Take()))
		}
		return strings.Join(costs, "\n")
	}
	if few, many := cost(40), cost(1000); few != many {
		t.Errorf("with 40 repositories:\n%s\nwith 1,000:\n%s", few, many)
	}
}

func TestFullDescriptionsCutThePage(t *testing.T) {
	a := newRepoAPI(t)
	for i := range 20 { // each of these bytes is six in JSON
		body := object{"repo_name": fmt.Sprintf("r%02d", i), "full_description": strings.Repeat("<", 64<<10)}
		a.do("madams", "POST", "/v1/repositories/madams", body).is(201, new(object))
	}
	var names []string
	for next := "/v1/repositories/madams"; next != ""; {
		var p page
		r := a.do("madams", "GET", strings.TrimPrefix(next, "https://hub.example:8443"), nil).is(200, &p)
		if len(r.body) > 4<<20+1000 {
			t.Errorf("a page of %d bytes", len(r.body))
		}
		names = append(names, p.names())
		next = ""
		if p.Next != nil {
			next = *p.Next
		}
	}
	if got := strings.Fields(strings.Join(names, " ")); len(names) < 2 || len(got) != 20 || got[19] != "r19" {
		t.Errorf("pages: %v", names)
	}
}

func TestStars(t *testing.T) {
	a := newRepoAPI(t)
	a.do("madams", "POST", "/v1/repositories/madams", object{"repo_name": "x", "is_public": true}).is(201, new(object))
	a.do("madams", "POST", "/v1/repositories/madams", object{"repo_name": "hidden"}).is(201, new(object))
	stars := func(as string, count float64, mine bool) {
		t.Helper()
		var o object
		var p page
		a.do(as, "GET", "/v1/repositories/madams/x", nil).is(200, &o)
		a.do(as, "GET", "/v1/repositories/madams?q=x", nil).is(200, &p)
		for _, o := range []object{o, p.Results[0]} {
			if o["repo_starred_count"] != count || o["is_repo_starred"] != mine {
				t.Errorf("%q sees %v stars, own %v; want %v, %v", as, o["repo_starred_count"], o["is_repo_starred"], count, mine)
			}
		}
	}
	for range 2 {
		a.do("stranger", "PUT", "/v1/repositories/madams/x/star", nil).is(204, nil)
		a.do("madams", "PUT", "/v1/repositories/madams/x/star/", nil).is(204, nil)
		stars("stranger", 2, true)
		stars("admin", 2, false)
		stars("", 2, false)
	}
	for range 2 {
		a.do("madams", "DELETE", "/v1/repositories/madams/x/star", nil).is(204, nil)
		stars("stranger", 1, true)
		stars("madams", 1, false)
	}
	a.do("", "PUT", "/v1/repositories/madams/x/star", nil).fails(401, "unauthenticated")
	a.do("stranger", "PUT", "/v1/repositories/madams/hidden/star", nil).fails(404, "repository_not_found")
	a.do("stranger", "DELETE", "/v1/repositories/madams/none/star", nil).fails(404, "repository_not_found")
	a.do("stranger", "GET", "/v1/repositories/madams/x/star", nil).fails(405, "method_not_allowed")
	a.do("madams", "DELETE", "/v1/repositories/madams/x", nil).is(204, nil)
	a.do("madams", "POST", "/v1/repositories/madams", object{"repo_name": "x", "is_public": true}).is(201, new(object))
	stars("stranger", 0, false)
	a.whole()
}

// Each change of a repository survives one failing write, done or not, and the
// counts agree with what is listed.
func TestRepositoryChangesSurviveFaults(t *testing.T) {
	for _, mode := range storetest.Modes {
		a := newRepoAPI(t)
		a.faults.Fail(1, mode)
		a.do("madams", "POST", "/v1/repositories/madams", object{"repo_name": "x", "is_public": true}).is(201, new(object))
		a.faults.Fail(1, mode)
		a.do("stranger", "PUT", "/v1/repositories/madams/x/star", nil).is(204, nil)
		a.faults.Fail(1, mode)
		a.do("madams", "PUT", "/v1/repositories/madams/x", object{"is_public": false}).is(200, new(object))
		a.faults.Fail(1, mode)
		a.do("madams", "PUT", "/v1/repositories/madams/x", object{"is_public": true, "full_description": "long"}).is(200, new(object))
		var p page
		a.do("stranger", "GET", "/v1/repositories/madams", nil).is(200, &p)
		if p.Count != 1 || p.names() != "x" || p.Results[0]["repo_starred_count"] != 1.0 || p.Results[0]["full_description"] != "long" {
			t.Errorf("%s: the list is %+v", mode, p)
		}
		a.faults.Fail(1, mode)
		a.do("stranger", "DELETE", "/v1/repositories/madams/x/star", nil).is(204, nil)
		var o object
		if a.do("stranger", "GET", "/v1/repositories/madams/x", nil).is(200, &o); o["repo_starred_count"] != 0.0 {
			t.Errorf("%s: %v stars", mode, o["repo_starred_count"])
		}
		a.faults.Fail(1, mode)
		a.do("madams", "DELETE", "/v1/repositories/madams/x", nil).is(204, nil)
		if a.do("madams", "GET", "/v1/repositories/madams", nil).is(200, &p); p.Count != 0 || len(p.Results) != 0 {
			t.Errorf("%s: after the deletion the list is %+v", mode, p)
		}
		a.whole()
	}
}

// Many who star, unstar and change at once leave exact counts.
func TestRepositoryChangesAtOnce(t *testing.T) {
	a := newRepoAPI(t)
	a.make("x", true)
	accounts := []string{"admin", "madams", "stranger"}
	var wait sync.WaitGroup
	for i := range 24 {
		wait.Go(func() {
			as := accounts[i%3]
			g, err := a.hub.Authorize(t.Context(), hub.Caller{Account: as, Admin: true}, hub.Target{Namespace: "madams", Repository: "x", Need: hub.Owner})
			if err != nil {
				t.Error(err)
				return
			}
			if err := a.hub.Star(t.Context(), g, as != "stranger" || i%2 == 0); err != nil {
				t.Error(err)
			}
			public := i%4 < 2
			if _, err := a.hub.UpdateRepository(t.Context(), g, hub.RepositoryChange{Public: &public}); err != nil {
				t.Error(err)
			}
			if err := a.hub.Star(t.Context(), g, as != "stranger"); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	a.do("madams", "PUT", "/v1/repositories/madams/x", object{"is_public": true}).is(200, new(object))
	for _, as := range []string{"madams", ""} {
		var p page
		a.do(as, "GET", "/v1/repositories/madams", nil).is(200, &p)
		if p.Count != 1 || p.Results[0]["repo_starred_count"] != 2.0 {
			t.Errorf("%q sees %+v", as, p)
		}
	}
	a.whole()
}
