package manage_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// names are the repositories that a list answers, as namespace/name.
func (r answer) names() string {
	r.t.Helper()
	var list []struct {
		Namespace, Name string
		Total           *int64 `json:"total_range"`
	}
	r.into(200, &list)
	var names []string
	for _, e := range list {
		names = append(names, e.Namespace+"/"+e.Name)
	}
	return strings.Join(names, " ")
}

func TestListRepositories(t *testing.T) {
	a := newAPI(t, "alice", "bob", "carol")
	a.create("alice", "-zebra", "busybox", "nginx")
	a.create("bob", "-closed", "open")
	a.do("alice", "POST", aliceRepos+"/zebra/access", `[{"user_id":"carol","user_name":"carol","auth":1}]`).empty(201)
	a.do("alice", "PATCH", aliceRepos+"/busybox", `{"category":"database"}`).empty(201)

	const all = "alice/busybox alice/nginx alice/zebra bob/closed bob/open"
	for _, test := range []struct{ as, query, names, contentRange string }{
		{"alice", "", "alice/busybox alice/nginx alice/zebra bob/open", "0-3/4"},
		{"bob", "", "alice/busybox alice/nginx bob/closed bob/open", "0-3/4"},
		{"carol", "", "alice/busybox alice/nginx alice/zebra bob/open", "0-3/4"},
		{"admin", "", all, "0-4/5"},
		{"", "", "alice/busybox alice/nginx bob/open", "0-2/3"},
		{"admin", "limit=2", "alice/busybox alice/nginx", "0-1/5"},
		{"admin", "limit=2&offset=2", "alice/zebra bob/closed", "2-3/5"},
		{"admin", "limit=2&offset=4", "bob/open", "4-4/5"},
		{"admin", "limit=2&offset=5", "", "5-5/5"},
		{"admin", "limit=100000", all, "0-4/5"},
		{"admin", "filter=limit::2|offset::2", "alice/zebra bob/closed", "2-3/5"},
		{"alice", "namespace=alice", "alice/busybox alice/nginx alice/zebra", "0-2/3"},
		{"bob", "namespace=alice", "alice/busybox alice/nginx", "0-1/2"},
		{"carol", "namespace=alice", "alice/busybox alice/nginx alice/zebra", "0-2/3"},
		{"", "namespace=alice&limit=1&offset=1", "alice/nginx", "1-1/2"},
		{"alice", "namespace=nobody", "", "0-0/0"},
		{"alice", "filter=namespace::bob", "bob/open", "0-0/1"},
		{"alice", "filter=namespace::bob&namespace=alice", "bob/open", "0-0/1"},
		{"alice", "name=b", "alice/busybox alice/zebra", "0-1/2"},
		{"alice", "name=B&limit=1", "alice/busybox", "0-0/2"},
		{"alice", "category=database", "alice/busybox", "0-0/1"},
		{"alice", "filter=name::x|category::linux", "alice/nginx", "0-0/1"},
		{"alice", "is_public=true", "alice/busybox alice/nginx bob/open", "0-2/3"},
		{"alice", "is_public=false", "alice/zebra", "0-0/1"},
		{"bob", "namespace=alice&is_public=false", "", "0-0/0"},
		{"admin", "order_column=name&order_type=asc", "alice/busybox bob/closed alice/nginx bob/open alice/zebra", "0-4/5"},
		{"admin", "order_column=name&order_type=desc&limit=2", "alice/zebra bob/open", "0-1/5"},
		{"admin", "order_column=updated_at&order_type=desc", "alice/busybox bob/open bob/closed alice/nginx alice/zebra", "0-4/5"},
		{"alice", "namespace=alice&order_column=updated_time&order_type=asc&limit=2&offset=1", "alice/nginx alice/busybox", "1-2/3"},
		{"alice", "namespace=alice&order_column=name&order_type=desc", "alice/zebra alice/nginx alice/busybox", "0-2/3"},
		{"alice", "namespace=alice&order_column=tag_count&order_type=desc", "alice/busybox alice/nginx alice/zebra", "0-2/3"},
	} {
		q, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		r := a.do(test.as, "GET", "/v2/manage/repos?"+q.Encode(), nil)
		if got := r.names(); got != test.names {
			t.Errorf("%s %s: %s, want %s", test.as, test.query, got, test.names)
		}
		if got := r.header.Get("Content-Range"); got != test.contentRange {
			t.Errorf("%s %s: Content-Range %s, want %s", test.as, test.query, got, test.contentRange)
		}
	}

	a.do("alice", "GET", "/v2/manage/repos?limit=1&namespace=alice", nil).is(200, `[{"name":"busybox","category":"database",
		"description":"all about busybox","size":0,"is_public":true,"num_images":0,"num_download":0,
		"created_at":"2015-09-02T08:38:13.728Z","updated_at":"2015-09-02T08:42:13.728Z","logo":"","url":"",
		"path":"hub.example:8443/alice/busybox","internal_path":"hub.example:8443/alice/busybox","domain_name":"alice",
		"namespace":"alice","tags":[],"status":false,"total_range":3}]`)

	for query, number := range map[string]string{
		"limit=0": "4000000", "limit=-1": "4000000", "limit=x": "4000000", "offset=-1": "4000000", "offset=x": "4000000",
		"order_column=size": "4000000", "order_type=up": "4000000", "category=toys": "4000000", "is_public=maybe": "4001009",
		"namespace=A": "4001028", "filter=nothing": "4000000",
	} {
		a.do("alice", "GET", "/v2/manage/repos?"+query, nil).fails(400, number)
	}
}

// A page costs the same number of calls in a hub of many repositories.
func TestListRepositoriesReadsWhatItReturns(t *testing.T) {
	reads := func(n int) int {
		a := newAPI(t, "alice")
		for i := range n {
			a.create("alice", fmt.Sprintf("r%05d", i))
		}
		a.now = a.now.Add(time.Hour)
		a.calls.Take()
		a.do("alice", "GET", "/v2/manage/repos?limit=10", nil).names()
		a.do("alice", "GET", "/v2/manage/repos?limit=10&namespace=alice", nil).names()
		calls := a.calls.Take()
		return calls.GetKeys + calls.ListItems
	}
	if few, many := reads(30), reads(60); few != many {
		t.Errorf("two pages of 10 read %d items among 30 repositories and %d among 60", few, many)
	}
}
