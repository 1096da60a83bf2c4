package hub

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

// seal encrypts what is stored secret with AES-256-GCM by Keys.Seal. place names
// the record (and the part of it) where the result is kept: elsewhere it cannot be
// opened, so that nobody who may write records can move a secret to where it is shown.
func (h *Hub) seal(place string, secret []byte) []byte {
	g := h.sealing()
	nonce := make([]byte, g.NonceSize())
	h.random(nonce)
	return g.Seal(nonce, nonce, secret, []byte(place))
}

// unseal is the reverse of seal.
func (h *Hub) unseal(place string, sealed []byte) ([]byte, error) {
	g := h.sealing()
	if len(sealed) < g.NonceSize() {
		return nil, errSealed
	}
	secret, err := g.Open(nil, sealed[:g.NonceSize()], sealed[g.NonceSize():], []byte(place))
	if err != nil {
		return nil, errSealed
	}
	return secret, nil
}

var errSealed = errors.New("a stored secret cannot be opened: it was damaged or moved, or the hub's key is another one")

func (h *Hub) sealing() cipher.AEAD {
	block, err := aes.NewCipher(h.Keys.Seal)
	if err != nil {
		panic("berth: the key that seals secrets must have 32 bytes: " + err.Error())
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		panic("berth: " + err.Error())
	}
	return g
}
