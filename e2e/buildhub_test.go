package e2e_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// asRootAgain runs the present test once more as root where this process is not:
// only root's hub runs builds. It reports whether it did.
func asRootAgain(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() == 0 {
		return false
	}
	out, err := asRoot(t.Context(), "env", "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v").CombinedOutput()
	if err != nil {
		t.Errorf("as root: %v\n%s", err, out)
	}
	return true
}

// gitHost serves Git repositories over smart HTTP from 127.0.0.1.
type gitHost struct {
	t    *testing.T
	dir  string
	base string

	mu    sync.Mutex
	asked map[string]int
}

func newGitHost(t *testing.T) *gitHost {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	g := &gitHost{t: t, dir: t.TempDir(), asked: make(map[string]int)}
	backend := &cgi.Handler{
		Path: git, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + g.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, ok := strings.CutSuffix(r.URL.Path, "/.git/info/refs"); ok {
			g.mu.Lock()
			g.asked[strings.Trim(name, "/")]++
			g.mu.Unlock()
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	g.base = server.URL
	return g
}

// hold keeps every clone waiting until release is called.
func (g *gitHost) hold() (release func()) {
	g.mu.Lock()
	release = sync.OnceFunc(g.mu.Unlock)
	g.t.Cleanup(release)
	return release
}

// clones is how often a repository's references were asked for, which a clone does once.
func (g *gitHost) clones(repo string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[repo]
}

// git runs Git in a repository.
func (g *gitHost) git(repo string, args ...string) string {
	g.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", filepath.Join(g.dir, repo), "-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// repository makes a code repository of these files, and returns its clone address.
// A file whose content begins with "-> " is a symbolic link.
func (g *gitHost) repository(name string, files map[string]string) string {
	g.t.Helper()
	if err := os.MkdirAll(filepath.Join(g.dir, name), 0o755); err != nil {
		g.t.Fatal(err)
	}
	g.git(name, "init", "-q", "-b", "master")
	g.commit(name, files)
	return g.base + "/" + name + "/.git"
}

// commit adds files, and returns the commit's id.
func (g *gitHost) commit(name string, files map[string]string) string {
	g.t.Helper()
	for file, content := range files {
		at := filepath.Join(g.dir, name, file)
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		if to, link := strings.CutPrefix(content, "-> "); err == nil && link {
			err = os.Symlink(to, at)
		} else if err == nil {
			err = os.WriteFile(at, []byte(content), 0o755)
		}
		if err != nil {
			g.t.Fatal(err)
		}
	}
	g.git(name, "add", "-A")
	g.git(name, "commit", "-q", "-m", "x")
	return g.git(name, "rev-parse", "HEAD")
}

// busyboxFiles are a context whose image has a shell.
func busyboxFiles(t *testing.T, steps ...string) map[string]string {
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
		"Dockerfile": "FROM scratch\nCOPY busybox /bin/sh\n" + strings.Join(steps, "\n") + "\n",
	}
}

// built is a build as the hub shows it.
type built struct {
	ID         string  `json:"build_id"`
	Status     string  `json:"status"`
	Step       int     `json:"step_at"`
	Detail     string  `json:"detail"`
	Commit     string  `json:"code_head_commit"`
	Image      string  `json:"image_id"`
	Version    *string `json:"docker_repo_version_tag"`
	StartedAt  *string `json:"started_at"`
	EndedAt    *string `json:"ended_at"`
	Repository string  `json:"docker_repo_path"`
}

// buildRepository makes a build repository of a clone address; tag has further
// fields of its one tag configuration.
func (c client) buildRepository(t *testing.T, clone, tag string) string {
	t.Helper()
	name := fresh("b")
	c.call(t, 201, "POST", "/v1/repositories/"+c.user, fmt.Sprintf(
		`{"repo_name":%q,"build_config":{"code_repo_client":"Simple","code_repo_clone_url":%q,"tag_configs":[{%s}]}}`, name, clone, tag))
	return name
}

// build asks for a build of the tag latest.
func (c client) build(t *testing.T, repo, commit string) built {
	t.Helper()
	more := ""
	if commit != "" {
		more = fmt.Sprintf(`,"code_commit_id":%q`, commit)
	}
	return read(t, c.call(t, 201, "POST", "/v1/builds", fmt.Sprintf(`{"namespace":%q,"repo_name":%q,"tag":"latest"%s}`, c.user, repo, more)))
}

func read(t *testing.T, a answer) (b built) {
	t.Helper()
	if err := json.Unmarshal(a.body, &b); err != nil {
		t.Fatal(err, a)
	}
	return b
}

// until waits for a build to be in one of these states.
func (c client) until(t *testing.T, id, states string) built {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		b := read(t, c.call(t, 200, "GET", "/v1/builds/"+id, ""))
		if strings.Contains(states, b.Status) {
			return b
		}
		if strings.Contains("SFD", b.Status) || time.Since(begun) > 2*time.Minute {
			t.Fatalf("the build is %+v, not one of %s; its log:\n%s", b, states, c.buildLog(t, id))
		}
	}
}

// buildLog is a whole log as text; its lines must be numbered without gaps.
func (c client) buildLog(t *testing.T, id string) string {
	t.Helper()
	var text strings.Builder
	var seq int64
	for path := "/v1/builds/" + id + "/logs"; path != ""; {
		a := c.call(t, 200, "GET", path, "")
		var lines []struct {
			Seq     int64
			Level   string
			Message string
		}
		if err := json.Unmarshal(a.body, &lines); err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if seq++; l.Seq != seq {
				t.Fatalf("line %d follows line %d", l.Seq, seq-1)
			}
			fmt.Fprintf(&text, "%s %s\n", l.Level, l.Message)
		}
		path = ""
		if link := a.header.Get("Link"); link != "" {
			path, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
		}
	}
	return text.String()
}

// waitLog waits until a running build has logged a text.
func (c client) waitLog(t *testing.T, id, text string) {
	t.Helper()
	for begun := time.Now(); !strings.Contains(c.buildLog(t, id), text); time.Sleep(50 * time.Millisecond) {
		if b := read(t, c.call(t, 200, "GET", "/v1/builds/"+id, "")); b.Status != "I" && b.Status != "W" || time.Since(begun) > time.Minute {
			t.Fatalf("%+v never logs %q:\n%s", b, text, c.buildLog(t, id))
		}
	}
}

// fails runs a build that must fail with these texts in its log, and the reason as
// its detail.
func (c client) fails(t *testing.T, repo, commit string, texts ...string) {
	t.Helper()
	b := c.until(t, c.build(t, repo, commit).ID, "F")
	log := c.buildLog(t, b.ID)
	for _, text := range texts {
		if !strings.Contains(log, text) {
			t.Errorf("the log does not say %q:\n%s", text, log)
		}
	}
	if reason := strings.TrimSpace(b.Detail); b.EndedAt == nil || reason == "" || !strings.Contains(log, reason) {
		t.Errorf("%+v has a reason that its log does not have:\n%s", b, log)
	}
	c.call(t, 404, "GET", "/v2/"+b.Repository+"/manifests/latest", "")
}

// left are the processes, mounts, folders and control groups that builds of the hub
// left. Whatever else a process holds, such as a network, goes with it. Of a hub that is
// not ours nothing can be said.
func (s *server) left(t *testing.T) (left []string) {
	t.Helper()
	if s.cmd == nil {
		return nil
	}
	folder := filepath.Join(s.data, "builds")
	folders, _ := filepath.Glob(folder + "/*")
	left = append(left, folders...)
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, folder) {
			left = append(left, strings.TrimSpace(line))
		}
	}
	sum := sha256.Sum256([]byte(folder))
	group := fmt.Sprintf("berth-build-%x-", sum[:4])
	err = filepath.WalkDir("/sys/fs/cgroup", func(at string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), group) {
			left = append(left, at)
		}
		return nil // groups of others come and go
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(left, s.processes(t)...)
}

// processes are those of the hub's builds.
func (s *server) processes(t *testing.T) (all []string) {
	t.Helper()
	program, err := berth()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(s.data, "builds")
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range processes {
		args, _ := os.ReadFile(p + "/cmdline")
		root, _ := os.Readlink(p + "/root")
		cwd, _ := os.Readlink(p + "/cwd")
		exe, _ := os.Readlink(p + "/exe")
		worker := exe == program && strings.Contains(string(args), "\x00build-")
		if worker || strings.Contains(string(args), folder) || strings.HasPrefix(root, folder) || strings.HasPrefix(cwd, folder) {
			all = append(all, p+" "+strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return all
}

// nothingLeft wants no trace of a build on the machine.
func (s *server) nothingLeft(t *testing.T) {
	t.Helper()
	var left []string
	for range 200 { // what was killed takes a moment to be gone, on a busy machine a long one
		if left = s.left(t); len(left) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("of the builds is left:\n%s", strings.Join(left, "\n"))
}
