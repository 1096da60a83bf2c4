package hubapi_test

import (
	"testing"
)

// org makes an organisation of madams' with stranger in a role.
func (a *repoAPI) org(name string, role int) {
	a.t.Helper()
	a.do("madams", "POST", "/v1/orgs", object{"name": name}).is(201, new(object))
	if role > 0 {
		a.give("/v2/manage/namespaces/"+name+"/access", role)
	}
}

// give gives stranger a role.
func (a *repoAPI) give(access string, role int) {
	a.t.Helper()
	a.do("madams", "POST", access, []object{{"user_id": "stranger", "user_name": "stranger", "auth": role}}).is(201, nil)
}

func TestWritersDescribeAndOwnersPublish(t *testing.T) {
	a := newRepoAPI(t)
	a.org("team", 3)
	a.do("stranger", "POST", "/v1/repositories/team", object{"repo_name": "x", "is_public": true}).is(201, new(object))
	a.do("stranger", "PUT", "/v1/repositories/team/x", object{"description": "by a writer", "is_public": true, "immutable_tags": false}).is(200, new(object))
	for _, body := range []object{{"is_public": false, "description": "no"}, {"immutable_tags": true, "description": "no"}} {
		a.do("stranger", "PUT", "/v1/repositories/team/x", body).fails(403, "permission_denied", "owner")
	}
	a.do("stranger", "DELETE", "/v1/repositories/team/x", nil).fails(403, "permission_denied")
	var o object
	a.do("madams", "PUT", "/v1/repositories/team/x", object{"is_public": false, "immutable_tags": true}).is(200, &o)
	o.has(t, `{"description": "by a writer", "is_public": false, "immutable_tags": true, "created_by": "stranger"}`)
}

// A role in one repository shows that one, besides what is public.
func TestListsShowWhatTheCallerMayRead(t *testing.T) {
	a := newRepoAPI(t)
	a.org("team", 0)
	for name, public := range map[string]bool{"a": false, "b": true, "c": false, "d": true, "e": false} {
		a.do("madams", "POST", "/v1/repositories/team", object{"repo_name": name, "is_public": public}).is(201, new(object))
	}
	a.give("/v2/manage/namespaces/team/repos/c/access", 1)
	a.give("/v2/manage/namespaces/team/repos/d/access", 3)
	check := func(as, query, names string, count int64) {
		t.Helper()
		var p page
		if a.do(as, "GET", "/v1/repositories/team?"+query, nil).is(200, &p); p.names() != names || p.Count != count {
			t.Errorf("%q %s: %s of %d, want %s of %d", as, query, p.names(), p.Count, names, count)
		}
	}
	check("stranger", "", "b c d", 3)
	check("stranger", "page_size=2", "b c", 3)
	check("stranger", "page_size=2&page=2", "d", 3)
	check("stranger", "is_public=true", "b d", 2)
	check("stranger", "is_public=false", "c", 1)
	check("stranger", "q=c", "c", 1)
	check("", "", "b d", 2)
	check("madams", "page_size=3", "a b c", 5)
	check("admin", "", "a b c d e", 5)

	var found struct {
		Results []object
	}
	a.do("stranger", "GET", "/v1/search?q=team/", nil).is(200, &found)
	if len(found.Results) != 3 {
		t.Errorf("the search finds %v", found.Results)
	}

	// a namesake of one that was deleted is another repository
	a.do("madams", "DELETE", "/v1/repositories/team/c", nil).is(204, nil)
	check("stranger", "", "b d", 2)
	a.do("madams", "POST", "/v1/repositories/team", object{"repo_name": "c"}).is(201, new(object))
	check("stranger", "", "b d", 2)
	a.do("stranger", "GET", "/v1/repositories/team/c", nil).fails(404, "repository_not_found")

	a.give("/v2/manage/namespaces/team/access", 1)
	check("stranger", "", "a b c d e", 5)
}

// Stars are an account's, and a change: a token that only pulls gives none.
func TestTokensAndStars(t *testing.T) {
	a := newRepoAPI(t)
	a.do("madams", "POST", "/v1/repositories/madams", object{"repo_name": "x", "is_public": true}).is(201, new(object))
	for permission, status := range map[string]int{"pull": 403, "push": 204} {
		var made struct{ Token string }
		a.do("stranger", "POST", "/v1/tokens", object{"name": permission, "permissions": []string{permission}}).is(201, &made)
		if r := a.withToken("PUT", made.Token, "/v1/repositories/madams/x/star"); r.status != status {
			t.Errorf("%s: %d %s, want %d", permission, r.status, r.body, status)
		}
	}
}

// A token shows no more than it opens.
func TestTokensNarrowLists(t *testing.T) {
	a := newRepoAPI(t)
	a.org("team", 1)
	a.org("other", 1)
	for _, ns := range []string{"team", "other"} {
		for name, public := range map[string]bool{"open": true, "closed": false, "secret": false} {
			a.do("madams", "POST", "/v1/repositories/"+ns, object{"repo_name": name, "is_public": public}).is(201, new(object))
		}
	}
	token := func(as string, body object) string {
		t.Helper()
		var made struct{ Token string }
		a.do(as, "POST", "/v1/tokens", body).is(201, &made)
		return made.Token
	}
	pull := []string{"pull"}
	one := token("stranger", object{"name": "one", "permissions": pull, "repositories": []string{"team/closed"}})
	robot := token("madams", object{"name": "ci", "namespace": "team", "permissions": pull})
	admin := token("admin", object{"name": "one", "permissions": pull, "repositories": []string{"other/secret"}})
	all := token("admin", object{"name": "all", "permissions": pull})
	for _, c := range []struct{ token, team, other, search string }{
		{one, "closed open", "open", "other/open team/closed team/open"},
		{robot, "closed open secret", "open", "other/open team/closed team/open team/secret"},
		{admin, "open", "open secret", "other/open other/secret team/open"},
		{all, "closed open secret", "closed open secret", "other/closed other/open other/secret team/closed team/open team/secret"},
	} {
		var team, other page
		var found struct{ Results []object }
		a.withToken("GET", c.token, "/v1/repositories/team").is(200, &team)
		a.withToken("GET", c.token, "/v1/repositories/other").is(200, &other)
		a.withToken("GET", c.token, "/v1/search?q=").is(200, &found)
		names := ""
		for _, r := range found.Results {
			names += " " + r["name"].(string)
		}
		if team.names() != c.team || int(team.Count) != len(team.Results) || other.names() != c.other || int(other.Count) != len(other.Results) || names != " "+c.search {
			t.Errorf("team: %s of %d, other: %s of %d, search:%s; want %+v", team.names(), team.Count, other.names(), other.Count, names, c)
		}
	}
}
