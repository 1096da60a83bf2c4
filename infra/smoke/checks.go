package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// check is one assumption. means is what to think of it when it does not hold.
type check struct {
	id, about, means string
	run              func(*prober) error
}

// large is more than a function takes, and little for ingest.
const large = 5 << 20

var checks = []check{
	{"alive", "the hub answers, and its storage", "look at the log of the functions healthz and readyz", alive},
	{"challenge", "WWW-Authenticate arrives under its own name", "docker cannot log in: the gateway renamed or dropped the header; use no REST API and no function URL", challenge},
	{"slash", "a path with a slash at its end reaches its function", "the twins {proxy+} do not match; GET /v2/ is how every client begins", slash},
	{"rest", "a path that merely begins as a route is not found", "a function answered for what lies behind its twin's slash", rest},
	{"absent", "a path without a route is answered 404 in JSON", "the function default is not asked", absent},
	{"method", "a method without a route is answered 405 in JSON", "the function default is not asked, or a twin took the path", method},
	{"nearest", "/v2/manage goes before /v2/{namespace}/{repo}", "the HTTP API takes the variable before the word: a namespace called blobs would be hidden", nearest},
	{"decoded", "a path with %, ? and # in it is read as it was sent", "rawPath is not what shared/cloud/gateway.go takes it for", decoded},
	{"query", "a query arrives as it was sent", "CloudFront or the gateway changed it; signatures of direct uploads would break", query},
	{"large-answer", "an answer of more than 100 KB arrives whole", "CloudFront or the gateway cut it or packed it", largeAnswer},
	{"date", "there is one Date, and it is one", "a header was split at its comma", date},
	{"login", "a password is exchanged for a token", "the secret cannot be read, or Authorization does not reach the function", func(p *prober) error { _, err := p.token(); return err }},
	{"push", "an image is pushed", "look at the log of the function or of ingest that answered", func(p *prober) error { _, err := p.image("v1"); return err }},
	{"head", "HEAD of a manifest has its length, type and digest", "containerd believes that the manifest has no bytes", head},
	{"fresh", "a 404 is not kept: after a push it is there at once", "CloudFront keeps errors: see CustomErrorResponses", fresh},
	{"layer", "a layer is pulled from S3, on a host of its own, in parts too", "clients would send the hub's credentials along, or cannot go on where they stopped", pulled},
	{"expect", "an upload that asks before it sends goes on", "100-continue is not answered; skopeo and curl wait a second for each layer", expect},
	{"ingest", "a piece of more than a function takes is taken, or refused with what to do", "CloudFront does not lead uploads to ingest, or the function at the edge does not run", ingest},
	{"chunked", "a large piece without a length is taken, or refused", "with ingest off, what has no Content-Length meets the gateway's own limit", chunked},
	{"direct", "a layer goes straight to S3, which refuses a wrong byte", "the presigned address or its checksum does not hold", direct},
	{"resume", "an upload tells how far it came", "clients cannot go on where they were cut off", resume},
	{"viewer", "the hub knows callers by their own address, whatever they claim", "failed log-ins are counted for all who share an edge of CloudFront: is its function associated, and have distribution and functions the same key?", viewer},
	{"quick", "the second of two requests takes less than a second", "functions start too slowly, or far away", quick},
}

func alive(p *prober) error {
	_, err := p.want(200, "GET", "/healthz", nil, nil)
	_, more := p.want(200, "GET", "/readyz", nil, nil)
	return errors.Join(err, more)
}

func challenge(p *prober) error {
	a, err := p.want(401, "GET", "/v2/", nil, nil)
	if err != nil {
		return err
	}
	got := a.Header.Get("WWW-Authenticate")
	if !strings.HasPrefix(got, "Bearer ") {
		return fmt.Errorf("the challenge is %q", got)
	}
	if !strings.Contains(got, `realm="`+p.hub+`/`) {
		return fmt.Errorf("the challenge %s leads to another address than %s", got, p.hub)
	}
	return nil
}

func slash(p *prober) error {
	a, err := p.want(200, "GET", "/healthz/", nil, nil)
	if err == nil && len(a.body) == 0 {
		err = errors.New("nothing was answered")
	}
	_, more := p.want(401, "GET", "/v2/", nil, nil)
	return errors.Join(err, more)
}

// inJSON fails if the answer is no JSON object.
func inJSON(a answer, err error) error {
	var v map[string]any
	if err == nil && json.Unmarshal(a.body, &v) != nil {
		err = fmt.Errorf("the answer is no JSON: %.100s", a.body)
	}
	return err
}

func rest(p *prober) error { return inJSON(p.want(404, "GET", "/healthz/more", nil, nil)) }

func absent(p *prober) error {
	return errors.Join(inJSON(p.want(404, "GET", "/v1/no-such-thing", nil, nil)), inJSON(p.want(404, "GET", "/nothing", nil, nil)))
}

func method(p *prober) error {
	a, err := p.want(405, "PATCH", "/v1/orgs", nil, nil)
	if err == nil && a.Header.Get("Allow") == "" {
		err = errors.New("the answer has no Allow")
	}
	return inJSON(a, err)
}

func nearest(p *prober) error {
	a, err := p.ask("GET", "/v2/manage/namespaces/blobs/access", nil, nil)
	if err != nil {
		return err
	}
	if !bytes.Contains(a.body, []byte(`"errorCode"`)) { // as the Manage API's errors have it, and no others
		return fmt.Errorf("another interface answered: %s %.100s", a.Status, a.body)
	}
	return inJSON(a, nil)
}

func decoded(p *prober) error {
	var errs []error
	for _, name := range []string{"a%20b", "100%25", "what%3Fnow", "no%23anchor"} {
		a, err := p.ask("GET", "/v1/repositories/"+name+"/x", nil, nil)
		if err == nil && (a.StatusCode < 400 || a.StatusCode >= 500) {
			err = fmt.Errorf("%s was answered %s", name, a.Status)
		}
		errs = append(errs, inJSON(a, err))
	}
	return errors.Join(errs...)
}

func query(p *prober) error {
	const want = "a&b=c+d %ä"
	a, err := p.want(200, "GET", "/v1/search?page_size=1&q="+url.QueryEscape(want), nil, nil)
	var found struct{ Query string }
	if err == nil && (json.Unmarshal(a.body, &found) != nil || found.Query != want) {
		err = fmt.Errorf("%q arrived as %q", want, found.Query)
	}
	return err
}

func largeAnswer(p *prober) error {
	a, err := p.want(200, "GET", "/openapi.json", map[string]string{"Accept-Encoding": "identity"}, nil)
	if err != nil {
		return err
	}
	if len(a.body) < 100_000 {
		return fmt.Errorf("the API's description has only %d bytes", len(a.body))
	}
	return inJSON(a, nil)
}

func date(p *prober) error {
	a, err := p.want(200, "GET", "/healthz", nil, nil)
	if err != nil {
		return err
	}
	values := a.Header.Values("Date")
	if len(values) != 1 {
		return fmt.Errorf("the dates are %q", values)
	}
	_, err = http.ParseTime(values[0])
	return err
}

func head(p *prober) error {
	manifest, err := p.image("head")
	if err != nil {
		return err
	}
	h, err := p.with("Accept", manifestType)
	if err != nil {
		return err
	}
	a, err := p.want(200, "HEAD", "/v2/"+p.repo+"/manifests/head", h, nil)
	if err != nil {
		return err
	}
	if a.ContentLength != int64(len(manifest)) || a.Header.Get("Content-Type") != manifestType || a.Header.Get("Docker-Content-Digest") != digestOf(manifest) {
		return fmt.Errorf("length %d of %d, type %q, digest %q", a.ContentLength, len(manifest), a.Header.Get("Content-Type"), a.Header.Get("Docker-Content-Digest"))
	}
	return nil
}

func fresh(p *prober) error {
	h, err := p.with("Accept", manifestType)
	if err != nil {
		return err
	}
	address := "/v2/" + p.repo + "/manifests/fresh"
	if _, err := p.want(404, "HEAD", address, h, nil); err != nil {
		return err
	}
	if _, err := p.image("fresh"); err != nil {
		return err
	}
	_, err = p.want(200, "HEAD", address, h, nil)
	return err
}

func pulled(p *prober) error {
	b := newBlob(100_000)
	if err := p.push(b); err != nil {
		return err
	}
	h, err := p.with()
	if err != nil {
		return err
	}
	a, err := p.ask("GET", "/v2/"+p.repo+"/blobs/"+b.digest, h, nil)
	if err != nil {
		return err
	}
	if a.StatusCode == http.StatusOK {
		return notHere("this hub sends layers itself")
	}
	at, err := a.Location()
	if err != nil || a.StatusCode != http.StatusTemporaryRedirect {
		return fmt.Errorf("the layer was answered %s: %w", a.Status, errors.Join(err))
	}
	own, _ := url.Parse(p.hub)
	if host := at.Hostname(); net.ParseIP(host) == nil && (host == own.Hostname() || strings.HasSuffix(host, "."+own.Hostname())) {
		return fmt.Errorf("the layer is at %s, to which clients send the hub's credentials", at.Host)
	}
	a, err = p.want(200, "GET", at.String(), nil, nil)
	if err == nil && !bytes.Equal(a.body, b.data) {
		err = errors.New("the layer is another")
	}
	part, more := p.want(206, "GET", at.String(), map[string]string{"Range": "bytes=50000-50099"}, nil)
	if more == nil && !bytes.Equal(part.body, b.data[50000:50100]) {
		more = errors.New("the part of the layer is another")
	}
	return errors.Join(err, more)
}

func expect(p *prober) error {
	at, _, err := p.begin("")
	if err != nil {
		return err
	}
	h, err := p.with("Expect", "100-continue", "Content-Type", "application/octet-stream")
	if err != nil {
		return err
	}
	_, err = p.want(202, "PATCH", at, h, bytes.NewReader(newBlob(1000).data))
	return err
}

// tooLarge holds a refusal against what it must say.
func tooLarge(a answer, err error) error {
	if err == nil && (a.StatusCode != 413 || !bytes.Contains(a.body, []byte("berth push"))) {
		err = fmt.Errorf("%s %.200s, wanted was 413 with a word on berth push", a.Status, a.body)
	}
	return err
}

// sendLarge begins an upload and sends its bytes in one request.
func (p *prober) sendLarge(body io.Reader) (at string, a answer, err error) {
	if at, _, err = p.begin(""); err != nil {
		return at, a, err
	}
	h, err := p.with("Content-Type", "application/octet-stream")
	if err != nil {
		return at, a, err
	}
	a, err = p.ask("PATCH", at, h, body)
	return at, a, err
}

func ingest(p *prober) error {
	b := newBlob(large)
	at, a, err := p.sendLarge(bytes.NewReader(b.data))
	if err != nil || a.StatusCode != http.StatusAccepted {
		return tooLarge(a, err)
	}
	return p.finish(at, b.digest)
}

func chunked(p *prober) error {
	b := newBlob(large)
	at, a, err := p.sendLarge(struct{ io.Reader }{bytes.NewReader(b.data)}) // whose length net/http does not know
	switch {
	case err != nil:
		return err
	case a.StatusCode == http.StatusRequestEntityTooLarge:
		return nil
	case a.StatusCode != http.StatusAccepted:
		return fmt.Errorf("%s %.200s", a.Status, a.body)
	}
	return p.finish(at, b.digest)
}

func direct(p *prober) error {
	b := newBlob(large)
	var again func() (answer, error)
	send := func(data []byte) (status int, at string, err error) {
		at, a, err := p.begin("?direct=1&digest=" + url.QueryEscape(b.digest) + "&size=" + strconv.Itoa(len(b.data)))
		if err != nil {
			return 0, "", err
		}
		var headers map[string]string
		address := a.Header.Get("Berth-Direct-Url")
		if address == "" {
			return 0, "", notHere("this hub takes all layers itself")
		}
		if err := json.Unmarshal([]byte(a.Header.Get("Berth-Direct-Headers")), &headers); err != nil {
			return 0, "", fmt.Errorf("what is in Berth-Direct-Headers: %w", err)
		}
		again = func() (answer, error) { return p.ask("PUT", address, headers, bytes.NewReader(data)) }
		a, err = again()
		return a.StatusCode, at, err
	}
	wrong := bytes.Clone(b.data)
	wrong[0] ^= 1
	status, _, err := send(wrong)
	if err != nil {
		return err
	}
	if status < 400 || status >= 500 {
		return fmt.Errorf("S3 took a wrong byte: %d", status)
	}
	status, at, err := send(b.data)
	if err != nil {
		return err
	}
	if status != 200 {
		return fmt.Errorf("S3 answered %d", status)
	}
	if a, err := again(); err != nil {
		return err
	} else if a.StatusCode != 412 {
		return fmt.Errorf("S3 answered a repeat with %d, not 412: each would stay in the bucket as a version", a.StatusCode)
	}
	return p.finish(at, b.digest)
}

func resume(p *prober) error {
	at, _, err := p.begin("")
	if err != nil {
		return err
	}
	h, err := p.with("Content-Type", "application/octet-stream", "Content-Range", "0-999")
	if err != nil {
		return err
	}
	if _, err := p.want(202, "PATCH", at, h, bytes.NewReader(newBlob(1000).data)); err != nil {
		return err
	}
	h, err = p.with()
	if err != nil {
		return err
	}
	a, err := p.want(204, "GET", at, h, nil)
	if err == nil && a.Header.Get("Range") != "0-999" {
		err = fmt.Errorf("the upload is said to be at %q", a.Header.Get("Range"))
	}
	return err
}

func quick(p *prober) error {
	var took time.Duration
	for range 2 {
		begin := time.Now()
		if _, err := p.want(200, "GET", "/healthz", nil, nil); err != nil {
			return err
		}
		took = time.Since(begin)
	}
	if took > time.Second {
		return fmt.Errorf("it took %v", took.Round(time.Millisecond))
	}
	return nil
}
