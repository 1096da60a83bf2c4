package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"berth/shared/hub"
)

// MaxBody is the most that a request's body may have outside the registry, in bytes,
// where its route says nothing else.
const MaxBody = 1 << 20

// Decode reads the request's body into the struct that v points to, by its json
// tags: JSON, and for routes with Doc.Form also forms. Unknown fields are
// ignored; a wrong type is BadField and names the field. What a field may hold,
// and whether it must be there, is the handler's to check.
func (c *Call) Decode(v any) error {
	kind, params, err := mime.ParseMediaType(c.R.Header.Get("Content-Type"))
	if err != nil {
		kind = "application/json"
	}
	form := kind == "multipart/form-data" || kind == "application/x-www-form-urlencoded"
	if form && !c.Route.Doc.Form {
		return hub.Fail(hub.BadRequest, "send the body as application/json, not as %s", kind)
	}
	body, err := c.Body()
	if err != nil {
		return err
	}
	switch {
	case kind == "multipart/form-data":
		values, err := parseMultipart(body, params["boundary"])
		if err != nil {
			return err
		}
		return DecodeValues(values, v)
	case form:
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return hub.Fail(hub.BadRequest, "the body is no valid form: %v", err)
		}
		return DecodeValues(values, v)
	}
	return decodeJSON(body, v)
}

// Body reads the whole body, up to the route's MaxBody.
func (c *Call) Body() ([]byte, error) {
	most := cmp.Or(c.Route.MaxBody, MaxBody)
	if c.R.ContentLength > most {
		return nil, hub.Fail(hub.TooLarge, "the body may have at most %d bytes", most)
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.W, c.R.Body, most))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, hub.Fail(hub.TooLarge, "the body may have at most %d bytes", most)
	}
	if err != nil {
		return nil, hub.Fail(hub.BadRequest, "the body ended too early")
	}
	return b, nil
}

func decodeJSON(body []byte, v any) error {
	whole := reflect.TypeOf(v).Elem()
	if string(bytes.TrimSpace(body)) == "null" {
		return hub.Fail(hub.BadRequest, "the body must be %s in JSON, not null", typeName(whole))
	}
	err := json.Unmarshal(known(body, whole), v)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong) && wrong.Field != "":
		return hub.FailField(fieldPath(whole, wrong.Field), "must be %s, not %s", typeName(wrong.Type), wrong.Value)
	case errors.As(err, &wrong) && wrong.Type == whole:
		return hub.Fail(hub.BadRequest, "the body must be %s in JSON, not %s", typeName(whole), wrong.Value)
	case errors.As(err, &wrong):
		return hub.Fail(hub.BadRequest, "each entry of the list must be %s, not %s", typeName(wrong.Type), wrong.Value)
	case len(body) == 0:
		return hub.Fail(hub.BadRequest, "a JSON body is needed")
	}
	return hub.Fail(hub.BadRequest, "the body is no valid JSON: %v", err)
}

// known is a body without the fields that its type does not have: to package json a
// name in other letters, upper or lower case, is that of a field too. A body that has
// not the type's form stays as it is, for package json to say so.
func known(body []byte, t reflect.Type) []byte {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return body
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		var list []json.RawMessage
		if json.Unmarshal(body, &list) != nil || list == nil {
			return body
		}
		for i := range list {
			list[i] = known(list[i], t.Elem())
		}
		return remade(list, body)
	case reflect.Struct:
		var object map[string]json.RawMessage
		if json.Unmarshal(body, &object) != nil || object == nil {
			return body
		}
		types := fieldTypes(t)
		for name, value := range object {
			if of, ok := types[name]; ok {
				object[name] = known(value, of)
			} else {
				delete(object, name)
			}
		}
		return remade(object, body)
	}
	return body
}

// remade is a value in JSON, which came from the body.
func remade(v any, body []byte) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return body
	}
	return b
}

// fieldTypes are a struct's fields by their names in JSON, those of embedded structs
// as its own.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	types := make(map[string]reflect.Type)
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			maps.Copy(types, fieldTypes(f.Type))
		case name != "":
			types[name] = f.Type
		}
	}
	return types
}

// fieldPath is a field's path as the client wrote it: package json puts the names of
// embedded structs into it, which are none of the body's.
func fieldPath(t reflect.Type, path string) string {
	name, rest, deeper := strings.Cut(path, ".")
	if t.Kind() != reflect.Struct || !deeper {
		return path
	}
	if f, ok := t.FieldByName(name); ok && f.Anonymous && f.Tag.Get("json") == "" {
		return fieldPath(f.Type, rest)
	}
	return path
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a whole number"
}

// DecodeValues reads form or query values into the struct that v points to, by its
// json tags. The last of several values of one name counts.
func DecodeValues(values url.Values, v any) error {
	object := make(map[string]any)
	t := reflect.TypeOf(v).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		given, ok := values[name]
		if !ok || name == "" || len(given) == 0 {
			continue
		}
		x, err := formValue(t.Field(i).Type, given)
		if err != nil {
			return hub.FailField(name, "%v", err)
		}
		object[name] = x
	}
	b, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return decodeJSON(b, v)
}

func formValue(t reflect.Type, given []string) (any, error) {
	last := given[len(given)-1]
	switch t.Kind() {
	case reflect.Pointer:
		return formValue(t.Elem(), given)
	case reflect.Bool:
		if last != "true" && last != "false" {
			return nil, fmt.Errorf("must be true or false, not %q", last)
		}
		return last == "true", nil
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("must be a whole number, not %q", last)
		}
		return n, nil
	case reflect.Slice:
		return given, nil
	}
	return last, nil
}
