package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// engine starts a Docker engine of this test's own, and returns a way to run
// docker against it, and its socket.
func engine(t *testing.T) (docker func(stdin string, args ...string) string, socket string) {
	t.Helper()
	root := rootDir(t)
	socket = root + "/docker"
	var log bytes.Buffer
	daemon := asRoot(context.Background(), "dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver", "vfs",
		"--data-root", root+"/data", "--exec-root", root+"/exec", "--pidfile", root+"/pid", "-H", "unix://"+socket,
		"--insecure-registry", "127.0.0.0/8", "--add-runtime", "here="+runtimeHere(t), "--default-runtime", "here")
	if errors.Is(daemon.Err, exec.ErrNotFound) { // out of the PATH of those who are not root
		daemon.Path, daemon.Err = "/usr/sbin/dockerd", nil
	}
	daemon.Stdout, daemon.Stderr = &log, &log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { daemon.Wait(); close(ended) }()
	t.Cleanup(func() {
		if pid, err := os.ReadFile(root + "/pid"); err == nil {
			asRoot(context.Background(), "kill", strings.TrimSpace(string(pid))).Run()
		}
		<-ended
		// Where the mounts of / are private, Docker 24 leaves this folder mounted on itself.
		asRoot(context.Background(), "umount", root+"/data").Run()
	})
	run := func(stdin string, args ...string) ([]byte, error) {
		cmd := asRoot(t.Context(), "env", append([]string{"DOCKER_BUILDKIT=0", "docker", "--config", root + "/config", "-H", "unix://" + socket}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		return cmd.CombinedOutput()
	}
	for {
		if _, err := run("", "version"); err == nil {
			break
		}
		select {
		case <-ended:
			t.Fatalf("the Docker engine did not start:\n%s", &log)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return func(stdin string, args ...string) string {
		t.Helper()
		out, err := run(stdin, args...)
		if err != nil {
			t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}, socket
}

// runtimeHere is runc. Where root lacks a capability that an engine gives to a
// privileged container, as in some virtual machines, it takes that away again.
func runtimeHere(t *testing.T) string {
	t.Helper()
	const script = `#!/bin/sh
last=
for arg; do
	[ "$last" != --bundle ] || sed -i 's/"CAP_SYS_RESOURCE",//g' "$arg/config.json"
	last=$arg
done
exec runc "$@"
`
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	var has uint64
	_, bounding, _ := strings.Cut(string(status), "CapBnd:")
	if _, err := fmt.Sscanf(bounding, "%x", &has); err != nil {
		t.Fatal(err)
	}
	const sysResource = 24 // capabilities(7)
	if has&(1<<sysResource) != 0 {
		return "runc"
	}
	path := filepath.Join(rootDir(t), "runtime")
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDocker(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	repo := c.repository(t, false)
	image := hub.host + "/" + repo + ":v1"
	docker, _ := engine(t)
	dir, content := t.TempDir(), fresh("content")
	file := "FROM scratch\nCOPY content /content\nCOPY more /more\n"
	for name, b := range map[string][]byte{"Dockerfile": []byte(file), "content": []byte(content), "more": randomBytes(3_000_000)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	docker("", "build", "-t", image, dir)
	docker(c.password, "login", "--username", c.user, "--password-stdin", hub.host)
	docker("", "push", image)
	a := c.call(t, http.StatusOK, "GET", "/v2/"+repo+"/manifests/v1", "", "Accept: application/vnd.docker.distribution.manifest.v2+json")
	if got := a.header.Get("Content-Type"); got != "application/vnd.docker.distribution.manifest.v2+json" {
		t.Errorf("docker's manifest comes back as %s", got)
	}
	docker("", "image", "rm", image)
	docker("", "pull", image)
	name := fresh("c")
	docker("", "create", "--name", name, image, "nothing")
	out := filepath.Join(t.TempDir(), "content")
	docker("", "cp", name+":/content", out)
	if got, err := os.ReadFile(out); err != nil || string(got) != content {
		t.Errorf("the pulled image holds %q, not %q (%v)", got, content, err)
	}
	// A second repository has the layers by mounts.
	other := c.repository(t, false)
	docker("", "tag", image, hub.host+"/"+other+":v2")
	if out := docker("", "push", hub.host+"/"+other+":v2"); !strings.Contains(out, "Mounted from "+repo) {
		t.Errorf("docker mounted nothing:\n%s", out)
	}
	docker("", "logout", hub.host)
}
