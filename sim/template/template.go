// Package template reads the CloudFormation templates that infra synthesizes, as
// CloudFormation would make resources of them: each gets a name, an ARN and the
// attributes that others ask for, and what refers to them is resolved, across
// stacks too.
package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where all of it is said to be.
const (
	Region  = "eu-central-1"
	Account = "000000000000"
)

// App is what a folder of templates describes.
type App struct {
	stacks  map[string]*stack // by the name of the template
	exports map[string]export
	made    []*Resource
}

type stack struct {
	name       string
	Resources  map[string]*Resource
	Parameters map[string]struct{ Default any }
	Conditions map[string]any
	Mappings   map[string]map[string]map[string]any
	Outputs    map[string]struct {
		Value  any
		Export struct{ Name any }
	}
	parent *stack         // of a nested stack
	given  map[string]any // its parameters, in the parent's terms
}

type export struct {
	in    *stack
	value any
}

// Resource is one resource of a stack.
type Resource struct {
	Type       string
	Properties map[string]any // as the template has them; see [App.Get]
	Metadata   map[string]any
	Condition  string

	ID    string // in its template
	stack *stack
}

// Load reads every *.template.json of a folder.
func Load(dir string) (*App, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.template.json"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s holds no template: run `make synth` first", dir)
	}
	a := &App{stacks: map[string]*stack{}, exports: map[string]export{}}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		s := &stack{name: strings.TrimSuffix(filepath.Base(path), ".template.json")}
		if err := json.Unmarshal(b, s); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		a.stacks[filepath.Base(path)] = s
	}
	for _, s := range a.stacks {
		for id, r := range s.Resources {
			r.ID, r.stack = id, s
			if r.Type == "AWS::CloudFormation::Stack" {
				if err := a.nest(r); err != nil {
					return nil, err
				}
			}
		}
	}
	return a, a.index()
}

// nest ties a nested stack to the template that is its own.
func (a *App) nest(r *Resource) error {
	path, _ := r.Metadata["aws:asset:path"].(string)
	child := a.stacks[filepath.Base(path)]
	if child == nil {
		return fmt.Errorf("nested stack %s: its template %q is not there", r.ID, path)
	}
	child.parent = r.stack
	child.given, _ = r.Properties["Parameters"].(map[string]any)
	return nil
}

// index gathers exports, and the resources that are made.
func (a *App) index() error {
	for _, s := range a.stacks {
		for _, o := range s.Outputs {
			if o.Export.Name == nil {
				continue
			}
			name, err := a.text(s, o.Export.Name)
			if err != nil {
				return err
			}
			a.exports[name] = export{s, o.Value}
		}
		for _, r := range s.Resources {
			ok, err := a.holds(s, r.Condition)
			if err != nil {
				return err
			}
			if ok {
				a.made = append(a.made, r)
			}
		}
	}
	slices.SortFunc(a.made, func(x, y *Resource) int {
		return strings.Compare(x.stack.name+"/"+x.ID, y.stack.name+"/"+y.ID)
	})
	return nil
}

// Of are the resources of some types, in a steady order.
func (a *App) Of(types ...string) (all []*Resource) {
	for _, r := range a.made {
		if slices.Contains(types, r.Type) {
			all = append(all, r)
		}
	}
	return all
}

// One is the only resource of a type.
func (a *App) One(kind string) (*Resource, error) {
	all := a.Of(kind)
	if len(all) != 1 {
		return nil, fmt.Errorf("the templates have %d resources of type %s, want one", len(all), kind)
	}
	return all[0], nil
}

// Get fills v with properties of a resource, resolved, as encoding/json does.
func (a *App) Get(r *Resource, v any) error {
	p, err := a.value(r.stack, r.Properties)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", r.ID, r.stack.name, err)
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s of %s: %w", r.ID, r.stack.name, err)
	}
	return nil
}

var errAbsent = errors.New("AWS::NoValue")
