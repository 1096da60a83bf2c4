package hubapi_test

import (
	"fmt"
	"strings"
	"testing"

	"berth/shared/hub"
	"berth/shared/store"
)

func TestSearch(t *testing.T) {
	a := newRepoAPI(t)
	for _, r := range []struct {
		ns, name, description string
		public                bool
	}{
		{"madams", "nginx", "a server", true}, {"madams", "nginx-proxy", "", true}, {"madams", "my-nginx", "", true},
		{"madams", "web", "built on NGINX", true}, {"madams", "secret-nginx", "", false}, {"stranger", "nginx", "own", false},
		{"stranger", "other", "", true},
	} {
		a.do(r.ns, "POST", "/v1/repositories/"+r.ns, object{"repo_name": r.name, "description": r.description, "is_public": r.public}).is(201, new(object))
	}
	a.do("stranger", "PUT", "/v1/repositories/madams/nginx/star", nil).is(204, nil)
	for _, s := range []struct {
		as, query, want string
		num, pages      float64
	}{
		{"", "q=nginx", "madams/nginx madams/nginx-proxy madams/my-nginx madams/web", 4, 1},
		{"madams", "q=Nginx&n=25", "madams/nginx madams/nginx-proxy madams/my-nginx madams/secret-nginx madams/web", 5, 1},
		{"stranger", "q=nginx&n=2", "madams/nginx stranger/nginx", 5, 3},
		{"stranger", "q=nginx&n=2&page=3", "madams/web", 5, 3},
		{"stranger", "q=nginx&n=2&page=4", "", 5, 3},
		{"admin", "q=&n=1000", "madams/my-nginx madams/nginx madams/nginx-proxy madams/secret-nginx madams/web stranger/nginx stranger/other", 7, 1},
		{"", "q=stranger/other", "stranger/other", 1, 1},
		{"", "q=nothing", "", 0, 0},
	} {
		var got struct {
			NumResults float64 `json:"num_results"`
			NumPages   float64 `json:"num_pages"`
			Query      string
			More       bool
			Results    []object
		}
		a.do(s.as, "GET", "/v1/search?"+s.query, nil).is(200, &got)
		var names []string
		for _, r := range got.Results {
			names = append(names, r["name"].(string))
		}
		if strings.Join(names, " ") != s.want || got.NumResults != s.num || got.NumPages != s.pages || got.More || got.Results == nil {
			t.Errorf("%q %s: %v, %+v; want %s", s.as, s.query, names, got, s.want)
		}
		if s.query == "q=nginx" {
			got.Results[0].has(t, `{"name": "madams/nginx", "description": "a server", "star_count": 1, "is_official": false, "is_automated": false}`)
		}
	}
	for query, field := range map[string]string{"": "q", "q=x&n=0": "n", "q=x&n=x": "n", "q=x&page=0": "page"} {
		a.do("", "GET", "/v1/search?"+query, nil).fails(400, "invalid_field", field)
	}
}

func TestSearchIsBounded(t *testing.T) {
	a := newRepoAPI(t)
	a.make("r", true)
	index := store.Range{Table: store.Repositories, Part: "index/public", Limit: 1}
	page, err := a.hub.Records.List(t.Context(), index)
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("the public index: %+v, %v", page, err)
	}
	for i := 0; i < hub.SearchBound; i += store.MaxWrite { // as many entries as that one
		var ops []store.Op
		for j := range store.MaxWrite {
			key := page.Items[0].Key
			key.Sort += fmt.Sprintf("%05d", i+j+1)
			ops = append(ops, store.Put(key, page.Items[0].Value))
		}
		if err := a.hub.Records.Write(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
	for _, as := range []string{"", "stranger"} {
		a.do(as, "GET", "/v1/search?q=r10000", nil).is(200, new(object))
		var got object
		a.calls.Take()
		a.do(as, "GET", "/v1/search?q=r10000", nil).is(200, &got)
		if reads := a.calls.Take().Reads(); reads > 20 || got["more"] != true || got["num_results"] != 0.0 {
			t.Errorf("%q: %d reads, %v", as, reads, got)
		}
	}
}
