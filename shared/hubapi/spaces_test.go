package hubapi_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/shared/store"
)

// records are all that is kept of a namespace.
func (a *repoAPI) records(name string) []store.Item {
	a.t.Helper()
	ns, err := a.hub.Namespace(context.Background(), name)
	if err != nil {
		a.t.Fatal(err)
	}
	page, err := a.hub.Records.List(context.Background(), store.Range{Table: store.Repositories, Part: "ns/" + ns.ID, Limit: 1000})
	if err != nil || len(page.Items) == 0 {
		a.t.Fatalf("%d records, %v", len(page.Items), err)
	}
	return page.Items
}

func TestSecrets(t *testing.T) {
	a := newRepoAPI(t)
	const secrets = "/v1/namespaces/madams/secrets"
	const value = "the plain value of the secret"
	var got object
	r := a.do("madams", "PUT", secrets+"/NPM_TOKEN/", map[string]string{"value": value}).is(201, &got)
	got.has(t, `{"name":"NPM_TOKEN","created_at":"2014-11-19T05:54:22.741Z","updated_at":"2014-11-19T05:54:22.741Z"}`)
	a.now = a.now.Add(time.Hour)
	a.do("madams", "PUT", secrets+"/NPM_TOKEN", map[string]string{"value": value + "2"}).is(200, &got)
	a.do("madams", "PUT", secrets+"/A", map[string]string{"value": "x"}).is(201, &got)
	a.do("madams", "GET", secrets+"/NPM_TOKEN", nil).is(200, &got)
	if got["created_at"] != "2014-11-19T05:54:22.741Z" || got["updated_at"] != "2014-11-19T06:54:22.741Z" || len(got) != 3 {
		t.Errorf("secret %v", got)
	}
	var list page
	l := a.do("madams", "GET", secrets, nil).is(200, &list)
	if fmt.Sprint(list.field("name")) != "[A NPM_TOKEN]" || list.Count != 2 {
		t.Errorf("list %v", list)
	}
	if strings.Contains(string(r.body)+string(l.body), "plain value") {
		t.Error("a value is shown")
	}
	for _, item := range a.records("madams") {
		if bytes.Contains(item.Value, []byte("plain value")) {
			t.Errorf("%s is stored in the open", item.Key)
		}
	}
	for name, test := range map[string]struct{ path, body, says string }{
		"bad name":   {"/.x", `{"value":"x"}`, "name"},
		"long name":  {"/" + strings.Repeat("x", 65), `{"value":"x"}`, "name"},
		"no value":   {"/x", `{}`, "value"},
		"empty":      {"/x", `{"value":""}`, "value"},
		"a number":   {"/x", `{"value":1}`, "value"},
		"long value": {"/x", `{"value":"` + strings.Repeat("x", 64<<10+1) + `"}`, "value"},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			a.do("madams", "PUT", secrets+test.path, test.body).fails(400, "invalid_field", test.says)
		})
	}
	a.t = t
	a.do("stranger", "GET", secrets, nil).fails(403, "permission_denied")
	a.do("stranger", "PUT", secrets+"/x", `{"value":"x"}`).fails(403, "permission_denied")
	a.do("", "GET", secrets, nil).fails(401, "unauthenticated")
	a.do("madams", "DELETE", secrets+"/NPM_TOKEN", nil).is(204, nil)
	a.do("madams", "DELETE", secrets+"/NPM_TOKEN", nil).fails(404, "not_found")
	a.do("madams", "GET", secrets+"/NPM_TOKEN", nil).fails(404, "not_found")
	a.do("madams", "GET", secrets, nil).is(200, &list)
	if fmt.Sprint(list.field("name")) != "[A]" || list.Count != 1 {
		t.Errorf("list at the end %v", list)
	}
}

func TestQuota(t *testing.T) {
	a := newRepoAPI(t)
	const quota = "/v1/namespaces/madams/quota"
	wants := func(as, want string) {
		t.Helper()
		r := a.do(as, "GET", quota, nil)
		if r.status != 200 || string(r.body) != want {
			t.Errorf("quota %d %s, want %s", r.status, r.body, want)
		}
	}
	wants("madams", `{"limit":null,"used":0}`)
	a.do("madams", "PUT", quota+"/", `{"limit":1000}`).is(200, &object{})
	a.make("app", false)
	a.pushBlob("app", bytes.Repeat([]byte("x"), 900))
	wants("madams", `{"limit":1000,"used":900}`)
	over := bytes.Repeat([]byte("y"), 101)
	if r := a.send("POST", "/v2/madams/app/blobs/uploads/?digest="+sha(over), "application/octet-stream", over); r.status != 403 {
		t.Errorf("over the quota: %d %s", r.status, r.body)
	}
	wants("madams", `{"limit":1000,"used":900}`)
	a.do("madams", "PUT", quota, `{"limit":null}`).is(200, &object{})
	a.pushBlob("app", over)
	wants("madams", `{"limit":null,"used":1001}`)
	a.do("madams", "PUT", quota, `{"limit":0}`).is(200, &object{})
	wants("admin", `{"limit":null,"used":1001}`)
	for _, body := range []string{`{}`, `{"limit":-1}`, `{"limit":"1"}`, `{"limit":1.5}`, `{"limit":1e30}`} {
		a.do("madams", "PUT", quota, body).fails(400, "invalid_field", "limit")
	}
	a.do("stranger", "GET", quota, nil).fails(403, "permission_denied")
	a.do("stranger", "PUT", quota, `{"limit":1}`).fails(403, "permission_denied")
	a.do("", "GET", quota, nil).fails(401, "unauthenticated")
}

// What succeeds is in the log once, with who, what, when and from where; what
// fails or only reads is not.
func TestAudit(t *testing.T) {
	a := newRepoAPI(t)
	a.makeOrg("madams", "acme")
	var got object
	a.now = a.now.Add(time.Second)
	r := a.do("madams", "POST", "/v1/repositories/acme", `{"repo_name":"app"}`).is(201, &got)
	a.do("madams", "POST", "/v1/repositories/acme", `{"repo_name":"app"}`).fails(409, "repository_exists")
	a.do("stranger", "POST", "/v1/repositories/acme", `{"repo_name":"app2"}`).fails(403, "permission_denied")
	a.do("madams", "GET", "/v1/repositories/acme/app", nil).is(200, &got)
	a.now = a.now.Add(time.Second)
	a.member("acme", "stranger", "reader")
	a.now = a.now.Add(time.Second)
	a.do("madams", "PUT", "/v1/repositories/acme/app/star", nil).is(204, nil)

	var list page
	a.do("madams", "GET", "/v1/namespaces/acme/audit/", nil).is(200, &list)
	if got := fmt.Sprint(list.field("what"), list.field("who")); list.Count != 4 || got !=
		"[repository-star member-add repository-create org-create] [madams admin madams madams]" {
		t.Fatalf("log of %d: %s", list.Count, got)
	}
	made := list.Results[2]
	made.has(t, `{"who":"madams","what":"repository-create","on":"/v1/repositories/acme","from":"192.0.2.1","at":"2014-11-19T05:54:23.741Z"}`)
	if made["request"] != r.header.Get("X-Request-Id") || made["at"] != "2014-11-19T05:54:23.741Z" {
		t.Errorf("entry %v", made)
	}
	if list.Results[1]["detail"] != "stranger reader" || list.Results[3]["detail"] != "acme" {
		t.Errorf("details %v", list.field("detail"))
	}
	a.do("stranger", "GET", "/v1/namespaces/acme/audit", nil).fails(403, "permission_denied")
	a.do("", "GET", "/v1/namespaces/acme/audit", nil).fails(401, "unauthenticated")

	var second page
	a.do("madams", "GET", "/v1/namespaces/acme/audit?page_size=3", nil).is(200, &list)
	a.do("madams", "GET", (*list.Next)[len("https://hub.example:8443"):], nil).is(200, &second)
	if len(list.Results) != 3 || fmt.Sprint(second.field("what")) != "[org-create]" || second.Next != nil {
		t.Errorf("pages %v, %v", list, second)
	}
}

func TestAuditOfPushes(t *testing.T) {
	a := newRepoAPI(t)
	a.make("app", false)
	a.pushManifest("app", "v1", a.image("app", "arm64"))
	a.calls.Take()
	a.pushManifest("app", "v2", a.image("app", "amd64"))
	var list page
	a.do("madams", "GET", "/v1/namespaces/madams/audit", nil).is(200, &list)
	if got := fmt.Sprint(list.field("what"), list.field("on")); list.Count != 2 || got !=
		"[registry-manifest-put registry-manifest-put] [/v2/madams/app/manifests/v2 /v2/madams/app/manifests/v1]" &&
		got != "[registry-manifest-put registry-manifest-put] [/v2/madams/app/manifests/v1 /v2/madams/app/manifests/v2]" {
		t.Errorf("log of %d: %s", list.Count, got)
	}
}

// What belongs to no namespace is in the hub's own log, for administrators.
func TestHubAudit(t *testing.T) {
	a := newRepoAPI(t)
	a.hub.Options.OpenSignup = true
	a.makeOrg("madams", "acme")
	steps := []func(){
		func() {
			a.with("POST", "/v1/auth/register", `{"username":"newcomer","password":"12345678"}`).is(201, &object{})
		},
		func() {
			a.with("POST", "/v1/generate-api-token", `{"username":"newcomer","password":"12345678"}`).is(200, &object{})
		},
		func() { a.do("madams", "PUT", "/v1/auth/profile", `{"realname":"M"}`).is(200, &object{}) },
		func() { a.do("madams", "DELETE", "/v1/orgs/acme", nil).is(204, nil) },
		func() {
			a.with("POST", "/v1/generate-api-token", `{"username":"newcomer","password":"wrong one"}`).fails(401, "unauthenticated")
		},
	}
	for _, step := range steps {
		a.now = a.now.Add(time.Second)
		step()
	}
	var list page
	a.do("admin", "GET", "/v1/audit", nil).is(200, &list)
	if got := fmt.Sprint(list.field("what"), list.field("who")); list.Count != 4 || got !=
		"[org-delete profile-update generate-api-token account-register] [madams madams newcomer anonymous]" {
		t.Errorf("log of %d: %s", list.Count, got)
	}
	if list.Results[3]["detail"] != "newcomer" {
		t.Errorf("register %v", list.Results[3])
	}
	a.do("madams", "GET", "/v1/audit", nil).fails(403, "permission_denied")
	a.do("", "GET", "/v1/audit", nil).fails(401, "unauthenticated")
}
