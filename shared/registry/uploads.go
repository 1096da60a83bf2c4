package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"berth/shared/hub"
	"berth/shared/web"
)

// startUpload is POST …/blobs/uploads/: a mount, a whole blob, or the beginning of
// an upload.
func startUpload(c *web.Call) error {
	q := c.URLQuery()
	if q.Has("mount") {
		done, err := mount(c, q.Get("mount"), q.Get("from"))
		if done || err != nil {
			return err
		}
		return beginUpload(c, q.Get("mount"))
	}
	if q.Get("direct") == "1" {
		return beginDirect(c, q.Get("digest"), q.Get("size"))
	}
	if digest := q.Get("digest"); digest != "" {
		chunk := hub.Chunk{Body: c.R.Body, At: -1, Size: c.R.ContentLength}
		if err := c.Hub.Push(c.Context(), c.Grant, digest, chunk); err != nil {
			return err
		}
		return blobCreated(c, digest)
	}
	announced := q.Get("digest-algorithm")
	if announced != "" && announced != hub.SHA256 && announced != hub.SHA512 {
		return hub.Fail(hub.BadDigest, "digest-algorithm must be sha256 or sha512, not %q", announced)
	}
	return beginUpload(c, announced+":")
}

// beginUpload answers with a new upload. digest is the one to come, if it is known.
func beginUpload(c *web.Call, digest string) error {
	algorithm, _, _ := strings.Cut(digest, ":")
	u, err := c.Hub.StartUpload(c.Context(), c.Grant, algorithm)
	if err != nil {
		return err
	}
	return uploadState(c, u, http.StatusAccepted)
}

// beginDirect answers with a new upload, and where its bytes go past the hub: a PUT to
// Berth-Direct-Url with the headers in Berth-Direct-Headers, a JSON object. A PUT of
// nothing to the upload then ends it. Without those two headers the bytes go to the
// upload, as ever.
func beginDirect(c *web.Call, digest, size string) error {
	n, ok := offset(size)
	if !ok {
		return hub.Fail(hub.BadSize, "size must be the number of the blob's bytes, not %q", size)
	}
	u, a, err := c.Hub.StartDirect(c.Context(), c.Grant, digest, n)
	if err != nil {
		return err
	}
	if a.URL != "" {
		header, err := json.Marshal(a.Header)
		if err != nil {
			return err
		}
		c.W.Header().Set("Berth-Direct-Url", a.URL)
		c.W.Header().Set("Berth-Direct-Headers", string(header))
	}
	return uploadState(c, u, http.StatusAccepted)
}

// uploadState answers with where an upload is and how far it has come.
func uploadState(c *web.Call, u hub.Upload, status int) error {
	uploadHeaders(c, u)
	if status != http.StatusNoContent {
		c.W.Header().Set("Content-Length", "0")
	}
	return c.Empty(status)
}

func uploadHeaders(c *web.Call, u hub.Upload) {
	location(c, "blobs/uploads", u.ID, nil)
	h := c.W.Header()
	h.Set("Docker-Upload-UUID", u.ID)
	h.Set("Range", fmt.Sprintf("0-%d", max(u.State.Size-1, 0)))
}

func showUpload(c *web.Call) error {
	u, err := c.Hub.Upload(c.Context(), c.Grant, c.Var("upload"))
	if err != nil {
		return err
	}
	return uploadState(c, u, http.StatusNoContent)
}

func patchUpload(c *web.Call) error {
	chunk, err := chunkOf(c.R)
	if err != nil {
		return err
	}
	u, err := c.Hub.Append(c.Context(), c.Grant, c.Var("upload"), chunk)
	if err != nil {
		if u.ID != "" {
			uploadHeaders(c, u)
		}
		return err
	}
	return uploadState(c, u, http.StatusAccepted)
}

func putUpload(c *web.Call) error {
	chunk, err := chunkOf(c.R)
	if err != nil {
		return err
	}
	if c.R.ContentLength == 0 && chunk.At < 0 {
		chunk.Body = nil
	}
	digest := c.URLQuery().Get("digest")
	u, err := c.Hub.Commit(c.Context(), c.Grant, c.Var("upload"), digest, chunk)
	if err != nil {
		if u.ID != "" {
			uploadHeaders(c, u)
		}
		return err
	}
	return blobCreated(c, digest)
}

func cancelUpload(c *web.Call) error {
	if err := c.Hub.CancelUpload(c.Context(), c.Grant, c.Var("upload")); err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

// blobCreated answers that the repository has the blob now.
func blobCreated(c *web.Call, digest string) error {
	location(c, "blobs", digest, nil)
	c.W.Header().Set("Docker-Content-Digest", digest)
	c.W.Header().Set("Content-Length", "0")
	return c.Empty(http.StatusCreated)
}

// chunkOf reads which piece of an upload a request carries.
func chunkOf(r *http.Request) (hub.Chunk, error) {
	chunk := hub.Chunk{Body: r.Body, At: -1, Size: r.ContentLength}
	header := r.Header.Get("Content-Range")
	if header == "" {
		return chunk, nil
	}
	from, to, err := parseContentRange(header)
	if err != nil {
		return chunk, err
	}
	length := to - from + 1
	if chunk.Size >= 0 && chunk.Size != length {
		return chunk, hub.Fail(hub.BadSize, "Content-Range says %d bytes, Content-Length %d", length, chunk.Size)
	}
	chunk.At, chunk.Size = from, length
	return chunk, nil
}

// parseContentRange reads the range of a chunk, both ends included: 0-1023, as the
// OCI Distribution Specification has it, or bytes 0-1023/2048 and bytes=0-1023 as some
// clients send it.
func parseContentRange(s string) (from, to int64, err error) {
	rest := strings.TrimPrefix(s, "bytes")
	if rest != s {
		rest = strings.TrimLeft(rest, " =")
	}
	rest, _, _ = strings.Cut(rest, "/")
	first, last, ok := strings.Cut(rest, "-")
	from, ok1 := offset(first)
	to, ok2 := offset(last)
	if !ok || !ok1 || !ok2 || to < from {
		return 0, 0, hub.Fail(hub.BadUpload, "Content-Range must be like 0-1023, not %q", s)
	}
	return from, to, nil
}

// offset reads a number of digits alone, far enough from overflow to be added to.
func offset(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 62)
	return n, err == nil
}
