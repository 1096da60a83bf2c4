package hub

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
)

func TestKeySealer(t *testing.T) {
	s := KeySealer{bytes.Repeat([]byte{1}, 32), rand.Reader}
	secret := []byte("the secret")
	seal := func() []byte {
		sealed, err := s.Seal(t.Context(), "here", secret)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	sealed := seal()
	if bytes.Contains(sealed, secret) || bytes.Equal(sealed, seal()) {
		t.Error("sealed twice, the same comes out, or the secret shows")
	}
	if got, err := s.Open(t.Context(), "here", sealed); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("opened %q, %v", got, err)
	}
	refused := func(what string, s KeySealer, place string, sealed []byte) {
		t.Helper()
		if got, err := s.Open(t.Context(), place, sealed); !errors.Is(err, ErrSealed) {
			t.Fatalf("opened %s: %q, %v", what, got, err)
		}
	}
	refused("elsewhere", s, "there", sealed)
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		refused("with a byte changed", s, "here", bad)
		refused("when cut", s, "here", sealed[:i])
	}
	refused("with another key", KeySealer{bytes.Repeat([]byte{2}, 32), rand.Reader}, "here", sealed)
	if _, err := (KeySealer{Rand: rand.Reader}).Seal(t.Context(), "here", secret); err == nil {
		t.Error("sealed without a key")
	}
}
