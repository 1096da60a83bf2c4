package hubapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestBuildConfigUpdateAsPrinted(t *testing.T) {
	a := newRepoAPI(t)
	a.do("madams", "POST", "/v1/repositories/madams", printedCreate).is(201, &object{})
	a.do("madams", "PUT", buildsRepo+"/build-config", printedUpdate).fails(400, "invalid_field", "id", "1")

	first := strings.Replace(printedUpdate, `"id": 1`, `"id": 2`, 1)
	var config object
	a.do("madams", "PUT", buildsRepo+"/build-config", first).is(200, &config)
	config.has(t, printedConfig)
	tags := config.tags(t)
	if len(tags) != 2 {
		t.Fatalf("tag_configs: %v", tags)
	}
	tags[0].has(t, strings.Replace(printedTagConfig, `"latest"`, `"release"`, 1))
	tags[1].has(t, `{"id": 3, "docker_build_config_id": 1, "docker_repo_tag": "latest", "dockerfile_location": "/aa",
		"code_repo_type": "branch", "code_repo_type_value": "master", "is_active": false, "version_tagging": 1,
		"build_context_path": "/aa", "build_cache_enabled": true}`)

	// One that is left out is deleted, and its id stays used.
	var left object
	a.do("madams", "PUT", buildsRepo+"/build-config", `{"build_node":"cn","email_enabled":true,"tag_configs":[{"id":3},{"docker_repo_tag":"new"}]}`).is(200, &left)
	left.has(t, `{"id": 1, "build_node": "cn", "email_enabled": true}`)
	tags = left.tags(t)
	tags[0].has(t, `{"id": 3, "docker_repo_tag": "latest", "dockerfile_location": "/aa", "version_tagging": 1}`)
	tags[1].has(t, `{"id": 4, "docker_repo_tag": "new", "dockerfile_location": "/", "build_context_path": "/", "code_repo_type": "branch",
		"code_repo_type_value": "master", "is_active": false, "build_cache_enabled": true, "version_tagging": 0,
		"build_args": {}, "platforms": [], "build_secrets": []}`)
	a.do("madams", "PUT", buildsRepo+"/build-config", `{"tag_configs":[{"id":2}]}`).fails(400, "invalid_field", "id")

	// Without tag_configs they stay; refusals change nothing.
	for _, body := range []string{
		`{"tag_configs":[{"id":3},{"docker_repo_tag":"latest"}]}`,
		`{"tag_configs":[{"id":3},{"id":3,"docker_repo_tag":"other"}]}`,
		`{"build_node":"eu"}`,
	} {
		a.do("madams", "PUT", buildsRepo+"/build-config", body).fails(400, "invalid_field")
	}
	var same object
	a.do("madams", "PUT", buildsRepo+"/build-config", `{}`).is(200, &same)
	if fmt.Sprint(same) != fmt.Sprint(left) {
		t.Errorf("an empty change makes %v of %v", same, left)
	}
	a.make("plain", true)
	a.do("madams", "PUT", "/v1/repositories/madams/plain/build-config", `{}`).fails(404, "not_found")
	a.whole()
}

func TestBuildConfigDefaultsAndLinks(t *testing.T) {
	a := newRepoAPI(t)
	for client, want := range map[string]string{
		"GitHub":    `{"code_repo_path_url": "https://github.com/o/c", "deploy_url": "https://github.com/o/c/settings/keys"}`,
		"GitLab":    `{"code_repo_path_url": "https://gitlab.com/o/c", "deploy_url": "https://gitlab.com/o/c/-/settings/repository"}`,
		"Bitbucket": `{"code_repo_path_url": "https://bitbucket.org/o/c", "deploy_url": "https://bitbucket.org/o/c/admin/access-keys/"}`,
		"OSChina":   `{"code_repo_path_url": "https://gitee.com/o/c", "deploy_url": "https://gitee.com/o/c/deploy_keys"}`,
		"GitCafe":   `{"code_repo_path_url": "https://gitcafe.com/o/c", "deploy_url": null}`,
	} {
		name := strings.ToLower(client)
		var made object
		a.do("madams", "POST", "/v1/repositories/madams", fmt.Sprintf(
			`{"repo_name":%q,"build_config":{"code_repo_client":%q,"code_repo_namespace":"o","code_repo_name":"c","tag_configs":[{"docker_build_tag":"v1"},{}]}}`, name, client)).is(201, &made)
		config := made.under(t, "build_config")
		config.has(t, want)
		config.has(t, fmt.Sprintf(`{"code_repo_path": "o/c", "code_repo_http_url": %q, "docker_repo_path": "madams/%s", "build_node": "in", "email_enabled": false}`,
			config["code_repo_path_url"], name))
		config.tags(t)[0].has(t, `{"docker_repo_tag": "v1"}`)
		config.tags(t)[1].has(t, `{"docker_repo_tag": "latest", "code_repo_type": "branch", "code_repo_type_value": "master", "dockerfile_location": "/",
			"build_context_path": "/", "is_active": false, "build_cache_enabled": true, "version_tagging": 0}`)
	}
	a.do("madams", "POST", "/v1/builds", `{"namespace":"madams","repo_name":"gitcafe","tag":"v1"}`).fails(400, "invalid_field", "GitCafe")

	// A webhook is there from the first active entry on, for writers alone.
	var active object
	a.do("madams", "PUT", "/v1/repositories/madams/github/build-config", `{"tag_configs":[{"is_active":true}]}`).is(200, &active)
	code, _ := active["code_repo_webhook_code"].(string)
	if len(code) != 32 || len(active["code_repo_webhook_secret"].(string)) < 32 {
		t.Errorf("the webhook is %v", active)
	}
	a.do("madams", "PUT", "/v1/repositories/madams/github/build-config", `{"tag_configs":[{}]}`).is(200, &active)
	if active["code_repo_webhook_code"] != code {
		t.Errorf("the webhook's code changed from %s to %v", code, active["code_repo_webhook_code"])
	}
}

func TestBuildConfigRefusals(t *testing.T) {
	a := newRepoAPI(t)
	refused := func(field, config string) {
		t.Helper()
		a.do("madams", "POST", "/v1/repositories/madams", `{"repo_name":"no","build_config":`+config+`}`).fails(400, "invalid_field", field)
	}
	for _, dir := range []string{"../../etc", "/../etc", "/a/../../etc", "..", `a\b`, "a\x00b", "a\nb"} {
		for _, field := range []string{"build_context_path", "dockerfile_location"} {
			refused(field, fmt.Sprintf(`{"code_repo_client":"Simple","code_repo_clone_url":"https://git.example/x.git","tag_configs":[{%q:%s}]}`, field, quoted(dir)))
		}
	}
	for _, address := range []string{
		"", "file:///etc", "ext::sh -c id", "git://git.example/x", "/srv/x", "../x", "git@git.example:x/y", "-oProxyCommand=id",
		"--upload-pack=touch /tmp/x", "https://user:pw@git.example/x", "https://user@git.example/x", "ssh://git:pw@git.example/x",
		"ssh://-oProxyCommand=id/x", "ssh://-x@git.example/x", "https://-h/x", "https://git.example", "https:///x", "http://git.example/x?y=1",
		"https://git.example/x#y", "https://git.example/x y", "https://git.example/\nx", "https://git.example/" + strings.Repeat("x", 2100),
	} {
		refused("code_repo_clone_url", fmt.Sprintf(`{"code_repo_client":"Simple","code_repo_clone_url":%s}`, quoted(address)))
	}
	for _, ref := range []string{"", "--upload-pack=id", "a..b", "a b", "a~1", "^a", "a:b", "/a", "a/", "a//b", ".a", "a.lock", "@", "a@{1}", "a\x01", "/(/", strings.Repeat("a", 256)} {
		refused("code_repo_type_value", fmt.Sprintf(`{"code_repo_client":"GitHub","code_repo_namespace":"o","code_repo_name":"c","tag_configs":[{"code_repo_type_value":%s}]}`, quoted(ref)))
	}
	for field, config := range map[string]string{
		"code_repo_client":    `{"code_repo_client":"SourceForge","code_repo_namespace":"o","code_repo_name":"c"}`,
		"code_repo_namespace": `{"code_repo_client":"GitHub","code_repo_namespace":"../o","code_repo_name":"c"}`,
		"code_repo_name":      `{"code_repo_client":"GitHub","code_repo_namespace":"o","code_repo_name":"c/../../x"}`,
		"build_node":          `{"code_repo_client":"GitHub","code_repo_namespace":"o","code_repo_name":"c","build_node":"eu"}`,
		"code_repo_type":      `{"code_repo_client":"GitHub","code_repo_namespace":"o","code_repo_name":"c","tag_configs":[{"code_repo_type":"commit"}]}`,
		"docker_repo_tag":     `{"code_repo_client":"GitHub","code_repo_namespace":"o","code_repo_name":"c","tag_configs":[{},{}]}`,
		"version_tagging":     `{"code_repo_client":"GitHub","code_repo_namespace":"o","code_repo_name":"c","tag_configs":[{"version_tagging":3}]}`,
		"build_args":          `{"code_repo_client":"GitHub","code_repo_namespace":"o","code_repo_name":"c","tag_configs":[{"build_args":{"a b":"c"}}]}`,
		"platforms":           `{"code_repo_client":"GitHub","code_repo_namespace":"o","code_repo_name":"c","tag_configs":[{"platforms":["--x"]}]}`,
		"build_secrets":       `{"code_repo_client":"GitHub","code_repo_namespace":"o","code_repo_name":"c","tag_configs":[{"build_secrets":["../x"]}]}`,
	} {
		refused(field, config)
	}
	// What repeats itself too often would hold up every push.
	for _, pattern := range []string{"/" + strings.Repeat("(.?){999}", 56) + "/", "/((a{20}){20}){20}/", "/a{1001}/", "/" + strings.Repeat("a", 600) + "/"} {
		refused("code_repo_type_value", fmt.Sprintf(`{"code_repo_client":"GitHub","code_repo_namespace":"o","code_repo_name":"c","tag_configs":[{"code_repo_type_value":%s}]}`, quoted(pattern)))
	}
	a.do("madams", "GET", "/v1/repositories/madams/no", nil).fails(404, "repository_not_found")
	a.whole()
}

// Of several entries a refusal says which one it is about, by the names of the body.
func TestBuildConfigRefusalsSayWhere(t *testing.T) {
	a := newRepoAPI(t)
	const repositories, config = "/v1/repositories/madams", buildsRepo + "/build-config"
	a.do("madams", "POST", repositories, printedCreate).is(201, &object{})
	for tags, field := range map[string]string{
		`[{"docker_repo_tag":"a"},{"version_tagging":3}]`:                                       "tag_configs.1.version_tagging: ",
		`[{"docker_repo_tag":"a"},{"docker_build_tag":"a"}]`:                                    "tag_configs.1.docker_repo_tag: ",
		`[{"dockerfile_location":"../x"}]`:                                                      "tag_configs.0.dockerfile_location: ",
		`[{"platforms":["a/1","a/2","a/3","a/4","a/5","a/6","a/7","a/8","a/9","a/10","a/11"]}]`: "tag_configs.0.platforms: ",
		`[null]`:              "tag_configs: must be an object, not null",
		`[{},null]`:           "tag_configs: must be an object, not null",
		`[{"is_active":"1"}]`: "tag_configs.is_active: ",
	} {
		a.do("madams", "PUT", config, `{"tag_configs":`+tags+`}`).says(400, field)
		made := strings.NewReplacer("docker_images_test", "no", `"email_enabled": false`, `"build_args": {}`).Replace(printedCreate)
		before, after, _ := strings.Cut(made, `"tag_configs": [`)
		_, after, _ = strings.Cut(after, "]")
		a.do("madams", "POST", repositories, before+`"tag_configs": `+tags+after).says(400, "build_config."+field)
	}
	a.do("madams", "PUT", config, `{"build_node":"eu"}`).says(400, "build_node: ")
	var kept object
	a.do("madams", "GET", config, nil).is(200, &kept)
	kept.tags(t)[0].has(t, printedTagConfig)
	a.whole()
}

// says wants a refusal whose message begins so.
func (r repoAnswer) says(status int, begin string) {
	r.t.Helper()
	r.fails(status, "invalid_field", begin)
	if !strings.Contains(string(r.body), `"message":"`+begin) {
		r.t.Errorf("%s: %s does not begin with %q", r.what, r.body, begin)
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
