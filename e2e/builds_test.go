package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

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
	release := g.hold() // none ends before all are asked for
	for ns := range 3 {
		c := s.account(t)
		repo := c.buildRepository(t, clone, `"build_cache_enabled":false`)
		for range 10 {
			all = append(all, asked{c, ns, c.build(t, repo, "").ID})
		}
	}
	release()
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
	// None is far behind the others: when the last namespace has had five, no other has
	// had all its ten.
	for ns := range 2 {
		if spans[2][4].start > spans[ns][9].end {
			t.Errorf("namespace %d had ended before namespace 2 had its fifth build", ns)
		}
	}
	s.nothingLeft(t)
}
