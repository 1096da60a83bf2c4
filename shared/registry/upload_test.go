package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
)

// hides length from net/http, so that the body is sent in chunks.
type stream struct{ io.Reader }

func TestUploadWays(t *testing.T) {
	r := start(t)
	const content = "0123456789abcdefghij"
	begin := func(as auth, query string) string {
		t.Helper()
		a := r.do(as, "POST", "/v2/alice/app/blobs/uploads/"+query, nil).is(202, "Range", "0-0", "Content-Length", "0")
		if id := a.header.Get("Docker-Upload-UUID"); id == "" || !strings.HasSuffix(a.header.Get("Location"), "/v2/alice/app/blobs/uploads/"+id) {
			t.Fatalf("Location %q for the upload %q", a.header.Get("Location"), id)
		}
		return a.header.Get("Location")
	}
	sha512 := func(s string) string { return hub.DigestOf(hub.SHA512, []byte(s)) }
	ways := []struct {
		name string
		push func(as auth) (answer, string)
	}{
		{"one POST", func(as auth) (answer, string) {
			d := digestOf(content)
			return r.do(as, "POST", "/v2/alice/app/blobs/uploads/?digest="+d, content), d
		}},
		{"one POST without length", func(as auth) (answer, string) {
			d := digestOf(content)
			return r.do(as, "POST", "/v2/alice/app/blobs/uploads?digest="+d, stream{strings.NewReader(content)}), d
		}},
		{"one POST sha512", func(as auth) (answer, string) {
			d := sha512(content)
			return r.do(as, "POST", "/v2/alice/app/blobs/uploads/?digest="+d, content), d
		}},
		{"POST and PUT", func(as auth) (answer, string) {
			d := digestOf(content)
			return r.do(as, "PUT", begin(as, "")+"?digest="+d, content), d
		}},
		{"streamed", func(as auth) (answer, string) {
			at, d := begin(as, ""), digestOf(content)
			r.do(as, "PATCH", at, stream{strings.NewReader(content)}).is(202, "Range", "0-19", "Location", at)
			return r.do(as, "PUT", at+"?digest="+d, nil), d
		}},
		{"chunks", func(as auth) (answer, string) {
			at, d := begin(as, ""), digestOf(content)
			r.do(as, "PATCH", at, content[:7], "Content-Range", "0-6").is(202, "Range", "0-6")
			r.do(as, "PATCH", at, content[7:12], "Content-Range", "7-11").is(202, "Range", "0-11")
			return r.do(as, "PUT", at+"?digest="+d, content[12:], "Content-Range", "12-19"), d
		}},
		{"chunks as docker writes them", func(as auth) (answer, string) {
			at, d := begin(as, ""), digestOf(content)
			r.do(as, "PATCH", at, content[:7], "Content-Range", "bytes 0-6/20").is(202)
			r.do(as, "PATCH", at, content[7:], "Content-Range", "bytes=7-19").is(202)
			return r.do(as, "PUT", at+"?digest="+d, nil), d
		}},
		{"chunks sha512 as a surprise", func(as auth) (answer, string) {
			at, d := begin(as, ""), sha512(content)
			r.do(as, "PATCH", at, content[:7]).is(202)
			return r.do(as, "PUT", at+"?digest="+d, content[7:]), d
		}},
		{"chunks sha512 announced", func(as auth) (answer, string) {
			at, d := begin(as, "?digest-algorithm=sha512"), sha512(content)
			r.do(as, "PATCH", at, content[:7]).is(202)
			return r.do(as, "PUT", at+"?digest="+d, content[7:]), d
		}},
		{"sha256 although sha512 was announced", func(as auth) (answer, string) {
			at, d := begin(as, "?digest-algorithm=sha512"), digestOf(content)
			return r.do(as, "PUT", at+"?digest="+d, content), d
		}},
	}
	for _, way := range ways {
		as := r.pusher("alice", "alice/app")
		a, d := way.push(as)
		a.is(201, "Docker-Content-Digest", d, "Location", r.server.URL+"/v2/alice/app/blobs/"+d, "Content-Length", "0")
		r.do(as, "GET", "/v2/alice/app/blobs/"+d, nil).is(200).has(content)
		r.bytes("alice", len(content))
		r.do(as, "DELETE", "/v2/alice/app/blobs/"+d, nil).is(202)
		r.bytes("alice", 0)
		if left := r.list("tags", "sweep/upload", ""); len(left) != 0 {
			t.Errorf("%s left %v", way.name, left)
		}
	}
	if _, err := r.hub.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left := append(r.list("tags", "sweep/object", ""), r.list("tags", "sweep/blob", "")...); len(left) != 0 {
		t.Errorf("a sweep left %v", left)
	}
}

func TestUploadOutOfOrder(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	at := r.do(as, "POST", "/v2/alice/app/blobs/uploads/", nil).is(202).header.Get("Location")
	d := digestOf("0123456789")

	r.do(as, "PATCH", at, "56789", "Content-Range", "5-9").fails(416, "BLOB_UPLOAD_INVALID").is(416, "Range", "0-0", "Location", at)
	r.do(as, "PATCH", at, "01234", "Content-Range", "0-4").is(202)
	r.do(as, "PATCH", at, "01234", "Content-Range", "0-4").fails(416, "BLOB_UPLOAD_INVALID").is(416, "Range", "0-4")
	r.do(as, "PUT", at+"?digest="+d, "789", "Content-Range", "7-9").fails(416, "BLOB_UPLOAD_INVALID")
	r.do(as, "GET", at+"?digest="+d, nil).is(204, "Range", "0-4", "Location", at).has("")
	r.do(as, "PATCH", at, "56", "Content-Range", "6-5").fails(400, "BLOB_UPLOAD_INVALID")
	r.do(as, "PATCH", at, "56", "Content-Range", "5-7").fails(400, "SIZE_INVALID")
	r.do(as, "PATCH", at, "56", "Content-Range", "five").fails(400, "BLOB_UPLOAD_INVALID")
	for _, wrong := range []string{"", "56789"} { // in chunks of HTTP, so that Content-Range alone tells the length
		r.do(as, "PATCH", at, stream{strings.NewReader(wrong)}, "Content-Range", "5-7").fails(400, "SIZE_INVALID").is(400, "Range", "0-4", "Location", at)
	}
	r.do(as, "PUT", at+"?digest="+d, "56789", "Content-Range", "5-9").is(201)
	r.do(as, "GET", "/v2/alice/app/blobs/"+d, nil).is(200).has("0123456789")
}

func TestUploadEnds(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app", "alice/other")
	begin := func() string {
		t.Helper()
		return r.do(as, "POST", "/v2/alice/app/blobs/uploads/", nil).is(202).header.Get("Location")
	}
	d := digestOf("content")

	t.Run("cancelled", func(t *testing.T) {
		at := begin()
		r.do(as, "PATCH", at, "cont").is(202)
		r.do(as, "DELETE", at, nil).is(204).has("")
		r.do(as, "GET", at, nil).fails(404, "BLOB_UPLOAD_UNKNOWN")
		r.do(as, "PATCH", at, "ent").fails(404, "BLOB_UPLOAD_UNKNOWN")
		r.do(as, "DELETE", at, nil).fails(404, "BLOB_UPLOAD_UNKNOWN")
		r.do(as, "PUT", at+"?digest="+d, nil).fails(404, "BLOB_UPLOAD_UNKNOWN")
	})
	t.Run("in another repository", func(t *testing.T) {
		at := begin()
		r.do(as, "GET", strings.Replace(at, "/app/", "/other/", 1), nil).is(404)
		r.repository("alice", "alice/other", nil)
		r.do(as, "GET", strings.Replace(at, "/app/", "/other/", 1), nil).fails(404, "BLOB_UPLOAD_UNKNOWN")
		r.do(as, "PUT", strings.Replace(at, "/app/", "/other/", 1)+"?digest="+d, "content").fails(404, "BLOB_UPLOAD_UNKNOWN")
		r.do(as, "GET", at, nil).is(204)
	})
	t.Run("with other bytes", func(t *testing.T) {
		at := begin()
		r.do(as, "PATCH", at, "cantent").is(202)
		wrong := r.do(as, "PUT", at+"?digest="+d, nil).fails(400, "DIGEST_INVALID")
		if got := wrong.header.Get("Location"); got != "" {
			t.Errorf("an upload that is over is said to go on at %s", got)
		}
		r.do(as, "GET", at, nil).fails(404, "BLOB_UPLOAD_UNKNOWN")
		r.do(as, "POST", "/v2/alice/app/blobs/uploads/?digest="+d, "cantent").fails(400, "DIGEST_INVALID")
		r.do(as, "POST", "/v2/alice/app/blobs/uploads/?digest="+hub.DigestOf(hub.SHA512, []byte("content")), "cantent").fails(400, "DIGEST_INVALID")
		r.do(as, "HEAD", "/v2/alice/app/blobs/"+d, nil).is(404)
	})
	t.Run("with a bad digest", func(t *testing.T) {
		at := begin()
		for _, bad := range []string{"", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", strings.ToUpper(d), "latest"} {
			r.do(as, "PUT", at+"?digest="+bad, "content").fails(400, "DIGEST_INVALID")
		}
		r.do(as, "GET", at, nil).is(204, "Range", "0-0")
		r.do(as, "POST", "/v2/alice/app/blobs/uploads/?digest=sha256:abc", "content").fails(400, "DIGEST_INVALID")
		r.do(as, "POST", "/v2/alice/app/blobs/uploads/?digest-algorithm=md5", nil).fails(400, "DIGEST_INVALID")
	})
	t.Run("twice", func(t *testing.T) {
		at := begin()
		r.do(as, "PUT", at+"?digest="+d, "content").is(201)
		r.do(as, "PUT", at+"?digest="+d, "content").is(201, "Docker-Content-Digest", d)
		r.do(as, "PUT", at+"?digest="+digestOf("other"), "other").fails(404, "BLOB_UPLOAD_UNKNOWN")
		r.bytes("alice", len("content"))
	})
	t.Run("of a blob that is there", func(t *testing.T) {
		r.pushBlob(as, "alice/app", "content")
		r.pushBlob(as, "alice/other", "content")
		r.bytes("alice", 2*len("content"))
		if left := r.list("tags", "sweep/object", ""); len(left) != 0 {
			t.Errorf("the spare objects %v are still there", left)
		}
	})
	t.Run("of nothing", func(t *testing.T) {
		at := begin()
		r.do(as, "PUT", at+"?digest="+digestOf(""), nil).is(201)
		a := r.do(as, "GET", "/v2/alice/app/blobs/"+digestOf(""), nil).is(200, "Content-Length", "0").has("")
		if a.length != 0 {
			t.Errorf("length %d", a.length)
		}
	})
}

// A client that goes away in the middle of a PATCH finds what it sent, however much it
// had announced.
func TestUploadResumes(t *testing.T) {
	for _, announced := range []int64{1<<20 - 100, math.MaxInt64} {
		testUploadResumes(t, announced)
	}
}

func testUploadResumes(t *testing.T, announced int64) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	at := r.do(as, "POST", "/v2/alice/app/blobs/uploads/", nil).is(202).header.Get("Location")
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	r.do(as, "PATCH", at, content[:100]).is(202)

	conn, err := net.Dial("tcp", strings.TrimPrefix(r.server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n", strings.TrimPrefix(at, r.server.URL), as, announced)
	if _, err := conn.Write(content[100:500_000]); err != nil {
		t.Fatal(err)
	}
	conn.Close()

	var got string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if got = r.do(as, "GET", at, nil).is(204).header.Get("Range"); got != "0-99" {
			break
		}
	}
	if got != "0-499999" {
		t.Fatalf("the upload has %s, want 0-499999", got)
	}
	r.do(as, "PATCH", at, content[500_000:], "Content-Range", fmt.Sprintf("500000-%d", len(content)-1)).is(202)
	d := digestOf(string(content))
	r.do(as, "PUT", at+"?digest="+d, nil).is(201)
	r.do(as, "GET", "/v2/alice/app/blobs/"+d, nil).is(200).has(string(content))
}

// slowly sends a PATCH whose body goes on until out is closed. Then done gives its status.
func (r *registry) slowly(as auth, at string) (out *io.PipeWriter, done <-chan int) {
	in, out := io.Pipe()
	r.t.Cleanup(func() { out.Close() })
	first := make(chan int, 1)
	go func() {
		req, _ := http.NewRequest("PATCH", at, in)
		req.Header.Set("Authorization", string(as))
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			first <- 0
			return
		}
		res.Body.Close()
		first <- res.StatusCode
	}()
	out.Write([]byte("first"))
	return out, first
}

// Two requests never write to one upload at once.
func TestUploadBusy(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	at := r.do(as, "POST", "/v2/alice/app/blobs/uploads/", nil).is(202).header.Get("Location")
	out, first := r.slowly(as, at)
	a := r.busy(as, at)
	a.fails(429, "TOOMANYREQUESTS").is(429, "Retry-After", "1")
	out.Close()
	if got := <-first; got != 202 {
		t.Fatalf("the first request: %d", got)
	}
	r.do(as, "PUT", at+"?digest="+digestOf("first"), nil).is(201)
}

// busy asks for what an upload cannot do until it is refused because another request
// writes to it.
func (r *registry) busy(as auth, at string) (a answer) {
	r.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if a = r.do(as, "PUT", at+"?digest="+digestOf("x"), "x", "Content-Range", "9-9"); a.status == 429 {
			break
		}
	}
	return a
}

// A sweep lets an upload alone that is old but still coming in.
func TestSweepInMidUpload(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	at := r.do(as, "POST", "/v2/alice/app/blobs/uploads/", nil).is(202).header.Get("Location")
	out, patch := r.slowly(as, at)
	r.busy(as, at).fails(429, "TOOMANYREQUESTS")
	r.later(25 * time.Hour)
	r.sweep()
	out.Close()
	if got := <-patch; got != 202 {
		t.Fatalf("an upload was swept while it came in: %d", got)
	}
	as = r.pusher("alice", "alice/app")
	r.do(as, "PUT", at+"?digest="+digestOf("first"), nil).is(201)
}

// An upload whose commit was refused although all its bytes are there takes no more, but
// can be ended once there is room.
func TestUploadIsWhole(t *testing.T) {
	for _, algorithm := range []string{hub.SHA256, hub.SHA512} {
		r := start(t)
		as := r.pusher("alice", "alice/app")
		d := hub.DigestOf(algorithm, []byte("0123456789"))
		quota := func(n string) {
			t.Helper()
			r.do(basic("alice"), "PUT", "/v1/namespaces/alice/quota", `{"limit":`+n+`}`, "Content-Type", "application/json").is(200)
		}
		quota("5")
		at := r.do(as, "POST", "/v2/alice/app/blobs/uploads/", nil).is(202).header.Get("Location")
		r.do(as, "PATCH", at, "01234").is(202)
		if algorithm == hub.SHA256 {
			r.do(as, "PUT", at+"?digest="+d, "56789").fails(403, "DENIED")
		} else {
			r.do(as, "PATCH", at, "56789").is(202)
			r.do(as, "PUT", at+"?digest="+d, nil).fails(403, "DENIED")
		}
		r.do(as, "PATCH", at, "x").fails(400, "BLOB_UPLOAD_INVALID")
		r.do(as, "PUT", at+"?digest="+hub.DigestOf(algorithm, []byte("0123456789x")), "x").fails(400, "BLOB_UPLOAD_INVALID")
		quota("null")
		r.do(as, "PUT", at+"?digest="+d, nil).is(201)
		r.do(as, "GET", "/v2/alice/app/blobs/"+d, nil).is(200).has("0123456789")
	}
}

func TestAbandonedUploads(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	old := r.do(as, "POST", "/v2/alice/app/blobs/uploads/", nil).is(202).header.Get("Location")
	r.do(as, "PATCH", old, "abc").is(202)
	r.later(23 * time.Hour)
	as = r.pusher("alice", "alice/app")
	young := r.do(as, "POST", "/v2/alice/app/blobs/uploads/", nil).is(202).header.Get("Location")
	report := func(want hub.SweepReport) {
		t.Helper()
		got, err := r.hub.Sweep(context.Background())
		if err != nil || got != want {
			t.Fatalf("sweep: %+v, %v; want %+v", got, err, want)
		}
	}
	report(hub.SweepReport{})
	r.do(as, "GET", old, nil).is(204, "Range", "0-2")
	r.later(61 * time.Minute)
	as = r.pusher("alice", "alice/app")
	report(hub.SweepReport{Uploads: 1})
	r.do(as, "GET", old, nil).fails(404, "BLOB_UPLOAD_UNKNOWN")
	r.do(as, "PUT", young+"?digest="+digestOf("abc"), "abc").is(201)
	report(hub.SweepReport{})
}
