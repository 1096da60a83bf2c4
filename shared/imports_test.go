package shared_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The direction of dependencies: binaries → backends → domain, and surfaces →
// web → domain. The domain knows no backend, and so no cloud and no database.
func TestImports(t *testing.T) {
	imports := map[string][]string{} // of each package of the module, without its tests
	deps := map[string][]string{}    // the same with what they import in turn
	list := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "berth/...")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath    string
			Imports, Deps []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		imports[p.ImportPath], deps[p.ImportPath] = p.Imports, p.Deps
	}
	under := func(path string, roots ...string) bool {
		return slices.ContainsFunc(roots, func(root string) bool { return path == root || strings.HasPrefix(path, root+"/") })
	}
	backends := []string{"berth/shared/local", "berth/shared/cloud", "berth/shared/smtp", "berth/shared/store/memory"}
	heavy := []string{"github.com/aws", "go.etcd.io", "github.com/prometheus", "github.com/spf13", "github.com/wneessen", "html/template"}
	surfaces := []string{"berth/shared/hubapi", "berth/shared/manage", "berth/shared/registry"}
	domain := append([]string{"berth/shared/store", "berth/shared/hub", "berth/shared/web", "berth/shared/routes", "berth/shared/client"}, surfaces...)
	for _, name := range domain {
		if deps[name] == nil {
			t.Errorf("%s is not there", name)
		}
		for _, dep := range deps[name] {
			if under(dep, append(backends, heavy...)...) {
				t.Errorf("%s depends on %s", name, dep)
			}
		}
	}
	for _, dep := range deps["berth/shared/hub"] {
		if under(dep, append(surfaces, "berth/shared/web", "berth/shared/routes")...) {
			t.Errorf("the domain depends on %s", dep)
		}
	}
	for name, direct := range imports {
		for _, dep := range direct {
			switch {
			case under(dep, "berth/infra") && !under(name, "berth/infra"):
				t.Errorf("%s imports %s; infra describes the rest and is part of nothing", name, dep)
			case under(dep, surfaces...) && under(name, surfaces...) && !under(dep, name):
				t.Errorf("the surface %s imports the surface %s", name, dep)
			case under(dep, "berth/shared/smtp") && !under(name, "berth/cmd/berth"):
				t.Errorf("%s imports %s, which is for the hub on one machine alone", name, dep)
			case under(dep, "berth/console") && !under(name, "berth/cmd/berth", "berth/shared/cloud/site", "berth/shared/routes/routestest"):
				t.Errorf("%s imports %s, whose files make every program large that has them", name, dep)
			case under(dep, "berth/cmd", "berth/functions"):
				t.Errorf("%s imports the program %s", name, dep)
			}
		}
	}
}
