// Package account makes the access keys of the simulated AWS account. A secret is
// made of its key, so that whoever verifies a signature needs no list.
package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"strings"
)

const prefix = "ASIA" // of keys that go with a session token

var name32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// Key is the access key of a role. It says nothing of it.
func Key(role string) string {
	sum := sha256.Sum256([]byte("role " + role))
	return prefix + name32.EncodeToString(sum[:10])
}

// Valid tells whether an access key is one of this account.
func Valid(key string) bool { return strings.HasPrefix(key, prefix) && len(key) == 20 }

// Secret is the secret of an access key.
func Secret(key string) string {
	mac := hmac.New(sha256.New, []byte("a simulated account keeps no secrets"))
	mac.Write([]byte(key))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
