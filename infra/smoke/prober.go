package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// prober asks a hub.
type prober struct {
	ctx      context.Context
	hub      string // without a slash at the end
	user     string
	password string
	client   *http.Client
	repo     string // user/name, that the checks push to

	token func() (string, error) // for that repository
	api   func() (string, error) // for the hub API
}

func newProber(ctx context.Context, hub, user, password string) *prober {
	p := &prober{ctx: ctx, hub: hub, user: user, password: password, client: client()}
	p.repo = user + "/smoke-" + strings.ToLower(rand.Text()[:8])
	p.token, p.api = sync.OnceValues(p.login), sync.OnceValues(p.access)
	return p
}

// answer is what the hub answered, the body being read.
type answer struct {
	*http.Response
	body []byte
}

// ask sends a request; body may be nil. An address without a host is the hub's.
func (p *prober) ask(method, address string, header map[string]string, body io.Reader) (answer, error) {
	if strings.HasPrefix(address, "/") {
		address = p.hub + address
	}
	req, err := http.NewRequestWithContext(p.ctx, method, address, body)
	if err != nil {
		return answer{}, err
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	return answer{res, b}, err
}

// want asks, and fails if the status is another.
func (p *prober) want(status int, method, address string, header map[string]string, body io.Reader) (answer, error) {
	a, err := p.ask(method, address, header, body)
	if err == nil && a.StatusCode != status {
		err = fmt.Errorf("%s %s was answered %s, wanted was %d: %.200s", method, path(address), a.Status, status, a.body)
	}
	return a, err
}

// path is an address without what may be secret in it.
func path(address string) string {
	before, _, _ := strings.Cut(address, "?")
	return before
}

// login gets a token to push to the repository, as docker does.
func (p *prober) login() (string, error) {
	if p.password == "" {
		return "", notHere("BERTH_PASSWORD is not set")
	}
	q := url.Values{"service": {"berth"}, "scope": {"repository:" + p.repo + ":pull,push"}}
	req, err := http.NewRequestWithContext(p.ctx, "GET", p.hub+"/v2/token?"+q.Encode(), nil)
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(p.user, p.password)
	res, err := p.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var t struct{ Token string }
	if err := json.NewDecoder(res.Body).Decode(&t); err != nil || t.Token == "" {
		return "", fmt.Errorf("the log-in of %s was answered %s without a token", p.user, res.Status)
	}
	return t.Token, nil
}

// with is the header of a caller who may push, and more.
func (p *prober) with(more ...string) (map[string]string, error) {
	token, err := p.token()
	h := map[string]string{"Authorization": "Bearer " + token}
	for i := 0; i+1 < len(more); i += 2 {
		h[more[i]] = more[i+1]
	}
	return h, err
}

// blob is something to push.
type blob struct {
	data   []byte
	digest string
}

func newBlob(size int) blob {
	data := make([]byte, size)
	rand.Read(data) // never fails
	return blob{data, digestOf(data)}
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// begin starts an upload and returns its address.
func (p *prober) begin(query string) (string, answer, error) {
	h, err := p.with()
	if err != nil {
		return "", answer{}, err
	}
	a, err := p.want(http.StatusAccepted, "POST", "/v2/"+p.repo+"/blobs/uploads/"+query, h, nil)
	if err != nil {
		return "", a, err
	}
	at, err := a.Location()
	if err != nil {
		return "", a, err
	}
	return at.String(), a, nil
}

// finish ends an upload.
func (p *prober) finish(at, digest string) error {
	h, err := p.with()
	if err != nil {
		return err
	}
	u, err := url.Parse(at)
	if err != nil {
		return err
	}
	q := u.Query()
	q.Set("digest", digest)
	u.RawQuery = q.Encode()
	_, err = p.want(http.StatusCreated, "PUT", u.String(), h, nil)
	return err
}

// push uploads a blob in one piece.
func (p *prober) push(b blob) error {
	at, _, err := p.begin("")
	if err != nil {
		return err
	}
	h, err := p.with("Content-Type", "application/octet-stream")
	if err != nil {
		return err
	}
	if _, err := p.want(http.StatusAccepted, "PATCH", at, h, bytes.NewReader(b.data)); err != nil {
		return err
	}
	return p.finish(at, b.digest)
}

// image pushes an image and returns its manifest.
func (p *prober) image(tag string) ([]byte, error) {
	config, layer := blob{[]byte(`{"architecture":"arm64","os":"linux"}`), ""}, newBlob(1000)
	config.digest = digestOf(config.data)
	for _, b := range []blob{config, layer} {
		if err := p.push(b); err != nil {
			return nil, err
		}
	}
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json",`+
		`"digest":%q,"size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`,
		manifestType, config.digest, len(config.data), layer.digest, len(layer.data))
	h, err := p.with("Content-Type", manifestType)
	if err != nil {
		return nil, err
	}
	_, err = p.want(http.StatusCreated, "PUT", "/v2/"+p.repo+"/manifests/"+tag, h, bytes.NewReader(manifest))
	return manifest, err
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// access gets a token for the hub API.
func (p *prober) access() (string, error) {
	if p.password == "" {
		return "", notHere("BERTH_PASSWORD is not set")
	}
	form := url.Values{"username": {p.user}, "password": {p.password}}
	a, err := p.ask("POST", "/v1/generate-api-token", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, strings.NewReader(form.Encode()))
	var t struct{ Token string }
	if err == nil && (json.Unmarshal(a.body, &t) != nil || t.Token == "") {
		err = fmt.Errorf("%s got no token: %s", p.user, a.Status)
	}
	return t.Token, err
}

// tidy deletes the repository, if there is one.
func (p *prober) tidy() {
	token, err := p.api()
	if err != nil {
		return
	}
	p.ask("DELETE", "/v1/repositories/"+p.repo, map[string]string{"Authorization": "Token " + token}, nil)
}
