package client

import (
	"strings"
	"testing"
)

func TestParseReference(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for _, c := range []struct {
		in   string
		want Reference
	}{
		{"team/web", Reference{"", Name{"team", "web"}, "latest", ""}},
		{"team/web:v1", Reference{"", Name{"team", "web"}, "v1", ""}},
		{"hub.example.com/team/web", Reference{"hub.example.com", Name{"team", "web"}, "latest", ""}},
		{"127.0.0.1:8080/team/web:v1", Reference{"127.0.0.1:8080", Name{"team", "web"}, "v1", ""}},
		{"[::1]:8080/team/web:v1", Reference{"[::1]:8080", Name{"team", "web"}, "v1", ""}},
		{"localhost/team/web.js@" + digest, Reference{"localhost", Name{"team", "web.js"}, "", digest}},
	} {
		got, err := ParseReference(c.in)
		if err != nil || got != c.want {
			t.Errorf("%s is %+v (%v)", c.in, got, err)
		}
		if again, err := ParseReference(got.String()); err != nil || again != got {
			t.Errorf("%s is %+v when it is read again (%v)", got, again, err)
		}
	}
	for _, in := range []string{
		"", "web", "a/b/c", "hub.example.com/web", "Team/web", "team/Web", "team/web:", "team/web:-x", "team/web@sha256:abc",
		"team/web:v1@" + digest, "team/../web", "manage/web", "team/web/", "/team/web", "http://hub.example.com/team/web",
	} {
		if got, err := ParseReference(in); err == nil {
			t.Errorf("%q is taken for %+v", in, got)
		}
	}
}

func TestParseURL(t *testing.T) {
	for in, want := range map[string]string{
		"hub.example.com": "https://hub.example.com", "HUB.example.com:5000": "https://hub.example.com:5000",
		"http://hub.example.com/": "http://hub.example.com", "localhost": "http://localhost", "localhost:8080": "http://localhost:8080",
		"127.0.0.1:8080": "http://127.0.0.1:8080", "[::1]:8080": "http://[::1]:8080", "https://127.0.0.1": "https://127.0.0.1",
		"": "", "ftp://hub": "", "https://": "", "https://user:pass@hub": "", "https://hub/path": "", "https://hub?x": "", "a b": "",
	} {
		u, err := ParseURL(in)
		if want == "" && err == nil || want != "" && (err != nil || u.String() != want) {
			t.Errorf("%q is %v (%v), not %q", in, u, err, want)
		}
	}
}
