package hubapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Names of branches make no name that builds keep their cache under, and none that is no tag.
func TestCodeHookTemplates(t *testing.T) {
	h := newCodeHook(t)
	h.do("madams", "PUT", "/v1/repositories/madams/app/build-config",
		`{"tag_configs":[{"code_repo_type_value":"/^(.*)$/","docker_repo_tag":"{1}","is_active":true}]}`).is(200, &object{})
	commit := strings.Repeat("a", 40)
	for branch, tag := range map[string]string{
		strings.Repeat("b", 64): "", "berth-cache-" + strings.Repeat("c", 40): "", "berth-cache/x": "",
		strings.Repeat("d", 129): "", "-x": "", "ä": "", "x..y": "", "x/ü@1": "x---1", "_": "_", strings.Repeat("e", 128): strings.Repeat("e", 128),
	} {
		body := string(encoded(t, object{"ref": "refs/heads/" + branch, "after": commit}))
		ids := h.started(202, h.headers("generic", "", "", body), body)
		if tag == "" && len(ids) > 0 || tag != "" && len(ids) != 1 {
			t.Errorf("the branch %q started %q", branch, ids)
		}
		for _, id := range ids {
			var b object
			h.do("madams", "GET", "/v1/builds/"+id, nil).is(200, &b)
			b.has(t, string(encoded(t, object{"docker_repo_tag": tag, "code_repo_type_value": branch})))
		}
	}
	h.whole()
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A push of many references costs little where they are looked for by name, and is
// refused where regular expressions would take too long.
func TestCodeHookManyReferences(t *testing.T) {
	h := newCodeHook(t)
	changes := make([]object, 20_000)
	for i := range changes {
		changes[i] = object{"new": object{"type": "branch", "name": fmt.Sprintf("%d/%s", i, strings.Repeat("x", 100)), "target": object{"hash": strings.Repeat("a", 40)}}}
	}
	changes[19_999]["new"].(object)["name"] = "main"
	body := string(encoded(t, object{"push": object{"changes": changes}}))
	config := "/v1/repositories/madams/app/build-config"
	h.do("madams", "PUT", config, `{"tag_configs":[{"code_repo_type_value":"main","is_active":true},{"docker_repo_tag":"two","code_repo_type_value":"/^y$/","is_active":true}]}`).is(200, &object{})
	if ids := h.started(202, h.headers("bitbucket", "repo:push", "one", body), body); len(ids) != 1 {
		t.Errorf("started %q", ids)
	}
	h.do("madams", "PUT", config, `{"tag_configs":[{"code_repo_type_value":"/(.?){200}y/","is_active":true}]}`).is(200, &object{})
	h.send(h.headers("bitbucket", "repo:push", "two", body), body).fails(400, "bad_request", "fewer")
}
