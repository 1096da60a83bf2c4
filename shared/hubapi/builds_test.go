package hubapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/shared/hub"
)

// machine is a Builder whose builds go on until the test ends them.
type machine struct {
	hub     *hub.Hub
	mu      sync.Mutex
	most    int
	jobs    []hub.Job
	stopped []string
}

func (m *machine) Start(ctx context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.jobs) >= m.most {
		return hub.ErrBuilderFull
	}
	j, err := m.hub.TakeJob(ctx, id)
	if err == nil {
		m.jobs = append(m.jobs, j)
	}
	return err
}

func (m *machine) Look(context.Context, string) (hub.Stand, string, error) {
	return hub.UnderWay, "", nil
}

func (m *machine) Stop(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = append(m.stopped, id)
	return nil
}

// The bodies are those that the API's description prints.
const (
	printedCreate = `{
    "repo_name": "docker_images_test",
    "description": "docker images",
    "full_description": "",
    "is_public": true,
    "build_config": {
        "code_repo_client": "GitHub",
        "code_repo_namespace": "yournamespace",
        "code_repo_name": "Docker-image",
        "build_node": "in",
        "email_enabled": false,
        "tag_configs": [
            {
                "code_repo_type": "branch",
                "code_repo_type_value": "master",
                "docker_repo_tag": "latest",
                "build_context_path": "/",
                "dockerfile_location": "/",
                "is_active": false,
                "build_cache_enabled": true,
                "version_tagging": 1
            }
        ]
    }
}`
	printedCreated = `{
    "repo_starred_count": 0,
    "namespace": "madams",
    "logo_file": "/static/images/user/default-logo.png",
    "repo_path": "madams/docker_images_test",
    "repo_name": "docker_images_test",
    "description": "docker images",
    "full_description": "",
    "created_by": "madams",
    "created_at": "2015-09-02T08:37:13.728Z",
    "updated_at": "2015-09-02T08:37:13.728Z",
    "is_public": true,
    "is_automated": true,
    "download": 0,
    "upload": 0,
    "pulled_at": null,
    "pushed_at": null
}`
	printedConfig = `{
        "id": 1,
        "docker_repo_path": "madams/docker_images_test",
        "code_repo_client": "GitHub",
        "code_repo_path": "yournamespace/Docker-image",
        "code_repo_webhook_code": null,
        "created_by": "madams",
        "build_node": "in",
        "email_enabled": false,
        "code_repo_path_url": "https://github.com/yournamespace/Docker-image",
        "deploy_url": "https://github.com/yournamespace/Docker-image/settings/keys"
}`
	printedTagConfig = `{
                "id": 2,
                "docker_build_config_id": 1,
                "docker_repo_tag": "latest",
                "dockerfile_location": "/",
                "code_repo_type": "branch",
                "code_repo_type_value": "master",
                "is_active": false,
                "version_tagging": 1,
                "build_context_path": "/",
                "build_cache_enabled": true
}`
	printedSimple = `{
      "build_config": {
          "code_repo_client": "Simple",
          "code_repo_clone_url": "http://github.com/example/example.git",
          "tag_configs": [
              {
                  "code_repo_type": "branch",
                      "code_repo_type_value": "master",
                  "docker_repo_tag": "latest",
                  "dockerfile_location": "/",
                  "is_active": false,
                  "build_cache_enabled": true,
                  "version_tagging": 1
              }
          ]
      }
}`
	printedUpdate = `{
  "build_node": "in",
  "tag_configs": [{
    "id": 1,
    "docker_repo_tag": "release",
    "docker_build_config_id": 1,
    "dockerfile_location": "/",
    "code_repo_type": "branch",
    "code_repo_type_value": "master",
    "is_active": false,
    "version_tagging": 1,
    "build_context_path": "/",
    "build_cache_enabled": true
  },
  {
    "docker_repo_tag": "latest",
    "dockerfile_location": "/aa",
    "code_repo_type": "branch",
    "code_repo_type_value": "master",
    "is_active": false,
    "version_tagging": 1,
    "build_context_path": "/aa",
    "build_cache_enabled": true
  }]
}`
	printedBuild = `{
    "namespace": "madams",
    "repo_name": "docker_images_test",
    "tag": "latest",
    "code_commit_id": "552819d5c903472a36696e8ac620ac250e49829d"
}`
)

const (
	buildsRepo = "/v1/repositories/madams/docker_images_test"
	headCommit = "552819d5c903472a36696e8ac620ac250e49829d"
)

// under is an object within an object.
func (o object) under(t *testing.T, name string) object {
	t.Helper()
	m, ok := o[name].(map[string]any)
	if !ok {
		t.Fatalf("%s is %v, want an object", name, o[name])
	}
	return m
}

// tags are the tag configurations of a build configuration.
func (o object) tags(t *testing.T) (list []object) {
	t.Helper()
	all, ok := o["tag_configs"].([]any)
	if !ok {
		t.Fatalf("tag_configs is %v, want a list", o["tag_configs"])
	}
	for _, e := range all {
		list = append(list, e.(map[string]any))
	}
	return list
}

var isUUID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestBuildRepositoryAsPrinted(t *testing.T) {
	a := newRepoAPI(t)
	for _, path := range []string{"/v1/repositories/madams", "/v1/repositories/madams/"} {
		var made object
		a.do("madams", "POST", path, printedCreate).is(201, &made)
		made.has(t, printedCreated)
		config := made.under(t, "build_config")
		if strings.HasSuffix(path, "/") { // the second one, after the first was deleted
			if config["id"] != 3.0 || config.tags(t)[0]["id"] != 4.0 || config.tags(t)[0]["docker_build_config_id"] != 3.0 {
				t.Errorf("ids are used again: %v", config)
			}
			break
		}
		config.has(t, printedConfig)
		config.tags(t)[0].has(t, printedTagConfig)
		key, _ := config["code_repo_public_key"].(string)
		if !strings.HasPrefix(key, "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB") || len(key) < 500 || strings.Contains(key, "\n") {
			t.Errorf("code_repo_public_key is %q, want ssh-rsa of 3072 bits", key)
		}
		var detail object
		a.do("madams", "GET", buildsRepo, nil).is(200, &detail)
		detail.has(t, printedCreated)
		detail.under(t, "build_config").has(t, printedConfig)
		a.whole()
		a.do("madams", "DELETE", buildsRepo+"/", nil).is(204, nil)
	}
	var simple object
	a.do("madams", "POST", "/v1/repositories/madams", `{"repo_name":"simple",`+strings.TrimPrefix(printedSimple, "{")).is(201, &simple)
	simple.under(t, "build_config").has(t, `{"code_repo_client": "Simple", "code_repo_path": "http://github.com/example/example.git",
		"code_repo_clone_url": "http://github.com/example/example.git", "code_repo_path_url": null, "code_repo_http_url": null,
		"deploy_url": null, "build_node": "in", "email_enabled": false}`)
	simple.under(t, "build_config").tags(t)[0].has(t, `{"build_context_path": "/", "version_tagging": 1}`)
}

// buildRepository makes the printed build repository, and a machine with room for
// so many builds.
func buildRepository(t *testing.T, most int) (*repoAPI, *machine) {
	t.Helper()
	a := newRepoAPI(t)
	m := &machine{hub: a.hub, most: most}
	a.hub.Builder = m
	a.do("madams", "POST", "/v1/repositories/madams", printedCreate).is(201, &object{})
	return a, m
}

// build asks for the printed build and returns its id.
func (a *repoAPI) build() string {
	a.t.Helper()
	var b object
	a.do("madams", "POST", "/v1/builds", printedBuild).is(201, &b)
	return b["build_id"].(string)
}

// tell is what a runner tells of a build.
func (a *repoAPI) tell(id string, e hub.BuildEvent) {
	a.t.Helper()
	if err := a.hub.BuildEvent(context.Background(), id, e); err != nil {
		a.t.Fatal(err)
	}
}

func TestBuildAsPrinted(t *testing.T) {
	a, m := buildRepository(t, 1)
	var b object
	a.do("madams", "POST", "/v1/builds", printedBuild).is(201, &b)
	const asked = `"created_at": "2015-09-02T08:17:42.581Z",
    "code_head_commit": "552819d5c903472a36696e8ac620ac250e49829d",
    "code_repo_client": "GitHub",
    "code_repo_path": "yournamespace/Docker-image",
    "code_repo_type": "branch",
    "code_repo_type_value": "master",
    "created_by": "madams",
    "docker_repo_path": "madams/docker_images_test",
    "docker_repo_tag": "latest",
    "docker_repo_version_tag": "v20141119.055422",
    "dockerfile_location": "/",
    "auto_created": false,
    "build_node": "in",
    "build_context_path": "/",
    "build_cache_enabled": true,
    "code_repo_http_url": "https://github.com/yournamespace/Docker-image",
    "code_commit_http_url": "https://github.com/yournamespace/Docker-image/commit/552819d5c903472a36696e8ac620ac250e49829d",
    "code_repo_branch_url": "https://github.com/yournamespace/Docker-image/tree/master"`
	b.has(t, `{"started_at": null, "ended_at": null, "image_id": null, "status": "W", "step_at": 1, "is_removable": true,
		"detail": "build request was created.\n",`+asked+`}`)
	id, _ := b["build_id"].(string)
	if !isUUID.MatchString(id) {
		t.Errorf("build_id is %q, want a UUID", id)
	}
	var running object
	a.do("madams", "GET", "/v1/builds/"+id, nil).is(200, &running)
	running.has(t, `{"started_at": "2015-09-02T08:17:42.691Z", "ended_at": null, "image_id": null, "status": "I", "step_at": 10, "is_removable": true,`+asked+`}`)
	if len(m.jobs) != 1 || m.jobs[0].Commit != headCommit || m.jobs[0].Version != "v20141119.055422" || m.jobs[0].Ref != "master" {
		t.Fatalf("the job is %+v", m.jobs)
	}
	a.now = a.now.Add(time.Second)
	for _, step := range []int{20, 30, 40} {
		a.tell(id, hub.BuildEvent{Step: step})
		var at object
		a.do("madams", "GET", "/v1/builds/"+id, nil).is(200, &at)
		at.has(t, fmt.Sprintf(`{"status": "I", "step_at": %d}`, step))
	}
	a.tell(id, hub.BuildEvent{Result: &hub.BuildResult{Status: hub.Succeeded, Detail: "done\n", Digest: "sha256:" + strings.Repeat("b", 64), ImageID: "sha256:a31664dde7e0" + strings.Repeat("0", 52)}})
	var over object
	a.do("madams", "GET", "/v1/builds/"+id, nil).is(200, &over)
	over.has(t, `{"started_at": "2015-09-02T08:17:42.691Z", "ended_at": "2015-09-02T08:18:13.011Z", "image_id": "a31664dde7e0",
		"status": "S", "step_at": 50, "is_removable": false,`+asked+`}`)
	var list page
	a.do("madams", "GET", "/v1/builds", nil).is(200, &list)
	if list.Count != 1 || len(list.Results) != 1 || list.Next != nil || list.Previous != nil {
		t.Fatalf("the list is %v", list)
	}
	list.Results[0].has(t, `{"build_id": "`+id+`", "status": "S", "image_id": "a31664dde7e0",`+asked+`}`)

	// What comes after its end changes nothing, and it cannot be ended again.
	a.tell(id, hub.BuildEvent{Step: 20, Result: &hub.BuildResult{Status: hub.Failed}})
	a.do("madams", "GET", "/v1/builds/"+id, nil).is(200, &over)
	over.has(t, `{"status": "S", "step_at": 50}`)
	a.do("madams", "DELETE", "/v1/builds/"+id, nil).fails(409, "conflict", "S")
}

func TestBuildRefusals(t *testing.T) {
	a, _ := buildRepository(t, 0)
	a.make("plain", true)
	post := func(body string) repoAnswer { return a.do("madams", "POST", "/v1/builds", body) }
	post(`{"namespace":"madams","repo_name":"docker_images_test","tag":"nightly"}`).fails(400, "invalid_field", "tag", "nightly")
	post(`{"namespace":"madams","repo_name":"docker_images_test"}`).fails(400, "invalid_field", "tag")
	for _, commit := range []string{"5528", strings.Repeat("g", 40), strings.Repeat("A", 41), "--upload-pack=id", headCommit + "\\n"} {
		post(`{"namespace":"madams","repo_name":"docker_images_test","tag":"latest","code_commit_id":"`+commit+`"}`).fails(400, "invalid_field", "code_commit_id")
	}
	post(`{"namespace":"madams","repo_name":"plain","tag":"latest"}`).fails(404, "not_found")
	post(`{"namespace":"madams","repo_name":"none","tag":"latest"}`).fails(404, "repository_not_found")
	a.do("", "POST", "/v1/builds", printedBuild).fails(401, "unauthenticated")
	a.do("stranger", "POST", "/v1/builds", printedBuild).fails(403, "permission_denied")
	var list page
	a.do("madams", "GET", "/v1/builds?namespace=madams", nil).is(200, &list)
	if list.Count != 0 {
		t.Errorf("refused builds are listed: %v", list)
	}
	// Hexadecimal digits may be of either case; Git writes small ones.
	var shouted object
	post(`{"namespace":"madams","repo_name":"docker_images_test","tag":"latest","code_commit_id":"`+strings.ToUpper(headCommit)+`"}`).is(201, &shouted)
	shouted.has(t, `{"code_head_commit": "`+headCommit+`"}`)
	// A branch's latest commit is not known until it is cloned.
	var b object
	post(`{"namespace":"madams","repo_name":"docker_images_test","tag":"latest","code_commit_id":null}`).is(201, &b)
	b.has(t, `{"code_head_commit": null, "code_commit_http_url": null}`)
}

func TestBuildVersionTags(t *testing.T) {
	a, _ := buildRepository(t, 100)
	a.hub.Options.Builds.Running = 100
	// A push has one of the seconds.
	a.pushManifest("docker_images_test", "v20141119.055424", a.image("docker_images_test", "amd64"))
	want := []string{"v20141119.055422", "v20141119.055423", "v20141119.055425"}
	for _, w := range want {
		var b object
		a.do("madams", "POST", "/v1/builds", printedBuild).is(201, &b)
		if b["docker_repo_version_tag"] != w {
			t.Errorf("docker_repo_version_tag is %v, want %s", b["docker_repo_version_tag"], w)
		}
	}
	var config object
	a.do("madams", "PUT", buildsRepo+"/build-config", `{"tag_configs":[{"version_tagging":2},{"docker_repo_tag":"none","version_tagging":0}]}`).is(200, &config)
	var b object
	a.do("madams", "POST", "/v1/builds", `{"namespace":"madams","repo_name":"docker_images_test","tag":"latest"}`).is(201, &b)
	b.has(t, `{"docker_repo_version_tag": null}`)
	id := b["build_id"].(string)
	a.tell(id, hub.BuildEvent{Commit: headCommit})
	a.do("madams", "GET", "/v1/builds/"+id, nil).is(200, &b)
	b.has(t, `{"docker_repo_version_tag": "`+headCommit+`", "code_head_commit": "`+headCommit+`",
		"code_commit_http_url": "https://github.com/yournamespace/Docker-image/commit/`+headCommit+`"}`)
	a.do("madams", "POST", "/v1/builds", `{"namespace":"madams","repo_name":"docker_images_test","tag":"none"}`).is(201, &b)
	b.has(t, `{"docker_repo_version_tag": null}`)

	// Many at the same moment, over HTTP: each second is taken once.
	a.do("madams", "PUT", buildsRepo+"/build-config", `{"tag_configs":[{"version_tagging":1}]}`).is(200, &config)
	a.hub.Builder = nil
	got := make([]string, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			var b struct {
				Tag string `json:"docker_repo_version_tag"`
			}
			r := a.do("madams", "POST", "/v1/builds", printedBuild)
			if json.Unmarshal(r.body, &b) != nil || r.status != 201 {
				t.Errorf("%d %s", r.status, r.body)
			}
			got[i] = b.Tag
		})
	}
	wg.Wait()
	slices.Sort(got)
	for i, tag := range got {
		if want := fmt.Sprintf("v20141119.0554%d", 26+i); tag != want {
			t.Errorf("version tag %d is %s, want %s", i, tag, want)
		}
	}
}

func TestBuildKeepsItsTagConfiguration(t *testing.T) {
	a, m := buildRepository(t, 0)
	id := a.build()
	a.do("madams", "PUT", buildsRepo+"/build-config", `{"build_node":"cn","tag_configs":[{"id":2,"code_repo_type_value":"develop","build_context_path":"/x","build_cache_enabled":false}]}`).is(200, &object{})
	var b object
	a.do("madams", "GET", "/v1/builds/"+id, nil).is(200, &b)
	b.has(t, `{"build_node": "in", "code_repo_type_value": "master", "build_context_path": "/", "build_cache_enabled": true,
		"code_repo_branch_url": "https://github.com/yournamespace/Docker-image/tree/master"}`)
	a.do("madams", "PUT", buildsRepo+"/build-config", `{"tag_configs":[]}`).is(200, &object{})
	m.most = 1
	if err := a.hub.Dispatch(context.Background()); err != nil || len(m.jobs) != 1 {
		t.Fatalf("%v, jobs %v", err, m.jobs)
	}
	if j := m.jobs[0]; j.Ref != "master" || j.Context != "." || !j.Cache {
		t.Errorf("the job is %+v", j)
	}
	a.do("madams", "POST", "/v1/builds", printedBuild).fails(400, "invalid_field", "tag")
}

func TestBuildListPagesAndFilters(t *testing.T) {
	a, _ := buildRepository(t, 100)
	a.hub.Options.Builds = hub.BuildLimits{Running: 100, Waiting: 100}
	a.do("madams", "POST", "/v1/repositories/madams", strings.NewReplacer("docker_images_test", "other", `"latest"`, `"v1"`).Replace(printedCreate)).is(201, &object{})
	var ids []string
	for i := range 25 {
		a.now = a.now.Add(time.Second)
		id := a.build()
		ids = append([]string{id}, ids...)
		if i%5 == 0 {
			a.tell(id, hub.BuildEvent{Result: &hub.BuildResult{Status: hub.Failed, Detail: "no\n"}})
		}
	}
	a.now = a.now.Add(time.Second)
	var other object
	a.do("madams", "POST", "/v1/builds", `{"namespace":"madams","repo_name":"other","tag":"v1"}`).is(201, &other)
	of := func(query string, count int64, wantIDs []string) page {
		t.Helper()
		var p page
		a.do("madams", "GET", "/v1/builds"+query, nil).is(200, &p)
		var got []string
		for _, b := range p.Results {
			got = append(got, b["build_id"].(string))
		}
		if p.Count != count || !slices.Equal(got, wantIDs) {
			t.Errorf("%s: count %d, builds %v; want %d, %v", query, p.Count, got, count, wantIDs)
		}
		return p
	}
	all := append([]string{other["build_id"].(string)}, ids...)
	for _, query := range []string{"?page=1", "?namespace=madams&page=1"} {
		first := of(query, 26, all[:20])
		if first.Previous != nil || first.Next == nil {
			t.Fatalf("next %v, previous %v", first.Next, first.Previous)
		}
		next, err := url.Parse(*first.Next)
		if err != nil || next.Host != "hub.example:8443" || next.Path != "/v1/builds" || next.Query().Get("page") != "2" {
			t.Errorf("next is %s", *first.Next)
		}
		second := of("?"+next.RawQuery, 26, all[20:])
		if second.Next != nil || second.Previous == nil {
			t.Errorf("next %v, previous %v", second.Next, second.Previous)
		}
	}
	of("?namespace=madams&repo_name=docker_images_test", 25, ids[:20])
	of("?repo_name=other", 1, all[:1])
	of("?namespace=madams&tag=v1", 1, all[:1])
	of("?namespace=madams&status=F", 5, []string{ids[4], ids[9], ids[14], ids[19], ids[24]})
	of("?namespace=madams&status=S", 0, nil)
	of("?namespace=madams&status=F&repo_name=other", 0, nil)
	a.do("madams", "GET", "/v1/builds?status=X", nil).fails(400, "invalid_field", "status")
	a.do("madams", "GET", "/v1/builds?page=0", nil).fails(400, "invalid_field", "page")

	// A page without a filter costs the same however many builds there are.
	a.now = a.now.Add(time.Second)
	a.do("madams", "POST", "/v1/builds", `{"namespace":"madams","repo_name":"other","tag":"v1"}`).is(201, &other)
	a.calls.Take()
	of("?repo_name=other&page_size=1", 2, []string{other["build_id"].(string)})
	few := a.calls.Take()
	of("?repo_name=docker_images_test&page_size=1", 25, ids[:1])
	if many := a.calls.Take(); many != few {
		t.Errorf("one of 25 builds costs %+v, one of two %+v", many, few)
	}
}

func TestBuildsAreTheirNamespaces(t *testing.T) {
	a, _ := buildRepository(t, 1)
	id := a.build()
	for _, who := range []string{"stranger", ""} {
		for _, path := range []string{"/v1/builds/" + id, "/v1/builds/" + id + "/logs"} {
			a.do(who, "GET", path, nil).fails(404, "not_found")
		}
	}
	a.do("stranger", "DELETE", "/v1/builds/"+id, nil).fails(404, "not_found")
	a.do("", "DELETE", "/v1/builds/"+id, nil).fails(401, "unauthenticated")
	a.do("", "GET", "/v1/builds", nil).fails(401, "unauthenticated")
	a.do("stranger", "GET", "/v1/builds?namespace=madams", nil).fails(404, "namespace_not_found")
	a.do("stranger", "GET", "/v1/builds?namespace=madams&repo_name=docker_images_test", nil).fails(404, "repository_not_found")
	var own page
	a.do("stranger", "GET", "/v1/builds", nil).is(200, &own)
	if own.Count != 0 {
		t.Errorf("the stranger's builds are %v", own)
	}
	a.do("", "GET", "/v1/builds?repo_name=docker_images_test", nil).fails(401, "unauthenticated")
	a.do("", "GET", "/v1/builds?namespace=madams", nil).fails(404, "namespace_not_found")
	a.do("", "GET", "/v1/builds?namespace=madams&repo_name=docker_images_test", nil).fails(404, "repository_not_found")
	for _, who := range []string{"stranger", ""} { // also of a public repository
		a.do(who, "GET", buildsRepo+"/build-config", nil).fails(404, "not_found")
	}
	a.do("stranger", "PUT", buildsRepo+"/build-config", `{}`).fails(403, "permission_denied")
	var seen object
	a.do("stranger", "GET", buildsRepo, nil).is(200, &seen)
	if c, ok := seen["build_config"]; ok && c != nil {
		t.Errorf("a stranger sees the build configuration %v", c)
	}
	for _, who := range []string{"madams", "admin"} {
		a.do(who, "GET", "/v1/builds/"+id, nil).is(200, &seen)
	}
	for _, id := range []string{"x", "..", "00000000-0000-4000-8000-000000000000"} {
		a.do("madams", "GET", "/v1/builds/"+id, nil).is(404, &seen)
	}
}

// Who may read a namespace no more does not see there what they asked for themselves.
func TestFormerMemberSeesNoBuilds(t *testing.T) {
	a, m := buildRepository(t, 10)
	m.most = 0 // they wait
	a.do("madams", "POST", "/v1/orgs", `{"name":"acme"}`).is(201, &object{})
	a.do("madams", "POST", "/v1/orgs/acme/members", `{"username":"stranger","role":"writer"}`).is(201, &object{})
	for _, path := range []string{"/v1/repositories/acme", "/v1/repositories/stranger"} {
		as := map[bool]string{true: "stranger", false: "madams"}[path == "/v1/repositories/stranger"]
		a.do(as, "POST", path, strings.ReplaceAll(printedCreate, `"madams"`, quoted(strings.TrimPrefix(path, "/v1/repositories/")))).is(201, &object{})
	}
	var ids []string // newest first
	for i := range 6 {
		a.now = a.now.Add(time.Second)
		var b object
		in := []string{"acme", "stranger"}[i%2]
		a.do("stranger", "POST", "/v1/builds", `{"namespace":"`+in+`","repo_name":"docker_images_test","tag":"latest"}`).is(201, &b)
		ids = append([]string{b["build_id"].(string)}, ids...)
	}
	seen := func(query string, count int64, want ...string) {
		t.Helper()
		var got []string
		for at := "/v1/builds?" + query; at != ""; {
			var p page
			a.do("stranger", "GET", at, nil).is(200, &p)
			if p.Count != count {
				t.Errorf("%s: count %d, want %d", query, p.Count, count)
			}
			for _, b := range p.Results {
				got = append(got, b["build_id"].(string))
			}
			if at = ""; p.Next != nil {
				at = strings.TrimPrefix(*p.Next, "https://hub.example:8443")
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: builds %v, want %v", query, got, want)
		}
	}
	seen("", 6, ids...)
	seen("page_size=2", 6, ids...)
	a.calls.Take()
	seen("", 6, ids...)
	cost := a.calls.Take()
	a.do("madams", "DELETE", "/v1/orgs/acme/members/stranger", nil).is(204, nil)
	own := []string{ids[0], ids[2], ids[4]}
	seen("", 3, own...)
	seen("status=W", 3, own...)
	seen("page_size=2", 6, own...)
	a.calls.Take()
	seen("", 3, own...)
	if again := a.calls.Take(); again != cost {
		t.Errorf("the list costs %+v, with all of it seen %+v", again, cost)
	}
	a.do("stranger", "GET", "/v1/builds/"+ids[1], nil).fails(404, "not_found")
	a.do("madams", "POST", "/v1/orgs/acme/members", `{"username":"stranger","role":"reader"}`).is(201, &object{})
	seen("", 6, ids...)
}

// A token for some repositories shows no builds of its account's others.
func TestBoundTokenListsItsBuildsAlone(t *testing.T) {
	a, _ := buildRepository(t, 10)
	id := a.build()
	bound := func(repository string) string {
		return a.token("madams", `{"name":"one","permissions":["pull"],"repositories":["madams/`+repository+`"]}`)["token"].(string)
	}
	other, own := bound("other"), bound("docker_images_test")
	const list = "/v1/builds?namespace=madams&repo_name=docker_images_test"
	a.by(other, "GET", "/v1/builds", nil).fails(400, "invalid_field", "repo_name")
	a.by(other, "GET", "/v1/builds?namespace=madams", nil).fails(404, "namespace_not_found")
	a.by(other, "GET", list, nil).fails(404, "repository_not_found")
	var l object
	a.by(own, "GET", list, nil).is(200, &l)
	if got := l["results"].([]any); len(got) != 1 || got[0].(map[string]any)["build_id"] != id {
		t.Errorf("the token for the repository sees %v", got)
	}
}
