package e2e_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

func TestBuild(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	s := buildingHub(t, "--allow-host", "127.0.0.1")
	c, g := s.account(t), newGitHost(t)
	clone := g.repository("base", busyboxFiles(t, `RUN ["/bin/sh", "-c", "echo printed by a step"]`))
	first := g.git("base", "rev-parse", "HEAD")
	base := c.buildRepository(t, clone, `"version_tagging":1`)
	b := c.until(t, c.build(t, base, "").ID, "S")
	if b.Step != 50 || b.Commit != first || b.Version == nil || len(b.Image) != 12 || b.StartedAt == nil || b.EndedAt == nil {
		t.Errorf("the build is %+v", b)
	}
	log := c.buildLog(t, b.ID)
	for _, text := range []string{"starting to build", "cloning code source from repo " + clone + " on branch:master", "Dockerfile path: ", "printed by a step", "the commit is " + first} {
		if !strings.Contains(log, text) {
			t.Errorf("the log does not say %q:\n%s", text, log)
		}
	}
	latest := c.call(t, 200, "GET", "/v2/"+b.Repository+"/manifests/latest", "")
	version := c.call(t, 200, "GET", "/v2/"+b.Repository+"/manifests/"+*b.Version, "")
	if d := latest.header.Get("Docker-Content-Digest"); d == "" || d != version.header.Get("Docker-Content-Digest") {
		t.Errorf("the tags point at %s and %s", d, version.header.Get("Docker-Content-Digest"))
	}
	if !strings.Contains(string(latest.body), "sha256:"+b.Image) {
		t.Errorf("image_id %s is not the configuration of %s", b.Image, latest.body)
	}

	// An earlier commit, and an image of the namespace that is private.
	g.commit("base", map[string]string{"Dockerfile": "FROM " + s.host + "/" + b.Repository + ":latest\nCOPY Dockerfile /second\n"})
	if b := c.until(t, c.build(t, base, first).ID, "S"); b.Commit != first {
		t.Errorf("the commit is %s, want %s", b.Commit, first)
	}
	if b := c.until(t, c.build(t, base, "").ID, "S"); b.Commit == first {
		t.Errorf("the commit is %s, want a later one", b.Commit)
	}
	missing := strings.Repeat("5", 40)
	other := c.buildRepository(t, clone, "")
	c.fails(t, other, missing, "the code repository does not have the commit "+missing)
	c.fails(t, c.buildRepository(t, clone, `"code_repo_type_value":"none"`), "", `has no branch "none"`)

	// A stranger's build does not read a private image.
	stranger := s.account(t)
	stranger.fails(t, stranger.buildRepository(t, clone, ""), "", b.Repository)

	// Links out of the clone.
	for name, target := range map[string]string{"absolute": "-> /etc/passwd", "relative": "-> ../../../../../../../../etc/passwd"} {
		clone := g.repository(name, map[string]string{"Dockerfile": target})
		c.fails(t, c.buildRepository(t, clone, ""), "", "Dockerfile")
	}
	clone = g.repository("folder", map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\n", "out": "-> ../../../../../../../../../../etc"})
	c.fails(t, c.buildRepository(t, clone, `"build_context_path":"/out"`), "", "leads out of the code repository")
	s.nothingLeft(t)
}

// probe is a program that tries addresses, directly and by the proxy that it is
// told of.
func probe(t *testing.T) string {
	t.Helper()
	const code = `package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

func main() {
	proxy, _ := url.Parse(os.Getenv("http_proxy"))
	for _, at := range os.Args[1:] {
		for way, by := range map[string]*url.URL{"directly": nil, "by proxy": proxy} {
			c := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{Proxy: http.ProxyURL(by)}}
			word := "refused"
			if resp, err := c.Get("http://" + at + "/healthz"); err == nil && resp.StatusCode == 200 {
				word = "reached"
			}
			fmt.Println(word, at, way)
		}
	}
}
`
	return compiled(t, code)
}

// compiled is a Go program of this source that needs no library.
func compiled(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", "program", "main.go")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "program"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestBuildSecretsAndNetwork(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	s := ownHub(t, "--allow-host", "127.0.0.1", "--build-log-bytes", "200000")
	c, g := s.account(t), newGitHost(t)

	// Everything that answers here counts who came.
	var came atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	here := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		came.Add(1)
		fmt.Fprint(w, "reached the host")
	})}
	go here.Serve(l)
	t.Cleanup(func() { here.Close() })

	const secret = "s3cr3t value of 7 words"
	c.call(t, 201, "PUT", "/v1/namespaces/"+c.user+"/secrets/npm", fmt.Sprintf(`{"value":%q}`, secret))
	files := busyboxFiles(t,
		"COPY busybox /bin/busybox", "COPY probe /probe",
		`RUN --mount=type=secret,id=npm ["/bin/sh", "-c", "echo it is $(/bin/busybox cat /run/secrets/npm)"]`)
	files["probe"] = probe(t)
	forbidden := []string{l.Addr().String(), "localhost:" + strings.Split(l.Addr().String(), ":")[1], "169.254.169.254:80", "[::ffff:169.254.169.254]:80", "10.0.0.1:80"}
	args, _ := json.Marshal(append([]string{"/probe", s.host}, forbidden...))
	files["Dockerfile"] += "RUN " + string(args) + "\n"
	b := c.until(t, c.build(t, c.buildRepository(t, g.repository("net", files), `"build_secrets":["npm"]`), "").ID, "S")
	log := c.buildLog(t, b.ID)
	if strings.Contains(log, secret) || !strings.Contains(log, "it is ***") {
		t.Errorf("the secret is not hidden:\n%s", log)
	}
	for _, way := range []string{"directly", "by proxy"} {
		if !strings.Contains(log, "reached "+s.host+" "+way) {
			t.Errorf("a step does not reach the hub %s:\n%s", way, log)
		}
		for _, at := range forbidden {
			if !strings.Contains(log, "refused "+at+" "+way) {
				t.Errorf("a step reached %s %s, or did not try:\n%s", at, way, log)
			}
		}
	}
	if n := came.Load(); n != 0 {
		t.Errorf("%d requests of a build step reached the host", n)
	}
	c.fails(t, c.buildRepository(t, g.base+"/net/.git", `"build_secrets":["absent"]`), "", "the namespace has no build secret absent")

	// Limits.
	chatty := g.repository("chatty", busyboxFiles(t, `RUN ["/bin/sh", "-c", "while :; do echo printing and printing; done"]`))
	c.fails(t, c.buildRepository(t, chatty, ""), "", "printing and printing", "the log is longer than 200000 bytes")
	s.nothingLeft(t)
}

func TestBuildReachesPublicAddressesAlone(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	s := ownHub(t, "--build-time", "8s")
	c, g := s.account(t), newGitHost(t)
	clone := g.repository("x", map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	for _, address := range []string{clone, "http://169.254.169.254/latest/x.git", "ssh://git@127.0.0.1/x.git", "http://localhost/x.git", "http://[::1]/x.git"} {
		c.fails(t, c.buildRepository(t, address, ""), "", "does not connect to loopback")
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.again("--allow-host", "127.0.0.1", "--build-time", "8s"); err != nil {
		t.Fatal(err)
	}
	// Only the name that is allowed.
	c.fails(t, c.buildRepository(t, strings.Replace(clone, "127.0.0.1", "127.0.0.2", 1), ""), "", "does not connect to loopback")
	slow := g.repository("slow", busyboxFiles(t, "COPY busybox /bin/busybox", `RUN ["/bin/sh", "-c", "echo begun; /bin/busybox sleep 600"]`))
	c.fails(t, c.buildRepository(t, slow, ""), "", "begun", "the build took longer than 8s")
	s.nothingLeft(t)
}

func TestBuildStopped(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	s := ownHub(t, "--allow-host", "127.0.0.1")
	c, g := s.account(t), newGitHost(t)
	clone := g.repository("slow", busyboxFiles(t, "COPY busybox /bin/busybox",
		`RUN ["/bin/sh", "-c", "trap '' TERM; /bin/busybox setsid /bin/busybox sleep 600 & echo begun; /bin/busybox sleep 600"]`))
	repo := c.buildRepository(t, clone, "")

	// Deleted.
	id := c.build(t, repo, "").ID
	c.waitLog(t, id, "INFO begun")
	if len(s.left(t)) < 3 {
		t.Fatalf("a running build shows only %q", s.left(t))
	}
	c.call(t, 204, "DELETE", "/v1/builds/"+id, "")
	if b := read(t, c.call(t, 200, "GET", "/v1/builds/"+id, "")); b.Status != "D" || b.EndedAt == nil {
		t.Errorf("the build is %+v", b)
	}
	s.nothingLeft(t)
	c.call(t, 409, "DELETE", "/v1/builds/"+id, "")

	// The hub is killed: what ran has failed, what waited goes on.
	ids := []string{c.build(t, repo, "").ID, c.build(t, repo, "").ID, c.build(t, repo, "").ID}
	for _, id := range ids[:2] {
		c.waitLog(t, id, "INFO begun")
	}
	s.kill()
	if err := s.again("--allow-host", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids[:2] {
		b := c.until(t, id, "F")
		if log := c.buildLog(t, id); !strings.Contains(log, "INFO begun") || !strings.Contains(b.Detail, "the hub was stopped") || b.EndedAt == nil {
			t.Errorf("after the kill the build is %+v, its log\n%s", b, log)
		}
	}
	c.waitLog(t, ids[2], "INFO begun")
	for _, p := range s.left(t) {
		if strings.Contains(p, ids[0]) || strings.Contains(p, ids[1]) {
			t.Errorf("a build that was killed has left %s", p)
		}
	}
	// The hub is stopped in order.
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	s.nothingLeft(t)
	if err := s.again("--builds", "0"); err != nil {
		t.Fatal(err)
	}
	if b := c.until(t, ids[2], "F"); !strings.Contains(b.Detail, "the hub was stopped") {
		t.Errorf("after the stop the build is %+v", b)
	}
}

// TestBuildsTakeTurns has three namespaces ask for ten builds each, of a machine with
// room for five: two namespaces alone could not fill it.
func TestBuildsTakeTurns(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	s := ownHub(t, "--allow-host", "127.0.0.1", "--builds", "5")
	g := newGitHost(t)
	clone := g.repository("x", map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	type asked struct {
		client
		ns int
		id string
	}
	var all []asked
	for ns := range 3 {
		c := s.account(t)
		repo := c.buildRepository(t, clone, `"build_cache_enabled":false`)
		for range 10 {
			all = append(all, asked{c, ns, c.build(t, repo, "").ID})
		}
	}
	type span struct{ start, end string }
	spans := make([][]span, 3)
	for _, a := range all {
		b := a.until(t, a.id, "S")
		spans[a.ns] = append(spans[a.ns], span{*b.StartedAt, *b.EndedAt})
	}
	for ns, list := range spans {
		if !slices.IsSortedFunc(list, func(a, b span) int { return strings.Compare(a.start, b.start) }) {
			t.Errorf("namespace %d: not in order: %v", ns, list)
		}
		for i, a := range list {
			var at int
			for _, b := range list {
				if b.start <= a.start && a.start < b.end {
					at++
				}
			}
			if at > 2 {
				t.Errorf("namespace %d: %d builds ran with build %d", ns, at, i)
			}
		}
	}
	// Once all have asked, none is far behind the others: when the last namespace has
	// had five, no other waits for its sixth to last.
	for ns := range 2 {
		if spans[2][4].start > spans[ns][9].end {
			t.Errorf("namespace %d had ended before namespace 2 had its fifth build", ns)
		}
	}
	s.nothingLeft(t)
}
