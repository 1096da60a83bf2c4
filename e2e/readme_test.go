package e2e_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadme runs every command of the README, in its order, in a folder of its
// own: the first block starts the hub, the others are pasted beside it.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(text, -1) {
		blocks = append(blocks, string(m[1]))
	}
	if len(blocks) < 3 || !strings.Contains(blocks[0], "make run") {
		t.Fatalf("the README's commands are %q", blocks)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir := checkout(t)
	env := environment("BERTH_LISTEN="+addr, "HOME="+t.TempDir(), "PWD="+dir)
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(out)))
	}
	script := func(block string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(block, "127.0.0.1:8080", addr))
		cmd.Dir, cmd.Env = dir, env
		return cmd
	}

	var log bytes.Buffer
	serve := script(blocks[0])
	serve.Stdout, serve.Stderr = &log, &log
	serve.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // make and the hub end together
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	defer func() {
		syscall.Kill(-serve.Process.Pid, syscall.SIGTERM)
		<-ended
	}()
	hub := client{base: "http://" + addr, user: "admin", password: "change-me-please"}
	for {
		if a, err := hub.as("", "").try(t.Context(), "GET", "/readyz", nil); err == nil && a.status == 200 {
			break
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ends with %v\n%s", blocks[0], err, &log)
		case <-time.After(20 * time.Millisecond):
		}
	}
	out, err := script(strings.Join(blocks[1:], "\n")).CombinedOutput()
	if err != nil {
		t.Fatalf("the README's commands end with %v\n%s", err, out)
	}
	for _, want := range []string{`"repo_path":"admin/hello"`, `"tag":"v1"`, `"tag":"v2"`, `"blobs": 0`} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("the README's commands do not print %s:\n%s", want, out)
		}
	}
	hub.call(t, 404, "GET", "/v2/admin/hello/manifests/v1", "")
	hub.call(t, 200, "GET", "/console/", "")
	hub.call(t, 200, "GET", "/v2/admin/hello/manifests/v2", "")
}

// checkout is a copy of the project's sources, as a fresh clone has them, but with the
// console as far as it was built.
func checkout(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{".ci", "cmd", "console", "shared", "go.mod", "go.sum", "Makefile", "README.md"} {
		if out, err := exec.Command("cp", "-a", filepath.Join(root, name), dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return dir
}
