package registry_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
)

func TestBlobGet(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	d := r.pushBlob(as, "alice/app", "0123456789")
	reader := r.token("alice", "repository:alice/app:pull")
	headers := []string{
		"Content-Type", "application/octet-stream", "Docker-Content-Digest", d, "Accept-Ranges", "bytes",
		"X-Content-Type-Options", "nosniff", "Etag", `"` + d + `"`,
	}
	at := "/v2/alice/app/blobs/" + d
	r.do(reader, "GET", at, nil).is(200, headers...).is(200, "Content-Length", "10").has("0123456789")
	r.do(reader, "HEAD", at, nil).is(200, headers...).is(200, "Content-Length", "10").has("")
	r.do(reader, "GET", at+"/", nil).is(200).has("0123456789")

	for _, c := range []struct {
		in, body, contentRange string
		status                 int
	}{
		{"bytes=0-0", "0", "bytes 0-0/10", 206},
		{"bytes=2-5", "2345", "bytes 2-5/10", 206},
		{"bytes=2-", "23456789", "bytes 2-9/10", 206},
		{"bytes=-3", "789", "bytes 7-9/10", 206},
		{"bytes=-30", "0123456789", "bytes 0-9/10", 206},
		{"bytes=8-100", "89", "bytes 8-9/10", 206},
		{"bytes = 2 - 5", "2345", "bytes 2-5/10", 206},
		{"BYTES=9-9", "9", "bytes 9-9/10", 206},
		{"bytes=0-9", "0123456789", "bytes 0-9/10", 206},
		{"bytes=10-", "", "bytes */10", 416},
		{"bytes=10-20", "", "bytes */10", 416},
		{"bytes=5-2", "", "bytes */10", 416},
		{"bytes=-0", "", "bytes */10", 416},
		{"bytes=0-1,3-4", "0123456789", "", 200},
		{"bytes=a-b", "0123456789", "", 200},
		{"bytes=", "0123456789", "", 200},
		{"bytes=-", "0123456789", "", 200},
		{"lines=0-1", "0123456789", "", 200},
		{"bytes=99999999999999999999-", "0123456789", "", 200},
	} {
		a := r.do(reader, "GET", at, nil, "Range", c.in).is(c.status, "Content-Range", c.contentRange)
		if c.status == 416 {
			a.fails(416, "UNSUPPORTED").is(416, "Cache-Control", "", "Etag", "", "Docker-Content-Digest", "")
			continue
		}
		a.has(c.body).is(c.status, "Content-Length", fmt.Sprint(len(c.body)), "Docker-Content-Digest", d)
	}
	r.do(reader, "GET", at, nil, "Range", "bytes=0-0", "If-Range", `"`+d+`"`).is(206)
	r.do(reader, "GET", at, nil, "Range", "bytes=0-0", "If-Range", `"other"`).is(200)
	for _, known := range []string{`"` + d + `"`, `"other", "` + d + `"`, `W/"` + d + `"`, "*"} {
		r.do(reader, "GET", at, nil, "If-None-Match", known).is(304, "Etag", `"`+d+`"`, "Docker-Content-Digest", d).has("")
		r.do(as, "HEAD", at, nil, "If-None-Match", known, "Range", "bytes=2-5").is(304).has("")
	}
	for _, other := range []string{`"other"`, d, `"` + d, ","} {
		r.do(reader, "GET", at, nil, "If-None-Match", other).is(200).has("0123456789")
	}

	empty := r.pushBlob(as, "alice/app", "")
	r.do(reader, "GET", "/v2/alice/app/blobs/"+empty, nil).is(200, "Content-Length", "0").has("")
	r.do(reader, "HEAD", "/v2/alice/app/blobs/"+empty, nil).is(200, "Content-Length", "0")
	r.do(reader, "GET", "/v2/alice/app/blobs/"+empty, nil, "Range", "bytes=0-").fails(416, "UNSUPPORTED")

	r.do(reader, "GET", "/v2/alice/app/blobs/"+digestOf("other"), nil).fails(404, "BLOB_UNKNOWN")
	r.do(reader, "HEAD", "/v2/alice/app/blobs/"+digestOf("other"), nil).is(404).has("")
	for _, bad := range []string{"sha256:abc", "latest", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", strings.ToUpper(d)} {
		r.do(reader, "GET", "/v2/alice/app/blobs/"+bad, nil).fails(400, "DIGEST_INVALID")
	}
}

func TestMount(t *testing.T) {
	r := start(t)
	r.repository("bob", "bob/open", public)
	r.repository("bob", "bob/closed", nil)
	bob := r.pusher("bob", "bob/open", "bob/closed")
	open, closed := r.pushBlob(bob, "bob/open", "open"), r.pushBlob(bob, "bob/closed", "closed")
	as := r.pusher("alice", "alice/app", "alice/other")
	own := r.pushBlob(as, "alice/other", "own")
	access := auth("Bearer " + r.accessToken("alice", []string{"pull", "push"}, "alice/app"))
	var limited tokens
	r.do(access, "GET", "/v2/token?scope=repository:alice/app:pull,push", nil).is(200).decode(&limited)
	bytes := len("own")
	for _, c := range []struct {
		name, mount, from string
		as                auth
		ok                bool
	}{
		{"own", own, "alice/other", as, true},
		{"own, again", own, "alice/other", as, true},
		{"own, from itself", own, "alice/app", as, true},
		{"public", open, "bob/open", as, true},
		{"private", closed, "bob/closed", as, false},
		{"not there", closed, "bob/open", as, false},
		{"unknown", digestOf("unknown"), "alice/other", as, false},
		{"no such repository", own, "alice/none", as, false},
		{"no such namespace", own, "nobody/x", as, false},
		{"no name", own, "x", as, false},
		{"no digest", "sha256:x", "alice/other", as, false},
		{"by an access token for another repository", own, "alice/other", "Bearer " + auth(limited.Token), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer r.do(c.as, "DELETE", "/v2/alice/app/blobs/"+c.mount, nil)
			a := r.do(c.as, "POST", "/v2/alice/app/blobs/uploads/?mount="+c.mount+"&from="+c.from, nil)
			if c.ok {
				if c.from == "alice/app" {
					a.is(202)
					return
				}
				a.is(201, "Location", r.server.URL+"/v2/alice/app/blobs/"+c.mount, "Docker-Content-Digest", c.mount)
				r.do(c.as, "GET", "/v2/alice/app/blobs/"+c.mount, nil).is(200)
				return
			}
			a.is(202, "Range", "0-0", "Docker-Content-Digest", "")
			r.do(c.as, "GET", a.header.Get("Location"), nil).is(204)
			r.do(c.as, "HEAD", "/v2/alice/app/blobs/"+c.mount, nil).is(map[bool]int{true: 400, false: 404}[c.mount == "sha256:x"])
		})
	}
	r.bytes("alice", bytes)

	// Without from, the target's namespace alone is searched.
	r.do(as, "POST", "/v2/alice/app/blobs/uploads/?mount="+own, nil).is(201)
	r.do(as, "POST", "/v2/alice/app/blobs/uploads/?mount="+open, nil).is(202)
	r.do("Bearer "+auth(limited.Token), "DELETE", "/v2/alice/app/blobs/"+own, nil).is(202)
	r.do("Bearer "+auth(limited.Token), "POST", "/v2/alice/app/blobs/uploads/?mount="+own, nil).is(202)
	r.do(as, "POST", "/v2/alice/app/blobs/uploads/?mount="+own, nil).is(201)
	r.bytes("alice", 2*len("own"))
	r.bytes("bob", len("open")+len("closed"))

	// What was mounted outlives its source.
	r.do(as, "DELETE", "/v2/alice/other/blobs/"+own, nil).is(202)
	r.sweep()
	r.do(as, "GET", "/v2/alice/app/blobs/"+own, nil).is(200).has("own")
	r.bytes("alice", len("own"))
}

func (r *registry) sweep() hub.SweepReport {
	r.t.Helper()
	report, err := r.hub.Sweep(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

func TestBlobDelete(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app", "alice/other")
	m := r.pushImage(as, "alice/app", "v1", "x")
	layer := digestOf("layer x")
	e := r.do(as, "DELETE", "/v2/alice/app/blobs/"+layer, nil).fails(405, "UNSUPPORTED").is(405, "Allow", "GET, HEAD")
	var body errorBody
	e.decode(&body)
	if detail, _ := body.Errors[0].Detail.(map[string]any); detail["manifest"] != digestOf(m) {
		t.Errorf("detail %v", body.Errors[0].Detail)
	}
	r.pushBlob(as, "alice/other", "layer x")
	r.do(as, "DELETE", "/v2/alice/other/blobs/"+layer, nil).is(202).has("")
	r.do(as, "DELETE", "/v2/alice/other/blobs/"+layer, nil).fails(404, "BLOB_UNKNOWN")
	r.do(as, "GET", "/v2/alice/app/blobs/"+layer, nil).is(200)

	r.do(as, "DELETE", "/v2/alice/app/manifests/"+digestOf(m), nil).is(202)
	r.do(as, "DELETE", "/v2/alice/app/blobs/"+layer, nil).is(202)
	r.do(as, "HEAD", "/v2/alice/app/blobs/"+layer, nil).is(404)
	r.do(as, "DELETE", "/v2/alice/app/blobs/sha256:x", nil).fails(400, "DIGEST_INVALID")
	if got := r.sweep(); got.Blobs != 1 || got.Bytes != int64(len("layer x")) || got.Objects != 1 {
		t.Errorf("sweep %+v", got)
	}
	r.pushBlob(as, "alice/app", "layer x")
	r.do(as, "GET", "/v2/alice/app/blobs/"+layer, nil).is(200).has("layer x")
}

// Blobs that nothing refers to go after a day, unless somebody who may push asked
// whether they are there.
func TestUnusedBlobs(t *testing.T) {
	r := start(t)
	as := func() auth { return r.pusher("alice", "alice/app") }
	m := r.pushImage(as(), "alice/app", "v1", "x")
	config := digestOf(`{"architecture":"arm64","os":"linux","what":"x"}`)
	kept, lost, asked := digestOf("layer x"), r.pushBlob(as(), "alice/app", "lost"), r.pushBlob(as(), "alice/app", "asked")
	r.later(23 * time.Hour)
	if got := r.sweep(); got != (hub.SweepReport{}) {
		t.Fatalf("a sweep within a day: %+v", got)
	}
	r.do(as(), "HEAD", "/v2/alice/app/blobs/"+asked, nil).is(200)
	r.do(r.token("alice", "repository:alice/app:pull"), "HEAD", "/v2/alice/app/blobs/"+lost, nil).is(200)
	r.later(2 * time.Hour)
	if got := r.sweep(); got != (hub.SweepReport{Links: 1, Blobs: 1, Objects: 1, Bytes: 4}) {
		t.Fatalf("a sweep after a day: %+v", got)
	}
	head := func(d string, status int) { t.Helper(); r.do(as(), "HEAD", "/v2/alice/app/blobs/"+d, nil).is(status) }
	head(lost, 404)
	head(kept, 200)
	head(config, 200)
	r.bytes("alice", len("asked")+len(`{"architecture":"arm64","os":"linux","what":"x"}`)+len("layer x")+len(m))

	r.do(as(), "DELETE", "/v2/alice/app/manifests/"+digestOf(m), nil).is(202)
	r.later(48 * time.Hour)
	if got := r.sweep(); got.Links != 3 || got.Blobs != 3 || got.Objects != 3 {
		t.Fatalf("a sweep after the manifest was deleted: %+v", got)
	}
	head(kept, 404)
	r.bytes("alice", 0)
	if got := r.sweep(); got != (hub.SweepReport{}) {
		t.Fatalf("a sweep with nothing to do: %+v", got)
	}
}

func TestDeletedRepository(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app", "alice/other")
	for i := range 40 {
		r.pushImage(as, "alice/app", fmt.Sprintf("v%d", i), fmt.Sprint("image ", i%7))
	}
	big := image(`{"architecture":"arm64","os":"linux","what":"image 1"}`, nil, map[string]any{"annotations": map[string]string{"a": strings.Repeat("x", 300<<10)}})
	r.pushManifest(as, "alice/app", "big", big).is(201)
	other := r.pushImage(as, "alice/other", "v1", "image 1")
	r.do(basic("alice"), "DELETE", "/v1/repositories/alice/app/", nil).is(204)
	config := `{"architecture":"arm64","os":"linux","what":"image 1"}`
	left := len(config) + len("layer image 1") + len(other)
	r.bytes("alice", left)
	got := r.sweep()
	if got.Repositories != 1 || got.Blobs != 12 || got.Objects != 13 {
		t.Errorf("sweep %+v", got)
	}
	r.do(as, "GET", "/v2/alice/other/manifests/v1", nil).is(200)
	r.do(as, "GET", "/v2/alice/other/blobs/"+digestOf("layer image 1"), nil).is(200)
	r.bytes("alice", left)
	for _, kind := range []string{"repository", "blob", "object", "upload"} {
		if items := r.list("tags", "sweep/"+kind, ""); len(items) != 0 {
			t.Errorf("sweep/%s still has %d notes", kind, len(items))
		}
	}
}

func TestQuota(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app", "alice/other")
	r.pushBlob(as, "alice/app", "0123456789")
	r.do(basic("alice"), "PUT", "/v1/namespaces/alice/quota", `{"limit":25}`, "Content-Type", "application/json").is(200)
	r.pushBlob(as, "alice/app", "0123456789") // what is there already costs nothing
	r.pushBlob(as, "alice/other", "0123456789")
	d := digestOf("abcdefghij")
	r.do(as, "POST", "/v2/alice/app/blobs/uploads/?digest="+d, "abcdefghij").fails(403, "DENIED")
	at := r.do(as, "POST", "/v2/alice/app/blobs/uploads/", nil).is(202).header.Get("Location")
	r.do(as, "PATCH", at, "abcdefghij").is(202)
	r.do(as, "PUT", at+"?digest="+d, nil).fails(403, "DENIED")
	r.do(as, "HEAD", "/v2/alice/app/blobs/"+d, nil).is(404)
	five := r.pushBlob(as, "alice/app", "01234")
	r.do(as, "POST", "/v2/alice/other/blobs/uploads/?mount="+five+"&from=alice/app", nil).fails(403, "DENIED")
	m := image("01234", nil, nil)
	r.pushManifest(as, "alice/app", "v1", m).fails(403, "DENIED")
	r.bytes("alice", 25)
	r.do(as, "DELETE", "/v2/alice/other/blobs/"+digestOf("0123456789"), nil).is(202)
	r.do(as, "PUT", at+"?digest="+d, nil).is(201)
	r.bytes("alice", 25)
}
