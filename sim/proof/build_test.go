//go:build proof

package proof

import (
	"encoding/json"
	"fmt"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gitRepository serves a code repository of some files from 127.0.0.1, and returns its
// clone address.
func gitRepository(t *testing.T, files map[string]string) string {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	server := httptest.NewServer(&cgi.Handler{
		Path: git, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1"},
	})
	t.Cleanup(server.Close)
	code := filepath.Join(dir, "code")
	if err := os.Mkdir(code, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(code, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "master"}, {"add", "-A"}, {"commit", "-q", "-m", "x"}} {
		cmd := exec.Command(git, append([]string{"-C", code, "-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return server.URL + "/code/.git"
}

// shell is a context whose image has a shell, which does a step.
func shell(t *testing.T, step string) map[string]string {
	t.Helper()
	at, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"busybox":    string(b),
		"Dockerfile": fmt.Sprintf("FROM scratch\nCOPY busybox /bin/sh\nRUN [\"/bin/sh\", \"-c\", %q]\n", step),
	}
}

type built struct {
	ID      string  `json:"build_id"`
	Status  string  `json:"status"`
	Detail  string  `json:"detail"`
	Image   string  `json:"image_id"`
	EndedAt *string `json:"ended_at"`
}

// buildRepository makes a build repository of admin.
func (c client) buildRepository(t *testing.T, name, clone string) {
	t.Helper()
	c.call(t, 201, "POST", "/v1/repositories/admin", fmt.Sprintf(
		`{"repo_name":%q,"build_config":{"code_repo_client":"Simple","code_repo_clone_url":%q,"email_enabled":true,"tag_configs":[{}]}}`, name, clone))
}

func (c client) build(t *testing.T, name string) string {
	t.Helper()
	return c.buildIs(t, c.call(t, 201, "POST", "/v1/builds", fmt.Sprintf(`{"namespace":"admin","repo_name":%q,"tag":"latest"}`, name))).ID
}

func (c client) buildIs(t *testing.T, a answer) (b built) {
	t.Helper()
	if err := json.Unmarshal(a.body, &b); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return b
}

// until waits until a build is in one of some states, or its log has a text.
func (c client) until(t *testing.T, id, states, text string) built {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		b := c.buildIs(t, c.call(t, 200, "GET", "/v1/builds/"+id, ""))
		log := string(c.call(t, 200, "GET", "/v1/builds/"+id+"/logs", "").body)
		if strings.Contains(states, b.Status) || text != "" && strings.Contains(log, text) {
			return b
		}
		if strings.Contains("SFD", b.Status) || time.Now().After(end) {
			t.Fatalf("the build is %+v, not %s; its log: %s", b, states, log)
		}
	}
}

// A build goes all the way: a configuration, a call, the state machine, CodeBuild, the real
// runner, the log, the image, and a mail at its end.
func TestBuild(t *testing.T) {
	s := ownStack(t, withIngest)
	c := clientOf(t, s)
	c.call(t, 200, "PUT", "/v1/auth/profile", `{"email":"builder@example.com"}`)
	c.buildRepository(t, "good", gitRepository(t, shell(t, "echo said by the step")))
	good := c.until(t, c.build(t, "good"), "S", "")
	settle(t, s)
	if log := c.call(t, 200, "GET", "/v1/builds/"+good.ID+"/logs", "").body; !strings.Contains(string(log), "said by the step") {
		t.Errorf("its log is %s", log)
	}
	image := c.call(t, 200, "GET", "/v2/admin/good/manifests/latest", "", "Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json")
	if good.Image == "" || !strings.Contains(string(image.body), "sha256:"+good.Image) {
		t.Errorf("image %q is not the configuration of %s", good.Image, image.body)
	}
	c.buildRepository(t, "bad", gitRepository(t, shell(t, "exit 7")))
	bad := c.until(t, c.build(t, "bad"), "F", "")
	if bad.Detail == "" || bad.EndedAt == nil {
		t.Errorf("the failed build is %+v", bad)
	}
	settle(t, s)
	var subjects []string
	for _, m := range s.SES().Mails() {
		if m.To != "builder@example.com" || m.From == "" {
			t.Errorf("a mail from %q to %q", m.From, m.To)
		}
		subjects = append(subjects, m.Subject)
	}
	if len(subjects) != 2 || !strings.Contains(subjects[0], "good") || !strings.Contains(subjects[1], "bad") {
		t.Errorf("mails: %q", subjects)
	}
	verify(t, s)
}

// A build that is stopped is over at once, and nothing of it is left: neither an execution,
// nor a process of CodeBuild's.
func TestBuildStopped(t *testing.T) {
	s := ownStack(t, withIngest)
	c := clientOf(t, s)
	c.buildRepository(t, "slow", gitRepository(t, shell(t, "echo it runs; while :; do :; done")))
	id := c.build(t, "slow")
	c.until(t, id, "", "it runs")
	if a, err := c.do("DELETE", "/v1/builds/"+id, nil); err != nil || a.status >= 300 {
		t.Fatalf("%v, %d %s", err, a.status, a.body)
	}
	settle(t, s)
	if n := s.CodeBuild().Running(); n != 0 {
		t.Errorf("%d builds are running", n)
	}
	if b := c.buildIs(t, c.call(t, 200, "GET", "/v1/builds/"+id, "")); b.Status != "D" || b.EndedAt == nil {
		t.Errorf("the build is %+v", b)
	}
}

// Too many builds for the account wait for their turn: the state machine tries again.
func TestBuildsWaitForCodeBuild(t *testing.T) {
	s := ownStack(t, withIngest)
	s.CodeBuild().Limit(1)
	c := clientOf(t, s)
	clone := gitRepository(t, shell(t, "echo done"))
	var ids []string
	for n := range 2 {
		name := fmt.Sprintf("queued-%d", n)
		c.buildRepository(t, name, clone)
		ids = append(ids, c.build(t, name))
	}
	for _, id := range ids {
		c.until(t, id, "S", "")
	}
	settle(t, s)
}

// build counts a whole build, start to end.
func (k *counts) build() {
	k.c.buildRepository(k.t, "built", gitRepository(k.t, shell(k.t, "echo one line")))
	var id string
	k.twice(aBuild, func(int) {
		id = k.c.build(k.t, "built")
		settle(k.t, k.s)
	})
	k.c.until(k.t, id, "S", "")
}
