package manage_test

import (
	"strings"
	"testing"
)

// auths are the namespaces that a list answers, with the caller's role.
func (r answer) auths() string {
	r.t.Helper()
	var list struct {
		Namespaces []struct {
			ID      int32  `json:"id"`
			Name    string `json:"name"`
			Creator string `json:"creator_name"`
			Auth    int32  `json:"auth"`
		} `json:"namespaces"`
	}
	r.into(200, &list)
	if list.Namespaces == nil {
		r.t.Errorf("%s: %s has no list", r.what, r.body)
	}
	var names []string
	for _, n := range list.Namespaces {
		if n.ID <= 0 || n.Creator == "" {
			r.t.Errorf("%s: %+v lacks an id or a creator", r.what, n)
		}
		names = append(names, n.Name+string(rune('0'+n.Auth)))
	}
	return strings.Join(names, " ")
}

func TestListNamespaces(t *testing.T) {
	a := newAPI(t, "alice", "bob", "carol")
	a.create("alice", "-zebra", "open")
	a.do("bob", "POST", "/v2/manage/namespaces/bob/access", `[{"user_id":"carol","user_name":"carol","auth":3}]`).empty(201)
	a.do("alice", "POST", aliceRepos+"/zebra/access", `[{"user_id":"carol","user_name":"carol","auth":1}]`).empty(201)

	for _, test := range []struct{ as, query, want string }{
		{"carol", "", "bob3 carol7"},
		{"carol", "?filter=mode::visible", "alice0 bob3 carol7"},
		{"carol", "?filter=namespace::bob|mode::visible", "bob3"},
		{"carol", "?filter=namespace::alice|mode::visible", "alice0"},
		{"carol", "?filter=namespace::alice", ""},
		{"carol", "?namespace=carol", "carol7"},
		{"carol", "?namespace=Carol", ""},
		{"carol", "?filter=namespace::admin|mode::visible", ""},
		{"carol", "?marker=bob", "carol7"},
		{"admin", "", "admin7 alice7 bob7 carol7"},
		{"admin", "?namespace=bob", "bob7"},
	} {
		if got := a.do(test.as, "GET", "/v2/manage/namespaces"+test.query, nil).auths(); got != test.want {
			t.Errorf("%s %s: %s, want %s", test.as, test.query, got, test.want)
		}
	}
	a.do("", "GET", "/v2/manage/namespaces", nil).fails(401, "4010000")
	a.do("carol", "GET", "/v2/manage/namespaces?filter=mode::all", nil).fails(400, "4000000")

	a.do("carol", "GET", "/v2/manage/namespaces/bob/", nil).says(`"name":"bob","creator_name":"bob","auth":3`)
	a.do("carol", "GET", "/v2/manage/namespaces/alice", nil).says(`"auth":0`)
	a.do("bob", "GET", "/v2/manage/namespaces/alice", nil).fails(403, "4039002")
	a.do("", "GET", "/v2/manage/namespaces/alice", nil).fails(401, "4010000")
	a.do("bob", "GET", "/v2/manage/namespaces/nobody", nil).fails(404, "4040000")
	a.do("bob", "GET", "/v2/manage/namespaces/no$body", nil).fails(400, "4001028")
}

func TestCreateAndDeleteNamespace(t *testing.T) {
	a := newAPI(t, "alice", "bob")
	const path = "/v2/manage/namespaces"
	a.do("alice", "POST", path, `{"namespace":"group"}`).empty(201)
	a.do("bob", "POST", path+"/", `{"namespace":"group"}`).fails(409, "4090060")
	a.do("alice", "POST", path, `{"namespace":"bob"}`).fails(409, "4090060")
	a.do("alice", "GET", path+"/group", nil).says(`"name":"group","creator_name":"alice","auth":7`)
	if got := a.do("alice", "GET", path, nil).auths(); got != "alice7 group7" {
		t.Errorf("alice's namespaces are %s", got)
	}
	for _, body := range []string{
		`{"namespace":""}`, `{}`, `{"namespace":"Group"}`, `{"namespace":"a.b"}`, `{"namespace":"a-_b"}`, `{"namespace":"manage"}`,
		`{"namespace":7}`, `{"namespace":"` + strings.Repeat("a", 65) + `"}`,
	} {
		a.do("alice", "POST", path, body).fails(400, "4001028")
	}
	a.do("alice", "POST", path, `{"namespace"`).fails(400, "4000000")
	a.do("", "POST", path, `{"namespace":"other"}`).fails(401, "4010000")

	a.create("group", "busybox")
	a.do("bob", "DELETE", path+"/group", nil).fails(403, "4039002")
	a.do("", "DELETE", path+"/group", nil).fails(401, "4010000")
	a.do("alice", "DELETE", path+"/group", nil).fails(406, "4060074")
	a.do("alice", "DELETE", path+"/alice", nil).fails(409, "4090000")
	a.do("alice", "DELETE", path+"/group/repos/busybox", nil).empty(204)
	a.do("alice", "DELETE", path+"/group/", nil).empty(204)
	a.do("alice", "DELETE", path+"/group", nil).fails(404, "4040000")
	if got := a.do("alice", "GET", path, nil).auths(); got != "alice7" {
		t.Errorf("alice's namespaces are %s", got)
	}
}
