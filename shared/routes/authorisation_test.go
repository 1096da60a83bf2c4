package routes_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"berth/shared/routes"
	"berth/shared/routes/routestest"
	"berth/shared/web"
)

// Every route, asked by everybody, with a public and a private repository, answers
// as its rule says; what is refused writes nothing; what is answered is as the
// OpenAPI document says, and uses no more of the storage than the route says.
func TestAuthorisation(t *testing.T) {
	w := routestest.Make()
	doc := apiDocument(t)
	table := routes.Table()
	for name := range routestest.Samples {
		if !slices.ContainsFunc(table, func(r web.Route) bool { return r.Name == name }) {
			t.Errorf("there is a sample for %s, which is no route", name)
		}
	}
	for _, r := range table {
		if _, ok := routestest.Samples[r.Name]; !ok {
			t.Errorf("%s has no sample: give it one in routestest", r.Name)
			continue
		}
		for _, repo := range []string{"open", "closed"} {
			for _, who := range append(callers, routestest.Whole(r)) {
				path, kind, body := w.Request(r, repo)
				h := open(w)
				rec := h.do(w, who, r.Method, path, kind, strings.NewReader(body))
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

// callers are everybody who may ask.
var callers = []string{"anonymous", "stranger", "reader", "writer", "owner", "administrator", "robot", "expired", "revoked"}

// roles are what callers may do in team. The robot has the permission pull alone.
var roles = map[string]int{"reader": 1, "robot": 1, "writer": 3, "owner": 7, "administrator": 7}

// expected is what a caller is answered by the rule of a route; 0 = that they may.
// Nothing here asks the code under test: it is the contract's section on who may.
func expected(r web.Route, who string, public bool) int {
	if who == "expired" || who == "revoked" {
		return 401
	}
	role, known := roles[who], who != "anonymous"
	inNamespace := func(need int) int {
		switch {
		case !known:
			return 401
		case role < need:
			return 403
		}
		return 0
	}
	inRepository := func(need int) int {
		if public {
			role = max(role, 1)
		}
		switch {
		case role >= need:
			return 0
		case !known && (need > 1 || r.Surface == web.Registry):
			return 401
		case r.Surface == web.Registry && need > 1:
			return 403
		case role == 0:
			return 404
		}
		return 403
	}
	switch r.Rule {
	case web.Runner:
		switch {
		case who == "runner":
			return 0
		case !known:
			return 401
		}
		return 403
	case web.Open, web.VisibleNamespace:
		return 0
	case web.BuildConfigReader: // nobody but writers knows of it
		if role < 3 {
			return 404
		}
		return 0
	case web.BuildReader, web.BuildWriter: // nobody but members knows of builds, also of a public repository's
		switch {
		case r.Rule == web.BuildWriter && !known:
			return 401
		case role == 0:
			return 404
		case r.Rule == web.BuildWriter && role < 3:
			return 403
		}
		return 0
	case web.SignedIn:
		if !known {
			return 401
		}
		return 0
	case web.AsAccount:
		if !known {
			return 401
		}
		if who == "robot" {
			return 403
		}
		return 0
	case web.Administrators:
		if !known {
			return 401
		}
		if who != "administrator" {
			return 403
		}
		return 0
	case web.NamespaceReader:
		return inNamespace(1)
	case web.NamespaceWriter:
		return inNamespace(3)
	case web.NamespaceOwner:
		return inNamespace(7)
	case web.RepositoryKnown:
		if !known {
			return 401
		}
		return inRepository(1)
	case web.RepositoryReader, web.RepositoryReaderOrNew:
		return inRepository(1)
	case web.RepositoryWriter, web.RepositoryPush:
		return inRepository(3)
	case web.RepositoryOwner:
		return inRepository(7)
	}
	return -1 // a rule that this test does not know: no answer is right
}

// wanted are the statuses that a caller may be answered.
func wanted(r web.Route, who string, public bool) []int {
	visibility := " private"
	if public {
		visibility = " public"
	}
	status := expected(r, who, public)
	for _, name := range []string{who, who + visibility} {
		if special, ok := routestest.Samples[r.Name].Want[name]; ok {
			status = special
		}
	}
	if status != 0 {
		return []int{status}
	}
	var good []int
	for status := range r.Doc.Answers {
		good = append(good, status)
	}
	slices.Sort(good)
	return good
}
