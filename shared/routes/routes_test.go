package routes_test

import (
	"testing"

	"berth/shared/routes"
	"berth/shared/web"
)

// Every route names its rule, and no two share a name or a method and pattern.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range routes.Table() {
		if r.Rule == 0 || r.Handle == nil || r.Doc.Summary == "" {
			t.Errorf("%s: a route needs a rule, a handler and a summary", r.Name)
		}
		for _, key := range []string{r.Name, r.Method + " " + r.Pattern} {
			if seen[key] {
				t.Errorf("%s stands twice in the table", key)
			}
			seen[key] = true
		}
		if r.Surface != web.SurfaceOf(r.Pattern) {
			t.Errorf("%s: %s is not a path of its surface", r.Name, r.Pattern)
		}
	}
}
