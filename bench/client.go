package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const octets = "application/octet-stream"

// registry is a minimal client of the distribution API.
type registry struct {
	name, base string // base has no slash at its end
	host       string
	auth       auth
	hc         *http.Client
	pid        int // the server's process on this machine, 0 if unknown
}

// newRegistry parses "[name=]URL", where the URL may carry user and password,
// and learns how the registry wants to be authenticated.
func newRegistry(arg string) (*registry, error) {
	r := &registry{base: arg}
	if name, u, ok := strings.Cut(arg, "="); ok && !strings.Contains(name, "/") {
		r.name, r.base = name, u
	}
	u, err := url.Parse(r.base)
	if err != nil || u.Host == "" {
		return nil, errors.New("not a base URL (like name=http://127.0.0.1:5000)")
	}
	r.auth.user = u.User.Username()
	r.auth.password, _ = u.User.Password()
	u.User = nil
	r.base, r.host = strings.TrimSuffix(u.String(), "/"), u.Host
	if r.name == "" {
		r.name = u.Host
	}
	r.hc = &http.Client{
		Timeout: 10 * time.Minute,
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 128,
			WriteBufferSize:     256 << 10,
			ReadBufferSize:      256 << 10,
			DisableCompression:  true,
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // for self-signed test servers
		},
	}
	r.auth.hc = r.hc
	r.pid = pidOfListener(u.Port())
	return r, r.greet()
}

// greet asks for /v2/, and a second time with credentials if it must.
func (r *registry) greet() error {
	resp, err := r.do("GET", "/v2/", nil, "", 200, 401)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode == 200 {
		return nil
	}
	if err := r.auth.challenged(resp.Header.Get("WWW-Authenticate")); err != nil {
		return err
	}
	_, _, err = r.call("GET", "/v2/", nil, "", 200)
	return err
}

// warm fetches the tokens that pulls from and pushes to a repository need, so
// that no measurement pays for a log-in.
func (r *registry) warm(repo string) error {
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if _, err := r.auth.header(scopeOf(method, &url.URL{Path: "/v2/" + repo + "/tags/list"})); err != nil {
			return err
		}
	}
	return nil
}

// authorization is the header that a request needs, "" for none.
func (r *registry) authorization(method string, u *url.URL) (string, error) {
	if strings.HasPrefix(u.Path, hubAPI) {
		return r.auth.plain(), nil
	}
	return r.auth.header(scopeOf(method, u))
}

// do sends a request, and fails unless the answer has one of the statuses.
func (r *registry) do(method, ref string, body []byte, ctype string, statuses ...int) (*http.Response, error) {
	u := ref
	if strings.HasPrefix(ref, "/") {
		u = r.base + ref
	}
	var rd io.Reader
	if body != nil {
		rd = bytes.NewReader(body)
	}
	req, err := http.NewRequest(method, u, rd)
	if err != nil {
		return nil, err
	}
	if req.URL.Host == r.host {
		h, err := r.authorization(method, req.URL)
		if err != nil {
			return nil, err
		}
		if h != "" {
			req.Header.Set("Authorization", h)
		}
	}
	if ctype != "" {
		req.Header.Set("Content-Type", ctype)
	}
	if method == "GET" || method == "HEAD" {
		req.Header.Set("Accept", manifestType+", */*")
	}
	resp, err := r.hc.Do(req)
	if err != nil {
		return nil, err
	}
	for _, s := range statuses {
		if resp.StatusCode == s {
			return resp, nil
		}
	}
	msg, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	resp.Body.Close()
	return nil, &statusError{method + " " + u, resp.StatusCode, strings.TrimSpace(string(msg))}
}

type statusError struct {
	req  string
	code int
	msg  string
}

func (e *statusError) Error() string { return fmt.Sprintf("%s: status %d: %s", e.req, e.code, e.msg) }

// call is do for answers whose body does not matter.
func (r *registry) call(method, ref string, body []byte, ctype string, statuses ...int) (http.Header, int, error) {
	resp, err := r.do(method, ref, body, ctype, statuses...)
	if err != nil {
		return nil, 0, err
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.Header, resp.StatusCode, nil
}

func digestOf(b []byte) string {
	s := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(s[:])
}

// location resolves an upload location against the base URL, adding a query parameter if key is set.
func (r *registry) location(h http.Header, key, val string) (string, error) {
	b, err := url.Parse(r.base)
	if err != nil {
		return "", err
	}
	u, err := b.Parse(h.Get("Location"))
	if err != nil || h.Get("Location") == "" {
		return "", fmt.Errorf("bad upload location %q", h.Get("Location"))
	}
	if key != "" {
		q := u.Query()
		q.Set(key, val)
		u.RawQuery = q.Encode()
	}
	return u.String(), nil
}

// upload pushes one blob: POST, PATCH, PUT as docker, podman and crane do, or,
// when mono is set, POST, PUT as containerd and BuildKit do.
func (r *registry) upload(repo, digest string, data []byte, mono bool) error {
	h, _, err := r.call("POST", "/v2/"+repo+"/blobs/uploads/", []byte{}, "", 202)
	if err != nil {
		return err
	}
	body := data
	if !mono {
		loc, err := r.location(h, "", "")
		if err != nil {
			return err
		}
		if h, _, err = r.call("PATCH", loc, data, octets, 202, 204); err != nil {
			return err
		}
		body = []byte{}
	}
	loc, err := r.location(h, "digest", digest)
	if err != nil {
		return err
	}
	_, _, err = r.call("PUT", loc, body, octets, 201, 204)
	return err
}

// has reports whether a blob is there, by HEAD.
func (r *registry) has(repo, digest string) (bool, error) {
	_, code, err := r.call("HEAD", "/v2/"+repo+"/blobs/"+digest, nil, "", 200, 404)
	return code == 200, err
}

// download reads a blob or manifest to its end; with verify it checks the digest.
func (r *registry) download(path, digest string, verify bool) (int64, error) {
	resp, err := r.do("GET", path, nil, "", 200)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	h := sha256.New()
	var w io.Writer = writerOnly{io.Discard}
	if verify {
		w = h
	}
	buf := bufs.Get().(*[]byte)
	defer bufs.Put(buf)
	n, err := io.CopyBuffer(w, resp.Body, *buf)
	if err == nil && verify && "sha256:"+hex.EncodeToString(h.Sum(nil)) != digest {
		err = errors.New("GET " + path + ": content does not match its digest")
	}
	return n, err
}

// reclaim gives a blob's space back where the registry lets us.
func (r *registry) reclaim(path string) {
	r.call("DELETE", path, nil, "", 202)
}

var bufs = sync.Pool{New: func() any { b := make([]byte, 1<<20); return &b }}

// writerOnly hides ReadFrom, so that copies use the buffer they are given.
type writerOnly struct{ io.Writer }
