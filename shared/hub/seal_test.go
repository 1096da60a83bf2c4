package hub

import (
	"bytes"
	"testing"
)

func TestSeal(t *testing.T) {
	h := New(nil, nil, Keys{Seal: bytes.Repeat([]byte{1}, 32)}, Options{})
	secret := []byte("the secret")
	sealed := h.seal("here", secret)
	if bytes.Contains(sealed, secret) || bytes.Equal(sealed, h.seal("here", secret)) {
		t.Error("sealed twice, the same comes out, or the secret shows")
	}
	if got, err := h.unseal("here", sealed); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("unsealed %q, %v", got, err)
	}
	if got, err := h.unseal("there", sealed); err == nil {
		t.Errorf("opened elsewhere: %q", got)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if got, err := h.unseal("here", bad); err == nil {
			t.Fatalf("opened with byte %d changed: %q", i, got)
		}
		if got, err := h.unseal("here", sealed[:i]); err == nil {
			t.Fatalf("opened when cut to %d bytes: %q", i, got)
		}
	}
	other := New(nil, nil, Keys{Seal: bytes.Repeat([]byte{2}, 32)}, Options{})
	if got, err := other.unseal("here", sealed); err == nil {
		t.Errorf("opened with another key: %q", got)
	}
}
