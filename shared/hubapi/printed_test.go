package hubapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
)

// The folder testdata/printed has the examples of the API's description, letter for
// letter. A hub with the same accounts, asked the same at the same times, answers the
// same, but for the ids of builds and the deploy key.

// printed is an example, with its misprints put right: pairs of what is printed and
// what is meant.
func printed(t *testing.T, name string, misprints ...string) (text string, value any) {
	t.Helper()
	b, err := os.ReadFile("testdata/printed/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	text = strings.NewReplacer(misprints...).Replace(string(b))
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return text, value
}

// asPrinted wants every printed field in an answer, with its value.
func asPrinted(t *testing.T, at string, got, want any) {
	t.Helper()
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is %v, want an object", at, got)
		}
		for name := range w {
			if _, ok := g[name]; !ok {
				t.Errorf("%s.%s is missing", at, name)
				continue
			}
			asPrinted(t, at+"."+name, g[name], w[name])
		}
		return
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			t.Fatalf("%s is %v, want %d entries", at, got, len(w))
		}
		for i := range w {
			asPrinted(t, fmt.Sprintf("%s.%d", at, i), g[i], w[i])
		}
		return
	case string:
		g, _ := got.(string)
		if isUUID.MatchString(w) && isUUID.MatchString(g) || strings.HasPrefix(w, "ssh-rsa ") && strings.HasPrefix(g, "ssh-rsa ") {
			return
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %#v, want %#v", at, got, want)
	}
}

// atTime sets the hub's clock.
func (a *repoAPI) atTime(s string) {
	a.t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		a.t.Fatal(err)
	}
	a.now = at
}

// printedHub is a hub with the accounts of the description, at its address.
func printedHub(t *testing.T) (*repoAPI, *machine) {
	t.Helper()
	a := newRepoAPI(t)
	a.hub.Options.PublicURL = &url.URL{Scheme: "https", Host: "api.alauda.cn"}
	for _, n := range []hub.NewAccount{{Name: "alauda"}, {Name: "chennanfei"}, {Name: "alaudatest", Admin: true}} {
		n.Password, n.Email = repoPassword, n.Name+"@example.com"
		if _, err := a.hub.CreateAccount(context.Background(), n); err != nil {
			t.Fatal(err)
		}
	}
	m := &machine{hub: a.hub}
	a.hub.Builder = m
	return a, m
}

// from makes a build repository of code on Bitbucket.
func (a *repoAPI) from(as, name, code string) {
	a.t.Helper()
	owner, codeName, _ := strings.Cut(code, "/")
	made := strings.NewReplacer("docker_images_test", name, "GitHub", "Bitbucket", "yournamespace", owner, "Docker-image", codeName).Replace(printedCreate)
	a.do(as, "POST", "/v1/repositories/"+as, made).is(201, &object{})
}

func (a *repoAPI) dispatch() {
	a.t.Helper()
	if err := a.hub.Dispatch(context.Background()); err != nil {
		a.t.Fatal(err)
	}
}

func TestPrintedRepository(t *testing.T) {
	a, _ := printedHub(t)
	a.from("alauda", "before", "alauda/before") // has the first two ids
	a.atTime("2015-09-02T08:37:13.728Z")
	_, want := printed(t, "created", "alauda/testtest", "yournamespace/Docker-image")
	var got, detail object
	a.do("alauda", "POST", "/v1/repositories/alauda", printedCreate).is(201, &got)
	asPrinted(t, "created", map[string]any(got), want)
	a.do("alauda", "GET", "/v1/repositories/alauda/docker_images_test", nil).is(200, &detail)
	asPrinted(t, "detail", map[string]any(detail), want)
}

func TestPrintedBuild(t *testing.T) {
	a, m := printedHub(t)
	a.from("alauda", "test", "alauda/buildtest")
	misprints := []string{"alauda/buildtes34t", "alauda/test", "yingdai/buildtest", "alauda/buildtest"}
	trigger, _ := printed(t, "trigger")
	a.atTime("2015-09-02T08:17:42.581Z")
	var got object
	a.do("alaudatest", "POST", "/v1/builds", trigger).is(201, &got)
	_, want := printed(t, "waiting", misprints...)
	asPrinted(t, "waiting", map[string]any(got), want)
	id := got["build_id"].(string)

	m.most = 1
	a.atTime("2015-09-02T08:17:42.691Z")
	a.dispatch()
	_, lines := printed(t, "log")
	var told []hub.LogLine
	for i, l := range lines.([]any) {
		l := object(l.(map[string]any))
		at, ok := l["time"].(float64)
		if !ok { // the last one is printed without
			at = float64(told[i-1].Time)
		}
		told = append(told, hub.LogLine{Seq: int64(i + 1), Time: int64(at), Level: l["level"].(string), Message: l["message"].(string)})
	}
	a.tell(id, hub.BuildEvent{Lines: told})
	a.atTime("2015-09-02T08:18:13.011Z")
	a.tell(id, hub.BuildEvent{Result: &hub.BuildResult{
		Status: hub.Succeeded, Digest: "sha256:" + strings.Repeat("b", 64), ImageID: "sha256:a31664dde7e0" + strings.Repeat("0", 52),
	}})
	for _, path := range []string{"/v1/builds/" + id, "/v1/builds/" + id + "/"} {
		a.do("alauda", "GET", path, nil).is(200, &got)
		_, want = printed(t, "built", misprints...)
		asPrinted(t, "built", map[string]any(got), want)
	}
	for query, want := range map[string]any{
		"": lines,
		"?start_time=1441770706&end_time=1441770714": lines,
		"?start_time=1441770709&end_time=1441770709": lines.([]any)[2:3],
		"?start_time=1441770715":                     []any{},
	} {
		var got any
		a.do("alauda", "GET", "/v1/builds/"+id+"/logs"+query, nil).is(200, &got)
		asPrinted(t, "log"+query, got, want)
	}
}

// The description prints the second of three pages. All of its builds are the same but
// for their times.
func TestPrintedBuilds(t *testing.T) {
	a, m := printedHub(t)
	m.most = 1
	a.hub.Options.Builds = hub.BuildLimits{Running: 1, Waiting: 100}
	a.from("chennanfei", "ms-aspnet", "mathildetech/ms-aspnet")
	_, list := printed(t, "builds")
	want := object(list.(map[string]any))
	example := object(want["results"].([]any)[0].(map[string]any))
	a.atTime(example["created_at"].(string))
	for range int(want["count"].(float64)) {
		var b object
		a.do("chennanfei", "POST", "/v1/builds", object{
			"namespace": "chennanfei", "repo_name": "ms-aspnet", "tag": "latest", "code_commit_id": example["code_head_commit"],
		}).is(201, &b)
		m.jobs = nil
		a.dispatch()
		a.tell(b["build_id"].(string), hub.BuildEvent{Result: &hub.BuildResult{
			Status: hub.Succeeded, Detail: example["detail"].(string), Digest: "sha256:" + strings.Repeat("b", 64),
			ImageID: "sha256:" + example["image_id"].(string) + strings.Repeat("0", 52),
		}})
		a.now = a.now.Add(time.Minute)
	}
	for _, query := range []string{"page=2", "namespace=chennanfei&page=2&repo_name=ms-aspnet"} {
		var got object
		a.do("chennanfei", "GET", "/v1/builds?"+query, nil).is(200, &got)
		asked, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"next", "previous"} {
			link, err := url.Parse(got[name].(string))
			if err != nil {
				t.Fatal(err)
			}
			q := link.Query()
			for _, kept := range []string{"namespace", "repo_name"} {
				if q.Get(kept) != asked.Get(kept) {
					t.Errorf("%s is %s after %s", name, link, query)
				}
				q.Del(kept)
			}
			q.Del("cursor")
			link.RawQuery = q.Encode()
			got[name] = link.String()
		}
		results := got["results"].([]any)
		if len(results) != 20 {
			t.Fatalf("%d results", len(results))
		}
		for i, r := range results {
			b := object(r.(map[string]any))
			at, err := time.Parse(time.RFC3339Nano, b["created_at"].(string))
			if version := at.Format("v20060102.150405"); err != nil || b["docker_repo_version_tag"] != version {
				t.Errorf("the version tag of %v is %v, want %s", at, b["docker_repo_version_tag"], version)
			}
			for _, name := range []string{"created_at", "started_at", "ended_at"} {
				if s, _ := b[name].(string); !isTime(s) {
					t.Errorf("%s is %v, want a time", name, b[name])
				}
				b[name] = example[name]
			}
			b["docker_repo_version_tag"] = example["docker_repo_version_tag"]
			asPrinted(t, fmt.Sprintf("results.%d", i), r, map[string]any(example))
		}
		delete(got, "results")
		wanted := map[string]any{"count": want["count"], "next": want["next"], "previous": want["previous"]}
		asPrinted(t, "page", map[string]any(got), wanted)
	}
}
