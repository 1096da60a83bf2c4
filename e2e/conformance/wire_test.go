package conformance

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wire speaks the registry's protocol request by request, and answers challenges
// as clients do: with a token for the scope that the challenge names, kept for
// the same repository and the same kind of request.
type wire struct {
	user, password string
	tokens         map[string]string
}

func newWire() *wire {
	return &wire{user: hub.User, password: hub.Password, tokens: map[string]string{}}
}

// answer is a response whose body has been read.
type answer struct {
	t      *testing.T
	what   string // method and URL
	status int
	header http.Header
	body   []byte
}

// send makes one request; ref is a path or an absolute address, each header is
// "Name: value". "Transfer-Encoding: chunked" hides the body's length.
func (w *wire) send(t *testing.T, method, ref string, body []byte, headers ...string) answer {
	t.Helper()
	base, err := url.Parse(hub.URL)
	if err != nil {
		t.Fatal(err)
	}
	u, err := base.Parse(ref)
	if err != nil {
		t.Fatal(err)
	}
	key := tokenKey(method, u.Path)
	a := w.once(t, method, u.String(), body, w.tokens[key], headers)
	if challenge := a.header.Get("WWW-Authenticate"); a.status == 401 && w.user != "" && challenge != "" {
		w.tokens[key] = w.token(t, challenge)
		a = w.once(t, method, u.String(), body, w.tokens[key], headers)
	}
	return a
}

func (w *wire) once(t *testing.T, method, u string, body []byte, token string, headers []string) answer {
	t.Helper()
	var rd io.Reader
	if body != nil {
		rd = bytes.NewReader(body)
	}
	chunked := slices.Contains(headers, "Transfer-Encoding: chunked")
	if chunked {
		rd = io.MultiReader(rd) // whose length net/http cannot know
	}
	req, err := http.NewRequest(method, u, rd)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		if k, v, _ := strings.Cut(h, ": "); k != "Transfer-Encoding" {
			req.Header.Add(k, v)
		}
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, u, err)
	}
	if redirect := resp.Request.Response; redirect != nil && strings.Contains(u, "/blobs/") {
		// The host that sends a blob knows nothing of registries: what they add to
		// an answer is in the redirection to it.
		for _, k := range []string{"Docker-Content-Digest", "X-Content-Type-Options"} {
			resp.Header.Set(k, redirect.Header.Get(k))
		}
	}
	return answer{t, method + " " + u, resp.StatusCode, resp.Header, got}
}

// tokenKey is what clients keep a token under: the repository, and whether it is to pull, push or delete.
func tokenKey(method, path string) string {
	for _, s := range []string{"/blobs/", "/manifests/", "/tags/", "/referrers/"} {
		path, _, _ = strings.Cut(path, s)
	}
	switch method {
	case "GET", "HEAD":
		return "pull " + path
	case "DELETE":
		return "delete " + path
	}
	return "push " + path
}

var challengeParam = regexp.MustCompile(`(\w+)="([^"]*)"`)

func (w *wire) token(t *testing.T, challenge string) string {
	t.Helper()
	p := map[string]string{}
	for _, m := range challengeParam.FindAllStringSubmatch(challenge, -1) {
		p[m[1]] = m[2]
	}
	if !strings.HasPrefix(challenge, "Bearer ") || p["realm"] == "" || p["service"] == "" {
		t.Fatalf("the challenge %q is not one that clients can answer", challenge)
	}
	q := url.Values{"service": {p["service"]}}
	if p["scope"] != "" {
		q.Set("scope", p["scope"])
	}
	realm, err := url.Parse(hub.URL)
	if err == nil {
		realm, err = realm.Parse(p["realm"])
	}
	if err != nil {
		t.Fatal(err)
	}
	realm.RawQuery = q.Encode()
	req, err := http.NewRequest("GET", realm.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(w.user, w.password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc struct{ Token string }
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil || resp.StatusCode != 200 || doc.Token == "" {
		t.Fatalf("GET %s: status %d, token %q, %v", realm, resp.StatusCode, doc.Token, err)
	}
	return doc.Token
}

// want ends the test unless the status is one of those.
func (a answer) want(statuses ...int) answer {
	a.t.Helper()
	if !slices.Contains(statuses, a.status) {
		a.t.Fatalf("%s: status %d, want %v; body %.300q", a.what, a.status, statuses, a.body)
	}
	return a
}

// has compares a header.
func (a answer) has(name, value string) answer {
	a.t.Helper()
	if got := a.header.Get(name); got != value {
		a.t.Errorf("%s: %s is %q, want %q", a.what, name, got, value)
	}
	return a
}

// holds compares the body.
func (a answer) holds(body []byte) answer {
	a.t.Helper()
	if !bytes.Equal(a.body, body) {
		a.t.Errorf("%s: body is %d bytes %.80q, want %d bytes %.80q", a.what, len(a.body), a.body, len(body), body)
	}
	return a
}

// fails expects a status with an error of the registry's form.
func (a answer) fails(status int, code string) {
	a.t.Helper()
	a.want(status).has("Content-Type", "application/json")
	var doc struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal(a.body, &doc); err != nil || len(doc.Errors) == 0 || doc.Errors[0].Code != code || doc.Errors[0].Message == "" {
		a.t.Errorf("%s: error body %s (%v), want code %s and a message", a.what, a.body, err, code)
	}
}

// location is the answer's Location, with the digest parameter if one is given.
func (a answer) location(digest string) string {
	a.t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || u.String() == "" {
		a.t.Fatalf("%s: Location %q", a.what, a.header.Get("Location"))
	}
	if digest != "" {
		q := u.Query()
		q.Set("digest", digest)
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// newRepo is the path of a repository that does not exist yet.
func newRepo() string {
	return "/v2/" + hub.User + "/r" + strings.ToLower(rand.Text())
}

// algorithms of digests that the registry takes.
var algorithms = []string{"sha256", "sha512"}

func digestOf(algorithm string, b []byte) string {
	if algorithm == "sha512" {
		sum := sha512.Sum512(b)
		return "sha512:" + hex.EncodeToString(sum[:])
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// newBlob is n bytes that nobody has seen before.
func newBlob(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

const octets = "Content-Type: application/octet-stream"

// begin starts an upload.
func (w *wire) begin(t *testing.T, repo string) answer {
	t.Helper()
	return w.send(t, "POST", repo+"/blobs/uploads/", nil).want(202)
}

// push uploads a blob in one request.
func (w *wire) push(t *testing.T, repo, digest string, blob []byte) {
	t.Helper()
	w.send(t, "POST", repo+"/blobs/uploads/?digest="+digest, blob, octets).want(201)
}

func contentRange(from, to int) string { return fmt.Sprintf("Content-Range: %d-%d", from, to-1) }
