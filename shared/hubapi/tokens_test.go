package hubapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestTokenIsShownOnce(t *testing.T) {
	a := newRepoAPI(t)
	var made object
	r := a.do("madams", "POST", "/v1/tokens/", `{"name":"ci","permissions":["push","pull","push"],"repositories":["madams/app"],"expires_at":"2014-12-01T00:00:00+01:00"}`).is(201, &made)
	made.has(t, `{"name":"ci","namespace":null,"created_by":"madams","permissions":["pull","push"],"repositories":["madams/app"],
		"created_at":"2014-11-19T05:54:22.741Z","expires_at":"2014-12-01T00:00:00.000Z"}`)
	if made["expires_at"] != "2014-11-30T23:00:00.000Z" {
		t.Errorf("expires_at %v", made["expires_at"])
	}
	id, text := made["id"].(string), made["token"].(string)
	if got := r.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	if made["access_key"] != id || len(made["secret_key"].(string)) != 64 || !strings.HasPrefix(text, "brt_"+id) {
		t.Errorf("made %s", r.body)
	}
	r = a.do("madams", "GET", "/v1/tokens", nil)
	var list page
	r.is(200, &list)
	if list.Count != 1 || len(list.Results) != 1 || list.Results[0]["id"] != id {
		t.Fatalf("list %s", r.body)
	}
	for _, hidden := range []string{text, text[len("brt_"+id):], made["secret_key"].(string), "hash"} {
		if strings.Contains(string(r.body), hidden) {
			t.Errorf("the list shows %s", hidden)
		}
	}
	a.do("stranger", "GET", "/v1/tokens", nil).is(200, &list)
	if list.Count != 0 || len(list.Results) != 0 {
		t.Errorf("stranger sees %v", list)
	}
	a.do("", "GET", "/v1/tokens", nil).fails(401, "unauthenticated")
	a.do("", "POST", "/v1/tokens", `{"name":"x","permissions":["pull"]}`).fails(401, "unauthenticated")

	a.do("stranger", "DELETE", "/v1/tokens/"+id, nil).fails(404, "not_found")
	a.by(text, "GET", "/v1/auth/profile", nil).is(200, &object{})
	a.do("madams", "DELETE", "/v1/tokens/"+id+"/", nil).is(204, nil)
	a.by(text, "GET", "/v1/auth/profile", nil).fails(401, "unauthenticated")
	a.do("madams", "DELETE", "/v1/tokens/"+id, nil).fails(404, "not_found")
	a.do("madams", "DELETE", "/v1/tokens/x%2Fy", nil).fails(404, "not_found")
	a.do("madams", "GET", "/v1/tokens", nil).is(200, &list)
	if list.Count != 0 || len(list.Results) != 0 {
		t.Errorf("after the revocation: %v", list)
	}
}

func TestTokenFields(t *testing.T) {
	a := newRepoAPI(t)
	for name, test := range map[string]struct{ body, says string }{
		"no name":                {`{"permissions":["pull"]}`, "name"},
		"long name":              {`{"name":"` + strings.Repeat("n", 101) + `","permissions":["pull"]}`, "name"},
		"no permissions":         {`{"name":"x"}`, "permissions"},
		"empty permissions":      {`{"name":"x","permissions":[]}`, "permissions"},
		"unknown permission":     {`{"name":"x","permissions":["pull","root"]}`, "root"},
		"permissions a word":     {`{"name":"x","permissions":"pull"}`, "permissions"},
		"bare repository":        {`{"name":"x","permissions":["pull"],"repositories":["app"]}`, "repositories"},
		"three segments":         {`{"name":"x","permissions":["pull"],"repositories":["a/b/c"]}`, "repositories"},
		"upper case":             {`{"name":"x","permissions":["pull"],"repositories":["madams/App"]}`, "repositories"},
		"robot outside":          {`{"name":"x","permissions":["pull"],"namespace":"madams","repositories":["stranger/app"]}`, "outside"},
		"many repositories":      {`{"name":"x","permissions":["pull"],"repositories":[` + strings.Repeat(`"a/b",`, 50) + `"a/b"]}`, "repositories"},
		"past":                   {`{"name":"x","permissions":["pull"],"expires_at":"2014-11-19T05:54:22.741Z"}`, "expires_at"},
		"no time":                {`{"name":"x","permissions":["pull"],"expires_at":"soon"}`, "expires_at"},
		"expires_at is a number": {`{"name":"x","permissions":["pull"],"expires_at":1700000000}`, "expires_at"},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			a.do("madams", "POST", "/v1/tokens", test.body).fails(400, "invalid_field", test.says)
		})
	}
	a.t = t
	a.do("madams", "POST", "/v1/tokens", `{"name":"x","permissions":["pull"],"namespace":"No"}`).fails(400, "invalid_namespace")
	a.do("madams", "POST", "/v1/tokens", `{"name":"x","permissions":["pull"],"namespace":"nowhere"}`).fails(404, "namespace_not_found")
	a.do("stranger", "POST", "/v1/tokens", `{"name":"x","permissions":["pull"],"namespace":"madams"}`).fails(403, "permission_denied")
	var list page
	a.do("madams", "GET", "/v1/tokens", nil).is(200, &list)
	if list.Count != 0 {
		t.Errorf("%d tokens were made all the same", list.Count)
	}
}

func TestTokenExpires(t *testing.T) {
	a := newRepoAPI(t)
	made := a.token("madams", `{"name":"ci","permissions":["pull"],"expires_at":"2014-11-19T06:54:22.741Z"}`)
	text := made["token"].(string)
	a.now = a.now.Add(time.Hour - time.Millisecond)
	a.by(text, "GET", "/v1/auth/profile", nil).is(200, &object{})
	a.calls.Take()
	a.by(text, "GET", "/v1/auth/profile", nil).is(200, &object{})
	if n := a.calls.Take(); n.Gets != 2 || n.Writes != 0 { // who calls, and the profile
		t.Errorf("store calls %+v", n)
	}
	a.now = a.now.Add(time.Millisecond)
	a.by(text, "GET", "/v1/auth/profile", nil).fails(401, "unauthenticated", "expired")
}

// A field whose name is written in other letters is an unknown one, and is ignored.
func TestFieldsInOtherLetters(t *testing.T) {
	a := newRepoAPI(t)
	a.token("madams", `{"name":"ci","permissions":["pull"],"Permissions":["admin"],"EXPIRES_AT":5}`).has(t, `{"permissions":["pull"],"expires_at":null}`)
	a.do("madams", "POST", "/v1/tokens", `{"Name":"ci","permissions":["pull"]}`).fails(400, "invalid_field", "name")
	var got object
	a.do("madams", "POST", "/v1/repositories/madams", `{"repo_name":"repo","Is_Public":true,"DESCRIPTION":"x"}`).is(201, &got)
	got.has(t, `{"is_public":false,"description":""}`)
	a.do("madams", "PUT", "/v1/repositories/madams/repo", `{"description":"日本 <a&b>","IS_PUBLIC":true}`).is(200, &got)
	got.has(t, `{"is_public":false,"description":"日本 <a&b>"}`)
	a.do("madams", "POST", "/v2/manage/namespaces/madams/access", `[{"user_id":"stranger","auth":1,"Auth":7}]`).is(201, nil)
	a.do("madams", "GET", "/v2/manage/namespaces/madams/access", nil).is(200, &got)
	if others, _ := got["others_auths"].([]any); len(others) != 1 || others[0].(map[string]any)["auth"] != 1.0 {
		t.Errorf("the stranger got %v", got["others_auths"])
	}
}

// A time that no token can end at is refused: one that stands for never among them,
// and one that could not be read again.
func TestTokenEndsAtATime(t *testing.T) {
	a := newRepoAPI(t)
	for _, at := range []string{
		"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z", "0000-12-31T23:00:00-01:00", "2014-11-19T05:54:22.741Z",
		"9999-12-31T23:59:59-12:00", "10000-01-01T00:00:00Z", "", "tomorrow",
	} {
		a.do("madams", "POST", "/v1/tokens", `{"name":"ci","permissions":["pull"],"expires_at":"`+at+`"}`).fails(400, "invalid_field", "expires_at")
	}
	a.token("madams", `{"name":"ci","permissions":["pull"],"expires_at":"9999-12-31T23:59:59.999Z"}`)
	var list page
	a.do("madams", "GET", "/v1/tokens", nil).is(200, &list)
	if len(list.Results) != 1 || list.Results[0]["expires_at"] != "9999-12-31T23:59:59.999Z" {
		t.Errorf("tokens %v", list)
	}
}

// A caller who uses a token makes none that can do more, nor revokes one.
func TestTokenMakesNoStronger(t *testing.T) {
	a := newRepoAPI(t)
	a.do("madams", "POST", "/v1/orgs", `{"name":"acme"}`).is(201, &object{})
	parents := map[string]string{
		"pull":  `{"name":"p","permissions":["pull"]}`,
		"push":  `{"name":"p","permissions":["push"]}`,
		"admin": `{"name":"p","permissions":["admin"]}`,
		"bound": `{"name":"p","permissions":["admin"],"repositories":["madams/a","madams/b"]}`,
		"short": `{"name":"p","permissions":["admin"],"expires_at":"2014-12-01T00:00:00Z"}`,
		"robot": `{"name":"p","permissions":["push"],"namespace":"madams"}`,
	}
	texts := map[string]string{}
	for name, body := range parents {
		texts[name] = a.token("madams", body)["token"].(string)
	}
	for _, test := range []struct {
		parent string
		body   string
		status int
		says   string
	}{
		{"pull", `{"name":"c","permissions":["pull"]}`, 201, ""},
		{"pull", `{"name":"c","permissions":["push"]}`, 403, "permissions"},
		{"push", `{"name":"c","permissions":["pull"]}`, 201, ""},
		{"push", `{"name":"c","permissions":["admin"]}`, 403, "permissions"},
		{"push", `{"name":"c","permissions":["push"],"namespace":"acme"}`, 201, ""},
		{"admin", `{"name":"c","permissions":["admin"]}`, 201, ""},
		{"bound", `{"name":"c","permissions":["pull"]}`, 403, "repositories"},
		{"bound", `{"name":"c","permissions":["pull"],"repositories":["madams/a","madams/c"]}`, 403, "madams/c"},
		{"bound", `{"name":"c","permissions":["admin"],"repositories":["madams/a"]}`, 201, ""},
		{"bound", `{"name":"c","permissions":["pull"],"repositories":["b"],"namespace":"madams"}`, 201, ""},
		{"short", `{"name":"c","permissions":["pull"]}`, 403, "expires_at"},
		{"short", `{"name":"c","permissions":["pull"],"expires_at":"2014-12-01T00:00:00.001Z"}`, 403, "expires_at"},
		{"short", `{"name":"c","permissions":["pull"],"expires_at":"2014-12-01T00:00:00Z"}`, 201, ""},
		{"robot", `{"name":"c","permissions":["pull"]}`, 403, "namespace"},
		{"robot", `{"name":"c","permissions":["pull"],"namespace":"acme"}`, 403, "namespace"},
		{"robot", `{"name":"c","permissions":["admin"],"namespace":"madams"}`, 403, "permissions"},
		{"robot", `{"name":"c","permissions":["push"],"namespace":"madams"}`, 201, ""},
	} {
		t.Run(test.parent+" "+test.body, func(t *testing.T) {
			a.t = t
			r := a.by(texts[test.parent], "POST", "/v1/tokens", test.body)
			if test.status == 201 {
				r.is(201, &object{})
			} else {
				r.fails(test.status, "permission_denied", test.says)
			}
		})
	}
	a.t = t
	victim := a.token("madams", `{"name":"v","permissions":["admin"]}`)["id"].(string)
	for _, parent := range []string{"pull", "push", "bound", "short"} {
		a.by(texts[parent], "DELETE", "/v1/tokens/"+victim, nil).fails(403, "permission_denied")
	}
	a.by(texts["robot"], "DELETE", "/v1/tokens/"+victim, nil).fails(404, "not_found") // it is not its maker
	for _, parent := range []string{"pull", "bound", "robot"} {
		a.by(texts[parent], "GET", "/v1/tokens", nil).fails(403, "permission_denied")
	}
	for name, text := range texts { // each gives itself up
		a.by(text, "DELETE", "/v1/tokens/"+text[len("brt_"):len("brt_")+20], nil).is(204, nil)
		if r := a.by(text, "GET", "/v1/auth/profile", nil); r.status != 401 {
			t.Errorf("%s lives on: %d", name, r.status)
		}
	}
}

// A token of an administrator is one only as far as it goes.
func TestTokenOfAdministrator(t *testing.T) {
	a := newRepoAPI(t)
	a.make("hidden", false)
	pull := a.token("admin", `{"name":"p","permissions":["pull"]}`)["token"].(string)
	full := a.token("admin", `{"name":"p","permissions":["admin"]}`)["token"].(string)
	account := `{"username":"newcomer","password":"12345678"}`
	a.by(pull, "POST", "/v1/auth/register", account).fails(403, "permission_denied")
	a.by(pull, "GET", "/v1/audit", nil).fails(403, "permission_denied")
	a.by(pull, "GET", "/v1/repositories/madams/hidden", nil).is(200, &object{})
	a.by(pull, "PUT", "/v1/repositories/madams/hidden", `{"description":"x"}`).fails(403, "permission_denied")
	a.by(full, "PUT", "/v1/repositories/madams/hidden", `{"description":"x"}`).is(200, &object{})
	a.by(full, "POST", "/v1/auth/register", account).is(201, &object{})
}

// A robot may what its permissions and its maker's present role both allow, in its
// namespace and its repositories.
func TestRobot(t *testing.T) {
	a := newRepoAPI(t)
	a.make("app", false)
	a.make("other", false)
	a.do("madams", "POST", "/v1/orgs", `{"name":"acme"}`).is(201, &object{})
	robot := a.token("madams", `{"name":"r","permissions":["push"],"namespace":"madams","repositories":["app"]}`)
	robot.has(t, `{"namespace":"madams","repositories":["madams/app"],"permissions":["push"]}`)
	text := robot["token"].(string)
	a.by(text, "GET", "/v1/repositories/madams/app", nil).is(200, &object{})
	a.by(text, "PUT", "/v1/repositories/madams/app", `{"description":"by a robot"}`).is(200, &object{})
	a.by(text, "PUT", "/v1/repositories/madams/app", `{"is_public":true}`).fails(403, "permission_denied")
	a.by(text, "GET", "/v1/repositories/madams/other", nil).fails(404, "repository_not_found")
	a.by(text, "DELETE", "/v1/repositories/madams/app", nil).fails(403, "permission_denied")
	a.by(text, "POST", "/v1/orgs", `{"name":"robots"}`).fails(403, "permission_denied")

	admins := a.token("admin", `{"name":"r","permissions":["admin"],"namespace":"acme"}`)["token"].(string)
	a.by(admins, "PUT", "/v1/orgs/acme", `{"company":"Acme"}`).is(200, &object{})
	a.by(admins, "GET", "/v1/repositories/madams/other", nil).fails(404, "repository_not_found")

	var list page
	a.do("madams", "GET", "/v1/tokens?namespace=acme", nil).is(200, &list)
	if list.Count != 1 || list.Results[0]["created_by"] != "admin" {
		t.Errorf("robots of acme: %v", list)
	}
	a.do("stranger", "GET", "/v1/tokens?namespace=acme", nil).fails(403, "permission_denied")
	a.do("madams", "DELETE", "/v1/tokens/"+list.Results[0]["id"].(string), nil).is(204, nil)
	a.by(admins, "GET", "/v1/auth/profile", nil).fails(401, "unauthenticated")
	a.do("madams", "GET", "/v1/tokens?namespace=acme", nil).is(200, &list)
	if list.Count != 0 || len(list.Results) != 0 {
		t.Errorf("robots of acme after the revocation: %v", list)
	}
}

func TestTokenPages(t *testing.T) {
	a := newRepoAPI(t)
	want := map[string]bool{}
	for i := range 7 {
		want[a.token("madams", fmt.Sprintf(`{"name":"t%d","permissions":["pull"]}`, i))["id"].(string)] = true
	}
	next := "/v1/tokens?page_size=3&x=y"
	for n := 0; next != ""; n++ {
		var p page
		a.do("madams", "GET", next, nil).is(200, &p)
		if p.Count != 7 || len(p.Results) != min(3, 7-3*n) {
			t.Fatalf("page %d has %d of %d", n+1, len(p.Results), p.Count)
		}
		for _, r := range p.Results {
			if !want[r["id"].(string)] {
				t.Errorf("%v twice, or not made", r["id"])
			}
			delete(want, r["id"].(string))
		}
		next = ""
		if p.Next != nil {
			u, err := url.Parse(*p.Next)
			if err != nil || u.Host != "hub.example:8443" || u.Query().Get("x") != "y" {
				t.Fatalf("next %s", *p.Next)
			}
			next = u.RequestURI()
		}
	}
	if len(want) != 0 {
		t.Errorf("not listed: %v", want)
	}
	var p page
	a.do("madams", "GET", "/v1/tokens?page=2&page_size=5", nil).is(200, &p)
	if len(p.Results) != 2 || p.Next != nil || p.Previous == nil {
		t.Errorf("page 2: %v", p)
	}
	a.do("madams", "GET", "/v1/tokens?page=3&page_size=5", nil).fails(404, "not_found")
	a.do("madams", "GET", "/v1/tokens?page=0", nil).fails(400, "invalid_field", "page")
}
