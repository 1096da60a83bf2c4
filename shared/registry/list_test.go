package registry_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"berth/shared/hub"
)

var nextLink = regexp.MustCompile(`^<([^>]+)>; rel="next"$`)

// pages follows Link from a path and returns the bodies.
func (r *registry) pages(as auth, path string) (bodies [][]byte) {
	r.t.Helper()
	for path != "" {
		a := r.do(as, "GET", path, nil).is(200)
		bodies = append(bodies, a.body)
		path = ""
		if link := a.header.Get("Link"); link != "" {
			m := nextLink.FindStringSubmatch(link)
			if m == nil {
				r.t.Fatalf("Link %q", link)
			}
			path = m[1]
		}
		if len(bodies) > 100 {
			r.t.Fatal("pages without end")
		}
	}
	return bodies
}

func TestTagList(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	m := index(nil, nil)
	all := []string{"0", "1.10", "1.9", "A", "_x", "a", "a-b", "a.b", "ab", "z"}
	for _, i := range []int{3, 0, 9, 5, 1, 7, 2, 8, 4, 6} {
		r.pushManifest(as, "alice/app", all[i], m).is(201)
	}
	var list struct {
		Name string
		Tags []string
	}
	r.do(as, "GET", "/v2/alice/app/tags/list", nil).is(200, "Content-Type", "application/json", "Link", "").decode(&list)
	if list.Name != "alice/app" || !slices.Equal(list.Tags, all) {
		t.Errorf("list %+v", list)
	}
	for _, c := range []struct {
		query string
		want  []string
		next  string
	}{
		{"?n=3", all[:3], "last=1.9&n=3"},
		{"?n=10", all, ""},
		{"?n=11", all, ""},
		{"?n=3&last=1.9", all[3:6], "last=a&n=3"},
		{"?last=a", all[6:], ""},
		{"?last=a-", all[6:], ""},
		{"?last=zz", nil, ""},
		{"?last=" + strings.Repeat("~", 3000), nil, ""},
		{"?last=%ff", nil, ""},
		{"?last=" + strings.Repeat("~%ff", 300), nil, ""},
		{"?n=0", nil, ""},
		{"?n=0&last=a", nil, ""},
		{"?n=99999999", all, ""},
	} {
		link := ""
		if c.next != "" {
			link = "<" + r.server.URL + "/v2/alice/app/tags/list?" + c.next + `>; rel="next"`
		}
		a := r.do(as, "GET", "/v2/alice/app/tags/list"+c.query, nil).is(200, "Link", link)
		list.Tags = nil
		a.decode(&list)
		if list.Tags == nil || !slices.Equal(list.Tags, c.want) && len(c.want)+len(list.Tags) > 0 {
			t.Errorf("%s: %v, want %v", c.query, list.Tags, c.want)
		}
	}
	for _, bad := range []string{"-1", "x", "1.5", "99999999999999999999", ""} {
		r.do(as, "GET", "/v2/alice/app/tags/list?n="+bad, nil).fails(400, "UNSUPPORTED")
	}
	if e := r.do(as, "GET", "/v2/alice/app/tags/list?n=2147483648", nil).fails(400, "UNSUPPORTED"); !strings.Contains(string(e.body), "n: must be a whole number from 0 to 2147483647") {
		t.Errorf("%s does not say how many are too many", e.body)
	}
	var got []string
	for _, body := range r.pages(as, "/v2/alice/app/tags/list?n=4") {
		if err := json.Unmarshal(body, &list); err != nil {
			t.Fatal(err)
		}
		got = append(got, list.Tags...)
	}
	if !slices.Equal(got, all) {
		t.Errorf("in pages: %v", got)
	}
	empty := r.repository("alice", "alice/empty", nil)
	r.do(r.pusher("alice", empty.Path()), "GET", "/v2/alice/empty/tags/list", nil).is(200).has(`{"name":"alice/empty","tags":[]}`)
}

func TestReferrers(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	r.pushBlob(as, "alice/app", "{}")
	subject := r.pushImage(as, "alice/app", "v1", "x")
	to := map[string]any{"subject": describe(hub.MediaOCIManifest, subject)}
	with := func(more map[string]any) map[string]any {
		m := map[string]any{"subject": to["subject"]}
		for name, v := range more {
			m[name] = v
		}
		return m
	}
	at := "/v2/alice/app/referrers/" + digestOf(subject)
	type list struct {
		SchemaVersion int
		MediaType     string
		Manifests     []descriptor
	}
	get := func(query, filters string) map[string]descriptor {
		t.Helper()
		var l list
		r.do(as, "GET", at+query, nil).is(200, "Content-Type", hub.MediaOCIIndex, "OCI-Filters-Applied", filters, "Link", "").decode(&l)
		if l.SchemaVersion != 2 || l.MediaType != hub.MediaOCIIndex || l.Manifests == nil {
			t.Errorf("index %+v", l)
		}
		m := map[string]descriptor{}
		for _, d := range l.Manifests {
			m[d.Digest] = d
		}
		return m
	}
	if got := get("", ""); len(got) != 0 {
		t.Errorf("before there are any: %v", got)
	}
	signature := image("{}", nil, with(map[string]any{"artifactType": "application/x.signature", "annotations": map[string]string{"by": "alice"}}))
	untyped := image("{}", nil, with(nil))
	sbom := index(nil, with(map[string]any{"artifactType": "application/x.sbom+json"}))
	plain := index(nil, with(nil))
	long := image("{}", nil, with(map[string]any{"artifactType": "application/x.long", "annotations": map[string]string{"a": strings.Repeat("l", 600<<10)}}))
	for _, m := range []string{signature, untyped, sbom, plain, long} {
		r.pushManifest(as, "alice/app", digestOf(m), m).is(201, "OCI-Subject", digestOf(subject))
	}
	got := get("", "")
	for m, want := range map[string]struct{ kind, media string }{
		signature: {"application/x.signature", hub.MediaOCIManifest}, untyped: {configType, hub.MediaOCIManifest},
		sbom: {"application/x.sbom+json", hub.MediaOCIIndex}, plain: {"", hub.MediaOCIIndex}, long: {"application/x.long", hub.MediaOCIManifest},
	} {
		d := got[digestOf(m)]
		if d.ArtifactType != want.kind || d.MediaType != want.media || d.Size != len(m) {
			t.Errorf("referrer %.200v, want %v", d, want)
		}
	}
	if len(got) != 5 || got[digestOf(signature)].Annotations["by"] != "alice" || len(got[digestOf(long)].Annotations["a"]) != 600<<10 {
		t.Errorf("%d referrers, or their annotations are wrong", len(got))
	}
	for query, want := range map[string]string{
		"?artifactType=application/x.signature": signature, "?artifactType=application/x.sbom%2Bjson": sbom,
		"?artifactType=" + configType: untyped, "?artifactType=application/x.long": long, "?artifactType=none": "",
	} {
		got := get(query, "artifactType")
		if _, there := got[digestOf(want)]; want == "" && len(got) != 0 || want != "" && (len(got) != 1 || !there) {
			t.Errorf("%s: %d referrers", query, len(got))
		}
	}
	get("?artifactType=", "")

	// They are listed without their subject, and go with themselves.
	r.do(as, "DELETE", "/v2/alice/app/manifests/"+digestOf(subject), nil).is(202)
	r.do(as, "DELETE", "/v2/alice/app/manifests/"+digestOf(long), nil).is(202)
	if got := get("", ""); len(got) != 4 {
		t.Errorf("%d referrers of a deleted subject, want 4", len(got))
	}
	r.do(as, "GET", "/v2/alice/app/referrers/sha256:abc", nil).fails(400, "DIGEST_INVALID")
	r.do(as, "GET", "/v2/alice/app/referrers/"+digestOf("none"), nil).is(200).has(`{"schemaVersion":2,"mediaType":"` + hub.MediaOCIIndex + `","manifests":[]}`)
	fresh := r.token("alice", "repository:alice/none:pull")
	r.do(fresh, "GET", "/v2/alice/none/referrers/"+digestOf("none"), nil).is(200, "Content-Type", hub.MediaOCIIndex)
}

// An answer with referrers stops at 4 MiB, with a Link to the rest.
func TestReferrerPages(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	r.pushBlob(as, "alice/app", "{}")
	want := map[string]bool{}
	for i := range 18 {
		m := image("{}", nil, map[string]any{
			"subject": describe(hub.MediaOCIManifest, "subject"), "artifactType": fmt.Sprintf("application/x.%d", i%2),
			"annotations": map[string]string{"a": strings.Repeat("l", 250<<10), "i": fmt.Sprint(i)},
		})
		r.pushManifest(as, "alice/app", digestOf(m), m).is(201)
		want[digestOf(m)] = i%2 == 1
	}
	count := func(query string) int {
		t.Helper()
		seen := map[string]bool{}
		pages := r.pages(as, "/v2/alice/app/referrers/"+digestOf("subject")+query)
		for _, body := range pages {
			if len(body) > 4<<20 {
				t.Errorf("a page of %d bytes", len(body))
			}
			var l struct{ Manifests []descriptor }
			if err := json.Unmarshal(body, &l); err != nil {
				t.Fatal(err)
			}
			for _, d := range l.Manifests {
				if _, known := want[d.Digest]; !known || seen[d.Digest] {
					t.Errorf("%s is unknown or came twice", d.Digest)
				}
				if query != "" && !want[d.Digest] {
					t.Errorf("%s is of another type", d.Digest)
				}
				seen[d.Digest] = true
			}
		}
		if len(pages) != 2 && query == "" {
			t.Errorf("%d pages", len(pages))
		}
		return len(seen)
	}
	if got := count(""); got != 18 {
		t.Errorf("%d referrers, want 18", got)
	}
	if got := count("?artifactType=application/x.1"); got != 9 {
		t.Errorf("%d referrers of a type, want 9", got)
	}
}

func TestCatalog(t *testing.T) {
	r := start(t)
	for _, path := range []string{"alice/a-open", "alice/b-closed", "bob/a-closed", "bob/b-open", "bob/c-closed"} {
		owner, _, _ := strings.Cut(path, "/")
		r.repository(owner, path, func(repo *hub.Repository) { repo.Public = strings.HasSuffix(path, "open") })
	}
	all := []string{"alice/a-open", "alice/b-closed", "bob/a-closed", "bob/b-open", "bob/c-closed"}
	const scope = "registry:catalog:*"
	alices := []string{"alice/a-open", "alice/b-closed", "bob/b-open"}
	open := []string{"alice/a-open", "bob/b-open"}
	var limited tokens
	r.do("Bearer "+auth(r.accessToken("alice", []string{"pull"}, "alice/b-closed")), "GET", "/v2/token?scope="+scope, nil).is(200).decode(&limited)
	for _, c := range []struct {
		name string
		as   auth
		want []string
	}{
		{"administrator", r.token("admin", scope), all},
		{"administrator by password", basic("admin"), all},
		{"owner", r.token("alice", scope), alices},
		{"owner by password", basic("alice"), alices},
		{"anonymous", r.token("", scope), open},
		{"limited access token", "Bearer " + auth(limited.Token), alices},
	} {
		var list struct{ Repositories []string }
		r.do(c.as, "GET", "/v2/_catalog", nil).is(200, "Content-Type", "application/json", "Link", "").decode(&list)
		if !slices.Equal(list.Repositories, c.want) {
			t.Errorf("%s: %v, want %v", c.name, list.Repositories, c.want)
		}
		var got []string
		for _, body := range r.pages(c.as, "/v2/_catalog?n=1") {
			var list struct{ Repositories []string }
			if err := json.Unmarshal(body, &list); err != nil || len(list.Repositories) != 1 {
				t.Fatalf("%s: %s", c.name, body)
			}
			got = append(got, list.Repositories...)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s in pages: %v, want %v", c.name, got, c.want)
		}
	}
	r.do(basic("admin"), "GET", "/v2/_catalog?n=2&last=alice/b-closed", nil).is(200, "Link", "<"+r.server.URL+`/v2/_catalog?last=bob%2Fb-open&n=2>; rel="next"`).
		has(`{"repositories":["bob/a-closed","bob/b-open"]}`)
	r.do(basic("admin"), "GET", "/v2/_catalog?n=0", nil).is(200).has(`{"repositories":[]}`)
	r.do(basic("admin"), "GET", "/v2/_catalog?n=x", nil).fails(400, "UNSUPPORTED")
	r.do(basic("admin"), "GET", "/v2/_catalog?last=zzz", nil).is(200).has(`{"repositories":[]}`)
}
