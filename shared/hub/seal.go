package hub

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"
)

// Sealer encrypts what is stored secret: build secrets, deploy keys, webhook
// secrets. place names the record (and the part of it) where the result is kept:
// elsewhere it cannot be opened, so that nobody who may write records can move a
// secret to where it is shown.
type Sealer interface {
	Seal(ctx context.Context, place string, secret []byte) (sealed []byte, err error)
	// Open is the reverse of Seal: ErrSealed where sealed is not what Seal made for
	// that place.
	Open(ctx context.Context, place string, sealed []byte) (secret []byte, err error)
}

// ErrSealed says that a stored secret cannot be opened.
var ErrSealed = errors.New("a stored secret cannot be opened: it was damaged or moved, or the hub's key is another one")

func (h *Hub) sealer() Sealer {
	if h.Sealer != nil {
		return h.Sealer
	}
	return KeySealer{h.Keys.Seal, h.Rand}
}

// KeySealer is a Sealer that has the key, of 32 bytes: it seals by AES-256-GCM.
type KeySealer struct {
	Key  []byte
	Rand io.Reader
}

// Seal implements [Sealer].
func (k KeySealer) Seal(_ context.Context, place string, secret []byte) ([]byte, error) {
	g, err := k.aead()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, g.NonceSize())
	if _, err := io.ReadFull(k.Rand, nonce); err != nil {
		return nil, err
	}
	return g.Seal(nonce, nonce, secret, []byte(place)), nil
}

// Open implements [Sealer].
func (k KeySealer) Open(_ context.Context, place string, sealed []byte) ([]byte, error) {
	g, err := k.aead()
	if err != nil {
		return nil, err
	}
	if len(sealed) < g.NonceSize() {
		return nil, ErrSealed
	}
	secret, err := g.Open(nil, sealed[:g.NonceSize()], sealed[g.NonceSize():], []byte(place))
	if err != nil {
		return nil, ErrSealed
	}
	return secret, nil
}

func (k KeySealer) aead() (cipher.AEAD, error) {
	if len(k.Key) != 32 {
		return nil, errors.New("the key that seals secrets must have 32 bytes")
	}
	block, err := aes.NewCipher(k.Key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
