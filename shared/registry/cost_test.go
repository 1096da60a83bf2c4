package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"berth/shared/hub"
	"berth/shared/store/storetest"
)

// What requests cost in calls of the store: pulls with a token read no more than
// they return, and pushes write a fixed number of times.
func TestCalls(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	m := r.pushImage(as, "alice/app", "v1", "x")
	layer := digestOf("layer x")
	big := image("layer x", nil, map[string]any{"annotations": map[string]string{"a": strings.Repeat("x", 300<<10)}})
	r.pushManifest(as, "alice/app", "big", big).is(201)
	reader := r.token("alice", "repository:alice/app:pull")
	at := r.do(as, "POST", "/v2/alice/app/blobs/uploads/", nil).is(202).header.Get("Location")
	for i := range 50 {
		r.pushManifest(as, "alice/app", fmt.Sprintf("t%02d", i), m).is(201)
	}
	early := as // such a token names no id: the repository did not exist
	as = r.pusher("alice", "alice/app")
	r.calls.Take()
	for _, c := range []struct {
		what, method, path string
		as                 auth
		body               any
		want               storetest.Calls
	}{
		{"ping", "GET", "/v2/", reader, nil, storetest.Calls{}},
		{"ask for a tag", "HEAD", "/v2/alice/app/manifests/v1", reader, nil, storetest.Calls{Gets: 1, GetKeys: 2}},
		{"pull by tag", "GET", "/v2/alice/app/manifests/v1", reader, nil, storetest.Calls{Gets: 2, GetKeys: 3}},
		{"pull a long one by tag", "GET", "/v2/alice/app/manifests/big", reader, nil, storetest.Calls{Gets: 2, GetKeys: 4}},
		{"ask for a digest", "HEAD", "/v2/alice/app/manifests/" + digestOf(m), reader, nil, storetest.Calls{Gets: 1, GetKeys: 2}},
		{"pull by digest", "GET", "/v2/alice/app/manifests/" + digestOf(m), reader, nil, storetest.Calls{Gets: 1, GetKeys: 3}},
		{"ask for a blob", "HEAD", "/v2/alice/app/blobs/" + layer, reader, nil, storetest.Calls{Gets: 1, GetKeys: 2}},
		{"ask for a blob to push", "HEAD", "/v2/alice/app/blobs/" + layer, as, nil, storetest.Calls{Gets: 1, GetKeys: 2}},
		{"ask for a blob with an early token", "HEAD", "/v2/alice/app/blobs/" + layer, early, nil, storetest.Calls{Gets: 1, GetKeys: 6}},
		{"pull a blob", "GET", "/v2/alice/app/blobs/" + layer, reader, nil, storetest.Calls{Gets: 1, GetKeys: 2}},
		{"ten of many tags", "GET", "/v2/alice/app/tags/list?n=10", reader, nil, storetest.Calls{Gets: 1, GetKeys: 1, Lists: 1, ListItems: 11}},
		{"no referrers", "GET", "/v2/alice/app/referrers/" + digestOf(m), reader, nil, storetest.Calls{Gets: 1, GetKeys: 1, Lists: 1}},
		{"where an upload is", "GET", at, as, nil, storetest.Calls{Gets: 2, GetKeys: 2}},
		{"a chunk", "PATCH", at, as, "0123", storetest.Calls{Gets: 2, GetKeys: 2, Writes: 1, Ops: 1}},
	} {
		r.do(c.as, c.method, c.path, c.body)
		if got := r.calls.Take(); got != c.want {
			t.Errorf("%s costs %+v, want %+v", c.what, got, c.want)
		}
	}
	r.do(as, "PUT", at+"?digest="+digestOf("0123"), nil).is(201)
	if got := r.calls.Take(); got.Writes != 1 || got.Reads() > 4 {
		t.Errorf("a commit costs %+v", got)
	}
	r.pushManifest(as, "alice/app", "v2", image("layer x", []string{"0123"}, nil)).is(201)
	if got := r.calls.Take(); got.Writes != 1 || got.Reads() > 3 {
		t.Errorf("a manifest costs %+v", got)
	}
	var layers []string
	for i := range 300 {
		layers = append(layers, fmt.Sprint("l", i))
		r.pushBlob(as, "alice/app", layers[i])
	}
	r.calls.Take()
	r.pushManifest(as, "alice/app", "v3", image("layer x", layers, nil)).is(201)
	if got := r.calls.Take(); got.Writes != 1 || got.Reads() > 6 {
		t.Errorf("a manifest of 300 layers costs %+v", got)
	}
	r.later(2 * 3600e9)
	as = r.pusher("alice", "alice/app")
	r.calls.Take()
	r.pushManifest(as, "alice/app", "v4", image("layer x", layers, map[string]any{"annotations": map[string]string{"a": "b"}})).is(201)
	if got := r.calls.Take(); got.Writes != 5 || got.Reads() > 6 {
		t.Errorf("a manifest of 300 layers that were not used for hours costs %+v", got)
	}
	r.do(as, "DELETE", "/v2/alice/app/manifests/"+digestOf(image("layer x", layers, nil)), nil).is(202)
	if got := r.calls.Take(); got.Writes != 1 || got.Reads() > 4 {
		t.Errorf("deleting a manifest costs %+v", got)
	}
}

// A name is one of two parts, each within its grammar.
func TestNames(t *testing.T) {
	r := start(t)
	as := basic("alice")
	d := digestOf("x")
	for _, name := range []string{"app", "alice/app/more", "a/b/c/d", "Alice/app", "alice/App", "alice/-app", "alice/app-", "alice/a..b", "manage/app", "manifests/app", "alice/" + strings.Repeat("a", 129), strings.Repeat("a", 65) + "/app", "al.ice/app"} {
		if name == "manage/app" {
			continue // the Manage API's
		}
		for _, rest := range []string{"/manifests/v1", "/blobs/" + d, "/tags/list", "/referrers/" + d} {
			r.do(as, "GET", "/v2/"+name+rest, nil).fails(400, "NAME_INVALID")
		}
		r.do(as, "POST", "/v2/"+name+"/blobs/uploads/", nil).fails(400, "NAME_INVALID")
		r.do(as, "PUT", "/v2/"+name+"/manifests/v1", "{}", "Content-Type", hub.MediaOCIManifest).fails(400, "NAME_INVALID")
	}
	for _, path := range []string{"/v2/alice/app/unknown", "/v2/alice", "/v2/token/x", "/v2/alice/app/tags", "/v2/alice/app"} {
		r.do(as, "GET", path, nil).fails(404, "NAME_UNKNOWN")
	}
	for method, path := range map[string]string{"POST": "/v2/alice/app/manifests/v1", "PATCH": "/v2/alice/app/blobs/" + d, "PUT": "/v2/alice/app/blobs/uploads", "DELETE": "/v2/", "FOO": "/v2/alice/app/tags/list"} {
		if r.do(as, method, path, nil).fails(405, "UNSUPPORTED").header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", method, path)
		}
	}
	r.do(as, "PUT", "/v2/alice/app.with_dots-and--dashes__x/manifests/v1", index(nil, nil), "Content-Type", hub.MediaOCIIndex).is(201)
}
