package template

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// value resolves all intrinsic functions below v.
func (a *App) value(s *stack, v any) (any, error) {
	switch v := v.(type) {
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			r, err := a.value(s, e)
			if err == errAbsent {
				continue
			}
			if err != nil {
				return nil, err
			}
			out = append(out, r)
		}
		return out, nil
	case map[string]any:
		if len(v) == 1 {
			for name, arg := range v {
				if f, ok := functions[name]; ok {
					return f(a, s, arg)
				}
			}
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			r, err := a.value(s, e)
			if err == errAbsent {
				continue
			}
			if err != nil {
				return nil, err
			}
			out[k] = r
		}
		return out, nil
	}
	return v, nil
}

// text resolves to a string.
func (a *App) text(s *stack, v any) (string, error) {
	r, err := a.value(s, v)
	if err != nil {
		return "", err
	}
	switch r := r.(type) {
	case string:
		return r, nil
	case float64, bool:
		return fmt.Sprint(r), nil
	}
	return "", fmt.Errorf("%v is no text", r)
}

// functions are the intrinsic functions of a template.
var functions map[string]func(*App, *stack, any) (any, error)

func init() {
	functions = map[string]func(*App, *stack, any) (any, error){
		"Ref": ref, "Fn::GetAtt": getAtt, "Fn::Join": join, "Fn::Sub": sub, "Fn::Select": pick, "Fn::Split": split,
		"Fn::ImportValue": imported, "Fn::If": choose, "Fn::FindInMap": mapped, "Fn::Base64": plain,
		"Fn::Equals": equals, "Fn::Not": not, "Fn::And": and, "Fn::Or": or, "Condition": condition,
		"Fn::GetAZs": func(*App, *stack, any) (any, error) { return []any{Region + "a", Region + "b", Region + "c"}, nil },
	}
}

var pseudo = map[string]any{
	"AWS::Region": Region, "AWS::AccountId": Account, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
}

func ref(a *App, s *stack, arg any) (any, error) {
	name, _ := arg.(string)
	switch name {
	case "AWS::NoValue":
		return nil, errAbsent
	case "AWS::StackName", "AWS::StackId":
		return s.name, nil
	}
	if v, ok := pseudo[name]; ok {
		return v, nil
	}
	if r := s.Resources[name]; r != nil {
		return a.ref(r)
	}
	if v, ok := s.given[name]; ok {
		return a.value(s.parent, v)
	}
	if p, ok := s.Parameters[name]; ok && p.Default != nil {
		return p.Default, nil
	}
	return nil, fmt.Errorf("Ref %q leads nowhere", name)
}

func getAtt(a *App, s *stack, arg any) (any, error) {
	var id, attribute string
	switch arg := arg.(type) {
	case string:
		id, attribute, _ = strings.Cut(arg, ".")
	case []any:
		if len(arg) == 2 {
			id, _ = arg[0].(string)
			attribute, _ = arg[1].(string)
		}
	}
	r := s.Resources[id]
	if r == nil {
		return nil, fmt.Errorf("Fn::GetAtt %v leads nowhere", arg)
	}
	if output, ok := strings.CutPrefix(attribute, "Outputs."); ok && r.Type == "AWS::CloudFormation::Stack" {
		path, _ := r.Metadata["aws:asset:path"].(string)
		for file, child := range a.stacks {
			if strings.HasSuffix(path, file) {
				return a.value(child, child.Outputs[output].Value)
			}
		}
	}
	return a.attribute(r, attribute)
}

func join(a *App, s *stack, arg any) (any, error) {
	l, ok := arg.([]any)
	if !ok || len(l) != 2 {
		return nil, fmt.Errorf("Fn::Join %v", arg)
	}
	items, err := a.value(s, l[1])
	if err != nil {
		return nil, err
	}
	list, _ := items.([]any)
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = fmt.Sprint(w)
	}
	by, _ := l[0].(string)
	return strings.Join(words, by), nil
}

var hole = regexp.MustCompile(`\$\{([^}]*)\}`)

func sub(a *App, s *stack, arg any) (any, error) {
	text, _ := arg.(string)
	var vars map[string]any
	if l, ok := arg.([]any); ok && len(l) == 2 {
		text, _ = l[0].(string)
		vars, _ = l[1].(map[string]any)
	}
	var failed error
	out := hole.ReplaceAllStringFunc(text, func(m string) string {
		name := m[2 : len(m)-1]
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}
		var v any = map[string]any{"Ref": name}
		if given, ok := vars[name]; ok {
			v = given
		} else if strings.Contains(name, ".") {
			v = map[string]any{"Fn::GetAtt": name}
		}
		t, err := a.text(s, v)
		if err != nil {
			failed = err
		}
		return t
	})
	return out, failed
}

func pick(a *App, s *stack, arg any) (any, error) {
	l, ok := arg.([]any)
	if !ok || len(l) != 2 {
		return nil, fmt.Errorf("Fn::Select %v", arg)
	}
	at, err := a.text(s, l[0])
	if err != nil {
		return nil, err
	}
	v, err := a.value(s, l[1])
	list, _ := v.([]any)
	var i int
	if _, scanErr := fmt.Sscan(at, &i); err != nil || scanErr != nil || i < 0 || i >= len(list) {
		return nil, fmt.Errorf("Fn::Select %v of %v: %v", l[0], v, err)
	}
	return list[i], nil
}

func split(a *App, s *stack, arg any) (any, error) {
	l, ok := arg.([]any)
	if !ok || len(l) != 2 {
		return nil, fmt.Errorf("Fn::Split %v", arg)
	}
	text, err := a.text(s, l[1])
	by, _ := l[0].(string)
	var out []any
	for _, w := range strings.Split(text, by) {
		out = append(out, w)
	}
	return out, err
}

func imported(a *App, s *stack, arg any) (any, error) {
	name, err := a.text(s, arg)
	if err != nil {
		return nil, err
	}
	e, ok := a.exports[name]
	if !ok {
		return nil, fmt.Errorf("no stack exports %q", name)
	}
	return a.value(e.in, e.value)
}

func mapped(a *App, s *stack, arg any) (any, error) {
	l, ok := arg.([]any)
	if !ok || len(l) < 3 {
		return nil, fmt.Errorf("Fn::FindInMap %v", arg)
	}
	var keys [3]string
	for i := range keys {
		var err error
		if keys[i], err = a.text(s, l[i]); err != nil {
			return nil, err
		}
	}
	v, ok := s.Mappings[keys[0]][keys[1]][keys[2]]
	if !ok {
		return nil, fmt.Errorf("Fn::FindInMap %v finds nothing", keys)
	}
	return v, nil
}

// plain leaves a text that the template wants in base64.
func plain(a *App, s *stack, arg any) (any, error) { return a.value(s, arg) }

func choose(a *App, s *stack, arg any) (any, error) {
	l, ok := arg.([]any)
	if !ok || len(l) != 3 {
		return nil, fmt.Errorf("Fn::If %v", arg)
	}
	name, _ := l[0].(string)
	yes, err := a.holds(s, name)
	if err != nil {
		return nil, err
	}
	if yes {
		return a.value(s, l[1])
	}
	return a.value(s, l[2])
}

// holds tells whether a condition of the template does; "" does.
func (a *App) holds(s *stack, name string) (bool, error) {
	if name == "" {
		return true, nil
	}
	v, err := a.value(s, s.Conditions[name])
	yes, ok := v.(bool)
	if err == nil && !ok {
		err = fmt.Errorf("condition %q is neither true nor false", name)
	}
	return yes, err
}

func condition(a *App, s *stack, arg any) (any, error) {
	name, _ := arg.(string)
	return a.holds(s, name)
}

func equals(a *App, s *stack, arg any) (any, error) {
	v, err := a.value(s, arg)
	l, _ := v.([]any)
	return len(l) == 2 && reflect.DeepEqual(l[0], l[1]), err
}

func not(a *App, s *stack, arg any) (any, error) {
	v, err := a.value(s, arg)
	l, _ := v.([]any)
	return len(l) == 1 && l[0] == false, err
}

func and(a *App, s *stack, arg any) (any, error) {
	v, err := a.value(s, arg)
	l, _ := v.([]any)
	all := true
	for _, b := range l {
		all = all && b == true
	}
	return all, err
}

func or(a *App, s *stack, arg any) (any, error) {
	v, err := a.value(s, arg)
	l, _ := v.([]any)
	some := false
	for _, b := range l {
		some = some || b == true
	}
	return some, err
}
