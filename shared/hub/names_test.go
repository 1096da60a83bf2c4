package hub

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	check := map[string]func(string) error{
		"namespace": CheckNamespace, "repository": CheckRepository, "managed": CheckManagedRepository, "tag": CheckTag,
	}
	for kind, names := range map[string]struct{ good, bad string }{
		"namespace": {
			"a a1 a-b a--b a---b a_b a__b a1-2 " + strings.Repeat("a", 64),
			"1a A a- -a a_ a___b a_-b a-_b a.b a/b a$b ä manage token manifests blobs referrers tags " + strings.Repeat("a", 65),
		},
		"repository": {
			"a 1 1a a.b a_b a__b a-b a---b a.1 " + strings.Repeat("a", 128),
			"A a- -a a..b a. .a a___b a._b a-.b a/b a:b ä " + strings.Repeat("a", 129),
		},
		"managed": {"a a1 a-b a__b tags " + strings.Repeat("a", 128), "1 1a a.b a_ a_-b A " + strings.Repeat("a", 129)},
		"tag": {
			"a 1 _ A a.b a- a.. a--_ " + strings.Repeat("a", 128),
			".a -a a:b a/b a@b ä " + strings.Repeat("a", 129),
		},
	} {
		for _, name := range strings.Fields(names.good) {
			if err := check[kind](name); err != nil {
				t.Errorf("%s %q: %v", kind, name, err)
			}
		}
		for _, name := range append(strings.Fields(names.bad), "", " ", "a\n", "a b", "\x00") {
			var e *Error
			if err := check[kind](name); !errors.As(err, &e) || e.Code.Shape().Status != 400 || e.Message == "" {
				t.Errorf("%s %q: %v, want a 400 that says why", kind, name, err)
			}
		}
	}
}

// allowed decides by hand what the grammars decide: parts of lower-case letters and
// digits with separators between them.
func allowed(name string, letterFirst bool, separators func(string) bool, most int) bool {
	part := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	if name == "" || len(name) > most || !part(name[0]) || !part(name[len(name)-1]) || letterFirst && name[0] <= '9' {
		return false
	}
	for i := 0; i < len(name); {
		end := i
		for end < len(name) && part(name[end]) == part(name[i]) {
			end++
		}
		if !part(name[i]) && !separators(name[i:end]) {
			return false
		}
		i = end
	}
	return true
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"a", "a.b", "a__b", "a___b", "a-", "-a", "a-1", "1-a", "a.-", "_.", "a--b", "a-_b", "1", "A", "tags", "ä", "a\n", strings.Repeat("a", 65), strings.Repeat("b", 129)} {
		f.Add(name)
	}
	strict := func(s string) bool { return s == "_" || s == "__" || strings.Trim(s, "-") == "" }
	loose := func(s string) bool { return s == "." || strict(s) }
	tags := regexp.MustCompile(TagGrammar)
	f.Fuzz(func(t *testing.T, name string) {
		reserved := strings.Contains(" manage token manifests blobs referrers tags ", " "+name+" ") && !strings.Contains(name, " ")
		if got, want := CheckNamespace(name) == nil, allowed(name, true, strict, 64) && !reserved; got != want {
			t.Errorf("namespace %q: allowed %v, want %v", name, got, want)
		}
		if got, want := CheckRepository(name) == nil, allowed(name, false, loose, 128); got != want {
			t.Errorf("repository %q: allowed %v, want %v", name, got, want)
		}
		if got, want := CheckManagedRepository(name) == nil, allowed(name, true, strict, 128); got != want {
			t.Errorf("managed repository %q: allowed %v, want %v", name, got, want)
		}
		if got, want := CheckTag(name) == nil, tags.MatchString(name); got != want {
			t.Errorf("tag %q: allowed %v, want %v", name, got, want)
		}
	})
}
