package routes

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"berth/shared/hub"
	"berth/shared/web"
)

// documented is the table with its OpenAPI 3.1 document behind the operation openapi:
// a process shows what it serves. The document is written once, when it is asked for.
func documented(table []web.Route) []web.Route {
	text := sync.OnceValue(func() []byte {
		b, err := json.Marshal(document(table))
		if err != nil {
			panic("berth: " + err.Error()) // of plain values
		}
		return b
	})
	for i := range table {
		if table[i].Name == "openapi" {
			table[i].Handle = func(c *web.Call) error {
				c.W.Header().Set("Content-Type", "application/json")
				c.W.Header().Set("Content-Length", strconv.Itoa(len(text())))
				_, err := c.W.Write(text())
				return err
			}
		}
	}
	return table
}

func document(table []web.Route) object {
	s := newSchemas()
	for name, example := range envelopes {
		s.named[name] = s.object(reflect.TypeOf(example), false)
	}
	paths := object{}
	for i := range table {
		r := &table[i]
		path := openPath.ReplaceAllString(r.Pattern, "{$1}")
		item, ok := paths[path].(object)
		if !ok {
			item = object{"parameters": pathParameters(path)}
			paths[path] = item
		}
		item[strings.ToLower(r.Method)] = operation(r, s)
	}
	for _, item := range paths { // net/http answers HEAD where there is GET
		item := item.(object)
		if get, ok := item["get"].(object); ok && item["head"] == nil {
			item["head"] = head(get)
		}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Berth", "version": "1",
			"description": "Repositories, images and those who use them: the hub API under /v1, the Manage API under /v2/manage, the OCI registry under /v2. " +
				"Every path also works with a trailing slash. Every answer carries X-Request-Id.",
		},
		"tags": []object{
			{"name": "hub", "description": "The hub API, /v1"}, {"name": "manage", "description": "The Manage API, /v2/manage"},
			{"name": "registry", "description": "The OCI Distribution Specification 1.1, /v2"}, {"name": "operator", "description": "For whoever runs the hub"},
		},
		"paths": paths,
		"components": object{
			"schemas": s.named, "securitySchemes": securitySchemes, "responses": failures(),
		},
	}
}

// openPath takes the dots off a variable that may hold slashes.
var openPath = regexp.MustCompile(`\{(\w+)(?:\.\.\.)?\}`)

var surfaceNames = map[web.Surface]string{web.HubAPI: "hub", web.Manage: "manage", web.Registry: "registry", web.Operator: "operator"}

// envelopes are the surfaces' errors; the operator's are the hub API's.
var envelopes = map[string]any{
	"HubErrors":      web.HubErrors{},
	"ManageErrors":   web.ManageErrors{},
	"RegistryErrors": web.OCIErrors{},
}

func envelope(s web.Surface) string {
	switch s {
	case web.Manage:
		return "ManageErrors"
	case web.Registry:
		return "RegistryErrors"
	}
	return "HubErrors"
}

var securitySchemes = object{
	"basic":     object{"type": "http", "scheme": "basic", "description": "An account's name and password, or any name and an access token"},
	"bearer":    object{"type": "http", "scheme": "bearer", "description": "An access token; on the registry also one that /v2/token gave"},
	"token":     object{"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Token ` and an access token"},
	"xauth":     object{"type": "apiKey", "in": "header", "name": "X-Auth-Token", "description": "An access token"},
	"signature": object{"type": "apiKey", "in": "header", "name": "Authorization", "description": "The vendor SDK's SDK-HMAC-SHA256 signature; the access key is the token's id"},
}

// security lists the ways to prove who one is, and none where nobody need.
func security(r *web.Route) []object {
	ways := map[web.Surface][]string{
		web.HubAPI: {"basic", "bearer", "token", "xauth"}, web.Manage: {"basic", "bearer", "token", "xauth", "signature"},
		web.Registry: {"basic", "bearer"}, web.Operator: {},
	}[r.Surface]
	list := []object{}
	if r.Rule.Anonymous() {
		list = append(list, object{})
	}
	for _, way := range ways {
		list = append(list, object{way: []string{}})
	}
	return list
}

func operation(r *web.Route, s *schemas) object {
	op := object{
		"operationId": r.Name, "summary": r.Doc.Summary, "tags": []string{surfaceNames[r.Surface]},
		"security": security(r), "responses": responses(r, s), "x-berth-rule": r.Rule.String(),
	}
	if r.Doc.About != "" {
		op["description"] = r.Doc.About
	}
	if body := requestBody(r, s); body != nil {
		op["requestBody"] = body
	}
	var query []object
	for _, p := range r.Doc.Query {
		kind := p.Type
		if kind == "" {
			kind = "string"
		}
		query = append(query, object{"name": p.Name, "in": "query", "description": p.About, "schema": object{"type": kind}})
	}
	if query != nil {
		op["parameters"] = query
	}
	return op
}

func requestBody(r *web.Route, s *schemas) object {
	content := object{}
	if r.Doc.Body != nil {
		schema := s.of(reflect.TypeOf(r.Doc.Body), true)
		if reflect.TypeOf(r.Doc.Body).Kind() == reflect.Pointer {
			schema = s.of(reflect.TypeOf(r.Doc.Body).Elem(), true)
		}
		if len(r.Doc.Required) > 0 {
			schema = object{"allOf": []object{schema, {"required": r.Doc.Required}}}
		}
		kinds := []string{"application/json"}
		if r.Doc.Form {
			kinds = append(kinds, "multipart/form-data", "application/x-www-form-urlencoded")
		}
		for _, kind := range kinds {
			content[kind] = media(schema, r.Doc.Body)
		}
	}
	if r.Doc.BytesIn {
		content["application/octet-stream"] = object{}
	}
	if len(content) == 0 {
		return nil
	}
	return object{"content": content, "required": r.Doc.Body != nil && !r.Doc.Optional}
}

// media is a schema with an example, where the value is one.
func media(schema object, example any) object {
	m := object{"schema": schema}
	if v := reflect.ValueOf(example); !v.IsZero() && !(v.Kind() == reflect.Pointer) {
		m["example"] = example
	}
	return m
}

func responses(r *web.Route, s *schemas) object {
	all := object{"default": object{"$ref": "#/components/responses/" + envelope(r.Surface)}}
	for status, example := range r.Doc.Answers {
		answer := object{"description": http.StatusText(status)}
		switch {
		case example != nil:
			answer["content"] = object{"application/json": media(s.of(reflect.TypeOf(example), false), example)}
		case r.Doc.BytesOut && status < 300:
			answer["content"] = object{"*/*": object{}}
		}
		all[strconv.Itoa(status)] = answer
	}
	return all
}

// failures are the answers of each surface to what it does not do.
func failures() object {
	all := object{}
	for name := range envelopes {
		all[name] = object{
			"description": "What was wrong and what to do about it: 400 bad input, 401 not known, 403 not allowed, 404 not there or not to be seen, " +
				"405 wrong method, 409 in conflict with what is there, 413 too large, 429 too often, 500, 503 and 507 (no room) the hub's own trouble",
			"content": object{"application/json": object{"schema": object{"$ref": "#/components/schemas/" + name}}},
		}
	}
	return all
}

// head is what HEAD does where GET does get.
func head(get object) object {
	op := object{}
	for name, value := range get {
		op[name] = value
	}
	op["operationId"] = get["operationId"].(string) + "-head"
	op["summary"] = "As GET, without the body: " + get["summary"].(string)
	bare := object{}
	for status := range get["responses"].(object) {
		bare[status] = object{"description": "As GET answers, without the body"}
	}
	op["responses"] = bare
	return op
}

// pathParameters are the variables of a path.
func pathParameters(path string) []object {
	list := []object{}
	for _, m := range openPath.FindAllStringSubmatch(path, -1) {
		schema := object{"type": "string"}
		if pattern, ok := variables[m[1]]; ok {
			schema["pattern"] = pattern
		}
		list = append(list, object{"name": m[1], "in": "path", "required": true, "schema": schema})
	}
	return slices.Clip(list)
}

// variables are the grammars of names that paths have.
var variables = map[string]string{
	"namespace": hub.NamespaceGrammar,
	"org":       hub.NamespaceGrammar,
	"repo":      hub.RepositoryGrammar,
	"tag":       hub.TagGrammar,
}
