package registry

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"berth/shared/hub"
	"berth/shared/web"
)

func getManifest(c *web.Call) error {
	ctx, wantBody := c.Context(), c.R.Method != http.MethodHead
	m, err := c.Hub.GrantedManifest(ctx, c.Grant, c.Var("reference"), wantBody)
	if err != nil {
		return err
	}
	h := c.W.Header()
	if known(c.R, m.Digest) {
		describeManifest(h, m)
		return c.Empty(http.StatusNotModified)
	}
	if !wantBody {
		describeManifest(h, m)
		return c.Empty(http.StatusOK)
	}
	body, short := m.Bytes()
	var long io.ReadCloser
	if !short {
		if long, err = c.Hub.OpenManifest(ctx, c.Grant, m); err != nil {
			return err
		}
		defer long.Close()
	}
	if err := c.Hub.CountPull(ctx, c.Grant, m); err != nil {
		return err
	}
	describeManifest(h, m)
	c.W.WriteHeader(http.StatusOK)
	if short {
		c.W.Write(body)
		return nil
	}
	if n, err := io.Copy(c.W, long); err != nil || n != m.Size {
		panic(http.ErrAbortHandler) // the status is sent: only a broken connection can tell
	}
	return nil
}

func describeManifest(h http.Header, m hub.Pull) {
	h.Set("Content-Type", m.MediaType)
	h.Set("Content-Length", strconv.FormatInt(m.Size, 10))
	h.Set("Docker-Content-Digest", m.Digest)
	h.Set("Etag", etag(m.Digest))
}

func putManifest(c *web.Call) error {
	push := hub.ManifestPush{ContentType: c.R.Header.Get("Content-Type")}
	reference := c.Var("reference")
	if strings.Contains(reference, ":") {
		push.Digest, push.Tags = reference, c.URLQuery()["tag"]
	} else {
		push.Tags = []string{reference}
	}
	var err error
	if push.Body, err = manifestBody(c); err != nil {
		return err
	}
	done, err := c.Hub.PutManifest(c.Context(), c.Grant, push)
	if err != nil {
		return err
	}
	h := c.W.Header()
	h.Set("Docker-Content-Digest", done.Digest)
	if done.Subject != "" {
		h.Set("OCI-Subject", done.Subject)
	}
	if push.Digest != "" {
		for _, tag := range done.Tags {
			h.Add("OCI-Tag", tag)
		}
	}
	h.Set("Content-Length", "0")
	location(c, "manifests", done.Digest, nil)
	return c.Empty(http.StatusCreated)
}

func manifestBody(c *web.Call) ([]byte, error) {
	if c.R.ContentLength > hub.MaxManifest {
		return nil, manifestTooLarge()
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.W, c.R.Body, hub.MaxManifest))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, manifestTooLarge()
	}
	if err != nil {
		return nil, hub.Fail(hub.BadSize, "the body ended too early")
	}
	return b, nil
}

func manifestTooLarge() error {
	return hub.Fail(hub.TooLarge, "a manifest may have at most %d bytes", hub.MaxManifest)
}

func deleteManifest(c *web.Call) error {
	reference := c.Var("reference")
	var err error
	if strings.Contains(reference, ":") {
		err = c.Hub.DeleteManifest(c.Context(), c.Grant, reference)
	} else {
		err = c.Hub.DeleteTag(c.Context(), c.Grant, reference)
	}
	if err != nil {
		return err
	}
	c.W.Header().Set("Content-Length", "0")
	return c.Empty(http.StatusAccepted)
}
