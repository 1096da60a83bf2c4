//go:build proof

package proof

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

const big = 200 << 20

// stream is a big layer that is made while it is read, and its digest.
func stream() (io.Reader, string) {
	sum := sha256.New()
	io.Copy(sum, io.LimitReader(rand.NewChaCha8([32]byte{9}), big))
	return io.LimitReader(rand.NewChaCha8([32]byte{9}), big), "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// A layer of 200 MB goes in through ingest, whose memory stays flat.
func TestBigLayer(t *testing.T) {
	s := ownStack(t, withIngest)
	c := clientOf(t, s)
	c.push("admin/big", "first", newImage(1), false)
	before := s.IngestMemory()
	body, digest := stream()
	at := c.call(t, 202, "POST", "/v2/admin/big/blobs/uploads/", "").header.Get("Location")
	a, err := c.do("PUT", with(at, "digest="+digest), body, "Content-Type", octets, "Content-Length", fmt.Sprint(big))
	if err != nil || a.status != http.StatusCreated {
		t.Fatalf("%v, %d %s", err, a.status, a.body)
	}
	t.Logf("ingest had %d MiB of memory before, and %d MiB at most", before>>20, s.IngestMemory()>>20)
	if most := s.IngestMemory(); most > before+64<<20 {
		t.Errorf("ingest had %d bytes of memory, %d before", most, before)
	}
}

// Without ingest a function takes what fits into an event; of what does not, the client
// is told what to do.
func TestTooLargeWithoutIngest(t *testing.T) {
	s := ownStack(t, withoutIngest)
	c := clientOf(t, s)
	fits := random(7, 4_400_000)
	if a, err := c.pushBlob("admin/small", fits); err != nil || a.status != http.StatusCreated {
		t.Errorf("%d bytes: %v, %d %s", len(fits), err, a.status, a.body)
	}
	large := random(8, 4_600_000)
	a, err := c.pushBlob("admin/small", large)
	if err != nil || a.status != http.StatusRequestEntityTooLarge {
		t.Fatalf("%d bytes: %v, %d %s", len(large), err, a.status, a.body)
	}
	for _, text := range []string{`"SIZE_INVALID"`, "berth push", "ingest=on"} {
		if !strings.Contains(string(a.body), text) {
			t.Errorf("the answer does not say %s: %s", text, a.body)
		}
	}
	c.call(t, 404, "HEAD", "/v2/admin/small/blobs/"+digestOf(large), "")
}
