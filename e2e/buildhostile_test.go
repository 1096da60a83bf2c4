package e2e_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestBuildsTakeTooMuch runs builds that want the whole machine, side by side. Each
// ends with a reason, while the hub goes on answering.
func TestBuildsTakeTooMuch(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	s := ownHub(t, "--allow-host", "127.0.0.1", "--builds", "5", "--build-running", "5",
		"--build-tasks", "300", "--build-memory", "800000000", "--build-disk", "200000000")
	g := newGitHost(t)
	const wait = `; /bin/busybox sleep 600"]`
	var running sync.WaitGroup
	for name, test := range map[string]struct{ step, reason string }{
		"processes": {`RUN ["/bin/sh", "-c", "b() { b | b & }; b` + wait, "ran more than 300 processes and threads at once"},
		"memory":    {`RUN ["/bin/sh", "-c", "/bin/busybox dd if=/dev/zero bs=1200M count=1 | /bin/busybox sleep 600` + wait, "used more than 762 MiB of memory"},
		// Files that lie in memory, and that no process has mapped.
		"files": {`RUN --mount=type=tmpfs,target=/files ["/bin/sh", "-c", "/bin/busybox dd if=/dev/zero of=/files/big bs=1M count=1200` + wait, "used more than 762 MiB of memory"},
		"disk":  {`RUN ["/bin/sh", "-c", "/bin/busybox dd if=/dev/zero of=/big bs=1M count=400` + wait, "used more than 190 MiB of the disk"},
		// A gigabyte of output: the log ends at its 64 MiB.
		"output": {`RUN ["/bin/sh", "-c", "/bin/busybox yes ` + strings.Repeat("printing ", 100) + ` | /bin/busybox head -c 1000000000` + wait, "the log is longer than 67108864 bytes"},
	} {
		clone := g.repository(name, busyboxFiles(t, "COPY busybox /bin/busybox", test.step))
		c := s.account(t)
		repo := c.buildRepository(t, clone, `"build_cache_enabled":false`)
		b := c.build(t, repo, "")
		running.Go(func() {
			for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
				a, err := c.try(t.Context(), "GET", "/v1/builds/"+b.ID, nil)
				if err != nil || a.status != 200 {
					t.Errorf("%s: while it runs the hub answers %s, %v", name, a, err)
					return
				}
				var now built
				if err := json.Unmarshal(a.body, &now); err != nil {
					t.Error(err)
				}
				if now.Status == "F" && strings.Contains(now.Detail, test.reason) {
					return
				}
				if strings.Contains("SFD", now.Status) || time.Since(begun) > 2*time.Minute {
					t.Errorf("%s: the build is %+v, not failed as it %q", name, now, test.reason)
					return
				}
			}
		})
	}
	running.Wait()
	s.nothingLeft(t)
}

// tree writes a tree of raw entries into a repository's objects, and a branch of it;
// Git's own commands would refuse such names.
func (g *gitHost) tree(repo, branch string, entries ...string) {
	g.t.Helper()
	var raw bytes.Buffer
	for i := 0; i < len(entries); i += 3 {
		id, err := hex.DecodeString(entries[i+2])
		if err != nil {
			g.t.Fatal(err)
		}
		fmt.Fprintf(&raw, "%s %s\x00%s", entries[i], entries[i+1], id)
	}
	at := filepath.Join(g.dir, repo, "raw-tree")
	if err := os.WriteFile(at, raw.Bytes(), 0o644); err != nil {
		g.t.Fatal(err)
	}
	tree := g.git(repo, "hash-object", "-t", "tree", "-w", "--literally", "raw-tree")
	g.git(repo, "update-ref", "refs/heads/"+branch, g.git(repo, "commit-tree", "-m", "x", tree))
}

// TestBuildHostileRepositories builds from repositories that try to reach out of
// their clone, onto files beside it.
func TestBuildHostileRepositories(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	s := ownHub(t, "--allow-host", "127.0.0.1")
	c, g := s.account(t), newGitHost(t)
	outside := t.TempDir()
	const content = "of the hub's machine alone"
	if err := os.WriteFile(filepath.Join(outside, "file"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	up := strings.Repeat("../", 20)

	// Names that lead elsewhere, written as no Git would.
	clone := g.repository("names", map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\n", "link": "-> " + outside, "sub/file": "overwritten"})
	id := func(at string) string { return g.git("names", "rev-parse", "HEAD:"+at) }
	dockerfile := []string{"100644", "Dockerfile", id("Dockerfile")}
	for branch, entries := range map[string][]string{
		"link-first":  {"120000", "link", id("link"), "40000", "link", id("sub")},
		"link-second": {"40000", "link", id("sub"), "120000", "link", id("link")},
		"up":          {"40000", "..", id("sub")},
		"slashes":     {"100644", up + outside[1:] + "/file", id("sub/file")},
		"absolute":    {"100644", outside + "/file", id("sub/file")},
		"git-folder":  {"40000", ".git", id("sub")},
		"GIT-folder":  {"40000", ".GIT", id("sub")},
	} {
		g.tree("names", branch, append(entries, dockerfile...)...)
		b := c.build(t, c.buildRepository(t, clone, `"build_cache_enabled":false,"code_repo_type_value":"`+branch+`"`), "")
		if b = c.until(t, b.ID, "SF"); b.Status == "F" && !strings.Contains(b.Detail, "clone") {
			t.Errorf("%s: %+v", branch, b)
		}
	}
	// Links that the Dockerfile copies.
	for name, target := range map[string]string{"absolute": outside + "/file", "relative": up + outside[1:] + "/file", "folder": outside} {
		clone := g.repository("copy-"+name, map[string]string{"Dockerfile": "FROM scratch\nCOPY link /got\nCOPY . /all/\n", "link": "-> " + target})
		b := c.build(t, c.buildRepository(t, clone, `"build_cache_enabled":false`), "")
		if b = c.until(t, b.ID, "SF"); b.Status == "F" {
			if log := c.buildLog(t, b.ID); !strings.Contains(log, "link") || strings.Contains(log, content) {
				t.Errorf("%s: the log is\n%s", name, log)
			}
			continue
		}
		for file, text := range c.files(t, b.Repository+":latest") {
			if strings.Contains(text, content) {
				t.Errorf("%s: the image has a file of the hub's machine as %s", name, file)
			}
		}
	}
	// Base images that are files, such as of the code repository.
	clone = g.repository("plain", map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	made := c.until(t, c.build(t, c.buildRepository(t, clone, ""), "").ID, "S")
	for _, kind := range []string{"dir", "oci-archive", "docker-archive"} {
		name := "from-" + kind
		if err := os.Mkdir(filepath.Join(g.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		program(t, "skopeo", "copy", "--src-tls-verify=false", "--src-creds", c.user+":"+c.password,
			"docker://"+s.host+"/"+made.Repository+":latest", kind+":"+filepath.Join(g.dir, name, "image"))
		clone := g.repository(name, map[string]string{"Dockerfile": "FROM " + kind + ":source/image\nCOPY Dockerfile /\n"}) // from the build's folder
		c.fails(t, c.buildRepository(t, clone, ""), "", "rejected by policy")
	}
	if b, err := os.ReadFile(filepath.Join(outside, "file")); err != nil || string(b) != content {
		t.Errorf("the file beside the clone is now %q, %v", b, err)
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) != 1 {
		t.Errorf("beside the clone are now %v, %v", list, err)
	}

	// A host that is allowed leads on to one that is not.
	var asked atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	inside := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) })}
	go inside.Serve(l)
	t.Cleanup(func() { inside.Close() })
	for _, to := range []string{"http://" + l.Addr().String(), "http://169.254.169.254/latest", "http://[::1]/x", "http://10.0.0.1/x"} {
		host := httptest.NewServer(http.RedirectHandler(to+"/info/refs?service=git-upload-pack", http.StatusFound))
		c.fails(t, c.buildRepository(t, host.URL+"/x.git", ""), "", "does not connect to loopback")
		host.Close()
	}
	file := httptest.NewServer(http.RedirectHandler("file:///etc/passwd", http.StatusFound))
	t.Cleanup(file.Close)
	c.fails(t, c.buildRepository(t, file.URL+"/x.git", ""), "", `unsupported scheme "file"`)
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests went where a redirect led", n)
	}
	s.nothingLeft(t)
}

// files are the regular files of an image, with their contents.
func (c client) files(t *testing.T, image string) map[string]string {
	t.Helper()
	repo, tag, _ := strings.Cut(image, ":")
	var m manifest
	if err := json.Unmarshal(c.call(t, 200, "GET", "/v2/"+repo+"/manifests/"+tag, "").body, &m); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, layer := range m.Layers {
		unzipped, err := gzip.NewReader(bytes.NewReader(c.call(t, 200, "GET", "/v2/"+repo+"/blobs/"+layer.Digest, "").body))
		if err != nil {
			t.Fatal(err)
		}
		for files := tar.NewReader(unzipped); ; {
			h, err := files.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				b, err := io.ReadAll(files)
				if err != nil {
					t.Fatal(err)
				}
				all[h.Name] = string(b)
			}
		}
	}
	return all
}

// TestBuildLarge builds from a repository of 10,000 files, in a step that prints
// 100,000 lines, which a client follows.
func TestBuildLarge(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	const files, lines = 10_000, 100_000
	s := ownHub(t, "--allow-host", "127.0.0.1")
	c, g := s.account(t), newGitHost(t)
	content := busyboxFiles(t, "COPY folder/99 /folder", fmt.Sprintf(`RUN ["/bin/sh", "-c", "i=0; while [ $((i=i+1)) -le %d ]; do echo $i; done"]`, lines))
	for i := range files {
		content[fmt.Sprintf("folder/%d/file %d", i/100, i)] = fmt.Sprint(i)
	}
	b := c.build(t, c.buildRepository(t, g.repository("large", content), `"build_cache_enabled":false`), "")
	printed, seq, asked := 0, int64(0), 0
	for over := false; ; {
		var got []struct {
			Seq     int64
			Message string
		}
		a := c.call(t, 200, "GET", fmt.Sprintf("/v1/builds/%s/logs?after=%d", b.ID, seq), "")
		if err := json.Unmarshal(a.body, &got); err != nil {
			t.Fatal(err)
		}
		asked++
		for _, l := range got {
			if seq++; l.Seq != seq {
				t.Fatalf("line %d follows line %d", l.Seq, seq-1)
			}
			if l.Message == fmt.Sprint(printed+1) {
				printed++
			}
		}
		if len(got) > 0 {
			continue
		}
		if over {
			break
		}
		over = strings.Contains("SFD", read(t, c.call(t, 200, "GET", "/v1/builds/"+b.ID, "")).Status)
		time.Sleep(20 * time.Millisecond)
	}
	b = c.until(t, b.ID, "S")
	if printed != lines || asked < lines/10_000 {
		t.Errorf("of %d lines %d came in order, in %d answers", lines, printed, asked)
	}
	in := c.files(t, b.Repository+":latest")
	for i := files - 100; i < files; i++ {
		if in[fmt.Sprintf("folder/file %d", i)] != fmt.Sprint(i) {
			t.Fatalf("file %d is not in the image, which has %d", i, len(in))
		}
	}
	s.nothingLeft(t)
}
