package hub

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Signed is what a request signed by the vendor's SDK claims: that whoever knows
// the secret key of KeyID signed Text.
type Signed struct {
	KeyID string    // the access key: an access token's id
	Date  time.Time // of the signature; part of Text
	Text  string    // the string to sign, made from the request as it arrived
	MAC   []byte    // HMAC-SHA256 of Text by the secret key
}

// signatureSkew is how far a signature's date may lie from the present.
const signatureSkew = 15 * time.Minute

// SecretKey is the secret key that belongs to an access token's id as access key.
// It follows from the id and a key of the hub's own, so that nothing secret is stored.
func (h *Hub) SecretKey(id string) string {
	m := hmac.New(sha256.New, h.Keys.SDK)
	m.Write([]byte(id))
	return hex.EncodeToString(m.Sum(nil))
}

// checkSignature says whether the secret key of KeyID made the signature, lately.
// Whether there is such an access token is not looked at.
func (h *Hub) checkSignature(s Signed) error {
	wrong := Fail(Unauthenticated, "the signature is not valid; check access key, secret key and that nothing changes the request on its way")
	if skew := h.Now().Sub(s.Date); skew > signatureSkew || skew < -signatureSkew {
		return Fail(Unauthenticated, "X-Sdk-Date is more than %d minutes off; set the clock right", signatureSkew/time.Minute)
	}
	if len(s.KeyID) != tokenIDLen || !isID(s.KeyID) {
		return wrong
	}
	m := hmac.New(sha256.New, []byte(h.SecretKey(s.KeyID)))
	m.Write([]byte(s.Text))
	if !hmac.Equal(m.Sum(nil), s.MAC) {
		return wrong
	}
	return nil
}
