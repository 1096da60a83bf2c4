package hubapi_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"berth/shared/hub"
)

func (a *repoAPI) makeOrg(as, name string) {
	a.t.Helper()
	a.do(as, "POST", "/v1/orgs", map[string]string{"name": name}).is(201, &object{})
}

func (a *repoAPI) member(org, account, role string) {
	a.t.Helper()
	a.do("admin", "POST", "/v1/orgs/"+org+"/members", map[string]string{"username": account, "role": role}).is(201, &object{})
}

// names are one field of a page's entries.
func (p page) field(name string) (list []any) {
	for _, r := range p.Results {
		list = append(list, r[name])
	}
	return list
}

func TestOrgs(t *testing.T) {
	a := newRepoAPI(t)
	var got object
	a.do("madams", "POST", "/v1/orgs/", `{"name":"acme","company":"Acme Limited"}`).is(201, &got)
	const shown = `{"name":"acme","company":"Acme Limited","created_by":"madams","created_at":"2014-11-19T05:54:22.741Z","role":"owner"}`
	got.has(t, shown)
	a.do("madams", "GET", "/v1/orgs/acme/", nil).is(200, &got)
	got.has(t, shown)
	a.do("madams", "PUT", "/v1/orgs/acme", `{"company":"Acme Unlimited"}`).is(200, &got)
	got.has(t, `{"name":"acme","company":"Acme Unlimited","role":"owner"}`)
	a.do("stranger", "POST", "/v1/orgs", `{"name":"acme"}`).fails(409, "namespace_exists")
	a.do("stranger", "POST", "/v1/orgs", `{"name":"madams"}`).fails(409, "namespace_exists")
	a.do("stranger", "POST", "/v1/orgs", `{"name":"tags"}`).fails(400, "invalid_namespace", "name: ", "reserved")
	a.do("stranger", "POST", "/v1/orgs", `{"name":"Acme"}`).fails(400, "invalid_namespace", "name: ", "lower-case")
	a.do("stranger", "POST", "/v1/orgs", `{"name":""}`).fails(400, "invalid_field", "name")
	a.do("", "POST", "/v1/orgs", `{"name":"other"}`).fails(401, "unauthenticated")

	a.do("stranger", "GET", "/v1/orgs/acme", nil).fails(403, "permission_denied")
	a.do("", "GET", "/v1/orgs/acme", nil).fails(401, "unauthenticated")
	a.do("madams", "GET", "/v1/orgs/nowhere", nil).fails(404, "namespace_not_found")
	for _, call := range [][2]string{{"GET", ""}, {"PUT", ""}, {"DELETE", ""}, {"GET", "/members"}, {"GET", "/members/madams"}} {
		a.do("madams", call[0], "/v1/orgs/madams"+call[1], nil).fails(404, "namespace_not_found", "own namespace")
	}

	var list page
	a.do("madams", "GET", "/v1/orgs/", nil).is(200, &list)
	if list.Count != 1 || len(list.Results) != 1 || list.Results[0]["name"] != "acme" || list.Next != nil {
		t.Errorf("list %v", list)
	}
	a.do("stranger", "GET", "/v1/orgs", nil).is(200, &list)
	if list.Count != 0 || len(list.Results) != 0 {
		t.Errorf("stranger's list %v", list)
	}
}

func TestOrgPages(t *testing.T) {
	a := newRepoAPI(t)
	for _, name := range []string{"d", "zeta", "a", "c", "b"} { // madams' own lies between them
		a.makeOrg("madams", name)
	}
	var first, second page
	a.do("madams", "GET", "/v1/orgs?page_size=4", nil).is(200, &first)
	if got := fmt.Sprint(first.field("name")); got != "[a b c d]" || first.Count != 5 || first.Next == nil {
		t.Fatalf("first page %s of %d, next %v", got, first.Count, first.Next)
	}
	a.do("madams", "GET", (*first.Next)[len("https://hub.example:8443"):], nil).is(200, &second)
	if got := fmt.Sprint(second.field("name")); got != "[zeta]" || second.Next != nil {
		t.Errorf("second page %s, next %v", got, second.Next)
	}
	a.do("madams", "GET", "/v1/orgs?page_size=4&page=2", nil).is(200, &second)
	if got := fmt.Sprint(second.field("name")); got != "[zeta]" {
		t.Errorf("second page by number %s", got)
	}
	a.do("madams", "GET", "/v1/orgs?page_size=5", nil).is(200, &first)
	if first.Next != nil {
		t.Errorf("a full last page has a next one: %s", *first.Next)
	}
}

func TestMembers(t *testing.T) {
	a := newRepoAPI(t)
	a.makeOrg("madams", "acme")
	const members = "/v1/orgs/acme/members"
	var got object
	a.do("madams", "POST", members+"/", `{"username":"stranger","role":"reader"}`).is(201, &got)
	got.has(t, `{"username":"stranger","role":"reader","since":"2014-11-19T05:54:22.741Z"}`)
	a.do("madams", "POST", members, `{"username":"stranger","role":"writer"}`).fails(409, "conflict", "already")
	a.do("madams", "POST", members, `{"username":"nobody","role":"reader"}`).fails(404, "account_not_found")
	a.do("madams", "POST", members, `{"username":"No","role":"reader"}`).fails(404, "account_not_found")
	a.do("madams", "POST", members, `{"username":"admin","role":"boss"}`).fails(400, "invalid_field", "role")
	a.do("madams", "POST", members, `{"username":"admin"}`).fails(400, "invalid_field", "role")
	a.do("madams", "POST", members, `{"role":"reader"}`).fails(400, "invalid_field", "username")

	a.do("stranger", "GET", "/v1/orgs/acme", nil).is(200, &got)
	got.has(t, `{"role":"reader"}`)
	a.do("stranger", "POST", members, `{"username":"admin","role":"reader"}`).fails(403, "permission_denied")
	a.do("stranger", "POST", "/v1/repositories/acme", `{"repo_name":"app"}`).fails(403, "permission_denied")
	a.do("madams", "PUT", members+"/stranger", `{"role":"writer"}`).is(200, &got)
	got.has(t, `{"username":"stranger","role":"writer"}`)
	a.do("stranger", "POST", "/v1/repositories/acme", `{"repo_name":"app"}`).is(201, &got)
	a.do("madams", "PUT", members+"/admin", `{"role":"writer"}`).fails(404, "not_found")
	a.do("madams", "GET", members+"/admin", nil).fails(404, "not_found")

	var list page
	a.do("stranger", "GET", members, nil).is(200, &list)
	if got := fmt.Sprint(list.field("username"), list.field("role")); got != "[madams stranger] [owner writer]" || list.Count != 2 {
		t.Errorf("members %s, count %d", got, list.Count)
	}
	a.do("", "GET", members, nil).fails(401, "unauthenticated")

	a.do("madams", "PUT", members+"/madams", `{"role":"writer"}`).fails(409, "conflict", "last owner")
	a.do("madams", "DELETE", members+"/madams", nil).fails(409, "conflict", "last owner")
	a.do("madams", "PUT", members+"/stranger", `{"role":"owner"}`).is(200, &got)
	a.do("madams", "DELETE", members+"/madams/", nil).is(204, nil)
	a.do("madams", "GET", members, nil).fails(403, "permission_denied")
	a.do("stranger", "DELETE", members+"/madams", nil).fails(404, "not_found")
	a.do("stranger", "GET", members, nil).is(200, &list)
	if list.Count != 1 || len(list.Results) != 1 {
		t.Errorf("members at the end %v", list)
	}
	a.do("madams", "GET", "/v1/orgs", nil).is(200, &list)
	if list.Count != 0 || len(list.Results) != 0 {
		t.Errorf("madams' organisations at the end %v", list)
	}
}

// Two owners who remove each other at the same time do not both succeed.
func TestOwnersRemoveEachOther(t *testing.T) {
	a := newRepoAPI(t)
	for round := range 20 {
		org := fmt.Sprintf("acme%d", round)
		a.makeOrg("madams", org)
		a.member(org, "stranger", "owner")
		var wg sync.WaitGroup
		statuses := make([]int, 2)
		for i, pair := range [][2]string{{"madams", "stranger"}, {"stranger", "madams"}} {
			wg.Go(func() { statuses[i] = a.do(pair[0], "DELETE", "/v1/orgs/"+org+"/members/"+pair[1], nil).status })
		}
		wg.Wait()
		var list page
		a.do("admin", "GET", "/v1/orgs/"+org+"/members", nil).is(200, &list)
		if len(list.Results) != 1 || list.Count != 1 || list.Results[0]["role"] != "owner" {
			t.Fatalf("round %d: answers %v leave %v", round, statuses, list)
		}
	}
}

// A robot never goes beyond its maker's present role.
func TestRobotFollowsItsMaker(t *testing.T) {
	a := newRepoAPI(t)
	a.makeOrg("madams", "acme")
	a.do("madams", "POST", "/v1/repositories/acme", `{"repo_name":"app"}`).is(201, &object{})
	a.member("acme", "stranger", "writer")
	a.do("stranger", "POST", "/v1/tokens", `{"name":"r","permissions":["admin"],"namespace":"acme"}`).fails(403, "permission_denied")
	robot := a.token("stranger", `{"name":"r","permissions":["push"],"namespace":"acme"}`)["token"].(string)
	change := func() repoAnswer { return a.by(robot, "PUT", "/v1/repositories/acme/app", `{"description":"x"}`) }
	change().is(200, &object{})
	a.do("madams", "PUT", "/v1/orgs/acme/members/stranger", `{"role":"reader"}`).is(200, &object{})
	change().fails(403, "permission_denied")
	a.by(robot, "GET", "/v1/repositories/acme/app", nil).is(200, &object{})
	a.do("madams", "PUT", "/v1/orgs/acme/members/stranger", `{"role":"owner"}`).is(200, &object{})
	change().is(200, &object{})
	a.by(robot, "DELETE", "/v1/repositories/acme/app", nil).fails(403, "permission_denied")
	a.do("madams", "DELETE", "/v1/orgs/acme/members/stranger", nil).is(204, nil)
	change().fails(404, "repository_not_found")
	a.by(robot, "GET", "/v1/repositories/acme/app", nil).fails(404, "repository_not_found")
}

// A deleted organisation leaves nothing to a namesake: members, robots, secrets,
// webhooks, audit log. What hung on it is gone after the sweep.
func TestDeleteOrg(t *testing.T) {
	a := newRepoAPI(t)
	a.makeOrg("madams", "acme")
	a.member("acme", "stranger", "owner")
	a.do("madams", "POST", "/v1/repositories/acme", `{"repo_name":"app"}`).is(201, &object{})
	robot := a.token("stranger", `{"name":"r","permissions":["admin"],"namespace":"acme"}`)["token"].(string)
	a.do("madams", "PUT", "/v1/namespaces/acme/secrets/KEY", `{"value":"v"}`).is(201, &object{})
	a.do("madams", "PUT", "/v1/namespaces/acme/webhooks/h", `{"url":"https://example.com"}`).is(201, &object{})

	a.do("madams", "DELETE", "/v1/orgs/acme", nil).fails(409, "namespace_not_empty", "1")
	a.do("madams", "DELETE", "/v1/repositories/acme/app", nil).is(204, nil)
	a.do("madams", "DELETE", "/v1/orgs/acme/", nil).is(204, nil)
	a.do("madams", "GET", "/v1/orgs/acme", nil).fails(404, "namespace_not_found")
	a.do("madams", "DELETE", "/v1/orgs/acme", nil).fails(404, "namespace_not_found")
	var list page
	for _, who := range []string{"madams", "stranger"} {
		a.do(who, "GET", "/v1/orgs", nil).is(200, &list)
		if list.Count != 0 || len(list.Results) != 0 {
			t.Errorf("%s still has %v", who, list)
		}
	}
	a.makeOrg("madams", "acme")
	for range 2 {
		a.do("stranger", "GET", "/v1/orgs/acme", nil).fails(403, "permission_denied")
		a.by(robot, "GET", "/v1/orgs/acme", nil).is2(401, 403)
		for _, kind := range []string{"secrets", "webhooks"} {
			a.do("madams", "GET", "/v1/namespaces/acme/"+kind, nil).is(200, &list)
			if list.Count != 0 || len(list.Results) != 0 {
				t.Errorf("the namesake has %s %v", kind, list)
			}
		}
		a.do("madams", "GET", "/v1/namespaces/acme/audit", nil).is(200, &list)
		if list.Count != 1 || list.Results[0]["what"] != "org-create" {
			t.Errorf("the namesake's audit log has %v", list)
		}
		a.do("stranger", "GET", "/v1/tokens", nil).is(200, &list)
		if _, err := a.hub.Sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if list.Count != 0 || len(list.Results) != 0 {
		t.Errorf("after the sweep stranger still has the robot %v", list)
	}
	a.by(robot, "GET", "/v1/auth/profile", nil).fails(401, "unauthenticated")
	a.do("madams", "GET", "/v1/orgs", nil).is(200, &list)
	if list.Count != 1 || len(list.Results) != 1 {
		t.Errorf("madams' organisations after the sweep: %v", list)
	}
}

func (r repoAnswer) is2(first, second int) {
	r.t.Helper()
	if r.status != first && r.status != second {
		r.t.Errorf("%s: %d %s, want %d or %d", r.what, r.status, r.body, first, second)
	}
}

// largeOrg makes an organisation of madams' with 25 readers, m0 to m24.
func (a *repoAPI) largeOrg(name string) {
	a.t.Helper()
	a.makeOrg("madams", name)
	for i := range 25 {
		account := fmt.Sprintf("m%d", i)
		if _, err := a.hub.CreateAccount(a.t.Context(), hub.NewAccount{Name: account, Password: repoPassword}); err != nil {
			a.t.Fatal(err)
		}
		a.member(name, account, "reader")
	}
}

// An organisation with many members is deleted at once too, and its members' lists
// are right after the sweep.
func TestDeleteLargeOrg(t *testing.T) {
	a := newRepoAPI(t)
	a.largeOrg("acme")
	ctx := context.Background()
	a.do("madams", "DELETE", "/v1/orgs/acme", nil).is(204, nil)
	var list page
	a.do("m7", "GET", "/v1/orgs", nil).is(200, &list)
	if len(list.Results) != 0 {
		t.Errorf("m7 still sees %v", list)
	}
	if _, err := a.hub.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	a.do("m7", "GET", "/v1/orgs", nil).is(200, &list)
	if list.Count != 0 || len(list.Results) != 0 {
		t.Errorf("after the sweep m7 has %v", list)
	}
}

// Nor does a namesake that is made before the sweep spoil its members' lists.
func TestNamesakeOfLargeOrg(t *testing.T) {
	a := newRepoAPI(t)
	a.largeOrg("acme")
	ctx := context.Background()
	a.do("madams", "DELETE", "/v1/orgs/acme", nil).is(204, nil)
	a.makeOrg("madams", "acme")
	a.member("acme", "m7", "writer")
	if _, err := a.hub.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	for account, orgs := range map[string]int{"madams": 1, "m7": 1, "m8": 0} {
		var list page
		a.do(account, "GET", "/v1/orgs", nil).is(200, &list)
		if int(list.Count) != orgs || len(list.Results) != orgs {
			t.Errorf("%s has %v, want %d", account, list, orgs)
		}
	}
	a.whole()
}

// A repository that is made while its organisation is deleted either keeps the
// organisation, or is not made.
func TestDeleteOrgAgainstNewRepository(t *testing.T) {
	a := newRepoAPI(t)
	for round := range 30 {
		org := fmt.Sprintf("acme%d", round)
		a.makeOrg("madams", org)
		var wg sync.WaitGroup
		var made, deleted repoAnswer
		wg.Go(func() { made = a.do("madams", "POST", "/v1/repositories/"+org, `{"repo_name":"app"}`) })
		wg.Go(func() { deleted = a.do("madams", "DELETE", "/v1/orgs/"+org, nil) })
		wg.Wait()
		switch {
		case made.status == 201 && deleted.status == 409:
			a.do("madams", "GET", "/v1/repositories/"+org+"/app", nil).is(200, &object{})
		case made.status == 404 && deleted.status == 204:
			a.do("madams", "GET", "/v1/repositories/"+org+"/app", nil).fails(404, "repository_not_found")
		default:
			t.Fatalf("round %d: made %d %s, deleted %d %s", round, made.status, made.body, deleted.status, deleted.body)
		}
	}
}
