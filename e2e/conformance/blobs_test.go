package conformance

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// A way to push: the answer is that of the request which carries the digest.
type way struct {
	name string
	push func(t *testing.T, w *wire, repo, digest string, blob []byte) answer
}

// chunk is how long the chunks are; the blobs of three end in a shorter one.
const chunk = 1024

// chunked sends all but the last chunk, or all, by PATCH.
func chunked(t *testing.T, w *wire, repo string, blob []byte, until int) answer {
	a := w.begin(t, repo)
	for at := 0; at < until; at += chunk {
		end := min(at+chunk, until)
		a = w.send(t, "PATCH", a.location(""), blob[at:end], octets, contentRange(at, end)).want(202).
			has("Range", fmt.Sprintf("0-%d", end-1))
	}
	return a
}

var ways = []way{
	{"post", func(t *testing.T, w *wire, repo, digest string, blob []byte) answer {
		return w.send(t, "POST", repo+"/blobs/uploads/?digest="+digest, blob, octets)
	}},
	{"post and put", func(t *testing.T, w *wire, repo, digest string, blob []byte) answer {
		return w.send(t, "PUT", w.begin(t, repo).location(digest), blob, octets)
	}},
	{"chunked", func(t *testing.T, w *wire, repo, digest string, blob []byte) answer {
		return w.send(t, "PUT", chunked(t, w, repo, blob, len(blob)).location(digest), nil, octets)
	}},
	{"chunked, the last by put", func(t *testing.T, w *wire, repo, digest string, blob []byte) answer {
		last := (len(blob) - 1) / chunk * chunk
		return w.send(t, "PUT", chunked(t, w, repo, blob, last).location(digest), blob[last:], octets, contentRange(last, len(blob)))
	}},
	{"streamed", func(t *testing.T, w *wire, repo, digest string, blob []byte) answer {
		a := w.send(t, "PATCH", w.begin(t, repo).location(""), blob, octets, "Transfer-Encoding: chunked").want(202)
		return w.send(t, "PUT", a.location(digest), nil, octets)
	}},
}

// gone checks that a blob is not there.
func gone(t *testing.T, w *wire, repo, digest string) {
	t.Helper()
	w.send(t, "HEAD", repo+"/blobs/"+digest, nil).want(404)
	w.send(t, "GET", repo+"/blobs/"+digest, nil).fails(404, "BLOB_UNKNOWN")
}

// there checks that a blob is there, whole.
func there(t *testing.T, w *wire, repo, digest string, blob []byte) {
	t.Helper()
	for _, method := range []string{"HEAD", "GET"} {
		a := w.send(t, method, repo+"/blobs/"+digest, nil).want(200).
			has("Content-Length", strconv.Itoa(len(blob))).has("Docker-Content-Digest", digest).
			has("Content-Type", "application/octet-stream").has("X-Content-Type-Options", "nosniff")
		if method == "GET" {
			a.holds(blob)
		} else {
			a.holds(nil)
		}
	}
}

// Each way to push works with each algorithm; what was pushed is there, and
// deleting it is felt at once and can be undone by another push.
func TestPushBlob(t *testing.T) {
	for _, algorithm := range algorithms {
		for _, way := range ways {
			for _, size := range []int{1, 512, chunk, 3*chunk - 5} {
				t.Run(fmt.Sprint(algorithm, " ", way.name, " ", size), func(t *testing.T) {
					w, repo, blob := newWire(), newRepo(), newBlob(size)
					digest := digestOf(algorithm, blob)
					w.send(t, "GET", repo+"/blobs/"+digest, nil).fails(404, "NAME_UNKNOWN") // the push makes the repository
					for range 2 {
						a := way.push(t, w, repo, digest, blob).want(201).has("Docker-Content-Digest", digest)
						w.send(t, "GET", a.location(""), nil).want(200).holds(blob)
						there(t, w, repo, digest, blob)
						w.send(t, "DELETE", repo+"/blobs/"+digest, nil).want(202)
						gone(t, w, repo, digest)
					}
					w.send(t, "DELETE", repo+"/blobs/"+digest, nil).fails(404, "BLOB_UNKNOWN")
				})
			}
		}
	}
}

// A blob that does not match its digest is refused however it is pushed, and leaves nothing.
func TestPushBlobBadDigest(t *testing.T) {
	for _, algorithm := range algorithms {
		for _, way := range ways {
			t.Run(algorithm+" "+way.name, func(t *testing.T) {
				w, repo, blob := newWire(), newRepo(), newBlob(3*chunk)
				digest := digestOf(algorithm, newBlob(8))
				way.push(t, w, repo, digest, blob).fails(400, "DIGEST_INVALID")
				gone(t, w, repo, digest)
				gone(t, w, repo, digestOf(algorithm, blob))
			})
		}
	}
	w, repo := newWire(), newRepo()
	for _, digest := range []string{"sha256:abc", "sha256", "md5:d41d8cd98f00b204e9800998ecf8427e", "", "sha256:" + strings.Repeat("g", 64)} {
		w.send(t, "PUT", w.begin(t, repo).location("x"+digest), nil, octets).want(400)
	}
}

// A chunk out of its turn is 416 and does the upload no harm, by PATCH or PUT; a
// GET tells where to go on.
func TestChunksOutOfOrder(t *testing.T) {
	for _, algorithm := range algorithms {
		for _, last := range []string{"PATCH", "PUT"} {
			t.Run(algorithm+" "+last, func(t *testing.T) {
				w, repo, blob := newWire(), newRepo(), newBlob(3*chunk-5)
				digest := digestOf(algorithm, blob)
				a := w.begin(t, repo)
				for at := 0; at < len(blob); at += chunk {
					wrong := at + chunk // ahead, and at the end back to the start
					if wrong >= len(blob) {
						wrong = 0
					}
					wrongEnd := min(wrong+chunk, len(blob))
					method, ref := "PATCH", a.location("")
					if last == "PUT" && wrongEnd == len(blob) {
						method, ref = "PUT", a.location(digest)
					}
					w.send(t, method, ref, blob[wrong:wrongEnd], octets, contentRange(wrong, wrongEnd)).want(416)
					a = w.send(t, "GET", ref, nil).want(204)
					if at > 0 {
						a.has("Range", fmt.Sprintf("0-%d", at-1))
					}
					end := min(at+chunk, len(blob))
					if last == "PUT" && end == len(blob) {
						a = w.send(t, "PUT", a.location(digest), blob[at:], octets, contentRange(at, end)).want(201)
					} else {
						a = w.send(t, "PATCH", a.location(""), blob[at:end], octets, contentRange(at, end)).want(202)
					}
				}
				if last == "PATCH" {
					w.send(t, "PUT", a.location(digest), nil, octets).want(201)
				}
				there(t, w, repo, digest, blob)
			})
		}
	}
}

func TestChunkRangeMalformed(t *testing.T) {
	w, repo := newWire(), newRepo()
	for _, r := range []string{"0-", "-5", "a-b", "5-0", "0-9"} { // the body has five bytes
		a := w.send(t, "PATCH", w.begin(t, repo).location(""), []byte("12345"), octets, "Content-Range: "+r)
		if a.status != 400 && a.status != 416 {
			t.Errorf("Content-Range %q: status %d, want 400 or 416", r, a.status)
		}
	}
}

func TestCancelUpload(t *testing.T) {
	w, repo := newWire(), newRepo()
	a := w.begin(t, repo)
	a = w.send(t, "PATCH", a.location(""), []byte("begun"), octets).want(202)
	upload := a.location("")
	w.send(t, "DELETE", upload, nil).want(204)
	w.send(t, "GET", upload, nil).fails(404, "BLOB_UPLOAD_UNKNOWN")
	w.send(t, "PATCH", upload, []byte("more"), octets).fails(404, "BLOB_UPLOAD_UNKNOWN")
	w.send(t, "DELETE", upload, nil).fails(404, "BLOB_UPLOAD_UNKNOWN")
	w.send(t, "GET", repo+"/blobs/uploads/nosuchupload", nil).fails(404, "BLOB_UPLOAD_UNKNOWN")
}

// Blobs of no bytes and of two are as good as others.
func TestSmallBlobs(t *testing.T) {
	for _, algorithm := range algorithms {
		for _, blob := range []string{"", "{}"} {
			t.Run(algorithm+" "+blob, func(t *testing.T) {
				w, repo := newWire(), newRepo()
				digest := digestOf(algorithm, []byte(blob))
				w.send(t, "PUT", w.begin(t, repo).location(digest), []byte(blob), octets).want(201)
				there(t, w, repo, digest, []byte(blob))
			})
		}
	}
}

func TestBlobRanges(t *testing.T) {
	for _, algorithm := range algorithms {
		w, repo, blob := newWire(), newRepo(), newBlob(2048)
		digest := digestOf(algorithm, blob)
		w.push(t, repo, digest, blob)
		for _, c := range []struct {
			ask      string
			from, to int
		}{
			{"500-1499", 500, 1500}, {"500-", 500, 2048}, {"-500", 1548, 2048}, {"2000-5000", 2000, 2048}, {"0-0", 0, 1}, {"2047-", 2047, 2048},
		} {
			w.send(t, "GET", repo+"/blobs/"+digest, nil, "Range: bytes="+c.ask).want(206).
				has("Content-Length", strconv.Itoa(c.to-c.from)).
				has("Content-Range", fmt.Sprintf("bytes %d-%d/2048", c.from, c.to-1)).
				holds(blob[c.from:c.to])
		}
		for _, ask := range []string{"500-0", "5000-10000", "2048-"} {
			w.send(t, "GET", repo+"/blobs/"+digest, nil, "Range: bytes="+ask).want(416)
		}
	}
}

// A mount makes a blob of one repository readable in another; each goes its own
// way afterwards. What cannot be mounted begins an ordinary upload.
func TestMount(t *testing.T) {
	for _, algorithm := range algorithms {
		for _, anonymous := range []bool{false, true} {
			t.Run(fmt.Sprint(algorithm, " ", anonymous), func(t *testing.T) {
				w, from, to, blob := newWire(), newRepo(), newRepo(), newBlob(700)
				digest := digestOf(algorithm, blob)
				mount := to + "/blobs/uploads/?mount=" + digest
				if !anonymous {
					mount += "&from=" + strings.TrimPrefix(from, "/v2/")
				}
				w.send(t, "POST", mount, nil).want(202)
				gone(t, w, to, digest)
				w.push(t, from, digest, blob)
				gone(t, w, to, digest)
				a := w.send(t, "POST", mount, nil).want(201)
				w.send(t, "GET", a.location(""), nil).want(200).holds(blob)
				there(t, w, to, digest, blob)
				w.send(t, "DELETE", from+"/blobs/"+digest, nil).want(202)
				gone(t, w, from, digest)
				there(t, w, to, digest, blob)
			})
		}
	}
	w, repo, blob := newWire(), newRepo(), newBlob(700)
	digest := digestOf("sha256", blob)
	a := w.send(t, "POST", repo+"/blobs/uploads/?mount="+digest+"&from=nobody/nothing", nil).want(202)
	w.send(t, "PUT", a.location(digest), blob, octets).want(201)
	there(t, w, repo, digest, blob)
}
