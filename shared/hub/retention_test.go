package hub

import (
	"strings"
	"testing"
)

// A rule that is taken can be executed, and excepts what its selectors name.
func FuzzRetentionRule(f *testing.F) {
	f.Add("date_rule", "days", "30", "label", "v5", "v5")
	f.Add("tag_rule", "num", "007", "regexp", "^v[0-9]+$", "v1")
	f.Add("tag_rule", "num", "1e9", "regexp", "(", "x")
	f.Fuzz(func(t *testing.T, template, param, value, kind, pattern, tag string) {
		r := RetentionRule{Template: template, Params: map[string]string{param: value}, Selectors: []TagSelector{{kind, pattern}}}
		p := Retention{Rules: []RetentionRule{r}}
		if p.check() != nil {
			return
		}
		stays, err := p.Rules[0].exceptions()
		if err != nil {
			t.Fatalf("%+v is taken, and then: %v", r, err)
		}
		if got := stays(tag); kind == "label" && got != (tag == pattern) {
			t.Errorf("label %q excepts %q: %t", pattern, tag, got)
		}
		for name, n := range p.Rules[0].Params {
			if strings.TrimLeft(n, "0123456789") != "" || n == "0" {
				t.Errorf("%s is kept as %q", name, n)
			}
		}
	})
}
