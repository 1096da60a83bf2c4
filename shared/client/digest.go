package client

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"

	"berth/shared/hub"
)

// hasher is the sum that a digest, as hub.CheckDigest takes it, is of.
func hasher(digest string) hash.Hash {
	if strings.HasPrefix(digest, hub.SHA512+":") {
		return sha512.New()
	}
	return sha256.New()
}

// sumOf is a sum as a digest of the algorithm of that other one.
func sumOf(h hash.Hash) string {
	algorithm := hub.SHA256
	if h.Size() == sha512.Size {
		algorithm = hub.SHA512
	}
	return algorithm + ":" + hex.EncodeToString(h.Sum(nil))
}

// matches reads a content whole and says whether it has the digest.
func matches(digest string, content io.Reader) error {
	if err := hub.CheckDigest(digest); err != nil {
		return err
	}
	h := hasher(digest)
	if _, err := io.Copy(h, content); err != nil {
		return err
	}
	return same(digest, h)
}

func same(digest string, h hash.Hash) error {
	if got := sumOf(h); got != digest {
		return fmt.Errorf("the content of %s has the digest %s: it was damaged or replaced", digest, got)
	}
	return nil
}
