//go:build proof

package proof

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"berth/sim/stack"
)

// client calls a hub as its administrator, by an access token: what many do at once with
// one password would look like guessing.
type client struct {
	base, secret string
	http         *http.Client
}

func clientOf(t *testing.T, s *stack.Stack) client {
	t.Helper()
	c := client{s.URL, password, &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	made := c.call(t, 201, "POST", "/v1/tokens", fmt.Sprintf(`{"name":"proof-%d","permissions":["pull","push","admin"]}`, rand.Uint32()))
	var token struct{ Token string }
	if err := json.Unmarshal(made.body, &token); err != nil || token.Token == "" {
		t.Fatalf("%s: %v", made.body, err)
	}
	c.secret = token.Token
	return c
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends one request; header are names and values in turn.
func (c client) do(method, at string, body io.Reader, header ...string) (answer, error) {
	u, err := url.Parse(c.base)
	if err != nil {
		return answer{}, err
	}
	if u, err = u.Parse(at); err != nil {
		return answer{}, err
	}
	req, err := http.NewRequest(method, u.String(), body)
	if err != nil {
		return answer{}, err
	}
	if strings.HasPrefix(u.String(), c.base) {
		req.SetBasicAuth("admin", c.secret)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if n := req.Header.Get("Content-Length"); n != "" {
		fmt.Sscan(n, &req.ContentLength)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, b}, err
}

// call is do, and wants a status.
func (c client) call(t *testing.T, want int, method, at string, body string, header ...string) answer {
	t.Helper()
	if body != "" && len(header) == 0 {
		header = []string{"Content-Type", "application/json"}
	}
	a, err := c.do(method, at, strings.NewReader(body), header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, at, err)
	}
	if a.status != want {
		t.Fatalf("%s %s: %d %s, want %d", method, at, a.status, a.body, want)
	}
	return a
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

const (
	octets       = "application/octet-stream"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
)

// random are bytes of which the seed tells all.
func random(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1], key[2], key[3] = byte(seed), byte(seed>>8), byte(seed>>16), byte(seed>>24)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

// pushBlob pushes bytes in one request, and answers its status.
func (c client) pushBlob(repo string, data []byte) (answer, error) {
	return c.do("POST", "/v2/"+repo+"/blobs/uploads/?digest="+digestOf(data), bytes.NewReader(data), "Content-Type", octets)
}

// manifest is an image of one layer.
func manifest(config, layer []byte) []byte {
	b, _ := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digestOf(config), "size": len(config)},
		"layers": []any{map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digestOf(layer), "size": len(layer)}},
	})
	return b
}

// image is one to be pushed.
type image struct{ config, layer, manifest []byte }

func newImage(seed uint64) image {
	config := fmt.Appendf(nil, `{"architecture":"arm64","os":"linux","seed":%d}`, seed)
	layer := random(seed, 1500)
	return image{config, layer, manifest(config, layer)}
}

// push pushes an image, as often as it takes where patient says so, and answers the
// status of the last request.
func (c client) push(repo, tag string, i image, patient bool) (int, error) {
	tries := 1
	if patient {
		tries = 30
	}
	steps := []func() (answer, error){
		func() (answer, error) { return c.pushBlob(repo, i.config) },
		func() (answer, error) { return c.pushBlob(repo, i.layer) },
		func() (answer, error) {
			return c.do("PUT", "/v2/"+repo+"/manifests/"+tag, bytes.NewReader(i.manifest), "Content-Type", manifestType)
		},
	}
	for _, step := range steps {
		for n := range tries {
			a, err := step()
			if err == nil && a.status == http.StatusCreated {
				break
			}
			if err == nil && a.status < 500 && a.status != http.StatusTooManyRequests || n == tries-1 {
				return a.status, fmt.Errorf("%v %s", err, a.body)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return http.StatusCreated, nil
}
