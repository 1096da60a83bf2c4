package registry

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"berth/shared/hub"
	"berth/shared/web"
)

// mount links the repository to a blob that another one holds. done says that it
// answered; else the client is to upload the blob, whether there is none or the
// caller may not pull it.
func mount(c *web.Call, digest, from string) (done bool, err error) {
	if hub.CheckDigest(digest) != nil {
		return false, nil
	}
	ok, err := c.Hub.MountFrom(c.Context(), c.Grant, digest, from)
	if !ok || err != nil {
		return false, err
	}
	return true, blobCreated(c, digest)
}

func getBlob(c *web.Call) error {
	ctx, digest := c.Context(), c.Var("digest")
	l, err := c.Hub.GrantedBlob(c.Grant, digest)
	if err != nil {
		return err
	}
	h := c.W.Header()
	if c.R.Method == http.MethodHead {
		if c.Grant.Role >= hub.Writer {
			if err := c.Hub.TouchBlob(ctx, c.Grant, digest); err != nil {
				return err
			}
		}
		describeBlob(h, digest)
		if known(c.R, digest) {
			return c.Empty(http.StatusNotModified)
		}
		h.Set("Content-Length", strconv.FormatInt(l.Size, 10))
		return c.Empty(http.StatusOK)
	}
	if known(c.R, digest) {
		describeBlob(h, digest)
		return c.Empty(http.StatusNotModified)
	}
	want, err := wantedRange(c, digest, l.Size)
	if err != nil {
		return err
	}
	if url, err := c.Hub.BlobURL(ctx, l); err != nil {
		return err
	} else if url != "" {
		h.Set("Docker-Content-Digest", digest)
		h.Set("Cache-Control", "no-store") // the address is for this client, and not for long
		h.Set("Location", url)
		h.Set("Content-Length", "0")
		return c.Empty(http.StatusTemporaryRedirect)
	}
	return sendBlob(c, digest, l, want)
}

// describeBlob sets what is true of the blob, whoever asks and for whichever part: it
// never changes.
func describeBlob(h http.Header, digest string) {
	h.Set("Docker-Content-Digest", digest)
	h.Set("Accept-Ranges", "bytes")
	h.Set("Etag", etag(digest))
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	h.Set("Content-Type", "application/octet-stream")
}

func etag(digest string) string { return `"` + digest + `"` }

// known reports whether the client says by If-None-Match that it has the content
// already. Weak tags count: proxies that compress make them of ours. See RFC 9110,
// section 13.1.2.
func known(r *http.Request, digest string) bool {
	for _, list := range r.Header.Values("If-None-Match") {
		for tag := range strings.SplitSeq(list, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == etag(digest) || tag == "*" {
				return true
			}
		}
	}
	return false
}

// sendBlob writes the wanted part of a blob.
func sendBlob(c *web.Call, digest string, l hub.Link, want byteRange) error {
	r, err := c.Hub.ReadGranted(c.Context(), c.Grant, digest, l, want.from, want.length)
	if err != nil {
		return err
	}
	defer r.Close()
	h, status := c.W.Header(), http.StatusOK
	describeBlob(h, digest)
	if want.partial {
		status = http.StatusPartialContent
		h.Set("Content-Range", "bytes "+strconv.FormatInt(want.from, 10)+"-"+strconv.FormatInt(want.from+want.length-1, 10)+"/"+strconv.FormatInt(l.Size, 10))
	}
	h.Set("Content-Length", strconv.FormatInt(want.length, 10))
	c.W.WriteHeader(status)
	if n, err := io.Copy(c.W, r); err != nil || n != want.length {
		panic(http.ErrAbortHandler) // the status is sent: only a broken connection can tell
	}
	return nil
}

// byteRange is what a request wants of a blob.
type byteRange struct {
	from, length int64
	partial      bool
}

// wantedRange reads the request's Range; 416 if nothing of it is in size bytes,
// also where another host sends the blob: not all object stores refuse the same.
func wantedRange(c *web.Call, digest string, size int64) (byteRange, error) {
	h, whole := c.W.Header(), byteRange{length: size}
	wanted := c.R.Header.Get("Range")
	if wanted == "" || !ifRange(c.R, digest) {
		return whole, nil
	}
	from, length, kind := parseRange(wanted, size)
	switch kind {
	case rangeUnsatisfiable:
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		return whole, hub.Fail(hub.BadByteRange, "the blob has %d bytes; %s is none of them", size, wanted)
	case rangeValid:
		return byteRange{from, length, true}, nil
	}
	return whole, nil
}

func ifRange(r *http.Request, digest string) bool {
	v := r.Header.Get("If-Range")
	return v == "" || v == etag(digest)
}

type rangeKind uint8

const (
	rangeIgnored       rangeKind = iota // not a single range of bytes: the whole is sent
	rangeValid                          // from and length are what is wanted
	rangeUnsatisfiable                  // nothing of it is there
)

// parseRange reads a Range header (RFC 9110, section 14.1.2) for size bytes. Several
// ranges, other units and what is no range at all are ignored, as they may be;
// where the answer is rangeIgnored, from and length are the whole. A range that ends
// before it begins is not satisfiable, as the OCI registry tests want it.
func parseRange(s string, size int64) (from, length int64, kind rangeKind) {
	unit, set, ok := strings.Cut(s, "=")
	first, last, dash := strings.Cut(strings.TrimSpace(set), "-")
	if !ok || !dash || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return 0, size, rangeIgnored
	}
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	a, okA := offset(first)
	b, okB := offset(last)
	switch {
	case first == "" && okB: // the last b bytes
		b = min(b, size)
		if b == 0 {
			return 0, 0, rangeUnsatisfiable
		}
		return size - b, b, rangeValid
	case okA && last == "":
		b = size - 1
	case !okA || !okB:
		return 0, size, rangeIgnored
	}
	b = min(b, size-1)
	if a > b {
		return 0, 0, rangeUnsatisfiable
	}
	return a, b - a + 1, rangeValid
}

func deleteBlob(c *web.Call) error {
	if err := c.Hub.DeleteBlob(c.Context(), c.Grant, c.Var("digest")); err != nil {
		if hub.CodeOf(err) == hub.BlobInUse { // a 405, which says what does work: RFC 9110, section 15.5.6
			c.W.Header().Set("Allow", "GET, HEAD")
		}
		return err
	}
	c.W.Header().Set("Content-Length", "0")
	return c.Empty(http.StatusAccepted)
}
