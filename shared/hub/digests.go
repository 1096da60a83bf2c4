package hub

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"encoding/hex"
	"hash"
	"strings"
)

// The digest algorithms that the hub takes. See the OCI Image Specification,
// "Digests".
const (
	SHA256 = "sha256"
	SHA512 = "sha512"
)

// CheckDigest says whether s is a digest in its one canonical form: sha256: and 64,
// or sha512: and 128 lower-case hex digits.
func CheckDigest(s string) error {
	algorithm, sum, _ := strings.Cut(s, ":")
	want := 0
	switch algorithm {
	case SHA256:
		want = 2 * sha256.Size
	case SHA512:
		want = 2 * sha512.Size
	}
	if want == 0 || len(sum) != want || strings.Trim(sum, "0123456789abcdef") != "" {
		return &Error{
			Code: BadDigest, Detail: map[string]string{"digest": s},
			Message: "a digest is sha256: and 64, or sha512: and 128 lower-case hex digits",
		}
	}
	return nil
}

// algorithmOf is the algorithm of a digest that CheckDigest takes.
func algorithmOf(digest string) string {
	algorithm, _, _ := strings.Cut(digest, ":")
	return algorithm
}

// hexOf is a digest without its algorithm.
func hexOf(digest string) string {
	_, sum, _ := strings.Cut(digest, ":")
	return sum
}

// newHash begins a sum of an algorithm of the hub. What it returns can be saved
// and gone on with: see [saveHash].
func newHash(algorithm string) hash.Hash {
	if algorithm == SHA512 {
		return sha512.New()
	}
	return sha256.New()
}

func digestText(algorithm string, h hash.Hash) string { return digestOf(algorithm, h.Sum(nil)) }

func digestOf(algorithm string, sum []byte) string {
	return string(hex.AppendEncode(append(make([]byte, 0, len(SHA512)+1+2*sha512.Size), algorithm+":"...), sum))
}

// DigestOf is the digest of some bytes.
func DigestOf(algorithm string, b []byte) string {
	if algorithm == SHA512 {
		sum := sha512.Sum512(b)
		return digestOf(algorithm, sum[:])
	}
	sum := sha256.Sum256(b)
	return digestOf(algorithm, sum[:])
}

// saveHash is the state of a sum under way, for another process to go on with.
func saveHash(h hash.Hash) []byte {
	b, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic("berth: " + err.Error()) // the sums of the standard library can always be saved
	}
	return b
}

// loadHash goes on with a saved sum; no state begins one.
func loadHash(algorithm string, state []byte) (hash.Hash, error) {
	h := newHash(algorithm)
	if len(state) == 0 {
		return h, nil
	}
	return h, h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
}
