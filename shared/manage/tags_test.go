package manage_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// tags are the names that a list of tags answers.
func (r answer) tags() string {
	r.t.Helper()
	var list []struct {
		Tag      string `json:"Tag"`
		Manifest string
	}
	r.into(200, &list)
	var names []string
	for _, e := range list {
		if !json.Valid([]byte(e.Manifest)) {
			r.t.Errorf("%s: the manifest of %s is %q", r.what, e.Tag, e.Manifest)
		}
		names = append(names, e.Tag)
	}
	return strings.Join(names, " ")
}

const busyboxTags = aliceRepos + "/busybox/tags"

func TestListTags(t *testing.T) {
	a := newAPI(t, "alice", "bob")
	a.create("alice", "busybox", "-secret")
	a.do("", "GET", busyboxTags, nil).is(200, `[]`)
	a.push("alice/busybox", "latest", "v1", "v2")

	for query, want := range map[string][2]string{
		"":                             {"v2 v1 latest", "0-2/3"},
		"?limit=2":                     {"v2 v1", "0-1/3"},
		"?limit=2&offset=2":            {"latest", "2-2/3"},
		"?limit=2&offset=3":            {"", "3-3/3"},
		"?filter=offset::1%7Climit::1": {"v1", "1-1/3"},
		"?order_column=updated_at&order_type=desc":  {"v2 v1 latest", "0-2/3"},
		"?order_column=updated_at&order_type=asc":   {"latest v1 v2", "0-2/3"},
		"?order_column=updated_at&limit=1&offset=1": {"v1", "1-1/3"},
		"?tag=v1":          {"v1", "0-0/1"},
		"?filter=tag::v1":  {"v1", "0-0/1"},
		"?tag=v1&offset=1": {"", "1-1/1"},
		"?tag=none":        {"", "0-0/0"},
		"?tag=%2B":         {"", "0-0/0"},
	} {
		r := a.do("", "GET", busyboxTags+query, nil)
		if got := [2]string{r.tags(), r.header.Get("Content-Range")}; got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	a.do("alice", "GET", busyboxTags+"?limit=0", nil).fails(400, "4000000")
	a.do("alice", "GET", busyboxTags+"?order_column=name", nil).fails(400, "4000000")
	a.do("bob", "GET", aliceRepos+"/secret/tags", nil).fails(404, "4040000")

	a.do("alice", "GET", "/v2/manage/repos?namespace=alice", nil).says(`"tags":["v2","v1","latest"]`).says(`"num_images":3`).says(`"tags":[]`)
	a.do("alice", "GET", aliceRepos+"/busybox", nil).says(`"num_images":3`)
	a.do("alice", "DELETE", aliceRepos+"/busybox", nil).fails(406, "4060012")
}

func TestShowTag(t *testing.T) {
	a := newAPI(t, "alice")
	a.create("alice", "busybox")
	at := a.now.Format("2006-01-02T15:04:05.000Z")
	image := a.image("alice/busybox", "x")
	text := a.manifest("alice/busybox", "latest", image)
	config := strings.TrimPrefix(image["config"].(object)["digest"].(string), "sha256:")
	size := len(text) + image["config"].(object)["size"].(int) + image["layers"].([]object)[0]["size"].(int)
	var ids struct {
		ID   int64 `json:"id"`
		Repo int64 `json:"repo_id"`
	}
	a.do("alice", "GET", busyboxTags+"/latest", nil).into(200, &ids)
	if ids.ID <= 0 || ids.ID >= 1<<53 || ids.Repo <= 0 {
		t.Errorf("ids %+v", ids)
	}
	manifest, _ := json.Marshal(string(text))
	want := fmt.Sprintf(`"id":%d,"repo_id":%d,"image_id":"%s","manifest":%s,"digest":"%s","schema":2,
		"path":"hub.example:8443/alice/busybox:latest","internal_path":"hub.example:8443/alice/busybox:latest",
		"size":%d,"is_trusted":false,"created":"%s","updated":"%s","domain_id":"alice"`, ids.ID, ids.Repo, config, manifest, digest(text), size, at, at)
	a.do("", "GET", busyboxTags+"/latest", nil).is(200, `{"tag":"latest",`+want+`,"tag_type":0}`)
	a.do("", "GET", busyboxTags, nil).is(200, `[{"Tag":"latest",`+want+`,"deleted":null,"scanned":false,"tag_type":0}]`)
	a.do("", "GET", busyboxTags+"/none", nil).fails(404, "4040000")
	a.do("", "GET", busyboxTags+"/-none", nil).fails(400, "4000000")

	a.manifest("alice/busybox", "multi", object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []object{
		{"mediaType": ociManifest, "digest": digest(text), "size": len(text)}}})
	a.do("", "GET", busyboxTags+"/multi/", nil).says(`"tag_type":1`)
}

func TestDeleteTag(t *testing.T) {
	a := newAPI(t, "alice", "bob", "wendy")
	a.create("alice", "busybox")
	a.push("alice/busybox", "v1")
	a.do("alice", "POST", busyboxTags, `{"source_tag":"v1","destination_tag":"v2"}`).empty(201)
	a.do("", "DELETE", busyboxTags+"/v1", nil).fails(401, "4010000")
	a.do("bob", "DELETE", busyboxTags+"/v1", nil).fails(403, "4039002")
	a.do("alice", "POST", aliceAccess, `[{"user_id":"wendy","auth":3}]`).empty(201)
	a.do("wendy", "DELETE", busyboxTags+"/v1", nil).empty(204)
	a.do("wendy", "DELETE", busyboxTags+"/v1", nil).fails(404, "4040000")
	if got := a.do("", "GET", busyboxTags, nil).tags(); got != "v2" {
		t.Errorf("after the deletion there are %q", got)
	}
	a.do("alice", "PUT", "/v1/repositories/alice/busybox", `{"immutable_tags":true}`).says(`"immutable_tags":true`)
	a.do("alice", "DELETE", busyboxTags+"/v2", nil).fails(409, "4090000")
	a.do("alice", "PUT", "/v1/repositories/alice/busybox", `{"immutable_tags":false}`).says(`"immutable_tags":false`)
	a.do("alice", "DELETE", busyboxTags+"/v2", nil).empty(204)
	a.do("alice", "DELETE", aliceRepos+"/busybox", nil).empty(204)
}

func TestRetag(t *testing.T) {
	a := newAPI(t, "alice", "bob")
	a.create("alice", "busybox")
	d := a.push("alice/busybox", "v1", "v2")
	a.do("alice", "POST", busyboxTags, `{"source_tag":"v1","destination_tag":"latest"}`).empty(201)
	a.do("alice", "GET", busyboxTags+"/latest", nil).says(d[0])
	a.do("alice", "POST", busyboxTags+"/", `{"source_tag":"v1","destination_tag":"latest","override":false}`).empty(201) // as it is
	a.do("alice", "POST", busyboxTags, `{"source_tag":"v2","destination_tag":"latest"}`).fails(409, "4090000")
	a.do("alice", "GET", busyboxTags+"/latest", nil).says(d[0])
	a.do("alice", "POST", busyboxTags, `{"source_tag":"v2","destination_tag":"latest","override":true}`).empty(201)
	a.do("alice", "GET", busyboxTags+"/latest", nil).says(d[1])
	a.do("alice", "GET", aliceRepos+"/busybox", nil).says(`"num_images":3`)

	for _, body := range []string{
		`{"source_tag":"v1"}`, `{"destination_tag":"x"}`, `{"source_tag":"v1","destination_tag":"v1"}`, `{"source_tag":"v1","destination_tag":".x"}`,
		`{"source_tag":1,"destination_tag":"x"}`, `{"source_tag":"v1","destination_tag":"x","override":"true"}`, `[]`,
	} {
		a.do("alice", "POST", busyboxTags, body).fails(400, "4000000")
	}
	a.do("alice", "POST", busyboxTags, `{"source_tag":"-v1","destination_tag":"x"}`).says(`"source_tag: `).fails(400, "4000000")
	a.do("alice", "POST", busyboxTags, `{"source_tag":"v1","destination_tag":"-x"}`).says(`"destination_tag: `).fails(400, "4000000")
	a.do("alice", "POST", busyboxTags, `{"source_tag":"none","destination_tag":"x"}`).fails(404, "4040000")
	a.do("bob", "POST", busyboxTags, `{"source_tag":"v1","destination_tag":"x"}`).fails(403, "4039002")
	a.do("alice", "GET", "/v1/namespaces/alice/audit", nil).says(`"what":"manage-tag-create","on":"` + busyboxTags + `","detail":"v2 as latest"`)
	a.do("alice", "PUT", "/v1/repositories/alice/busybox", `{"immutable_tags":true}`).says(`"immutable_tags":true`)
	a.do("alice", "POST", busyboxTags, `{"source_tag":"v1","destination_tag":"latest","override":true}`).fails(409, "4090000")
	a.do("alice", "POST", busyboxTags, `{"source_tag":"v1","destination_tag":"new"}`).empty(201)
}
