package routes_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"berth/shared/routes"
	"berth/shared/routes/routestest"
	"berth/shared/web"
)

// refuses sends what must be refused, and wants the status, the surface's error
// with a message that says each part, and no write.
func refuses(t *testing.T, w *routestest.World, h *testHub, r web.Route, method, path, kind string, body io.Reader, status int, says ...string) {
	t.Helper()
	rec := h.do(w, routestest.Whole(r), method, path, kind, body)
	what := fmt.Sprintf("%s: %s %.200s", r.Name, method, path)
	if rec.Code != status {
		t.Errorf("%s: %d %.300s, want %d", what, rec.Code, rec.Body, status)
		return
	}
	if n := h.calls.Take().Writes; n > 0 {
		t.Errorf("%s: was refused, but %d writes were made", what, n)
	}
	checkError(t, what, r.Surface, rec, says...)
}

func checkError(t *testing.T, what string, s web.Surface, rec *httptest.ResponseRecorder, says ...string) {
	t.Helper()
	var e struct{ Errors []map[string]any }
	if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || len(e.Errors) != 1 || rec.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%s: %s %s is no error of a surface", what, rec.Header(), rec.Body)
		return
	}
	code, message := "code", "message"
	if s == web.Manage {
		code, message = "errorCode", "errorMessage"
	}
	text, _ := e.Errors[0][message].(string)
	if c, _ := e.Errors[0][code].(string); c == "" || text == "" || (s == web.HubAPI || s == web.Operator) && e.Errors[0]["source"] != "berth" {
		t.Errorf("%s: %s is no error of its surface", what, rec.Body)
	}
	for _, part := range says {
		if !strings.Contains(text, part) {
			t.Errorf("%s: %q does not say %q", what, text, part)
		}
	}
}

// cutOff is a body whose sender went away.
type cutOff struct{ io.Reader }

func (c cutOff) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Every route that takes JSON refuses what is none, what is cut off, what is too
// long and what is of another type, names the field, and changes nothing.
func TestBadBodies(t *testing.T) {
	w := routestest.Make()
	h := open(w)
	for _, r := range routes.Table() {
		if r.Doc.Body == nil {
			continue
		}
		path, kind, good := w.Request(r, "open")
		send := func(body io.Reader, status int, says ...string) {
			t.Helper()
			refuses(t, w, h, r, r.Method, path, "application/json", body, status, says...)
		}
		t.Run(r.Name, func(t *testing.T) {
			if kind == "application/json" {
				for _, body := range []string{``, `{`, `{"a":`, `"text"`, `5`, `null`, `{} {}`, `{"a": "\x"}`, strings.Repeat("[", 20000)} {
					send(strings.NewReader(body), 400)
				}
			}
			send(cutOff{strings.NewReader(good)}, 400)
			large := `{"padding": "` + strings.Repeat("x", int(max(r.MaxBody, web.MaxBody))) + `"}`
			send(strings.NewReader(large), 413)
			send(io.MultiReader(strings.NewReader(large)), 413) // its length is not announced
			for _, body := range wrongTypes(r, good) {
				send(strings.NewReader(body.json), 400, body.field)
			}
			for _, body := range without(good) {
				if slices.Contains(r.Doc.Required, body.field) {
					send(strings.NewReader(body.json), 400, body.field)
				} else if rec := open(w).do(w, routestest.Whole(r), r.Method, path, kind, strings.NewReader(body.json)); r.Doc.Answers[rec.Code] == nil && rec.Code >= 300 {
					t.Errorf("%s: without %s, which is not documented as required: %d %s", r.Name, body.field, rec.Code, rec.Body)
				}
			}
			if r.Doc.Form {
				refuses(t, w, h, r, r.Method, path, "multipart/form-data; boundary=X", strings.NewReader("--X\r\nContent-Disp"), 400)
				refuses(t, w, h, r, r.Method, path, "multipart/form-data", strings.NewReader("--X--"), 400)
				refuses(t, w, h, r, r.Method, path, "application/x-www-form-urlencoded", strings.NewReader("a=%zz"), 400)
			} else {
				refuses(t, w, h, r, r.Method, path, "application/x-www-form-urlencoded", strings.NewReader("a=b"), 400)
			}
		})
	}
}

type wrongBody struct{ field, json string }

// wrongTypes are bodies of which one field has a type that it must not have.
func wrongTypes(r web.Route, good string) (list []wrongBody) {
	t := reflect.TypeOf(r.Doc.Body)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var object map[string]any
	if json.Unmarshal([]byte(good), &object) != nil {
		object = map[string]any{}
	}
	for name, kind := range fieldKinds(t) {
		var wrong any
		switch kind {
		case reflect.Interface:
			continue // whatever the handler takes
		case reflect.String, reflect.Slice, reflect.Struct, reflect.Map:
			wrong = 5
		default:
			wrong = "text"
		}
		changed := maps.Clone(object)
		changed[name] = wrong
		b, _ := json.Marshal(changed)
		list = append(list, wrongBody{name, string(b)})
	}
	return list
}

// without are an object's JSON with one field left out each.
func without(good string) (list []wrongBody) {
	var object map[string]any
	json.Unmarshal([]byte(good), &object)
	for name := range object {
		rest := maps.Clone(object)
		delete(rest, name)
		b, _ := json.Marshal(rest)
		list = append(list, wrongBody{name, string(b)})
	}
	return list
}

func fieldKinds(t reflect.Type) map[string]reflect.Kind {
	kinds := map[string]reflect.Kind{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			for k, v := range fieldKinds(f.Type) {
				kinds[k] = v
			}
			continue
		}
		of := f.Type
		for of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if name != "" && name != "-" && of != reflect.TypeFor[json.RawMessage]() {
			kinds[name] = of.Kind()
		}
	}
	return kinds
}

// Names at their limits reach the rule; names past them, and others that can be
// none, are refused by what they break.
func TestBadNames(t *testing.T) {
	w := routestest.Make()
	h := open(w)
	for _, r := range routes.Table() {
		at := func(namespace, repo string) (path, kind, body string) {
			r := r
			r.Pattern = strings.ReplaceAll(strings.ReplaceAll(r.Pattern, "{namespace}", namespace), "{repo}", repo)
			return w.Request(r, "open")
		}
		long := strings.Repeat("a", 64)
		if strings.Contains(r.Pattern, "{namespace}") {
			for _, name := range []string{long + "a", "A", "-a", "a_-b", "a___b", "a.b", "1a", "manage"} {
				path, kind, body := at(name, "open")
				if r.Surface == web.Registry && name == "manage" {
					continue // a path of the other surface
				}
				refuses(t, w, h, r, r.Method, path, kind, strings.NewReader(body), 400, "namespace")
			}
			path, kind, body := at(long, "open")
			rec, want := h.do(w, routestest.Whole(r), r.Method, path, kind, strings.NewReader(body)), 404
			if r.Surface == web.Registry && (r.Rule == web.RepositoryWriter || r.Rule == web.RepositoryPush) {
				want = 403 // as the registry refuses every push
			}
			if rec.Code != want {
				t.Errorf("%s: a namespace of 64 characters: %d %s, want %d", r.Name, rec.Code, rec.Body, want)
			}
		}
		if strings.Contains(r.Pattern, "{repo}") {
			for _, name := range []string{strings.Repeat("a", 129), "A", "-a", "a..b", "a___b"} {
				path, kind, body := at("team", name)
				refuses(t, w, h, r, r.Method, path, kind, strings.NewReader(body), 400, "repository")
			}
			path, kind, body := at("team", strings.Repeat("a", 128))
			rec := open(w).do(w, routestest.Whole(r), r.Method, path, kind, strings.NewReader(body))
			makes := r.Rule == web.RepositoryPush || r.Rule == web.RepositoryReaderOrNew
			if !makes && rec.Code != 404 || rec.Code == 400 {
				t.Errorf("%s: a repository of 128 characters: %d %s", r.Name, rec.Code, rec.Body)
			}
		}
	}
}

// Other parts of paths, and cursors, are held against what they can be: nothing that
// is sent there is the hub's own trouble.
func TestBadVariablesAndCursors(t *testing.T) {
	w := routestest.Make()
	h := open(w)
	long := strings.Repeat("a", 3000)
	for _, r := range routes.Table() {
		for _, m := range pathVariable.FindAllStringSubmatch(r.Pattern, -1) {
			if m[1] == "namespace" || m[1] == "repo" {
				continue
			}
			for _, value := range []string{"%ff", "%00", "%0a", "%20", "...", "a:b", "sha256:", "sha512:00", long} {
				r := r
				r.Pattern = strings.ReplaceAll(r.Pattern, m[0], value)
				path, kind, body := w.Request(r, "open")
				rec := h.do(w, routestest.Whole(r), r.Method, path, kind, strings.NewReader(body))
				if n := h.calls.Take().Writes; rec.Code < 400 || rec.Code >= 500 || n > 0 {
					t.Errorf("%s: %s %.200s: %d %.300s, %d writes", r.Name, r.Method, path, rec.Code, rec.Body, n)
				}
				checkError(t, r.Method+" "+path, r.Surface, rec)
			}
		}
		path, _, _ := w.Request(r, "open")
		path, query, _ := strings.Cut(path, "?")
		for _, p := range r.Doc.Query {
			for _, value := range []string{"%ff", "%00", "!", long, base64.RawURLEncoding.EncodeToString([]byte("\xff")), base64.RawURLEncoding.EncodeToString([]byte(long))} {
				rec := open(w).do(w, routestest.Whole(r), r.Method, path+"?"+query+"&"+p.Name+"="+value, "", nil)
				if rec.Code >= 500 || p.Name == "cursor" && rec.Code != 400 {
					t.Errorf("%s: %s %s?%s=%.200s: %d %.300s", r.Name, r.Method, path, p.Name, value, rec.Code, rec.Body)
				}
			}
		}
		if rec := h.do(w, routestest.Whole(r), r.Method, path+"?a=%zz", "", nil); rec.Code != 400 {
			t.Errorf("%s: a damaged query: %d %s, want 400", r.Name, rec.Code, rec.Body)
		}
	}
}

// A known path with another method is 405 and says which work; an unknown one is 404.
func TestWrongMethodsAndPaths(t *testing.T) {
	w := routestest.Make()
	h := open(w)
	methods := map[string][]string{}
	for _, r := range routes.Table() {
		methods[r.Pattern] = append(methods[r.Pattern], r.Method)
		if r.Method == "GET" {
			methods[r.Pattern] = append(methods[r.Pattern], "HEAD")
		}
	}
	for _, r := range routes.Table() {
		path, _, _ := w.Request(r, "open")
		path, _, _ = strings.Cut(path, "?")
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} {
			if slices.Contains(methods[r.Pattern], method) {
				continue
			}
			for _, path := range []string{path, path + "/"} {
				rec := h.do(w, "anonymous", method, path, "", nil)
				allow := strings.Split(rec.Header().Get("Allow"), ", ")
				want := slices.Clone(methods[r.Pattern])
				slices.Sort(want)
				if rec.Code != 405 || !slices.Equal(allow, want) {
					t.Errorf("%s %s: %d, Allow %v, want 405 and %v", method, path, rec.Code, allow, want)
				}
				checkError(t, method+" "+path, r.Surface, rec)
			}
		}
	}
	for path, surface := range map[string]web.Surface{
		"/nothing": web.Operator, "/v1": web.HubAPI, "/v1/nothing": web.HubAPI, "/v1/repositories": web.HubAPI,
		"/v1/repositories/team/open/nothing": web.HubAPI, "/v1/repositories//open": web.HubAPI, "/v1/repositories/team/../open": web.HubAPI,
		"/v1/repositories/team/a%2Fb": web.HubAPI, "/v1/repositories/team/open/tags/v1//": web.HubAPI,
		"/v2/manage": web.Manage, "/v2/manage/nothing": web.Manage, "/v2/manage/namespaces/team/repos/a%2Fb": web.Manage,
		"/v2/team/open/nothing": web.Registry, "/v2/a/b/c/manifests/v1": web.Registry, "/v2//open/tags/list": web.Registry,
	} {
		want := 404
		if strings.HasSuffix(path, "/manifests/v1") || strings.HasSuffix(path, "/tags/list") {
			want = 400 // a name of the registry that has not two parts
		}
		for _, who := range []string{"anonymous", "administrator"} {
			rec := h.do(w, who, "GET", path, "", nil)
			if rec.Code != want {
				t.Errorf("%s by %s: %d %s, want %d", path, who, rec.Code, rec.Body, want)
			}
			checkError(t, path, surface, rec)
		}
	}
}

// Numbers of pages that are none are refused wherever there are pages.
func TestBadPages(t *testing.T) {
	w := routestest.Make()
	h := open(w)
	for _, r := range routes.Table() {
		if r.Surface != web.HubAPI || !slices.ContainsFunc(r.Doc.Query, func(p web.Param) bool { return p.Name == "page" }) {
			continue
		}
		path, _, _ := w.Request(r, "open")
		path, query, _ := strings.Cut(path, "?")
		for _, bad := range []string{"page=0", "page=-1", "page=x", "page=1.5", "page=", "page=99999999999999999999", "page_size=0", "page_size=-1", "page_size=x"} {
			field, _, _ := strings.Cut(bad, "=")
			if r.Name == "search" && field == "page_size" {
				continue // is called n there
			}
			rest := slices.DeleteFunc(strings.Split(query, "&"), func(s string) bool { return s == "" || strings.HasPrefix(s, field+"=") })
			refuses(t, w, h, r, r.Method, path+"?"+strings.Join(append(rest, bad), "&"), "", nil, 400, field)
		}
		if rec := h.do(w, routestest.Whole(r), r.Method, path+"?page=1000&"+query, "", nil); r.Name != "search" && rec.Code != 404 {
			t.Errorf("%s: page 1000: %d %s, want 404", r.Name, rec.Code, rec.Body)
		}
	}
}
