package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"berth/shared/hub"
)

// registry is one repository on the hub's registry. Its methods may be called at
// once from several goroutines.
type registry struct {
	c    *Client
	name Name
	push bool

	mu    sync.Mutex
	token string
	until time.Time // when another token is to be got
}

// tokenSpare is how long before its end a token is not used any more.
const tokenSpare = 30 * time.Second

// bearer is a registry token; not is one that the registry did not take.
func (r *registry) bearer(ctx context.Context, not string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.token != "" && r.token != not && time.Now().Before(r.until) {
		return r.token, nil
	}
	actions := "pull"
	if r.push {
		actions = "pull,push"
	}
	q := url.Values{"service": {r.c.URL.Host}, "scope": {"repository:" + r.name.String() + ":" + actions}}
	var got struct {
		Token     string
		ExpiresIn int `json:"expires_in"`
	}
	asked := time.Now()
	if err := r.c.Do(ctx, http.MethodGet, "/v2/token?"+q.Encode(), nil, &got); err != nil {
		return "", err
	}
	r.token, r.until = got.Token, asked.Add(time.Duration(got.ExpiresIn)*time.Second-tokenSpare)
	return r.token, nil
}

// request is one to the registry. Its body is made anew for each attempt.
type request struct {
	method string
	path   string // below the repository, or an address that the registry gave
	query  url.Values
	header http.Header
	size   int64
	body   func() io.Reader // nil = none
}

// send answers a response of success, whose body the caller closes, or an *Error.
func (r *registry) send(ctx context.Context, q request) (*http.Response, error) {
	at, err := r.address(q)
	if err != nil {
		return nil, err
	}
	token := ""
	for try := 0; ; try++ {
		if token, err = r.bearer(ctx, token); err != nil {
			return nil, err
		}
		h := http.Header{"Authorization": {"Bearer " + token}}
		res, err := exchange(ctx, q, at, h)
		switch {
		case err != nil:
			return nil, err
		case res.StatusCode/100 == 2:
			return res, nil
		case res.StatusCode == http.StatusUnauthorized && try == 0:
			res.Body.Close()
			continue
		}
		defer res.Body.Close()
		if res.StatusCode == http.StatusUnauthorized {
			return nil, r.notAllowed()
		}
		return nil, refusal(res)
	}
}

// address is where a request goes: never to another host, because it carries
// credentials.
func (r *registry) address(q request) (*url.URL, error) {
	base := &url.URL{Scheme: r.c.URL.Scheme, Host: r.c.URL.Host, Path: "/v2/" + r.name.String() + "/"}
	at, err := base.Parse(q.path)
	if err != nil {
		return nil, err
	}
	if at.Host != base.Host || at.Scheme != base.Scheme {
		return nil, fmt.Errorf("%s sends the upload to %s, another host; is the hub's --public-url the address that you use?", base.Host, at.Host)
	}
	all := at.Query()
	for name, values := range q.query {
		all[name] = values
	}
	at.RawQuery = all.Encode()
	return at, nil
}

// exchange sends a request with these further headers.
func exchange(ctx context.Context, q request, at *url.URL, more http.Header) (*http.Response, error) {
	var body io.Reader = http.NoBody
	if q.body != nil && q.size > 0 {
		body = q.body()
	}
	req, err := http.NewRequestWithContext(ctx, q.method, at.String(), body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = q.size
	for _, h := range []http.Header{q.header, more} {
		for name, values := range h {
			req.Header[name] = values
		}
	}
	res, err := web.Do(req)
	if err != nil {
		return nil, unreachable(err)
	}
	return res, nil
}

func (r *registry) notAllowed() error {
	what := "pull from"
	if r.push {
		what = "push to"
	}
	e := &Error{Hub: r.c.URL.String(), Status: http.StatusUnauthorized, Code: string(hub.Unauthenticated), Message: fmt.Sprintf("not everybody may %s %s", what, r.name)}
	if r.c.Secret != "" {
		e.Status, e.Code = http.StatusForbidden, string(hub.Denied)
		e.Message = fmt.Sprintf("you may not %s %s, or it does not exist; an owner of %s can allow it", what, r.name, r.name.Namespace)
	}
	return e
}

// manifestTypes are what the hub takes and has.
var manifestTypes = []string{hub.MediaOCIManifest, hub.MediaOCIIndex, hub.MediaDockerManifest, hub.MediaDockerList}

// manifest reads a manifest by tag or digest, and holds it against its digest.
func (r *registry) manifest(ctx context.Context, pointer string) (d hub.Descriptor, body []byte, err error) {
	res, err := r.send(ctx, request{method: http.MethodGet, path: "manifests/" + pointer, header: http.Header{"Accept": manifestTypes}})
	if err != nil {
		return d, nil, err
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(io.LimitReader(res.Body, hub.MaxManifest+1)); err != nil {
		return d, nil, unreachable(err)
	}
	d = hub.Descriptor{MediaType: res.Header.Get("Content-Type"), Digest: res.Header.Get("Docker-Content-Digest"), Size: int64(len(body))}
	if hub.CheckDigest(pointer) == nil {
		d.Digest = pointer
	}
	return d, body, matches(d.Digest, bytes.NewReader(body))
}

// putManifest stores a manifest under a tag or its digest.
func (r *registry) putManifest(ctx context.Context, pointer, mediaType string, body []byte) error {
	res, err := r.send(ctx, request{
		method: http.MethodPut, path: "manifests/" + pointer, header: http.Header{"Content-Type": {mediaType}},
		size: int64(len(body)), body: func() io.Reader { return bytes.NewReader(body) },
	})
	if err == nil {
		res.Body.Close()
	}
	return err
}

// has reports whether the repository has a blob.
func (r *registry) has(ctx context.Context, digest string) (bool, error) {
	res, err := r.send(ctx, request{method: http.MethodHead, path: "blobs/" + digest})
	if IsStatus(err, http.StatusNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	res.Body.Close()
	return true, nil
}

// patience bounds how often a transfer is begun again although nothing was gained.
type patience struct{ tries int }

const maxTries = 9

// after waits before another attempt, or answers err if there is to be none.
// gained says that the last attempt moved bytes.
func (p *patience) after(ctx context.Context, err error, gained bool) error {
	if gained {
		p.tries = 0
	}
	if p.tries++; p.tries >= maxTries || !passing(err) || ctx.Err() != nil {
		return err
	}
	return sleep(ctx, min(100*time.Millisecond<<p.tries, 10*time.Second))
}

// again does f until it succeeds, or fails for good.
func again(ctx context.Context, f func() error) error {
	var p patience
	for {
		err := f()
		if err == nil {
			return nil
		}
		if err := p.after(ctx, err, false); err != nil {
			return err
		}
	}
}
