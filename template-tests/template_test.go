// Package templates_test holds the synthesized templates against the hub's tables
// of routes and events. It reads them as CloudFormation would: as JSON.
package templates_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"berth/infra/stacks"

	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// TestMain finds Node, which the CDK's engine runs on. The engine looks for it before
// this function runs, and so the program begins anew.
func TestMain(m *testing.M) {
	bin, err := filepath.Abs("../infra/node/node_modules/.bin")
	if err == nil {
		_, err = os.Stat(filepath.Join(bin, "node"))
	}
	path := os.Getenv("PATH")
	if err == nil && !strings.HasPrefix(path, bin) {
		os.Setenv("PATH", bin+string(os.PathListSeparator)+path)
		err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err, "- run `make node` first")
		os.Exit(1)
	}
	code := m.Run()
	for _, dir := range made {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// made are the folders that templates were written to.
var made []string

// resource is one of a template.
type resource struct {
	stack, id           string
	Type                string
	Properties          map[string]any
	DependsOn           []string
	DeletionPolicy      string
	UpdateReplacePolicy string
}

// app is a synthesized app.
type app struct {
	dir       string
	resources []resource
	stacks    map[string]int    // resources of each
	exports   map[string]string // what Fn::ImportValue gives
	outputs   map[string]string // by stack and name
}

// synthesized with cdk.json's context, with ingest and without; each once.
var (
	whole  = sync.OnceValue(func() *app { return synthesize(nil) })
	slight = sync.OnceValue(func() *app {
		return synthesize(map[string]any{
			"ingest": "off", "signup": "open", "allowedHosts": "git.corp", "mailFrom": "hub@example.com", "alarmMail": "ops@example.com",
			"domain": "hub.example.com", "certificate": "arn:aws:acm:us-east-1:111111111111:certificate/1",
			"zone": "Z1", "zoneName": "example.com", "prefix": "other",
		})
	})
)

func synthesize(given map[string]any) *app {
	text, err := os.ReadFile("../cdk.json")
	if err != nil {
		panic(err)
	}
	var file struct{ Context map[string]any }
	if err := json.Unmarshal(text, &file); err != nil {
		panic(err)
	}
	file.Context["built"] = stacks.NoCode
	maps.Copy(file.Context, given)
	dir, err := os.MkdirTemp("", "berth-templates-*")
	if err != nil {
		panic(err)
	}
	made = append(made, dir)
	to := cdk.NewApp(&cdk.AppProps{Context: &file.Context, Outdir: &dir, AnalyticsReporting: jsii.Bool(false)})
	c, err := stacks.ReadConfig(func(key string) any { return file.Context[key] })
	if err == nil {
		err = stacks.Build(to, c)
	}
	if err != nil {
		panic(err)
	}
	to.Synth(nil)
	return read(dir)
}

func read(dir string) *app {
	a := &app{dir: dir, stacks: map[string]int{}, exports: map[string]string{}, outputs: map[string]string{}}
	paths, _ := filepath.Glob(filepath.Join(dir, "*.template.json"))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		var t struct {
			Resources map[string]resource
			Outputs   map[string]struct {
				Value  any
				Export struct{ Name string }
			}
		}
		if err := json.Unmarshal(text, &t); err != nil {
			panic(err)
		}
		stack := strings.TrimSuffix(filepath.Base(path), ".template.json")
		a.stacks[stack] = len(t.Resources)
		for id, r := range t.Resources {
			r.stack, r.id = stack, id
			a.resources = append(a.resources, r)
		}
		for name, o := range t.Outputs {
			a.outputs[stack+"."+name] = a.text(stack, o.Value)
			if o.Export.Name != "" {
				a.exports[o.Export.Name] = a.text(stack, o.Value)
			}
		}
	}
	return a
}

// of are the resources of a type, by stack and id.
func (a *app) of(kind string) []resource {
	var all []resource
	for _, r := range a.resources {
		if r.Type == kind {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(x, y resource) int { return strings.Compare(x.name(), y.name()) })
	return all
}

func (r resource) name() string { return r.stack + "." + r.id }

// one is the only resource of a type.
func (a *app) one(t *testing.T, kind string) resource {
	t.Helper()
	all := a.of(kind)
	if len(all) != 1 {
		t.Fatalf("there are %d of %s, want one", len(all), kind)
	}
	return all[0]
}

// named is the resource of a type that has an id.
func (a *app) named(t *testing.T, kind, id string) resource {
	t.Helper()
	all := a.of(kind)
	i := slices.IndexFunc(all, func(r resource) bool { return r.id == id })
	if i < 0 {
		t.Fatalf("there is no %s called %s", kind, id)
	}
	return all[i]
}

// text writes a value with its references in angle brackets: of its own stack as
// <stack.id> or <stack.id.attribute>, those that CloudFormation knows as <AWS::Region>.
func (a *app) text(stack string, v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok {
			if strings.HasPrefix(ref, "AWS::") {
				return "<" + ref + ">"
			}
			return "<" + stack + "." + ref + ">"
		}
		if get, ok := v["Fn::GetAtt"].([]any); ok {
			return fmt.Sprintf("<%s.%s.%s>", stack, get[0], get[1])
		}
		if join, ok := v["Fn::Join"].([]any); ok {
			var parts []string
			for _, p := range join[1].([]any) {
				parts = append(parts, a.text(stack, p))
			}
			return strings.Join(parts, join[0].(string))
		}
		if name, ok := v["Fn::ImportValue"].(string); ok {
			if value, ok := a.exports[name]; ok {
				return value
			}
			return "<import " + name + ">"
		}
	}
	out, _ := json.Marshal(v)
	return string(out)
}

// get is the text of a property, whose name may lead into others by dots.
func (a *app) get(r resource, path string) string {
	var v any = r.Properties
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	if v == nil {
		return ""
	}
	return a.text(r.stack, v)
}

// texts is the same of a list, or of one value that stands for a list of one.
func (a *app) texts(stack string, v any) []string {
	list, ok := v.([]any)
	if !ok {
		return []string{a.text(stack, v)}
	}
	var all []string
	for _, e := range list {
		all = append(all, a.text(stack, e))
	}
	return all
}

// functions are all Lambda functions by the name of their folder.
func (a *app) functions(t *testing.T) map[string]resource {
	t.Helper()
	all := map[string]resource{}
	for _, f := range a.of("AWS::Lambda::Function") {
		_, name, _ := strings.Cut(a.get(f, "FunctionName"), "-")
		all[name] = f
	}
	return all
}

// Exports are read in the order of the templates, and a template may import from
// one that comes later.
func TestImportsResolve(t *testing.T) {
	for _, a := range []*app{whole(), slight()} {
		for _, r := range a.resources {
			if text, _ := json.Marshal(r.Properties); strings.Contains(string(text), "Fn::ImportValue") {
				for _, name := range imports(r.Properties) {
					if a.exports[name] == "" || strings.Contains(a.exports[name], "<import") {
						t.Errorf("%s imports %s, which nobody exports", r.name(), name)
					}
				}
			}
		}
	}
}

func imports(v any) []string {
	var all []string
	switch v := v.(type) {
	case map[string]any:
		if name, ok := v["Fn::ImportValue"].(string); ok {
			return []string{name}
		}
		for _, e := range v {
			all = append(all, imports(e)...)
		}
	case []any:
		for _, e := range v {
			all = append(all, imports(e)...)
		}
	}
	return all
}
