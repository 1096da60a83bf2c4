package manage_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"berth/shared/store/storetest"
)

const aliceAccess = "/v2/manage/namespaces/alice/access"

// self and others are the roles that an answer about access shows.
func (r answer) roles() (self, others string) {
	r.t.Helper()
	type auth struct {
		UserID   string `json:"user_id"`
		UserName string `json:"user_name"`
		Auth     int    `json:"auth"`
	}
	var a struct {
		ID     int32  `json:"id"`
		Name   string `json:"name"`
		Self   auth   `json:"self_auth"`
		Others []auth `json:"others_auths"`
	}
	r.into(200, &a)
	var list []string
	for _, o := range a.Others {
		if o.UserID != o.UserName {
			r.t.Errorf("%s: id %q, name %q", r.what, o.UserID, o.UserName)
		}
		list = append(list, fmt.Sprint(o.UserID, o.Auth))
	}
	return fmt.Sprint(a.Self.UserID, a.Self.Auth), strings.Join(list, " ")
}

func (r answer) shows(self, others string) {
	r.t.Helper()
	if s, o := r.roles(); s != self || o != others {
		r.t.Errorf("%s: %s and %q, want %s and %q", r.what, s, o, self, others)
	}
}

func TestNamespaceAccess(t *testing.T) {
	a := newAPI(t, "alice", "bob", "carol")
	a.do("alice", "GET", aliceAccess, nil).shows("alice7", "")
	a.do("alice", "POST", aliceAccess, `[{"user_id":"bob","user_name":"bob","auth":1},{"user_id":"carol","user_name":"carol","auth":7}]`).empty(201)
	a.do("alice", "GET", aliceAccess, nil).shows("alice7", "bob1 carol7")
	a.do("bob", "GET", aliceAccess+"/", nil).shows("bob1", "alice7 carol7")
	a.do("admin", "GET", aliceAccess, nil).shows("admin7", "alice7 bob1 carol7")
	a.do("admin", "GET", aliceAccess+"?marker=alice", nil).shows("admin7", "bob1 carol7")
	a.do("admin", "GET", aliceAccess+"?marker=a$", nil).fails(400, "4000000")

	a.do("carol", "PATCH", aliceAccess, `[{"user_id":"bob","user_name":"bob","auth":3}]`).empty(201)
	a.do("bob", "GET", aliceAccess, nil).shows("bob3", "alice7 carol7")
	a.do("bob", "POST", aliceRepos, fields{"repository", "of-bob", "is_public", "false"}).empty(201)
	a.do("alice", "DELETE", aliceAccess, `["bob"]`).empty(204)
	a.do("bob", "GET", aliceRepos+"/of-bob", nil).fails(404, "4040000")
	a.do("alice", "GET", aliceAccess, nil).shows("alice7", "carol7")
}

func TestRepositoryAccess(t *testing.T) {
	a := newAPI(t, "alice", "bob", "carol")
	a.create("alice", "-zebra", "open")
	const zebra = aliceRepos + "/zebra"
	a.do("alice", "GET", zebra+"/access", nil).shows("alice7", "")
	a.do("bob", "GET", zebra, nil).fails(404, "4040000")
	a.do("alice", "POST", zebra+"/access", `[{"user_id":"bob","user_name":"bob","auth":1}]`).empty(201)
	a.do("bob", "GET", zebra, nil).says(`"name":"zebra"`)
	a.do("bob", "GET", zebra+"/access", nil).shows("bob1", "")
	a.do("alice", "GET", zebra+"/access", nil).shows("alice7", "bob1")
	a.do("bob", "PATCH", zebra, `{"description":"x"}`).fails(403, "4039002")
	a.do("alice", "PATCH", zebra+"/access", `[{"user_id":"bob","user_name":"bob","auth":3}]`).empty(201)
	a.do("bob", "PATCH", zebra, `{"description":"x"}`).empty(201)
	a.do("bob", "POST", zebra+"/access", `[{"user_id":"carol","user_name":"carol","auth":1}]`).fails(403, "4039002")
	a.do("alice", "DELETE", zebra+"/access", `["bob"]`).empty(204)
	a.do("bob", "GET", zebra, nil).fails(404, "4040000")

	a.do("alice", "POST", aliceRepos+"/open/access", `[{"user_id":"bob","user_name":"bob","auth":3}]`).empty(201)
	a.do("bob", "GET", aliceRepos+"/open/access", nil).shows("bob3", "")
	a.do("carol", "GET", aliceRepos+"/open/access", nil).shows("carol1", "") // not told about others
	a.do("", "GET", aliceRepos+"/open/access", nil).fails(401, "4010000")

	// what was given in a repository is not given in its namesake
	a.do("alice", "DELETE", zebra, nil).empty(204)
	a.create("alice", "-zebra")
	a.do("bob", "GET", zebra, nil).fails(404, "4040000")
}

func TestAccessRefuses(t *testing.T) {
	a := newAPI(t, "alice", "bob", "carol")
	a.create("alice", "-zebra")
	a.do("alice", "POST", aliceAccess, `[{"user_id":"carol","user_name":"carol","auth":1}]`).empty(201)
	for _, path := range []string{aliceAccess, aliceRepos + "/zebra/access"} {
		for _, test := range []struct {
			as, method, body string
			status           int
			number           string
		}{
			{"alice", "POST", `[{"user_id":"nobody","user_name":"nobody","auth":1}]`, 404, "4040000"},
			{"alice", "POST", `[{"user_id":"bob","user_name":"bob","auth":2}]`, 400, "4000000"},
			{"alice", "POST", `[{"user_id":"bob","user_name":"bob","auth":0}]`, 400, "4000000"},
			{"alice", "POST", `[{"user_id":"bob","user_name":"bob"}]`, 400, "4000000"},
			{"alice", "POST", `[{"auth":1}]`, 400, "4000000"},
			{"alice", "POST", `[{"user_id":"bob","user_name":"carol","auth":1}]`, 400, "4000000"},
			{"alice", "POST", `[{"user_id":"bob","auth":1},{"user_id":"bob","auth":3}]`, 400, "4000000"},
			{"alice", "POST", `[{"user_id":"bob","auth":"1"}]`, 400, "4000000"},
			{"alice", "POST", `{"user_id":"bob","auth":1}`, 400, "4000000"},
			{"alice", "POST", `[]`, 400, "4000000"},
			{"alice", "POST", `[`, 400, "4000000"},
			{"alice", "PATCH", `[{"user_id":"bob","user_name":"bob","auth":1}]`, 404, "4040000"},
			{"alice", "DELETE", `["bob"]`, 404, "4040000"},
			{"alice", "DELETE", `[7]`, 400, "4000000"},
			{"carol", "DELETE", `["alice"]`, 403, "4039002"},
			{"", "POST", `[{"user_id":"bob","user_name":"bob","auth":1}]`, 401, "4010000"},
		} {
			a.do(test.as, test.method, path, test.body).fails(test.status, test.number)
		}
		// one bad entry, and nothing changes
		a.do("alice", "POST", path, `[{"user_id":"bob","auth":1},{"user_id":"nobody","auth":1}]`).fails(404, "4040000")
	}
	a.do("alice", "POST", aliceAccess, `{}`).fails(400, "4000000").says("the body must be a list in JSON, not object")
	a.do("alice", "POST", aliceAccess, `null`).fails(400, "4000000").says("must be a list")
	a.do("alice", "DELETE", aliceAccess, `[7]`).fails(400, "4000000").says("each entry of the list must be a string, not number")
	a.do("alice", "POST", aliceAccess, `[{"user_id":"carol","user_name":"carol","auth":3}]`).fails(409, "4090000")
	a.do("bob", "GET", aliceAccess, nil).fails(403, "4039002")
	a.do("alice", "GET", aliceAccess, nil).shows("alice7", "carol1")
	a.do("alice", "GET", aliceRepos+"/zebra/access", nil).shows("alice7", "")
}

// An account stays owner of its own namespace.
func TestOwnNamespaceKeepsItsAccount(t *testing.T) {
	a := newAPI(t, "alice", "bob")
	a.do("alice", "POST", aliceAccess, `[{"user_id":"bob","user_name":"bob","auth":7}]`).empty(201)
	a.do("bob", "DELETE", aliceAccess, `["alice"]`).fails(409, "4090000")
	a.do("bob", "PATCH", aliceAccess, `[{"user_id":"alice","auth":3}]`).fails(409, "4090000")
	a.do("alice", "GET", aliceAccess, nil).shows("alice7", "bob7")
}

// Each write of a change of roles fails once in each way, and the change is made.
func TestAccessSurvivesALostAnswer(t *testing.T) {
	for _, mode := range storetest.Modes {
		a := newAPI(t, "alice", "bob")
		a.faults.Fail(1, mode)
		a.do("alice", "POST", aliceAccess, `[{"user_id":"bob","user_name":"bob","auth":7}]`).empty(201)
		a.faults.Fail(1, mode)
		a.do("alice", "PATCH", aliceAccess, `[{"user_id":"bob","user_name":"bob","auth":1}]`).empty(201)
		a.do("bob", "GET", aliceAccess, nil).shows("bob1", "alice7")
		a.faults.Fail(1, mode)
		a.do("alice", "DELETE", aliceAccess, `["bob"]`).empty(204)
		a.do("alice", "GET", aliceAccess, nil).shows("alice7", "")
	}
}

// Many changes at once leave every account with the role that both directions tell.
func TestAccessAtOnce(t *testing.T) {
	a := newAPI(t, "alice", "bob")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if i%2 == 0 {
				a.do("alice", "POST", aliceAccess, `[{"user_id":"bob","auth":1}]`)
			} else {
				a.do("alice", "DELETE", aliceAccess, `["bob"]`)
			}
		})
	}
	wg.Wait()
	_, others := a.do("alice", "GET", aliceAccess, nil).roles()
	mine := a.do("bob", "GET", "/v2/manage/namespaces", nil).auths()
	if (others == "bob1") != (mine == "alice1 bob7") {
		t.Errorf("the namespace says %q, the account %q", others, mine)
	}
}

// An organisation keeps an owner, also when its two owners remove each other at once.
func TestLastOwnerStays(t *testing.T) {
	a := newAPI(t, "alice", "bob")
	const access = "/v2/manage/namespaces/group/access"
	a.do("alice", "POST", "/v2/manage/namespaces", `{"namespace":"group"}`).empty(201)
	a.do("alice", "DELETE", access, `["alice"]`).fails(409, "4090000")
	a.do("alice", "PATCH", access, `[{"user_id":"alice","auth":3}]`).fails(409, "4090000")
	a.do("alice", "POST", access, `[{"user_id":"bob","auth":3}]`).empty(201)
	a.do("alice", "DELETE", access, `["alice"]`).fails(409, "4090000")
	a.do("alice", "PATCH", access, `[{"user_id":"bob","auth":7},{"user_id":"alice","auth":1}]`).empty(201)
	a.do("bob", "GET", access, nil).shows("bob7", "alice1")

	for range 5 {
		a.do("admin", "PATCH", access, `[{"user_id":"bob","auth":7}]`)
		a.do("admin", "POST", access, `[{"user_id":"bob","auth":7}]`)
		a.do("admin", "PATCH", access, `[{"user_id":"alice","auth":7}]`)
		a.do("admin", "POST", access, `[{"user_id":"alice","auth":7}]`)
		var wg sync.WaitGroup
		wg.Go(func() { a.do("admin", "DELETE", access, `["alice"]`) })
		wg.Go(func() { a.do("admin", "DELETE", access, `["bob"]`) })
		wg.Wait()
		if _, others := a.do("admin", "GET", access, nil).roles(); others != "alice7" && others != "bob7" {
			t.Fatalf("the organisation is left with %q", others)
		}
	}
}

// Somebody who is made an owner, and is one already, may lose that at the same moment:
// the organisation keeps an owner.
func TestOwnerWhoIsOneAlready(t *testing.T) {
	a := newAPI(t, "alice", "bob")
	const access = "/v2/manage/namespaces/group/access"
	for n := 1; ; n++ {
		a.do("alice", "POST", "/v2/manage/namespaces", `{"namespace":"group"}`).empty(201)
		a.do("alice", "POST", access, `[{"user_id":"bob","auth":7}]`).empty(201)
		records := a.hub.Records
		met := &between{Records: records, n: n}
		met.do = func() { a.do("admin", "DELETE", access, `["alice"]`) }
		a.hub.Records = met
		a.do("admin", "PATCH", access, `[{"user_id":"alice","auth":7},{"user_id":"bob","auth":1}]`)
		a.hub.Records = records
		if met.n > 0 {
			break
		}
		if _, others := a.do("admin", "GET", access, nil).roles(); !strings.Contains(others, "7") {
			t.Fatalf("met at call %d of the store, the organisation is left with %q", n, others)
		}
		a.do("admin", "DELETE", "/v2/manage/namespaces/group", nil).empty(204)
	}
}
