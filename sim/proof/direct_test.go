//go:build proof

package proof

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A layer of 200 MB goes directly to S3, which itself refuses a wrong byte: then nothing
// is stored.
func TestBigLayerDirectly(t *testing.T) {
	s := ownStack(t, withIngest)
	c := clientOf(t, s)
	body, digest := stream()
	begin := func() answer {
		return c.call(t, 202, "POST", fmt.Sprintf("/v2/admin/other/blobs/uploads/?digest=%s&direct=1&size=%d", digest, big), "")
	}
	wrong := begin()
	status, said := sendStream(t, c, wrong, io.MultiReader(io.LimitReader(body, big-1), strings.NewReader("!")))
	if status != http.StatusBadRequest || !strings.Contains(said, "BadDigest") {
		t.Errorf("S3 answers a wrong byte by %d %s", status, said)
	}
	if a, err := c.do("PUT", with(wrong.header.Get("Location"), "digest="+digest), nil); err != nil || a.status < 400 || a.status >= 500 {
		t.Errorf("what S3 refused is committed with %d %s, %v", a.status, a.body, err)
	}
	c.call(t, 404, "HEAD", "/v2/admin/other/blobs/"+digest, "")
	right := begin()
	body, _ = stream()
	if status, said := sendStream(t, c, right, body); status != http.StatusOK {
		t.Fatalf("S3 answers %d %s", status, said)
	}
	c.call(t, 201, "PUT", with(right.header.Get("Location"), "digest="+digest), "")
	res, err := c.do("GET", "/v2/admin/other/blobs/"+digest, nil)
	if err != nil || digestOf(res.body) != digest {
		t.Errorf("the layer came back as %d bytes, %d, %v", len(res.body), res.status, err)
	}
}

func sendStream(t *testing.T, c client, begun answer, body io.Reader) (int, string) {
	t.Helper()
	headers := directHeaders(t, begun)
	a, err := c.do("PUT", begun.header.Get("Berth-Direct-Url"), body, append(headers, "Content-Length", fmt.Sprint(big))...)
	if err != nil {
		t.Fatal(err)
	}
	return a.status, string(a.body)
}
