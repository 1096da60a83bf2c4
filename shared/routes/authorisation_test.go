package routes_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"berth/shared/routes"
	"berth/shared/web"
)

// Every route, asked by everybody, with a public and a private repository, answers
// as its rule says; what is refused writes nothing; what is answered is as the
// OpenAPI document says, and uses no more of the storage than the route says.
func TestAuthorisation(t *testing.T) {
	w := theWorld()
	doc := apiDocument(t)
	table := routes.Table()
	for name := range samples {
		if !slices.ContainsFunc(table, func(r web.Route) bool { return r.Name == name }) {
			t.Errorf("there is a sample for %s, which is no route", name)
		}
	}
	for _, r := range table {
		if _, ok := samples[r.Name]; !ok {
			t.Errorf("%s has no sample: give it one in samples_test.go", r.Name)
			continue
		}
		for _, repo := range []string{"open", "closed"} {
			for _, who := range callers {
				path, kind, body := w.request(r, repo)
				h := w.open()
				rec := w.do(h, who, r.Method, path, kind, strings.NewReader(body))
				want := wanted(r, who, repo == "open")
				if !slices.Contains(want, rec.Code) {
					t.Errorf("%s: %s %s by %s: %d %s, want %v", r.Name, r.Method, path, who, rec.Code, rec.Body, want)
					continue
				}
				if n := h.calls.Take().Writes; rec.Code >= 400 && n > 0 {
					t.Errorf("%s: %s was refused, but %d writes were made", r.Name, who, n)
				}
				checkDocumented(t, doc, r, rec)
				checkNeeds(t, r, h)
			}
		}
	}
}

// checkDocumented wants an answer to be as the document says.
func checkDocumented(t *testing.T, doc object, r web.Route, rec *httptest.ResponseRecorder) {
	t.Helper()
	if rec.Header().Get("X-Request-Id") == "" {
		t.Errorf("%s: an answer without X-Request-Id", r.Name)
	}
	var schema object
	if rec.Code >= 400 {
		schema = object{"$ref": "#/components/schemas/" + map[web.Surface]string{
			web.HubAPI: "HubErrors", web.Operator: "HubErrors", web.Manage: "ManageErrors", web.Registry: "RegistryErrors",
		}[r.Surface]}
		if challenge := rec.Header().Get("WWW-Authenticate"); r.Surface == web.Registry && rec.Code == 401 && r.Pattern != "/v2/token" &&
			!strings.HasPrefix(challenge, `Bearer realm="https://hub.example/v2/token",service="hub.example"`) {
			t.Errorf("%s: 401 with the challenge %q", r.Name, challenge)
		}
	} else {
		example := r.Doc.Answers[rec.Code]
		if example == nil {
			if !r.Doc.BytesOut && rec.Body.Len() > 0 {
				t.Errorf("%s: answers a body that is not documented: %s", r.Name, rec.Body)
			}
			return
		}
		path := strings.ReplaceAll(r.Pattern, "...}", "}")
		operation := doc["paths"].(object)[path].(object)[strings.ToLower(r.Method)].(object)
		schema = answerSchema(operation, rec.Code)
	}
	if kind := rec.Header().Get("Content-Type"); !strings.HasSuffix(kind, "json") {
		t.Errorf("%s: %d as %q", r.Name, rec.Code, kind)
	}
	if m := mismatch(doc, schema, decode(t, rec), "the answer"); m != "" {
		t.Errorf("%s: %d %s\n%s", r.Name, rec.Code, rec.Body, m)
	}
}

func answerSchema(operation object, status int) object {
	answer := operation["responses"].(object)[itoa(status)].(object)
	return answer["content"].(object)["application/json"].(object)["schema"].(object)
}
