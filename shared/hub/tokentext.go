package hub

import (
	"crypto/sha256"
	"hash/crc32"
	"strconv"
	"strings"
)

// An access token is brt_ ID SECRET SUM, so that secret scanners know one when they
// see it: SUM is the CRC-32 of ID and SECRET in base 36.
const (
	tokenPrefix = "brt_"
	tokenIDLen  = 20
	tokenSumLen = 7
)

// tokenText is the one place that writes a token.
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
	if !ok || len(body) < tokenIDLen+tokenSumLen+1 || len(body) > 256 {
		return "", "", false
	}
	body, sum := body[:len(body)-tokenSumLen], body[len(body)-tokenSumLen:]
	if !isID(body) || tokenSum(body) != sum {
		return "", "", false
	}
	return body[:tokenIDLen], body[tokenIDLen:], true
}

// isID reports whether s is of the alphabet of ids: what may go into a key.
func isID(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return s != ""
}

func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// IsAccessToken tells an access token from a password, by its form.
func IsAccessToken(s string) bool {
	_, _, ok := splitToken(s)
	return ok
}
