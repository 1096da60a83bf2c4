package hubapi_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"berth/shared/store"
)

func TestAccountList(t *testing.T) {
	a := newRepoAPI(t)
	type page struct {
		Count   int
		Next    *string
		Results []object
	}
	var names []any
	at := "/v1/admin/accounts?page_size=2"
	for range 2 {
		var p page
		a.do("admin", "GET", at, nil).is(200, &p)
		if p.Count != 3 || len(p.Results) == 0 {
			t.Fatalf("%s: %+v", at, p)
		}
		for _, r := range p.Results {
			names = append(names, r["username"])
		}
		if p.Next != nil {
			at = *p.Next
		}
	}
	if !slices.Equal(names, []any{"admin", "madams", "stranger"}) {
		t.Errorf("the accounts are %v", names)
	}
	var p page
	a.do("admin", "GET", "/v1/admin/accounts?page=2&page_size=1", nil).is(200, &p)
	p.Results[0].has(t, `{"username":"madams","namespace":"madams","email":"madams@example.com","realname":"","is_admin":false,"is_locked":false,"created_at":"2014-11-19T05:54:22.741Z"}`)
	a.calls.Take()
	a.do("admin", "GET", "/v1/admin/accounts?page_size=1", nil).is(200, &p)
	if calls := a.calls.Take(); p.Count != 3 || len(p.Results) != 1 || calls.ListItems != 2 {
		t.Errorf("a page of one of three accounts cost %+v", calls)
	}
	a.do("admin", "GET", "/v1/admin/accounts?cursor=QQ", nil).fails(400, "invalid_field", "cursor")
}

func TestAdministratorChangesAccount(t *testing.T) {
	a := newRepoAPI(t)
	a.do("madams", "POST", "/v1/orgs", `{"name":"acme"}`).is(201, &object{})
	personal, _ := a.token("madams", `{"name":"mine","permissions":["pull","push","admin"]}`)["token"].(string)
	robot, _ := a.token("madams", `{"name":"ci","namespace":"acme","permissions":["push"]}`)["token"].(string)
	change := func(name, body string) repoAnswer {
		a.now = a.now.Add(time.Second) // the log is in the order of time
		return a.do("admin", "PUT", "/v1/admin/accounts/"+name, body)
	}
	gets := func(password string) repoAnswer {
		return a.with("GET", "/v1/auth/profile", nil, "Authorization", "Basic "+basic("madams", password))
	}

	change("madams", `{"password":"given by another"}`).is(200, &object{})
	gets("given by another").is(200, &object{})
	gets(repoPassword).fails(401, "unauthenticated", "wrong")
	change("madams", `{"password":"short"}`).fails(400, "invalid_field", "password")
	change("nobody", `{"password":"given by another"}`).fails(404, "account_not_found", "nobody")

	var seen object
	change("madams", `{"is_locked":true}`).is(200, &seen)
	seen.has(t, `{"is_locked":true,"is_admin":false}`)
	gets("given by another").fails(401, "unauthenticated", "locked")
	gets("a wrong password").fails(401, "unauthenticated", "wrong") // who does not know it is told nothing
	for _, token := range []string{personal, robot} {
		a.by(token, "GET", "/v1/auth/profile", nil).fails(401, "unauthenticated", "locked")
	}
	change("madams", `{"is_locked":false,"is_admin":true}`).is(200, &seen)
	seen.has(t, `{"is_locked":false,"is_admin":true}`)
	gets("given by another").is(200, &object{})
	a.by(robot, "GET", "/v1/auth/profile", nil).is(200, &object{})
	a.by(personal, "GET", "/v1/admin/accounts", nil).is(200, &object{})

	for _, body := range []string{`{"is_locked":true}`, `{"is_admin":false}`} {
		change("admin", body).fails(409, "conflict", "another administrator")
	}
	var log struct{ Results []object }
	a.do("admin", "GET", "/v1/audit?page_size=3", nil).is(200, &log)
	log.Results[0].has(t, `{"who":"admin","what":"admin-account-update","on":"/v1/admin/accounts/madams","detail":"made an administrator, unlocked"}`)
	log.Results[1].has(t, `{"detail":"locked"}`)
}

// beforeWrite runs do, once, before the next write.
type beforeWrite struct {
	store.Records
	do func()
}

func (b *beforeWrite) Write(ctx context.Context, ops ...store.Op) error {
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
	return b.Records.Write(ctx, ops...)
}

// Two administrators who take each other's role at the same moment do not both succeed.
func TestAdministratorsRemoveEachOther(t *testing.T) {
	for _, second := range []string{`{"is_locked":true}`, `{"is_admin":false}`} {
		a := newRepoAPI(t)
		a.do("admin", "PUT", "/v1/admin/accounts/madams", `{"is_admin":true}`).is(200, &object{})
		const all = `{"name":"mine","permissions":["pull","push","admin"]}`
		one, _ := a.token("admin", all)["token"].(string)
		other, _ := a.token("madams", all)["token"].(string)
		a.by(one, "GET", "/v1/audit", nil).is(200, &object{})
		a.hub.Records = &beforeWrite{a.hub.Records, func() {
			a.by(other, "PUT", "/v1/admin/accounts/admin", second).is(200, &object{})
		}}
		a.by(one, "PUT", "/v1/admin/accounts/madams", `{"is_admin":false}`).fails(403, "permission_denied")
		var left object
		a.by(other, "GET", "/v1/auth/profile", nil).is(200, &left)
		left.has(t, `{"username":"madams","is_admin":true}`)
	}
}
