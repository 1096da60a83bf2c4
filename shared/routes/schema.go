package routes

import (
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"strings"

	"berth/shared/hub"
)

// object is a JSON object of the document.
type object = map[string]any

// schemas makes JSON Schemas (draft 2020-12, as OpenAPI 3.1 has them) of Go types,
// and keeps those of named structs for reference.
type schemas struct {
	named object
	types map[string]reflect.Type
}

func newSchemas() *schemas { return &schemas{named: object{}, types: map[string]reflect.Type{}} }

var (
	timeType = reflect.TypeFor[hub.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
	unsafe   = regexp.MustCompile(`[^A-Za-z0-9]+`)
)

// of is the schema of a type as encoding/json writes it. In an answer every field
// without omitempty is there; a body (in) may leave out what it wants.
func (s *schemas) of(t reflect.Type, in bool) object {
	switch {
	case t == timeType:
		return object{"type": []string{"string", "null"}, "format": "date-time", "description": "UTC with three decimals; null = not known"}
	case t == rawType:
		return object{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return orNull(s.of(t.Elem(), in))
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": "array", "items": s.of(t.Elem(), in)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem(), in)}
	case reflect.Struct:
		return s.reference(t, in)
	}
	return object{} // anything
}

func orNull(schema object) object {
	if kind, ok := schema["type"].(string); ok && len(schema) == 1 {
		return object{"type": []string{kind, "null"}}
	}
	return object{"anyOf": []object{schema, {"type": "null"}}}
}

// reference is where a struct's schema stands; one without a name stands there itself.
func (s *schemas) reference(t reflect.Type, in bool) object {
	if t.Name() == "" {
		return s.object(t, in)
	}
	name := path.Base(t.PkgPath()) + "." + strings.Trim(unsafe.ReplaceAllString(t.Name(), "-"), "-")
	if in {
		name += ".in"
	}
	if known, ok := s.types[name]; !ok {
		s.types[name] = t
		s.named[name] = s.object(t, in)
	} else if known != t {
		panic(fmt.Sprintf("two types are called %s: %v and %v", name, known, t))
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func (s *schemas) object(t reflect.Type, in bool) object {
	properties, required := object{}, []string{}
	s.fields(t, in, properties, &required)
	o := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

// described adds what the tag about says of a field.
func described(schema object, about string) object {
	if about != "" {
		schema["description"] = about
	}
	return schema
}

// fields adds a struct's fields, those of embedded structs as its own.
func (s *schemas) fields(t reflect.Type, in bool, properties object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			s.fields(f.Type, in, properties, required)
			continue
		case !f.IsExported() || name == "-":
			continue
		case name == "":
			name = f.Name
		}
		properties[name] = described(s.of(f.Type, in), f.Tag.Get("about"))
		if !in && !strings.Contains(options, "omit") {
			*required = append(*required, name)
		}
	}
}
