package build

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"berth/shared/hub"
)

// registry is the hub, as a build's token may use it.
type registry struct {
	base       *url.URL
	repository string
	token      string
	client     *http.Client
}

func newRegistry(j hub.Job) (*registry, error) {
	base, err := url.Parse(j.Registry)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("the hub's public address %q is no address", j.Registry)
	}
	// The hub's own address comes from its operator: no rule about addresses holds it
	// back, and no proxy stands before it.
	client := &http.Client{
		Timeout: time.Minute, Transport: &http.Transport{ResponseHeaderTimeout: 30 * time.Second},
		// The token is for the hub's own address alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &registry{base: base, repository: j.Repository, token: j.Token, client: client}, nil
}

// image is the name that clients push the tag with.
func (r *registry) image(tag string) string { return r.base.Host + "/" + r.repository + ":" + tag }

// insecure reports whether the hub is reached without TLS.
func (r *registry) insecure() bool { return r.base.Scheme == "http" }

// pushed is a manifest in the hub.
type pushed struct {
	digest, mediaType, imageID string
	body                       []byte
}

const accepted = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, " +
	"application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"

// manifest reads a manifest, and holds it against its digest.
func (r *registry) manifest(ctx context.Context, reference string) (pushed, error) {
	resp, err := r.do(ctx, http.MethodGet, reference, nil, nil, http.Header{"Accept": {accepted}})
	if err != nil {
		return pushed{}, err
	}
	defer resp.Body.Close()
	p := pushed{digest: resp.Header.Get("Docker-Content-Digest"), mediaType: resp.Header.Get("Content-Type")}
	if p.body, err = io.ReadAll(io.LimitReader(resp.Body, hub.MaxManifest+1)); err != nil {
		return p, err
	}
	if err := hub.CheckDigest(p.digest); err != nil {
		return p, fmt.Errorf("%s answers without a digest: %w", r.base.Host, err)
	}
	if algorithm, _, _ := strings.Cut(p.digest, ":"); hub.DigestOf(algorithm, p.body) != p.digest {
		return p, fmt.Errorf("what %s answers has not the digest %s: it was damaged or replaced", r.base.Host, p.digest)
	}
	var m struct {
		Config *struct{ Digest string }
	}
	if err := json.Unmarshal(p.body, &m); err != nil {
		return p, err
	}
	if p.imageID = p.digest; m.Config != nil {
		p.imageID = m.Config.Digest
	}
	return p, nil
}

// tag points a further tag at the manifest.
func (r *registry) tag(ctx context.Context, p pushed, tag string) error {
	resp, err := r.do(ctx, http.MethodPut, p.digest, url.Values{"tag": {tag}}, p.body, http.Header{"Content-Type": {p.mediaType}})
	if err == nil {
		resp.Body.Close()
	}
	return err
}

func (r *registry) do(ctx context.Context, method, reference string, q url.Values, body []byte, h http.Header) (*http.Response, error) {
	u := *r.base
	u.Path = strings.TrimSuffix(u.Path, "/") + "/v2/" + r.repository + "/manifests/" + reference
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if h != nil {
		req.Header = h
	}
	req.SetBasicAuth("build", r.token)
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return nil, fmt.Errorf("%s answers %s %s", r.base.Host, resp.Status, bytes.TrimSpace(b))
	}
	return resp, nil
}
