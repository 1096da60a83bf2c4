package states

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// strict reads JSON, and refuses members that v does not have.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// path is a reference path of a state. The zero path is absent, and as "$"; one that
// is null gives {} and takes nothing.
type path struct {
	null bool
	at   string
}

func (p *path) UnmarshalJSON(b []byte) error {
	if p.null = string(b) == "null"; p.null {
		return nil
	}
	return json.Unmarshal(b, &p.at)
}

// get is what the path finds.
func (p path) get(input any, about map[string]any) (any, error) {
	switch {
	case p.null:
		return map[string]any{}, nil
	case p.at == "":
		return input, nil
	}
	return evaluate(p.at, input, about)
}

// put is the input with a result at the path.
func (p path) put(input, result any) (any, error) {
	switch {
	case p.null:
		return input, nil
	case p.at == "" || p.at == "$":
		return result, nil
	}
	names, ok := strings.CutPrefix(p.at, "$.")
	if !ok {
		return nil, fmt.Errorf("ResultPath %q", p.at)
	}
	return set(input, strings.Split(names, "."), result), nil
}

func set(v any, names []string, result any) any {
	if len(names) == 0 {
		return result
	}
	old, _ := v.(map[string]any)
	m := make(map[string]any, len(old)+1)
	for k, e := range old {
		m[k] = e
	}
	m[names[0]] = set(old[names[0]], names[1:], result)
	return m
}

// fill makes a value of a template: members whose name ends in .$ are evaluated.
func fill(template, input any, about map[string]any) (any, error) {
	switch t := template.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, v := range t {
			var err error
			if name, ok := strings.CutSuffix(k, ".$"); ok {
				expression, _ := v.(string)
				out[name], err = evaluate(expression, input, about)
			} else {
				out[k], err = fill(v, input, about)
			}
			if err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(t))
		for i, v := range t {
			var err error
			if out[i], err = fill(v, input, about); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return template, nil
}

// evaluate is the value of a path or of an intrinsic function.
func evaluate(e string, input any, about map[string]any) (any, error) {
	switch {
	case e == "$":
		return input, nil
	case e == "$$":
		return about, nil
	case strings.HasPrefix(e, "$$."):
		return walk(about, e[3:], e)
	case strings.HasPrefix(e, "$."):
		return walk(input, e[2:], e)
	case strings.HasPrefix(e, "States."):
		return call(e, input, about)
	}
	return nil, fmt.Errorf("this simulation does not know the path %q", e)
}

func walk(v any, names, whole string) (any, error) {
	for name := range strings.SplitSeq(names, ".") {
		name, index, indexed := strings.Cut(name, "[")
		m, ok := v.(map[string]any)
		if !ok {
			return nil, &Error{"States.ParameterPathFailure", whole + " finds nothing"}
		}
		if v, ok = m[name]; !ok {
			return nil, &Error{"States.ParameterPathFailure", whole + " finds nothing"}
		}
		if indexed {
			var i int
			l, ok := v.([]any)
			if _, err := fmt.Sscanf(index, "%d]", &i); err != nil || !ok || i < 0 || i >= len(l) {
				return nil, &Error{"States.ParameterPathFailure", whole + " finds nothing"}
			}
			v = l[i]
		}
	}
	return v, nil
}

// call does an intrinsic function.
func call(e string, input any, about map[string]any) (any, error) {
	name, rest, ok := strings.Cut(e, "(")
	if !ok || !strings.HasSuffix(rest, ")") {
		return nil, fmt.Errorf("this simulation does not know %q", e)
	}
	args, err := arguments(strings.TrimSuffix(rest, ")"), input, about)
	if err != nil {
		return nil, err
	}
	switch {
	case name == "States.Format" && len(args) > 0:
		text, _ := args[0].(string)
		for _, a := range args[1:] {
			text = strings.Replace(text, "{}", fmt.Sprint(a), 1)
		}
		return text, nil
	case name == "States.JsonToString" && len(args) == 1:
		b, err := json.Marshal(args[0])
		return string(b), err
	case name == "States.StringToJson" && len(args) == 1:
		text, _ := args[0].(string)
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return nil, &Error{"States.IntrinsicFailure", err.Error()}
		}
		return v, nil
	case name == "States.Array":
		return args, nil
	case name == "States.UUID" && len(args) == 0:
		return uuid(), nil
	}
	return nil, fmt.Errorf("this simulation does not know %q", e)
}

// arguments splits at commas outside of quotes and brackets.
func arguments(s string, input any, about map[string]any) ([]any, error) {
	var args []any
	depth, quoted, start := 0, false, 0
	s += ","
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			word := strings.TrimSpace(s[start:i])
			start = i + 1
			if word == "" {
				continue
			}
			v, err := argument(word, input, about)
			if err != nil {
				return nil, err
			}
			args = append(args, v)
		}
	}
	return args, nil
}

func argument(word string, input any, about map[string]any) (any, error) {
	if len(word) > 1 && word[0] == '\'' {
		return strings.ReplaceAll(word[1:len(word)-1], `\`, ""), nil
	}
	var v any
	if json.Unmarshal([]byte(word), &v) == nil {
		return v, nil
	}
	return evaluate(word, input, about)
}
