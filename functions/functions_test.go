// Package functions has a folder for each Lambda function. Their programs are
// written from the tables of routes and events: after a change of those,
//
//	go test ./functions -update
//
// Each gets the options that its needs imply, so that it links no other client.
package functions

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/shared/cloud"
	"berth/shared/routes"
	"berth/shared/web"
)

var update = flag.Bool("update", false, "write the programs anew")

// service is what an operation may need beyond records: an option of [cloud.Start].
type service struct {
	pkg, option string
	client      string // a package that functions without the option may not import; "" = none
	needed      func(needs) bool
}

// needs are what a function needs.
type needs struct {
	web.Needs
	mails bool
}

const sdk = "github.com/aws/aws-sdk-go-v2/service/"

var services = []service{
	{"berth/shared/cloud", "WithLayers", "", func(n needs) bool { return n.Layers != web.NoLayers }},
	{"berth/shared/cloud/machine", "WithBuilds", sdk + "sfn", func(n needs) bool { return n.Builds }},
	{"berth/shared/cloud/sealing", "WithKMS", sdk + "kms", func(n needs) bool { return n.Secrets }},
	{"berth/shared/cloud/queues", "With", sdk + "sqs", func(n needs) bool { return len(n.Sends) > 0 }},
	{"berth/shared/cloud/site", "With", "berth/console", func(n needs) bool { return n.Console }},
	{"berth/shared/cloud/ses", "With", sdk + "sesv2", func(n needs) bool { return n.mails }},
}

// forbidden are linked by no function: they would make it large and slow to start.
var forbidden = []string{
	"github.com/prometheus", "github.com/go-git", "github.com/wneessen/go-mail", "net/smtp", "github.com/spf13",
	"go.etcd.io", "html/template", "text/template", "berth/shared/local", "berth/shared/build", "github.com/aws/aws-sdk-go-v2/config",
}

// program is the source of a function.
func program(start, name string, n needs) string {
	imports, arguments := []string{"berth/shared/cloud"}, []string{fmt.Sprintf("%q", name)}
	for _, s := range services {
		if s.needed(n) {
			imports = append(imports, s.pkg)
			arguments = append(arguments, filepath.Base(s.pkg)+"."+s.option)
		}
	}
	slices.Sort(imports)
	imports = slices.Compact(imports)
	lines := fmt.Sprintf("import %q\n", imports[0])
	if len(imports) > 1 {
		lines = "import (\n"
		for _, path := range imports {
			lines += fmt.Sprintf("\t%q\n", path)
		}
		lines += ")\n"
	}
	return fmt.Sprintf("// Command %s is the function of that name.\npackage main\n\n%s\nfunc main() { cloud.%s(%s) }\n",
		name, lines, start, strings.Join(arguments, ", "))
}

// all are the needs of each function, and its program.
func all() (of map[string]needs, programs map[string]string) {
	of, programs = map[string]needs{cloud.Default: {}}, map[string]string{}
	for _, r := range routes.Table() {
		of[r.Name] = needs{Needs: r.All()}
	}
	for name, n := range of {
		programs[name] = program("Start", name, n)
	}
	for _, e := range routes.Events() {
		of[e.Name] = needs{e.Needs, e.Sends}
		programs[e.Name] = program("StartEvent", e.Name, of[e.Name])
	}
	return of, programs
}

// Each entry of the tables has its folder, with the program that its needs imply,
// and there are no others.
func TestPrograms(t *testing.T) {
	_, programs := all()
	for name, want := range programs {
		path := filepath.Join(name, "main.go")
		if *update {
			if err := errors.Join(os.MkdirAll(name, 0o755), os.WriteFile(path, []byte(want), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("functions/%s is not what the tables say, %v; go test ./functions -update writes it anew", path, err)
		}
		if n := strings.Count(want, "\n"); n >= 20 {
			t.Errorf("functions/%s has %d lines", path, n)
		}
	}
	folders, err := filepath.Glob("*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range folders {
		if name, file := filepath.Split(path); programs[filepath.Clean(name)] == "" || file != "main.go" {
			t.Errorf("functions/%s belongs to no function: remove it", path)
		}
	}
}

// A function links what it uses and no more.
func TestLinks(t *testing.T) {
	of, _ := all()
	list := exec.Command("go", "list", "-tags", "lambda.norpc", "-json=ImportPath,Deps", "./...")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Deps       []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n, ok := of[strings.TrimPrefix(p.ImportPath, "berth/functions/")]
		if !ok { // this folder's own tests
			continue
		}
		seen++
		for _, s := range services {
			if s.client != "" && s.needed(n) != slices.Contains(p.Deps, s.client) {
				t.Errorf("%s: needs %s: %v, links it: %v", p.ImportPath, s.client, s.needed(n), !s.needed(n))
			}
		}
		for _, dep := range p.Deps {
			if slices.ContainsFunc(forbidden, func(f string) bool { return dep == f || strings.HasPrefix(dep, f+"/") }) {
				t.Errorf("%s links %s", p.ImportPath, dep)
			}
		}
	}
	if seen != len(of) {
		t.Errorf("%d functions were looked at, there are %d", seen, len(of))
	}
}
