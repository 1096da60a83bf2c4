package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	imageType  = "application/vnd.oci.image.manifest.v1+json"
	indexType  = "application/vnd.oci.image.index.v1+json"
	configType = "application/vnd.oci.image.config.v1+json"
	layerType  = "application/vnd.oci.image.layer.v1.tar+gzip"
	emptyType  = "application/vnd.oci.empty.v1+json"
)

type object = map[string]any

// content is one manifest and what must be pushed before it.
type content struct {
	blobs    map[string][]byte // by digest
	children []content
	body     []byte
	kind     string // media type
	digest   string
}

// maker makes content of one algorithm.
type maker struct{ algorithm string }

func (m maker) descriptor(kind string, b []byte) object {
	return object{"mediaType": kind, "digest": digestOf(m.algorithm, b), "size": len(b)}
}

// manifest encodes fields into a manifest that nobody has seen before.
func (m maker) manifest(kind string, fields object) content {
	all := object{"schemaVersion": 2, "mediaType": kind}
	for k, v := range fields {
		all[k] = v
	}
	if all["annotations"] == nil {
		all["annotations"] = object{"once": fmt.Sprintf("%x", newBlob(8))}
	}
	body, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return content{body: body, kind: kind, digest: digestOf(m.algorithm, body), blobs: map[string][]byte{}}
}

// image is an image manifest of a configuration and some layers; fields replace its own.
func (m maker) image(layers int, fields object) content {
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"once":"%x"}`, newBlob(8))
	all := object{"config": m.descriptor(configType, config)}
	blobs := [][]byte{config}
	list := []any{}
	for range layers {
		layer := newBlob(300)
		list = append(list, m.descriptor(layerType, layer))
		blobs = append(blobs, layer)
	}
	all["layers"] = list
	for k, v := range fields {
		all[k] = v
	}
	c := m.manifest(imageType, all)
	for _, b := range blobs {
		c.blobs[digestOf(m.algorithm, b)] = b
	}
	return c
}

// artifact is a manifest without a configuration of its own.
func (m maker) artifact(kind string, fields object) content {
	layer := newBlob(90)
	all := object{"artifactType": kind, "config": m.descriptor(emptyType, []byte("{}")), "layers": []any{m.descriptor(kind, layer)}}
	for k, v := range fields {
		all[k] = v
	}
	c := m.manifest(imageType, all)
	c.blobs[digestOf(m.algorithm, []byte("{}"))] = []byte("{}")
	c.blobs[digestOf(m.algorithm, layer)] = layer
	return c
}

func (m maker) index(fields object, children ...content) content {
	list := []any{}
	for _, c := range children {
		list = append(list, object{"mediaType": c.kind, "digest": c.digest, "size": len(c.body), "platform": object{"os": "linux", "architecture": "arm64"}})
	}
	all := object{"manifests": list}
	for k, v := range fields {
		all[k] = v
	}
	c := m.manifest(indexType, all)
	c.children = children
	return c
}

// every kind of content that the registry takes.
func (m maker) every() map[string]content {
	large := object{}
	for i := range 390 {
		large[fmt.Sprintf("large-%d", i)] = strings.Repeat("A", 10000)
	}
	layer := newBlob(200)
	inline := m.image(0, object{"layers": []any{object{"mediaType": layerType, "digest": digestOf(m.algorithm, layer), "size": len(layer), "data": layer}}})
	inline.blobs[digestOf(m.algorithm, layer)] = layer
	foreign := object{"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "digest": digestOf(m.algorithm, newBlob(9)),
		"size": 123456, "urls": []string{"https://store.example.com/layer"}}
	empty := m.descriptor(emptyType, []byte("{}"))
	bare := m.artifact("application/vnd.example.bare", object{"layers": []any{empty}})
	return map[string]content{
		"image":                   m.image(2, nil),
		"large manifest":          m.image(1, object{"annotations": large}),
		"index":                   m.index(nil, m.image(1, nil), m.image(1, nil)),
		"nested index":            m.index(nil, m.index(nil, m.image(1, nil)), m.index(nil, m.image(1, nil))),
		"empty index":             m.index(nil),
		"artifact":                m.artifact("application/vnd.example.thing", nil),
		"artifact index":          m.index(object{"artifactType": "application/vnd.example.thing"}, m.artifact("application/vnd.example.thing", nil)),
		"artifact of empty blobs": bare,
		"missing subject":         m.artifact("application/vnd.example.sign", object{"subject": m.descriptor(imageType, newBlob(7))}),
		"data in descriptors":     inline,
		"foreign layers":          m.image(0, object{"layers": []any{foreign}}),
		"fields of its own":       m.image(1, object{"org.example.custom": "kept"}),
		"no layers":               m.image(0, nil),
	}
}

// push uploads what a manifest needs, and then the manifest under its digest.
func (c content) push(t *testing.T, w *wire, repo string) {
	t.Helper()
	c.pushParts(t, w, repo)
	w.send(t, "PUT", repo+"/manifests/"+c.digest, c.body, "Content-Type: "+c.kind).want(201)
}

func (c content) pushParts(t *testing.T, w *wire, repo string) {
	t.Helper()
	for digest, b := range c.blobs {
		w.push(t, repo, digest, b)
	}
	for _, child := range c.children {
		child.push(t, w, repo)
	}
}

// accept is what clients say they take.
var accept = []string{"Accept: " + indexType, "Accept: " + imageType}

// served checks that a reference gives the manifest.
func (c content) served(t *testing.T, w *wire, repo, reference string) {
	t.Helper()
	for _, method := range []string{"HEAD", "GET"} {
		a := w.send(t, method, repo+"/manifests/"+reference, nil, accept...).want(200).has("Content-Type", c.kind).
			has("Content-Length", strconv.Itoa(len(c.body))).has("Docker-Content-Digest", c.digest)
		if method == "GET" {
			a.holds(c.body)
		} else {
			a.holds(nil)
		}
	}
}

func (w *wire) tags(t *testing.T, repo, query string) []string {
	t.Helper()
	var doc struct {
		Name string
		Tags []string
	}
	a := w.send(t, "GET", repo+"/tags/list"+query, nil).want(200).has("Content-Type", "application/json")
	if err := json.Unmarshal(a.body, &doc); err != nil || doc.Tags == nil || "/v2/"+doc.Name != repo {
		t.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
	return doc.Tags
}

// Every kind of content is pushed by digest and by tag, is served byte for byte,
// listed, and deleted at once: a tag alone, then the manifest with its other tag.
func TestManifests(t *testing.T) {
	for _, algorithm := range algorithms {
		for name, c := range (maker{algorithm}).every() {
			t.Run(algorithm+" "+name, func(t *testing.T) {
				w, repo := newWire(), newRepo()
				c.pushParts(t, w, repo)
				references := []string{c.digest + "?tag=one&tag=two"}
				if algorithm == "sha256" { // by tag alone a manifest is known by its sha256
					references = []string{c.digest, "one", "two"}
				}
				for _, reference := range references {
					a := w.send(t, "PUT", repo+"/manifests/"+reference, c.body, "Content-Type: "+c.kind).want(201).has("Docker-Content-Digest", c.digest)
					w.send(t, "GET", a.location(""), nil, accept...).want(200).holds(c.body).has("Content-Type", c.kind)
				}
				for _, reference := range []string{c.digest, "one", "two"} {
					c.served(t, w, repo, reference)
				}
				if tags := w.tags(t, repo, ""); !slices.Equal(tags, []string{"one", "two"}) {
					t.Errorf("tags are %q", tags)
				}
				w.send(t, "DELETE", repo+"/manifests/one", nil).want(202)
				w.send(t, "HEAD", repo+"/manifests/one", nil, accept...).want(404)
				w.send(t, "DELETE", repo+"/manifests/one", nil).fails(404, "MANIFEST_UNKNOWN")
				c.served(t, w, repo, "two")
				w.send(t, "DELETE", repo+"/manifests/"+c.digest, nil).want(202)
				for _, reference := range []string{c.digest, "two"} {
					w.send(t, "HEAD", repo+"/manifests/"+reference, nil, accept...).want(404)
					w.send(t, "GET", repo+"/manifests/"+reference, nil, accept...).fails(404, "MANIFEST_UNKNOWN")
				}
				if tags := w.tags(t, repo, ""); len(tags) != 0 {
					t.Errorf("tags left: %q", tags)
				}
				for digest := range c.blobs {
					w.send(t, "DELETE", repo+"/blobs/"+digest, nil).want(202)
					gone(t, w, repo, digest)
				}
			})
		}
	}
}

// A tag that moves gives what it points at, at once.
func TestTagMoves(t *testing.T) {
	w, repo := newWire(), newRepo()
	one, two := maker{"sha256"}.image(1, nil), maker{"sha256"}.index(nil)
	one.pushParts(t, w, repo)
	for _, c := range []content{one, two, one} {
		w.send(t, "PUT", repo+"/manifests/moving", c.body, "Content-Type: "+c.kind).want(201)
		c.served(t, w, repo, "moving")
		c.served(t, w, repo, c.digest)
	}
	w.send(t, "DELETE", repo+"/manifests/moving", nil).want(202)
	w.send(t, "HEAD", repo+"/manifests/moving", nil, accept...).want(404)
	two.push(t, w, repo)
	w.send(t, "PUT", repo+"/manifests/moving", two.body, "Content-Type: "+two.kind).want(201)
	two.served(t, w, repo, "moving")
}

// Tags may ride on a push by digest; OCI-Tag names those that were set.
func TestTagParameters(t *testing.T) {
	for _, algorithm := range algorithms {
		w, repo := newWire(), newRepo()
		c := maker{algorithm}.index(nil, maker{algorithm}.image(1, nil))
		c.pushParts(t, w, repo)
		var query, want []string
		for i := range 10 {
			want = append(want, fmt.Sprintf("v%d", i))
			query = append(query, "tag="+want[i])
		}
		a := w.send(t, "PUT", repo+"/manifests/"+c.digest+"?"+strings.Join(query, "&"), c.body, "Content-Type: "+c.kind).want(201)
		var set []string
		for _, v := range a.header.Values("OCI-Tag") {
			for tag := range strings.SplitSeq(v, ",") {
				set = append(set, strings.TrimSpace(tag))
			}
		}
		if slices.Sort(set); !slices.Equal(set, want) {
			t.Errorf("%s: OCI-Tag names %q, want %q", algorithm, set, want)
		}
		for _, tag := range want {
			c.served(t, w, repo, tag)
		}
		w.send(t, "PUT", repo+"/manifests/"+c.digest+"?tag=good&tag=-bad", c.body, "Content-Type: "+c.kind).want(400)
		w.send(t, "HEAD", repo+"/manifests/good", nil, accept...).want(404)
	}
}

// What a manifest may not be.
func TestManifestRefused(t *testing.T) {
	w, repo := newWire(), newRepo()
	c := maker{"sha256"}.image(1, nil)
	c.pushParts(t, w, repo)
	typed := "Content-Type: " + c.kind
	put := func(reference string, body []byte, headers ...string) answer {
		t.Helper()
		return w.send(t, "PUT", repo+"/manifests/"+reference, body, headers...)
	}
	put(c.digest, append(slices.Clone(c.body), "  "...), typed).fails(400, "DIGEST_INVALID")
	put("sha256:baddigeststring", c.body, typed).fails(400, "DIGEST_INVALID")
	put("latest", []byte("{"), typed).fails(400, "MANIFEST_INVALID")
	put("latest", c.body, "Content-Type: application/json").fails(400, "MANIFEST_INVALID")
	put("latest", c.body, "Content-Type: "+indexType).fails(400, "MANIFEST_INVALID")
	lacking := maker{"sha256"}.image(1, nil)
	put("latest", lacking.body, typed).fails(404, "MANIFEST_BLOB_UNKNOWN")
	put("latest", make([]byte, 4<<20+1), typed).want(413)
	if a := w.send(t, "GET", repo+"/manifests/sha256:baddigeststring", nil, accept...); a.status != 400 && a.status != 404 {
		t.Errorf("%s: status %d, want 400 or 404", a.what, a.status)
	}
	for _, reference := range []string{c.digest, lacking.digest, "latest", digestOf("sha256", newBlob(9))} {
		w.send(t, "GET", repo+"/manifests/"+reference, nil, accept...).fails(404, "MANIFEST_UNKNOWN")
	}
	if tags := w.tags(t, repo, ""); len(tags) != 0 {
		t.Errorf("a refused manifest left tags %q", tags)
	}
}

// Tags are listed in the order of their bytes, from after last, n at a time.
func TestTagList(t *testing.T) {
	w, repo := newWire(), newRepo()
	w.send(t, "GET", repo+"/tags/list", nil).want(200, 404)
	c := maker{"sha256"}.image(1, nil)
	c.pushParts(t, w, repo)
	want := []string{"10", "9", "Beta", "_x", "alpha", "alpha.1", "beta"}
	for _, tag := range []string{"alpha.1", "beta", "9", "Beta", "_x", "10", "alpha"} {
		w.send(t, "PUT", repo+"/manifests/"+tag, c.body, "Content-Type: "+c.kind).want(201)
	}
	for query, want := range map[string][]string{
		"": want, "?last=_x": want[4:], "?last=_y": want[4:], "?last=beta": {}, "?n=2": want[:2], "?n=2&last=9": want[2:4], "?n=0": {}, "?n=100": want,
	} {
		if got := w.tags(t, repo, query); !slices.Equal(got, want) {
			t.Errorf("%q lists %q, want %q", query, got, want)
		}
	}
	var got []string
	for ref := repo + "/tags/list?n=3"; ref != ""; {
		a := w.send(t, "GET", ref, nil).want(200)
		var doc struct{ Tags []string }
		json.Unmarshal(a.body, &doc)
		got = append(got, doc.Tags...)
		link := a.header.Get("Link")
		ref = ""
		if i, j := strings.Index(link, "<"), strings.Index(link, `>; rel="next"`); i >= 0 && j > i {
			ref = link[i+1 : j]
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("page by page: %q, want %q", got, want)
	}
	w.send(t, "GET", repo+"/tags/list?n=x", nil).want(400)
}
