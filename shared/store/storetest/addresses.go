package storetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth/shared/store"
)

func urls(t *testing.T, s store.Layers) {
	key, _ := finished(t, s, []byte("data"))
	url, err := s.URL(t.Context(), key, store.URLOptions{ContentType: "application/octet-stream", Lives: 60e9})
	must(t, err)
	if url != "" && !strings.HasPrefix(url, "http") {
		t.Errorf("URL %q", url)
	}
}

// addresses sends an object to its address, where the store has such: first other
// bytes, which must not arrive.
func addresses(t *testing.T, s store.Layers) {
	key, data := object(), content(18, 1<<20)
	sent := store.Sent{Size: int64(len(data)), SHA256: sha256.Sum256(data)}
	arrived := func() (store.State, error) { return s.Arrived(t.Context(), key, sent) }
	a, err := s.Address(t.Context(), key, sent, time.Minute)
	must(t, err)
	if _, err := arrived(); !errors.Is(err, store.ErrNoObject) {
		t.Errorf("before it was sent: %v, want ErrNoObject", err)
	}
	if a.URL == "" {
		return
	}
	wrong := bytes.Clone(data)
	wrong[77] ^= 1
	for what, body := range map[string][]byte{"a wrong byte": wrong, "a byte too few": data[1:], "a byte too many": append(bytes.Clone(data), 0)} {
		if sendTo(t, a, body) {
			t.Errorf("%s was taken", what)
		}
	}
	if sendTo(t, store.Address{URL: a.URL}, wrong) {
		t.Error("without its header other bytes were taken")
	}
	if _, err := arrived(); !errors.Is(err, store.ErrNoObject) {
		t.Errorf("after refusals: %v, want ErrNoObject", err)
	}
	taken := sendTo(t, a, data)
	st, err := arrived()
	if err != nil { // where the answer was lost, the repeat is refused
		t.Fatalf("the very bytes were refused: %v, %v", taken, err)
	}
	if sendTo(t, a, data) {
		t.Error("the very bytes were taken twice")
	}
	for range 2 {
		must(t, s.Finish(t.Context(), key, st))
		wantBytes(t, s, key, data)
	}
	must(t, s.Delete(t.Context(), key, st))
	if _, err := arrived(); !errors.Is(err, store.ErrNoObject) {
		t.Errorf("after it was deleted: %v, want ErrNoObject", err)
	}
}

// sendTo reports whether an address took the bytes.
func sendTo(t *testing.T, a store.Address, data []byte) bool {
	t.Helper()
	for range 20 { // the line may be bad
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, a.URL, bytes.NewReader(data))
		must(t, err)
		for name, value := range a.Header {
			req.Header.Set(name, value)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue // or the store refused before it had all
		}
		res.Body.Close()
		if res.StatusCode < 500 {
			return res.StatusCode/100 == 2
		}
	}
	return false
}
