package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// peakMemory is the most resident memory that the hub has had, in bytes.
func (s *server) peakMemory(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("no VmHWM in %s", b)
	return 0
}

// hashing makes up bytes, and hashes what it gives.
type hashing struct {
	random *rand.ChaCha8
	sum    hash.Hash
}

func (h *hashing) Read(p []byte) (int, error) {
	h.random.Read(p)
	h.sum.Write(p)
	return len(p), nil
}

// A large layer goes through the hub without staying in its memory.
func TestLargeLayerTakesNoMemory(t *testing.T) {
	const size, most = 400 << 20, 40 << 20
	s := ownHub(t)
	c := s.robotlike(t)
	repo := c.repository(t, false)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.again(); err != nil { // the first start hashed a password, which takes 19 MiB
		t.Fatal(err)
	}
	at := c.call(t, 202, "POST", "/v2/"+repo+"/blobs/uploads/", "").header.Get("Location")
	layer := &hashing{rand.NewChaCha8([32]byte{1}), sha256.New()}
	a, err := c.try(t.Context(), "PATCH", at, io.LimitReader(layer, size), "Content-Type: application/octet-stream")
	if err != nil || a.status != 202 {
		t.Fatalf("the layer is answered %s, %v", a, err)
	}
	digest := "sha256:" + hex.EncodeToString(layer.sum.Sum(nil))
	c.call(t, 201, "PUT", location(a.header.Get("Location"), digest), "")

	req, err := http.NewRequestWithContext(t.Context(), "GET", c.base+"/v2/"+repo+"/blobs/"+digest, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(c.user, c.password)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	sum := sha256.New()
	if n, err := io.Copy(sum, res.Body); n != size || err != nil {
		t.Fatalf("%d bytes come back, %v", n, err)
	}
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != digest {
		t.Errorf("the layer comes back as %s, not %s", got, digest)
	}
	if peak := s.peakMemory(t); peak > most {
		t.Errorf("for a layer of %d MiB the hub took %.1f MiB of memory; it may take %d", size>>20, float64(peak)/(1<<20), most>>20)
	} else {
		t.Logf("peak memory %.1f MiB", float64(peak)/(1<<20))
	}
}
