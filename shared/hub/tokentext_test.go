package hub

import (
	"strings"
	"testing"
)

func TestTokenText(t *testing.T) {
	id := strings.Repeat("a", tokenIDLen)
	text := tokenText(id, []byte("twenty bytes, secret"))
	gotID, secret, ok := splitToken(text)
	if !ok || gotID != id || len(secret) != 32 || len(text) != len("brt_")+20+32+7 {
		t.Fatalf("%s: %q %q %v", text, gotID, secret, ok)
	}
	for i := len("brt_"); i < len(text); i++ { // no single character can be another
		for _, c := range "a2z9" {
			if changed := text[:i] + string(c) + text[i+1:]; changed != text && IsAccessToken(changed) {
				t.Fatalf("%s passes for %s", changed, text)
			}
		}
	}
	for _, s := range []string{"", "brt_", text[1:], text[:len(text)-1], text + "0", strings.ToUpper(text), "brt_" + strings.Repeat("a", 300)} {
		if IsAccessToken(s) {
			t.Errorf("%q is taken for a token", s)
		}
	}
}

// Whatever passes for a token can be part of a key, and is written back the same.
func FuzzSplitToken(f *testing.F) {
	f.Add(tokenText(strings.Repeat("b", tokenIDLen), []byte("secret")))
	f.Add("brt_aaaaaaaaaaaaaaaaaaaa/../0000000")
	f.Fuzz(func(t *testing.T, s string) {
		// Give the checksum away, or the fuzzer never comes past it.
		for _, text := range []string{s, "brt_" + s + tokenSum(s)} {
			id, secret, ok := splitToken(text)
			if !ok {
				continue
			}
			if len(id) != tokenIDLen || !isID(id) || !isID(secret) {
				t.Errorf("%q: id %q, secret %q", text, id, secret)
			}
			if again := tokenPrefix + id + secret + tokenSum(id+secret); again != text {
				t.Errorf("%q is written back as %q", text, again)
			}
		}
	})
}
