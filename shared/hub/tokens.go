package hub

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"berth/shared/store"
)

// AccessToken is a personal token of an account, or a robot's of a namespace. Only
// its secret's hash is stored.
type AccessToken struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Account      string   `json:"account"` // its maker; a robot outlives the maker's membership only as far as its maker may
	Robot        bool     `json:"robot,omitempty"`
	Namespace    string   `json:"namespace,omitempty"`
	NamespaceID  string   `json:"namespace_id,omitempty"`
	Permissions  []string `json:"permissions"`            // pull, push, admin
	Repositories []string `json:"repositories,omitempty"` // names "ns/repo"; empty = all
	Hash         []byte   `json:"hash"`
	Created      Time     `json:"created"`
	Expires      Time     `json:"expires"`
}

// cap is the most that the token allows.
func (t *AccessToken) cap(ns, repo string) Role {
	if t.Robot && t.Namespace != ns {
		return NoRole
	}
	if len(t.Repositories) > 0 && !slices.Contains(t.Repositories, path(ns, repo)) {
		return NoRole
	}
	r := NoRole
	for _, p := range t.Permissions {
		switch p {
		case "pull":
			r = max(r, Reader)
		case "push":
			r = max(r, Writer)
		case "admin":
			r = max(r, Owner)
		}
	}
	return r
}

const (
	tokenPrefix = "brt_"
	tokenIDLen  = 20
	tokenSumLen = 7 // CRC-32 in base 36, so that scanners can tell a real one
)

// tokenText is the one place that writes a token: brt_ ID SECRET SUM.
func tokenText(id string, secret []byte) string {
	body := id + ids.EncodeToString(secret)
	return tokenPrefix + body + tokenSum(body)
}

func tokenSum(body string) string {
	s := strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(body))), 36)
	return strings.Repeat("0", tokenSumLen-len(s)) + s
}

// splitToken takes a token apart; ok is false where the form or checksum is wrong.
func splitToken(s string) (id, secret string, ok bool) {
	body, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok || len(body) < tokenIDLen+tokenSumLen+1 {
		return "", "", false
	}
	body, sum := body[:len(body)-tokenSumLen], body[len(body)-tokenSumLen:]
	return body[:tokenIDLen], body[tokenIDLen:], tokenSum(body) == sum
}

func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// useToken finds the access token of that text: Unauthenticated if there is none,
// or it was revoked or has expired.
func (h *Hub) useToken(ctx context.Context, text string) (*AccessToken, error) {
	id, secret, ok := splitToken(text)
	if !ok {
		return nil, Fail(Unauthenticated, "this is no access token of this hub")
	}
	item, err := h.get(ctx, tokenKey(id))
	if err != nil {
		return nil, err
	}
	t, err := found[AccessToken](item)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(t.Hash, hashSecret(secret)) != 1 {
		return nil, Fail(Unauthenticated, "the access token is unknown or was revoked")
	}
	if !t.Expires.IsZero() && !h.Now().Before(t.Expires.Time) {
		return nil, Fail(Unauthenticated, "the access token has expired; make a new one")
	}
	return &t, nil
}

// newToken makes a token's record and text from a description without id and hash.
func (h *Hub) newToken(t AccessToken) (AccessToken, string) {
	secret := make([]byte, 20)
	h.random(secret)
	t.ID, t.Created = h.newID(), h.now()
	text := tokenText(t.ID, secret)
	_, body, _ := splitToken(text)
	t.Hash = hashSecret(body)
	return t, text
}

// tokenOps store a new token with its index.
func tokenOps(t AccessToken) []store.Op {
	index := accountTokenKey(t.Account, t.ID)
	if t.Robot {
		index = robotTokenKey(t.NamespaceID, t.ID)
	}
	return []store.Op{
		store.Create(tokenKey(t.ID), encode(t)).Until(t.Expires.Time),
		store.Put(index, encode(t)).Until(t.Expires.Time),
	}
}

// IsAccessToken tells an access token from a password, by its form.
func IsAccessToken(s string) bool {
	_, _, ok := splitToken(s)
	return ok
}
