package routes_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"berth/shared/routes"
	"berth/shared/routes/routestest"
)

type object = map[string]any

func itoa(n int) string { return strconv.Itoa(n) }

// apiDocument is the document as a client gets it.
func apiDocument(t *testing.T) object {
	t.Helper()
	rec := httptest.NewRecorder()
	open(routestest.Make()).handler.ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", nil))
	var doc object
	if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil || rec.Code != 200 || rec.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("GET /openapi.json: %d %s, %v", rec.Code, rec.Header(), err)
	}
	return doc
}

var pathVariable = regexp.MustCompile(`\{(\w+)\}`)

// The document holds together: each route is in it, each reference leads somewhere,
// each variable is declared, each operation has its own name and an error.
func TestOpenAPIHoldsTogether(t *testing.T) {
	doc := apiDocument(t)
	if doc["openapi"] != "3.1.0" || doc["info"].(object)["title"] != "Berth" {
		t.Errorf("the document begins %v, %v", doc["openapi"], doc["info"])
	}
	paths := doc["paths"].(object)
	operations := map[string]bool{}
	shapes := map[string]string{}
	for path, item := range paths {
		shape := pathVariable.ReplaceAllString(path, "{}")
		if other, ok := shapes[shape]; ok {
			t.Errorf("%s and %s are one path with different names", path, other)
		}
		shapes[shape] = path
		declared := []string{}
		for _, p := range item.(object)["parameters"].([]any) {
			p := p.(object)
			if p["in"] != "path" || p["required"] != true {
				t.Errorf("%s: parameter %v", path, p)
			}
			declared = append(declared, p["name"].(string))
		}
		var named []string
		for _, m := range pathVariable.FindAllStringSubmatch(path, -1) {
			named = append(named, m[1])
		}
		if !slices.Equal(named, declared) {
			t.Errorf("%s declares %v", path, declared)
		}
		for method, op := range item.(object) {
			if method == "parameters" {
				continue
			}
			op := op.(object)
			id := op["operationId"].(string)
			if operations[id] || op["summary"] == "" {
				t.Errorf("%s %s: operation %q is not the only one, or has no summary", method, path, id)
			}
			operations[id] = true
			responses := op["responses"].(object)
			if responses["default"] == nil || len(responses) < 2 {
				t.Errorf("%s documents %v", id, responses)
			}
		}
	}
	for _, r := range routes.Table() {
		if !operations[r.Name] {
			t.Errorf("%s is not in the document", r.Name)
		}
		path := strings.ReplaceAll(r.Pattern, "...}", "}")
		item, _ := paths[path].(object)
		op, _ := item[strings.ToLower(r.Method)].(object)
		if op["operationId"] != r.Name {
			t.Errorf("%s %s is %v, want %s", r.Method, path, op["operationId"], r.Name)
		}
		if (len(r.Doc.Answers) == 0) || (r.Doc.Body == nil) == (op["requestBody"] != nil) && !r.Doc.BytesIn {
			t.Errorf("%s: its body or answers are not documented", r.Name)
		}
		for status := range r.Doc.Answers {
			if op["responses"].(object)[fmt.Sprint(status)] == nil {
				t.Errorf("%s: answer %d is not documented", r.Name, status)
			}
		}
	}
	checkReferences(t, doc, doc, "#")
}

func checkReferences(t *testing.T, doc object, at any, where string) {
	switch at := at.(type) {
	case object:
		if ref, ok := at["$ref"].(string); ok {
			if resolve(doc, ref) == nil {
				t.Errorf("%s: %s leads nowhere", where, ref)
			}
		}
		for name, value := range at {
			checkReferences(t, doc, value, where+"/"+name)
		}
	case []any:
		for i, value := range at {
			checkReferences(t, doc, value, fmt.Sprint(where, "/", i))
		}
	}
}

func resolve(doc object, ref string) object {
	at := doc
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		at, _ = at[part].(object)
	}
	return at
}

// mismatch says where a value is not as its schema wants it; "" = nowhere. It knows
// the keywords that the document uses.
func mismatch(doc, schema object, v any, where string) string {
	if ref, ok := schema["$ref"].(string); ok {
		return mismatch(doc, resolve(doc, ref), v, where)
	}
	if any, ok := schema["anyOf"].([]any); ok {
		var first string
		for _, s := range any {
			m := mismatch(doc, s.(object), v, where)
			if m == "" {
				return ""
			}
			first = firstOf(first, m)
		}
		return first
	}
	if !hasType(schema["type"], v) {
		return fmt.Sprintf("%s is %T, want %v", where, v, schema["type"])
	}
	switch v := v.(type) {
	case object:
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				return fmt.Sprintf("%s.%s is missing", where, name)
			}
		}
		properties, _ := schema["properties"].(object)
		more, free := schema["additionalProperties"].(object)
		for name, value := range v {
			s, ok := properties[name].(object)
			if !ok && free {
				s = more
			} else if !ok && properties != nil {
				return fmt.Sprintf("%s.%s is not documented", where, name)
			}
			if m := mismatch(doc, s, value, where+"."+name); m != "" {
				return m
			}
		}
	case []any:
		items, _ := schema["items"].(object)
		for i, value := range v {
			if m := mismatch(doc, items, value, fmt.Sprint(where, "[", i, "]")); m != "" {
				return m
			}
		}
	}
	return ""
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func hasType(want, v any) bool {
	switch want := want.(type) {
	case nil:
		return true
	case []any:
		return slices.ContainsFunc(want, func(w any) bool { return hasType(w, v) })
	case string:
		switch v := v.(type) {
		case nil:
			return want == "null"
		case bool:
			return want == "boolean"
		case string:
			return want == "string"
		case float64:
			return want == "number" || want == "integer" && v == float64(int64(v))
		case []any:
			return want == "array"
		case object:
			return want == "object"
		}
	}
	return false
}

// The fields that the Manage API also takes from the query are documented there, and
// that there need be no body then.
func TestFieldsInTheQuery(t *testing.T) {
	doc := apiDocument(t)
	for path, want := range map[string][]string{
		"post /v2/manage/namespaces/{namespace}/repos":         {"category", "description", "is_public", "repository"},
		"patch /v2/manage/namespaces/{namespace}/repos/{repo}": {"category", "description", "is_public"},
	} {
		method, path, _ := strings.Cut(path, " ")
		op := doc["paths"].(object)[path].(object)[method].(object)
		var names []string
		for _, p := range op["parameters"].([]any) {
			if p := p.(object); p["in"] == "query" {
				names = append(names, p["name"].(string))
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, want) || op["requestBody"].(object)["required"] != false {
			t.Errorf("%s %s documents the query parameters %v and the body %v", method, path, names, op["requestBody"].(object)["required"])
		}
	}
}
