package hubapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
)

// send sends bytes to the registry as madams.
func (a *repoAPI) send(method, path, kind string, body []byte) repoAnswer {
	a.t.Helper()
	req := httptest.NewRequest(method, path, bytes.NewReader(body))
	req.Header.Set("Content-Type", kind)
	req.SetBasicAuth("madams", repoPassword)
	rec := httptest.NewRecorder()
	a.handler.ServeHTTP(rec, req)
	return repoAnswer{a.t, method + " " + path, rec.Code, rec.Header(), rec.Body.Bytes()}
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (a *repoAPI) pushBlob(repo string, b []byte) object {
	a.t.Helper()
	r := a.send("POST", "/v2/madams/"+repo+"/blobs/uploads/?digest="+sha(b), "application/octet-stream", b)
	if r.status != 201 {
		a.t.Fatalf("%s: %d %s", r.what, r.status, r.body)
	}
	return object{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": sha(b), "size": len(b)}
}

func (a *repoAPI) pushManifest(repo, reference string, manifest object) string {
	a.t.Helper()
	b, _ := json.Marshal(manifest)
	r := a.send("PUT", "/v2/madams/"+repo+"/manifests/"+reference, manifest["mediaType"].(string), b)
	if r.status != 201 {
		a.t.Fatalf("%s: %d %s", r.what, r.status, r.body)
	}
	return sha(b)
}

// image is an image whose configuration tells a history.
func (a *repoAPI) image(repo, arch string) object {
	config, _ := json.Marshal(object{
		"architecture": arch, "os": "linux", "rootfs": object{"type": "layers", "diff_ids": []string{}},
		"history": []object{
			{"created": "2015-05-24T00:54:26.452123456Z", "created_by": "ADD file"}, {"created_by": "CMD", "empty_layer": true, "comment": "c"},
		},
	})
	c := a.pushBlob(repo, config)
	c["mediaType"] = "application/vnd.oci.image.config.v1+json"
	return object{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": c, "layers": []object{a.pushBlob(repo, []byte("layer of "+arch))},
	}
}

func configID(image object) string {
	return strings.TrimPrefix(image["config"].(object)["digest"].(string), "sha256:")
}

func TestTags(t *testing.T) {
	a := newRepoAPI(t)
	a.do("madams", "POST", "/v1/repositories/madams", object{"repo_name": "x", "is_public": true}).is(201, new(object))
	var list []object
	if r := a.do("", "GET", "/v1/repositories/madams/x/tags", nil).is(200, &list); string(r.body) != "[]" || r.header.Get("X-Total-Count") != "0" {
		t.Errorf("without tags: %s, %s", r.body, r.header)
	}
	image := a.image("x", "amd64")
	digest := a.pushManifest("x", "test", image)
	first := a.now
	a.now = a.now.Add(time.Minute)
	a.pushManifest("x", "latest", image)
	a.now = a.now.Add(time.Minute)
	arm := a.image("x", "arm64")
	armDigest := a.pushManifest("x", "arm", arm)
	a.now = a.now.Add(time.Minute)
	b, _ := json.Marshal(arm)
	index := object{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []object{
		{"mediaType": arm["mediaType"], "digest": armDigest, "size": len(b), "platform": object{"os": "linux", "architecture": "arm64"}},
	}}
	indexDigest := a.pushManifest("x", "multi", index)

	a.do("", "GET", "/v1/repositories/madams/x/tags", nil).is(200, &list)
	want := []object{
		{"tag": "multi", "image_id": strings.TrimPrefix(indexDigest, "sha256:")}, {"tag": "arm", "image_id": configID(arm)},
		{"tag": "latest", "image_id": configID(image)}, {"tag": "test", "image_id": configID(image)},
	}
	if len(list) != len(want) {
		t.Fatalf("tags: %v", list)
	}
	for i := range want {
		text, _ := json.Marshal(want[i])
		list[i].has(t, string(text))
	}
	list[3].has(t, fmt.Sprintf(`{"digest": %q, "media_type": "application/vnd.oci.image.manifest.v1+json", "platforms": ["linux/amd64"], "pushed_at": %q, "pulled_at": null}`,
		digest, first.Format("2006-01-02T15:04:05.000Z")))
	list[0].has(t, `{"platforms": ["linux/arm64"]}`)

	var one object
	a.do("", "GET", "/v1/repositories/madams/x/tags/test/", nil).is(200, &one)
	for name := range list[3] {
		if fmt.Sprint(one[name]) != fmt.Sprint(list[3][name]) {
			t.Errorf("alone %s is %v, in the list %v", name, one[name], list[3][name])
		}
	}
	layers := one["layers"].([]any)
	history := one["history"].([]any)
	if len(layers) != 1 || layers[0].(map[string]any)["digest"] != image["layers"].([]object)[0]["digest"] || len(one["manifests"].([]any)) != 0 || len(history) != 2 {
		t.Fatalf("the tag alone: %v", one)
	}
	object(history[0].(map[string]any)).has(t, `{"created_at": "2015-05-24T00:54:26.452Z", "created_by": "ADD file", "empty_layer": false}`)
	object(history[1].(map[string]any)).has(t, `{"created_at": null, "created_by": "CMD", "empty_layer": true, "comment": "c"}`)
	a.do("", "GET", "/v1/repositories/madams/x/tags/multi", nil).is(200, &one)
	if m := one["manifests"].([]any); len(m) != 1 || m[0].(map[string]any)["digest"] != armDigest || m[0].(map[string]any)["platform"] != "linux/arm64" || one["config"] != nil {
		t.Errorf("the index alone: %v", one)
	}
	a.do("", "GET", "/v1/repositories/madams/x/tags/multi?digest="+armDigest, nil).is(200, &one)
	one.has(t, fmt.Sprintf(`{"tag": "multi", "digest": %q, "image_id": %q, "size": %v, "platforms": ["linux/arm64"], "pushed_at": %q, "manifests": []}`,
		armDigest, configID(arm), list[1]["size"], a.now.Format("2006-01-02T15:04:05.000Z")))
	if l := one["layers"].([]any); len(l) != 1 || l[0].(map[string]any)["digest"] != arm["layers"].([]object)[0]["digest"] || len(one["history"].([]any)) != 2 {
		t.Errorf("the index's image: %v", one)
	}
	for _, no := range []string{"multi?digest=" + digest, "test?digest=" + digest, "multi?digest=x"} { // in the repository, but not in the index
		a.do("", "GET", "/v1/repositories/madams/x/tags/"+no, nil).fails(404, "manifest_not_found")
	}

	// deletes
	a.do("stranger", "DELETE", "/v1/repositories/madams/x/tags/test", nil).fails(403, "permission_denied")
	a.do("", "DELETE", "/v1/repositories/madams/x/tags/test", nil).fails(401, "unauthenticated")
	a.do("madams", "DELETE", "/v1/repositories/madams/x/tags/none", nil).fails(404, "tag_not_found")
	a.do("madams", "DELETE", "/v1/repositories/madams/x/tags/.bad", nil).fails(400, "invalid_tag")
	a.do("madams", "GET", "/v1/repositories/madams/x/tags/none", nil).fails(404, "tag_not_found")
	a.do("madams", "GET", "/v1/repositories/madams/none/tags", nil).fails(404, "repository_not_found")
	a.do("madams", "PUT", "/v1/repositories/madams/x", object{"immutable_tags": true}).is(200, new(object))
	a.do("madams", "DELETE", "/v1/repositories/madams/x/tags/test", nil).fails(409, "tag_immutable")
	a.do("madams", "PUT", "/v1/repositories/madams/x", object{"immutable_tags": false}).is(200, new(object))
	a.do("madams", "DELETE", "/v1/repositories/madams/x/tags/test", nil).is(204, nil)
	r := a.do("", "GET", "/v1/repositories/madams/x/tags", nil).is(200, &list)
	if len(list) != 3 || list[2]["tag"] != "latest" || list[2]["digest"] != digest || r.header.Get("X-Total-Count") != "3" {
		t.Errorf("after the deletion: %s", r.body)
	}
	if r := a.send("GET", "/v2/madams/x/manifests/latest", "", nil); r.status != 200 {
		t.Errorf("the other tag: %d", r.status)
	}

	// counts
	a.now = a.now.Add(time.Minute)
	if err := a.hub.FlushPulls(context.Background()); err != nil {
		t.Fatal(err)
	}
	var repo object
	a.do("", "GET", "/v1/repositories/madams/x", nil).is(200, &repo)
	repo.has(t, `{"upload": 4, "download": 1, "pulled_at": "2015-06-07T10:41:31.881Z", "pushed_at": "2015-05-24T00:54:26.452Z"}`)
	a.do("", "GET", "/v1/repositories/madams/x/tags/latest", nil).is(200, &one)
	one.has(t, `{"pulled_at": "2015-06-07T10:41:31.881Z"}`)
	a.whole()
}

// tags pushes n tags of one artifact, some with each push, pushes a second apart.
func (a *repoAPI) tags(repo string, n, some int) {
	a.t.Helper()
	a.make(repo, true)
	config := a.pushBlob(repo, []byte("{}"))
	config["mediaType"] = "application/vnd.oci.empty.v1+json"
	body, _ := json.Marshal(object{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": "application/x", "config": config, "layers": []object{},
	})
	ctx := context.Background()
	g, err := a.hub.Authorize(ctx, hub.Caller{Account: "madams"}, hub.Target{Namespace: "madams", Repository: repo, Need: hub.Writer})
	if err != nil {
		a.t.Fatal(err)
	}
	for i := 0; i < n; i += some {
		a.now = a.now.Add(time.Second)
		var names []string
		for j := i; j < min(i+some, n); j++ {
			names = append(names, fmt.Sprintf("t%05d", j))
		}
		push := hub.ManifestPush{Tags: names, ContentType: "application/vnd.oci.image.manifest.v1+json", Body: body}
		if _, err := a.hub.PutManifest(ctx, g, push); err != nil {
			a.t.Fatal(err)
		}
	}
}

// links reads the header Link.
func (r repoAnswer) links() map[string]string {
	links := map[string]string{}
	for _, l := range r.header.Values("Link") {
		address, rel, _ := strings.Cut(l, ">; rel=")
		links[strings.Trim(rel, `"`)] = strings.TrimPrefix(strings.TrimPrefix(address, "<"), "https://hub.example:8443")
	}
	return links
}

func tagNames(list []object) string {
	var names []string
	for _, o := range list {
		names = append(names, o["tag"].(string))
	}
	return strings.Join(names, " ")
}

func TestTagPages(t *testing.T) {
	a := newRepoAPI(t)
	a.tags("x", 45, 1)
	seen := map[string]bool{}
	last := "t99999"
	next := "/v1/repositories/madams/x/tags?page_size=7&other=kept"
	for number := 1; next != ""; number++ {
		var list, jump []object
		r := a.do("", "GET", next, nil).is(200, &list)
		a.do("", "GET", fmt.Sprintf("/v1/repositories/madams/x/tags/?page_size=7&page=%d", number), nil).is(200, &jump)
		if tagNames(list) != tagNames(jump) || r.header.Get("X-Total-Count") != "45" {
			t.Errorf("page %d by link %s, by number %s, of %s", number, tagNames(list), tagNames(jump), r.header.Get("X-Total-Count"))
		}
		for _, o := range list {
			name := o["tag"].(string)
			if seen[name] || name >= last {
				t.Errorf("%s comes after %s", name, last)
			}
			seen[name], last = true, name
		}
		links := r.links()
		if next = links["next"]; next != "" && !strings.Contains(next, "other=kept") {
			t.Errorf("the link %s lost a parameter", next)
		}
		if _, ok := links["prev"]; ok != (number > 1) {
			t.Errorf("page %d: links %v", number, links)
		}
	}
	if len(seen) != 45 {
		t.Errorf("the pages show %d tags", len(seen))
	}
	for query, field := range map[string]string{"page=0": "page", "page_size=x": "page_size", "cursor=eA": "cursor"} {
		a.do("", "GET", "/v1/repositories/madams/x/tags?"+query, nil).fails(400, "invalid_field", field)
	}
	a.do("", "GET", "/v1/repositories/madams/x/tags?page=4", nil).fails(404, "not_found")
}

// Tags can be asked for by how their names begin, by name, and only these are read.
func TestTagsByPrefix(t *testing.T) {
	a := newRepoAPI(t)
	a.tags("x", 45, 9)
	const all = "/v1/repositories/madams/x/tags?prefix="
	for query, want := range map[string]string{
		"t0003":                    "t00030 t00031 t00032 t00033 t00034 t00035 t00036 t00037 t00038 t00039",
		"t00030":                   "t00030",
		"t0003&page_size=4":        "t00030 t00031 t00032 t00033",
		"t0003&page_size=4&page=3": "t00038 t00039",
		"T0":                       "",
		"t00030x":                  "",
	} {
		var list []object
		r := a.do("", "GET", all+query, nil).is(200, &list)
		if tagNames(list) != want || r.header.Get("X-Total-Count") != "" {
			t.Errorf("%s: %s of %q", query, tagNames(list), r.header.Get("X-Total-Count"))
		}
	}
	var list []object
	r := a.do("", "GET", all+"t0004&page_size=4", nil).is(200, &list)
	a.calls.Take()
	r = a.do("", "GET", r.links()["next"], nil).is(200, &list)
	if n := a.calls.Take().ListItems; n != 1 {
		t.Errorf("a page of one tag reads %d", n)
	}
	if tagNames(list) != "t00044" || r.links()["next"] != "" || r.links()["prev"] == "" {
		t.Errorf("the second page: %s, links %v", tagNames(list), r.links())
	}
	for query, field := range map[string]string{"-x": "prefix", "a%2Fb": "prefix", "%00": "prefix", strings.Repeat("a", 129): "prefix", "t&cursor=IQ": "cursor", "t&cursor=eA": "cursor"} {
		a.do("", "GET", all+query, nil).fails(400, "invalid_field", field)
	}
	a.do("", "GET", all+"t0003&page=4", nil).fails(404, "not_found")
}

func TestTagPageCost(t *testing.T) {
	cost := func(n int) string {
		a := newRepoAPI(t)
		a.tags("x", n, hub.MaxTagsOfPush)
		a.do("", "GET", "/v1/repositories/madams/x/tags?page_size=10", nil)
		a.calls.Take()
		r := a.do("", "GET", "/v1/repositories/madams/x/tags?page_size=10", nil)
		first := a.calls.Take()
		var list []object
		a.do("", "GET", r.links()["next"], nil).is(200, &list)
		if len(list) != 10 {
			t.Errorf("the second page has %d", len(list))
		}
		return fmt.Sprintf("%+v then %+v", first, a.calls.Take())
	}
	if few, many := cost(40), cost(2000); few != many {
		t.Errorf("with 40 tags %s, with 2,000 %s", few, many)
	}
}

// A list without pages stops at 10,000 tags, and its link leads to the rest.
func TestAllTags(t *testing.T) {
	a := newRepoAPI(t)
	a.tags("x", 10_007, hub.MaxTagsOfPush)
	var list, rest []object
	r := a.do("", "GET", "/v1/repositories/madams/x/tags", nil).is(200, &list)
	if len(list) != 10_000 || len(r.body) > 4<<20+2 || r.header.Get("X-Total-Count") != "10007" {
		t.Fatalf("%d tags in %d bytes of %s", len(list), len(r.body), r.header.Get("X-Total-Count"))
	}
	r = a.do("", "GET", r.links()["next"], nil).is(200, &rest)
	if len(rest) != 7 || rest[6]["tag"] != "t00011" || len(r.links()) != 0 {
		t.Errorf("the rest: %s, links %v", tagNames(rest), r.links())
	}
}
