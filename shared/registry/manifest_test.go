package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/store"
)

func TestManifestPushAndPull(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	m := r.pushImage(as, "alice/app", "v1", "x")
	d := digestOf(m)
	headers := []string{"Content-Type", hub.MediaOCIManifest, "Docker-Content-Digest", d, "Content-Length", fmt.Sprint(len(m)), "Etag", `"` + d + `"`, "X-Content-Type-Options", "nosniff"}
	for _, reference := range []string{"v1", d} {
		r.do(as, "GET", "/v2/alice/app/manifests/"+reference, nil).is(200, headers...).has(m)
		r.do(as, "HEAD", "/v2/alice/app/manifests/"+reference, nil).is(200, headers...).has("")
		r.do(as, "GET", "/v2/alice/app/manifests/"+reference, nil, "If-None-Match", `"`+d+`"`).is(304).has("")
		r.do(as, "GET", "/v2/alice/app/manifests/"+reference, nil, "If-None-Match", `"other",W/"`+d+`"`).is(304).has("")
	}
	r.pushManifest(as, "alice/app", d, m).is(201, "Location", r.server.URL+"/v2/alice/app/manifests/"+d, "Docker-Content-Digest", d, "OCI-Tag", "", "OCI-Subject", "")
	for _, missing := range []string{"v2", digestOf("other"), "-bad", strings.Repeat("a", 129)} {
		r.do(as, "GET", "/v2/alice/app/manifests/"+missing, nil).fails(404, "MANIFEST_UNKNOWN")
		r.do(as, "HEAD", "/v2/alice/app/manifests/"+missing, nil).is(404).has("")
	}
	r.do(as, "GET", "/v2/alice/app/manifests/sha256:abc", nil).fails(400, "DIGEST_INVALID")
}

func TestManifestKinds(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	child := r.pushImage(as, "alice/app", "child", "x")
	config := `{"architecture":"arm64","os":"linux","what":"x"}`
	docker := strings.NewReplacer(hub.MediaOCIManifest, hub.MediaDockerManifest, configType, "application/vnd.docker.container.image.v1+json",
		layerType, "application/vnd.docker.image.rootfs.diff.tar.gzip").Replace(child)
	entry := func(kind, m, os, arch string) descriptor {
		d := describe(kind, m)
		d.Platform = &hub.Platform{OS: os, Architecture: arch}
		return d
	}
	r.pushManifest(as, "alice/app", "docker", docker).is(201)
	list := index([]descriptor{entry(hub.MediaOCIManifest, child, "linux", "amd64"), entry(hub.MediaDockerManifest, docker, "windows", "amd64"), entry(hub.MediaOCIManifest, child, "unknown", "unknown")}, nil)
	foreign := image(config, nil, map[string]any{"layers": []descriptor{
		describe("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "elsewhere"),
		describe("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "far away"),
	}})
	for _, c := range []struct {
		tag, kind, m, id string
		platforms        []string
		size             int
	}{
		{"image", hub.MediaOCIManifest, child, digestOf(config), []string{"linux/arm64"}, len(child) + len(config) + len("layer x")},
		{"docker", hub.MediaDockerManifest, docker, digestOf(config), []string{"linux/arm64"}, len(docker) + len(config) + len("layer x")},
		{"index", hub.MediaOCIIndex, list, digestOf(list), []string{"linux/amd64", "windows/amd64"}, 0},
		{"list", hub.MediaDockerList, strings.Replace(list, hub.MediaOCIIndex, hub.MediaDockerList, 1), "", []string{"linux/amd64", "windows/amd64"}, 0},
		{"nested", hub.MediaOCIIndex, index([]descriptor{describe(hub.MediaOCIIndex, list)}, nil), "", []string{"linux/amd64", "windows/amd64"}, 0},
		{"empty-index", hub.MediaOCIIndex, index(nil, nil), "", nil, 0},
		{"no-layers", hub.MediaOCIManifest, image(config, nil, nil), digestOf(config), []string{"linux/arm64"}, 0},
		{"foreign", hub.MediaOCIManifest, foreign, digestOf(config), []string{"linux/arm64"}, 0},
		{"custom", hub.MediaOCIManifest, image(config, nil, map[string]any{"org.example.more": []int{1}}), digestOf(config), []string{"linux/arm64"}, 0},
		{"blobs-in-index", hub.MediaOCIIndex, index([]descriptor{describe(layerType, "layer x"), describe("application/vnd.buildkit.cacheconfig.v0", config)}, nil), "", nil, 0},
		{"untyped", hub.MediaOCIManifest, strings.Replace(image(config, nil, nil), `"mediaType":"`+hub.MediaOCIManifest+`",`, "", 1), digestOf(config), []string{"linux/arm64"}, 0},
		{"large", hub.MediaOCIManifest, image(config, nil, map[string]any{"annotations": map[string]string{"a": strings.Repeat("y", 4<<20-600)}}), digestOf(config), []string{"linux/arm64"}, 0},
	} {
		t.Run(c.tag, func(t *testing.T) {
			if strings.Contains(c.m, `"mediaType":"`+c.kind) == (c.tag == "untyped") {
				t.Fatalf("the test's own manifest is wrong: %.300s", c.m)
			}
			r.do(as, "PUT", "/v2/alice/app/manifests/"+c.tag, c.m, "Content-Type", c.kind+"; charset=utf-8").is(201, "Docker-Content-Digest", digestOf(c.m))
			for _, reference := range []string{c.tag, digestOf(c.m)} {
				r.do(as, "GET", "/v2/alice/app/manifests/"+reference, nil).is(200, "Content-Type", c.kind, "Content-Length", fmt.Sprint(len(c.m))).has(c.m)
				r.do(as, "HEAD", "/v2/alice/app/manifests/"+reference, nil).is(200, "Content-Type", c.kind, "Content-Length", fmt.Sprint(len(c.m)))
			}
			tag := r.tag("alice/app", c.tag)
			if c.id != "" && "sha256:"+tag.ImageID != c.id || !slices.Equal(tag.Platforms, c.platforms) || c.size != 0 && tag.ImageSize != int64(c.size) {
				t.Errorf("the tag shows %+v", tag)
			}
		})
	}
	r.do(as, "DELETE", "/v2/alice/app/manifests/"+r.tag("alice/app", "large").Digest, nil).is(202)
	if left := r.list("tags", "sweep/object", ""); len(left) != 0 {
		t.Errorf("the long manifest's object is left to a sweep: %v", left)
	}
}

// tag reads the record of a tag.
func (r *registry) tag(path, tag string) hub.Tag {
	r.t.Helper()
	ns, repo, _ := strings.Cut(path, "/")
	ctx := context.Background()
	g, err := r.hub.Authorize(ctx, hub.Caller{Account: "admin", Admin: true}, hub.Target{Namespace: ns, Repository: repo, Need: hub.Reader})
	if err != nil {
		r.t.Fatal(err)
	}
	record, err := r.hub.Tag(ctx, g, tag)
	if err != nil {
		r.t.Fatal(err)
	}
	return record
}

func TestManifestRefused(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	child := r.pushImage(as, "alice/app", "v1", "x")
	config := `{"architecture":"arm64","os":"linux","what":"x"}`
	good := image(config, []string{"layer x"}, nil)
	with := func(name string, v any) string { return image(config, []string{"layer x"}, map[string]any{name: v}) }
	many := make([]descriptor, 2001)
	for i := range many {
		many[i] = describe(layerType, "layer x")
	}
	bad := describe(layerType, "layer x")
	bad.Digest = "sha256:abc"
	for _, c := range []struct {
		name, reference, kind, m string
		status                   int
		code                     string
	}{
		{"no JSON", "t", hub.MediaOCIManifest, "{", 400, "MANIFEST_INVALID"},
		{"empty", "t", hub.MediaOCIManifest, "", 400, "MANIFEST_INVALID"},
		{"a list", "t", hub.MediaOCIManifest, "[]", 400, "MANIFEST_INVALID"},
		{"null", "t", hub.MediaOCIManifest, "null", 400, "MANIFEST_INVALID"},
		{"other mediaType", "t", hub.MediaOCIIndex, good, 400, "MANIFEST_INVALID"},
		{"unknown type", "t", "application/json", with("mediaType", "application/json"), 400, "MANIFEST_INVALID"},
		{"schema 1", "t", "application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1}`, 400, "MANIFEST_INVALID"},
		{"no type", "t", "", strings.Replace(good, `"mediaType":"`+hub.MediaOCIManifest+`",`, "", 1), 400, "MANIFEST_INVALID"},
		{"schemaVersion", "t", hub.MediaOCIManifest, with("schemaVersion", 1), 400, "MANIFEST_INVALID"},
		{"manifests in an image", "t", hub.MediaOCIManifest, with("manifests", []descriptor{}), 400, "MANIFEST_INVALID"},
		{"layers in an index", "t", hub.MediaOCIIndex, index(nil, map[string]any{"layers": []descriptor{}}), 400, "MANIFEST_INVALID"},
		{"config in an index", "t", hub.MediaOCIIndex, index(nil, map[string]any{"config": describe(configType, config)}), 400, "MANIFEST_INVALID"},
		{"no config", "t", hub.MediaOCIManifest, with("config", nil), 400, "MANIFEST_INVALID"},
		{"no layers", "t", hub.MediaOCIManifest, with("layers", nil), 400, "MANIFEST_INVALID"},
		{"no manifests", "t", hub.MediaOCIIndex, index(nil, map[string]any{"manifests": nil}), 400, "MANIFEST_INVALID"},
		{"fsLayers", "t", hub.MediaOCIManifest, with("fsLayers", []int{}), 400, "MANIFEST_INVALID"},
		{"bad digest of a layer", "t", hub.MediaOCIManifest, with("layers", []descriptor{bad}), 400, "MANIFEST_INVALID"},
		{"bad digest of a subject", "t", hub.MediaOCIManifest, with("subject", bad), 400, "MANIFEST_INVALID"},
		{"negative size", "t", hub.MediaOCIManifest, with("layers", []descriptor{{MediaType: layerType, Digest: digestOf("layer x"), Size: -1}}), 400, "MANIFEST_INVALID"},
		{"too many layers", "t", hub.MediaOCIManifest, with("layers", many), 400, "MANIFEST_INVALID"},
		{"unknown layer", "t", hub.MediaOCIManifest, image(config, []string{"layer x", "unknown"}, nil), 404, "MANIFEST_BLOB_UNKNOWN"},
		{"unknown config", "t", hub.MediaOCIManifest, image("unknown", nil, nil), 404, "MANIFEST_BLOB_UNKNOWN"},
		{"unknown child", "t", hub.MediaOCIIndex, index([]descriptor{describe(hub.MediaOCIManifest, child), describe(hub.MediaOCIManifest, "unknown")}, nil), 404, "MANIFEST_BLOB_UNKNOWN"},
		{"a layer as child", "t", hub.MediaOCIIndex, index([]descriptor{describe(hub.MediaOCIManifest, "layer x")}, nil), 404, "MANIFEST_BLOB_UNKNOWN"},
		{"other members by the letter", "t", hub.MediaOCIManifest, strings.Replace(image(config, []string{"unknown"}, nil), "{", `{"Layers":[],"LAYERS":[],"Config":{},`, 1), 404, "MANIFEST_BLOB_UNKNOWN"},
		{"other descriptors by the letter", "t", hub.MediaOCIManifest, strings.Replace(image(config, []string{"unknown"}, nil), digestOf("unknown"), digestOf("unknown")+`","DIGEST":"`+digestOf("layer x"), 1), 404, "MANIFEST_BLOB_UNKNOWN"},
		{"a layer once to be had elsewhere, once not", "t", hub.MediaOCIManifest, with("layers", []descriptor{describe("application/vnd.oci.image.layer.nondistributable.v1.tar", "unknown"), describe(layerType, "unknown")}), 404, "MANIFEST_BLOB_UNKNOWN"},
		{"a child once as a layer", "t", hub.MediaOCIIndex, index([]descriptor{describe(layerType, "layer x"), describe(hub.MediaOCIManifest, "layer x")}, nil), 404, "MANIFEST_BLOB_UNKNOWN"},
		{"long artifact type", "t", hub.MediaOCIManifest, with("artifactType", strings.Repeat("a", 256)), 400, "MANIFEST_INVALID"},
		{"other digest", digestOf("other"), hub.MediaOCIManifest, good, 400, "DIGEST_INVALID"},
		{"no digest", "sha256:abc", hub.MediaOCIManifest, good, 400, "DIGEST_INVALID"},
		{"bad tag", "-t", hub.MediaOCIManifest, good, 400, "MANIFEST_INVALID"},
		{"long tag", strings.Repeat("t", 129), hub.MediaOCIManifest, good, 400, "MANIFEST_INVALID"},
		{"too long", "t", hub.MediaOCIManifest, with("annotations", map[string]string{"a": strings.Repeat("x", 4<<20)}), 413, "SIZE_INVALID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.do(as, "PUT", "/v2/alice/app/manifests/"+c.reference, c.m, "Content-Type", c.kind).fails(c.status, c.code)
		})
	}
	a := r.do(as, "PUT", "/v2/alice/app/manifests/t", image(config, []string{"unknown", "unknown too"}, nil), "Content-Type", hub.MediaOCIManifest)
	var body errorBody
	a.fails(404, "MANIFEST_BLOB_UNKNOWN").decode(&body)
	if detail, _ := body.Errors[0].Detail.(map[string]any); detail["digest"] != digestOf("unknown") {
		t.Errorf("detail %v, want the first missing layer", body.Errors[0].Detail)
	}
	if got := r.tags(as, "alice/app"); !slices.Equal(got, []string{"v1"}) {
		t.Errorf("tags %v", got)
	}
	r.bytes("alice", len(child)+len(config)+len("layer x"))
	if got := r.stats("alice/app"); got.Upload != 1 || got.Download != 0 {
		t.Errorf("counts %+v", got)
	}
}

// stats are the counts that /v1 shows of a repository.
type stats struct {
	Upload, Download   int
	PushedAt, PulledAt *string
}

func (r *registry) stats(path string) (s stats) {
	r.t.Helper()
	var v struct {
		Upload   int     `json:"upload"`
		Download int     `json:"download"`
		PushedAt *string `json:"pushed_at"`
		PulledAt *string `json:"pulled_at"`
	}
	r.do(basic("admin"), "GET", "/v1/repositories/"+path, nil).is(200).decode(&v)
	return stats(v)
}

func TestManifestTags(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	one, two := r.pushImage(as, "alice/app", "one", "1"), r.pushImage(as, "alice/app", "two", "2")
	at := "/v2/alice/app/manifests/"
	put := func(m, query string) answer {
		return r.do(as, "PUT", at+digestOf(m)+query, m, "Content-Type", hub.MediaOCIManifest)
	}
	a := put(one, "?tag=a&tag=b&tag=a").is(201)
	if got := a.header.Values("OCI-Tag"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("OCI-Tag %v", got)
	}
	r.do(as, "HEAD", at+"b", nil).is(200, "Docker-Content-Digest", digestOf(one))
	put(two, "?tag=b").is(201, "OCI-Tag", "b")
	r.do(as, "HEAD", at+"b", nil).is(200, "Docker-Content-Digest", digestOf(two))
	r.do(as, "HEAD", at+"a", nil).is(200, "Docker-Content-Digest", digestOf(one))
	put(one, "?tag=-").fails(400, "MANIFEST_INVALID")
	var query []string
	for i := range 13 {
		query = append(query, fmt.Sprintf("tag=t%02d", i))
	}
	put(one, "?"+strings.Join(query, "&")).fails(414, "UNSUPPORTED")
	put(one, "?"+strings.Join(query[:12], "&")).is(201)
	if got := r.tags(as, "alice/app"); len(got) != 16 {
		t.Errorf("tags %v", got)
	}

	// A tag goes alone, a manifest with its tags.
	r.do(as, "DELETE", at+"a", nil).is(202).has("")
	r.do(as, "DELETE", at+"a", nil).fails(404, "MANIFEST_UNKNOWN")
	r.do(as, "GET", at+"a", nil).fails(404, "MANIFEST_UNKNOWN")
	r.do(as, "GET", at+"t00", nil).is(200)
	for i := range 30 { // more than go in one write
		put(one, fmt.Sprintf("?tag=m%02d", i)).is(201)
	}
	r.do(as, "DELETE", at+digestOf(one), nil).is(202).has("")
	r.do(as, "DELETE", at+digestOf(one), nil).fails(404, "MANIFEST_UNKNOWN")
	r.do(as, "GET", at+"one", nil).fails(404, "MANIFEST_UNKNOWN")
	r.do(as, "DELETE", at+"sha256:abc", nil).fails(400, "DIGEST_INVALID")
	if got := r.tags(as, "alice/app"); !slices.Equal(got, []string{"b", "two"}) {
		t.Errorf("tags %v", got)
	}
	r.do(as, "GET", at+"two", nil).is(200).has(two)
	if got := r.stats("alice/app"); got.Upload != 35 {
		t.Errorf("%d uploads, want 35", got.Upload)
	}
	layers := 0
	for _, n := range []string{"1", "2"} {
		layers += len(`{"architecture":"arm64","os":"linux","what":"`+n+`"}`) + len("layer "+n)
	}
	r.bytes("alice", layers+len(two))
	for _, prefix := range []string{"pushed/", "bydigest/", "tag/"} {
		if items := r.list("tags", "repo/"+r.repoID("alice/app"), prefix); len(items) != 2 {
			t.Errorf("%d items under %s, want 2", len(items), prefix)
		}
	}
}

func (r *registry) repoID(path string) string {
	r.t.Helper()
	ns, repo, _ := strings.Cut(path, "/")
	g, err := r.hub.Authorize(context.Background(), hub.Caller{Account: "admin", Admin: true}, hub.Target{Namespace: ns, Repository: repo, Need: hub.Reader})
	if err != nil {
		r.t.Fatal(err)
	}
	return g.RepoID
}

func TestImmutableTags(t *testing.T) {
	r := start(t)
	r.repository("alice", "alice/app", func(r *hub.Repository) { r.ImmutableTags = true })
	as := r.pusher("alice", "alice/app")
	one := r.pushImage(as, "alice/app", "v1", "1")
	two := r.pushImage(as, "alice/app", "v2", "2")
	r.pushManifest(as, "alice/app", "v1", one).is(201)
	r.pushManifest(as, "alice/app", "v1", two).fails(403, "DENIED")
	r.do(as, "PUT", "/v2/alice/app/manifests/"+digestOf(two)+"?tag=v3&tag=v1", two, "Content-Type", hub.MediaOCIManifest).fails(403, "DENIED")
	r.do(as, "DELETE", "/v2/alice/app/manifests/v1", nil).fails(403, "DENIED")
	r.do(as, "DELETE", "/v2/alice/app/manifests/"+digestOf(one), nil).fails(403, "DENIED")
	if got := r.tags(as, "alice/app"); !slices.Equal(got, []string{"v1", "v2"}) {
		t.Errorf("tags %v", got)
	}
	r.do(as, "HEAD", "/v2/alice/app/manifests/v1", nil).is(200, "Docker-Content-Digest", digestOf(one))
}

// What an immutable tag leads to stays whole: the images of an index too.
func TestImmutableIndex(t *testing.T) {
	r := start(t)
	r.repository("alice", "alice/app", func(r *hub.Repository) { r.ImmutableTags = true })
	as := r.pusher("alice", "alice/app")
	child := index(nil, map[string]any{"annotations": map[string]string{"a": "child"}})
	parent := index([]descriptor{describe(hub.MediaOCIIndex, child)}, nil)
	loose := index([]descriptor{describe(hub.MediaOCIIndex, child)}, map[string]any{"annotations": map[string]string{"a": "loose"}})
	r.pushManifest(as, "alice/app", digestOf(child), child).is(201)
	r.pushManifest(as, "alice/app", digestOf(loose), loose).is(201)
	at := "/v2/alice/app/manifests/"
	r.do(as, "DELETE", at+digestOf(child), nil).fails(403, "DENIED")
	r.do(as, "DELETE", at+digestOf(loose), nil).is(202)

	// A deletion that is about to write when the index comes sees it.
	pushed := false
	r.hub.Records = &beforeWrite{Records: r.hub.Records, deletes: "manifest/", do: func() {
		pushed = r.pushManifest(as, "alice/app", "v1", parent).status == 201
	}}
	a := r.do(as, "DELETE", at+digestOf(child), nil)
	if !pushed {
		t.Fatal("the index was refused")
	}
	a.fails(403, "DENIED")
	r.do(as, "GET", at+digestOf(child), nil).is(200)

	r.do(basic("alice"), "PUT", "/v1/repositories/alice/app", `{"immutable_tags":false}`, "Content-Type", "application/json").is(200)
	r.do(as, "DELETE", at+digestOf(child), nil).is(202)
}

func TestSHA512(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	sum := func(s string) string { return hub.DigestOf(hub.SHA512, []byte(s)) }
	r.do(as, "POST", "/v2/alice/app/blobs/uploads/?digest="+sum("{}"), "{}").is(201)
	m := strings.ReplaceAll(image("{}", nil, nil), digestOf("{}"), sum("{}"))
	r.do(as, "PUT", "/v2/alice/app/manifests/"+sum(m)+"?tag=v1", m, "Content-Type", hub.MediaOCIManifest).is(201, "Docker-Content-Digest", sum(m))
	r.do(as, "GET", "/v2/alice/app/manifests/v1", nil).is(200, "Docker-Content-Digest", sum(m)).has(m)
	if got := r.tag("alice/app", "v1").ImageID; got != strings.TrimPrefix(sum("{}"), "sha512:") {
		t.Errorf("image id %s", got)
	}
	r.do(as, "GET", "/v2/alice/app/manifests/"+digestOf(m), nil).fails(404, "MANIFEST_UNKNOWN")
	r.do(as, "DELETE", "/v2/alice/app/manifests/"+sum(m), nil).is(202)
}

// What a push to a repository that does not exist makes.
func TestPushMakesRepository(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/new")
	r.pushImage(as, "alice/new", "v1", "x")
	var v map[string]any
	r.do(basic("alice"), "GET", "/v1/repositories/alice/new", nil).is(200).decode(&v)
	for name, want := range map[string]any{"is_public": false, "category": "other", "created_by": "alice", "repo_name": "new", "description": ""} {
		if got, there := v[name]; there && !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	r.do("", "GET", "/v2/alice/new/manifests/v1", nil).fails(401, "UNAUTHORIZED")
	r.pushManifest(as, "alice/new", "v2", index(nil, nil)).is(201)
	direct := r.pusher("alice", "alice/direct")
	r.pushManifest(direct, "alice/direct", "v1", index(nil, nil)).is(201)
	r.do(direct, "GET", "/v2/alice/direct/manifests/v1", nil).is(200)
}

// A request that is refused makes no repository.
func TestRefusedPushMakesNone(t *testing.T) {
	r := start(t)
	none, d := index(nil, nil), digestOf("x")
	for _, c := range []struct {
		method, path, kind, body string
		status                   int
	}{
		{"POST", "blobs/uploads/?digest=sha256:abc", "", "x", 400},
		{"POST", "blobs/uploads/?digest-algorithm=md5", "", "", 400},
		{"POST", "blobs/uploads/?direct=1&size=1&digest=abc", "", "", 400},
		{"POST", "blobs/uploads/?direct=1&size=-1&digest=" + d, "", "", 400},
		{"PUT", "manifests/v1", hub.MediaOCIIndex, "{", 400},
		{"PUT", "manifests/v1", "text/plain", none, 400},
		{"PUT", "manifests/-v1", hub.MediaOCIIndex, none, 400},
		{"PUT", "manifests/" + d, hub.MediaOCIIndex, none, 400},
		{"PUT", "manifests/sha256:abc", hub.MediaOCIIndex, none, 400},
		{"PUT", "manifests/" + digestOf(none) + "?tag=-v1", hub.MediaOCIIndex, none, 400},
		{"PUT", "manifests/v1", hub.MediaOCIManifest, image("{}", nil, nil), 404},
		{"PUT", "manifests/v1", hub.MediaOCIIndex, index([]descriptor{describe(hub.MediaOCIIndex, none)}, nil), 404},
	} {
		as := r.pusher("alice", "alice/new")
		r.do(as, c.method, "/v2/alice/new/"+c.path, c.body, "Content-Type", c.kind).is(c.status)
		if made := r.do(basic("alice"), "GET", "/v1/repositories/alice/new", nil).status; made != 404 {
			t.Fatalf("%s %s %s: made a repository", c.method, c.path, c.body)
		}
	}
	r.do(r.pusher("alice", "alice/new"), "POST", "/v2/alice/new/blobs/uploads/?mount="+d, nil).is(202)
	r.do(basic("alice"), "GET", "/v1/repositories/alice/new", nil).is(200)
}

// Pulls are counted by their requests and stored when they are flushed.
func TestPullCounts(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app", "alice/gone")
	m := r.pushImage(as, "alice/app", "v1", "x")
	r.pushManifest(as, "alice/app", "v2", m)
	r.pushManifest(as, "alice/app", "other", index(nil, nil))
	r.pushImage(as, "alice/gone", "v1", "x")
	if got := r.stats("alice/app"); got.Upload != 3 || got.Download != 0 || got.PulledAt != nil {
		t.Fatalf("after pushes %+v", got)
	}
	at := "/v2/alice/app/manifests/"
	r.later(time.Minute)
	r.do(as, "GET", at+"v1", nil).is(200)
	r.do(as, "GET", at+"v1", nil).is(200)
	r.do(as, "HEAD", at+"v1", nil).is(200)
	r.do(as, "GET", at+"none", nil).is(404)
	r.do(as, "GET", "/v2/alice/gone/manifests/v1", nil).is(200)
	r.do(as, "GET", at+"other", nil).is(200)
	r.do(as, "DELETE", at+"other", nil).is(202)
	gone := r.repoID("alice/gone")
	r.do(basic("alice"), "DELETE", "/v1/repositories/alice/gone/", nil).is(204)
	flush := func() {
		t.Helper()
		if err := r.hub.FlushPulls(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	if got := r.stats("alice/app"); got.Download != 3 || got.PulledAt == nil || *got.PulledAt != "2026-03-04T05:07:07.000Z" {
		t.Errorf("after pulls by tag %+v", got)
	}
	pulled := func() (tags []string) {
		for _, item := range r.list("tags", "repo/"+r.repoID("alice/app"), "pulled/") {
			tags = append(tags, item.Sort)
		}
		return tags
	}
	if got := pulled(); !slices.Equal(got, []string{"pulled/v1"}) {
		t.Errorf("tags pulled: %v", got)
	}
	r.later(time.Minute)
	r.do(as, "GET", at+digestOf(m), nil).is(200)
	flush()
	flush()
	if got := r.stats("alice/app"); got.Download != 4 || *got.PulledAt != "2026-03-04T05:08:07.000Z" {
		t.Errorf("after a pull by digest %+v", got)
	}
	if got := pulled(); !slices.Equal(got, []string{"pulled/v1", "pulled/v2"}) {
		t.Errorf("tags pulled: %v", got)
	}
	r.sweep()
	if items := append(r.list("repositories", "repo/"+gone, ""), r.list("tags", "repo/"+gone, "")...); len(items) != 0 {
		t.Errorf("of the deleted repository there is %v", items)
	}
}

// endsAtTags is a store whose caller gives up when it comes to the tags of pulls.
type endsAtTags struct{ store.Records }

func (e endsAtTags) Write(ctx context.Context, ops ...store.Op) error {
	if slices.ContainsFunc(ops, func(op store.Op) bool { return strings.HasPrefix(op.Key.Sort, "pulled/") }) {
		return context.Canceled
	}
	return e.Records.Write(ctx, ops...)
}

// A hub that is stopped while it stores pulls counts none of them twice, and still says of
// tags when they were pulled.
func TestPullsAreCountedOnce(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	r.pushManifest(as, "alice/app", "v1", index(nil, nil)).is(201)
	r.do(as, "GET", "/v2/alice/app/manifests/v1", nil).is(200)
	records := r.hub.Records
	r.hub.Records = endsAtTags{records}
	if err := r.hub.FlushPulls(context.Background()); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	r.hub.Records = records
	if err := r.hub.FlushPulls(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := r.stats("alice/app"); got.Download != 1 {
		t.Errorf("one pull counts as %d", got.Download)
	}
	if got := r.list("tags", "repo/"+r.repoID("alice/app"), "pulled/"); len(got) != 1 {
		t.Errorf("tags pulled: %v", got)
	}
}

func TestOverlongManifestBodies(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	r.pushBlob(as, "alice/app", "{}")
	m := image("{}", nil, map[string]any{"annotations": map[string]string{"a": strings.Repeat("z", 300<<10)}})
	for range 3 {
		r.pushManifest(as, "alice/app", "v1", m).is(201)
	}
	if items := r.list("tags", "sweep/upload", ""); len(items) != 0 {
		t.Errorf("pushing a long manifest again left %v", items)
	}
	bad := image("unknown", nil, map[string]any{"annotations": map[string]string{"a": strings.Repeat("z", 300<<10)}})
	r.pushManifest(as, "alice/app", "v1", bad).fails(404, "MANIFEST_BLOB_UNKNOWN")
	var got map[string]any
	r.do(as, "GET", "/v2/alice/app/manifests/v1", nil).is(200).decode(&got)
	b, _ := json.Marshal(got["annotations"])
	if len(b) < 300<<10 {
		t.Errorf("annotations of %d bytes", len(b))
	}
}
