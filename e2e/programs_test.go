package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// program runs a client's program and returns what it printed. `make packages`
// installs what is missing.
func program(t *testing.T, name string, args ...string) string {
	t.Helper()
	return output(t, exec.CommandContext(t.Context(), name, args...))
}

func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// asRoot is a command of those that need root's rights: by sudo where the tests
// do not have them.
func asRoot(ctx context.Context, name string, args ...string) *exec.Cmd {
	if os.Geteuid() != 0 {
		name, args = "sudo", append([]string{"-n", name}, args...)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	return cmd
}

// rootDir is a folder of this test for programs that leave files of root's in it.
// Its path is short, as that of a socket must be.
func rootDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "berth-root-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := asRoot(context.Background(), "rm", "-rf", dir).CombinedOutput(); err != nil {
			t.Errorf("%s is left: %v\n%s", dir, err, out)
		}
	})
	return dir
}

// layout writes an image as an OCI layout for programs to push, and returns its folder.
func layout(t *testing.T, i image) string {
	t.Helper()
	dir := t.TempDir()
	if err := i.write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// write writes the image to a folder as an OCI layout, with the name v1.
func (i image) write(dir string) error {
	d := describe(imageType, i.manifest)
	d.Annotations = map[string]string{"org.opencontainers.image.ref.name": "v1"}
	index, err := json.Marshal(manifest{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{d}})
	if err != nil {
		return err
	}
	files := map[string][]byte{"index.json": index, "oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}
	blob := func(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }
	files[blob(i.digest)] = i.manifest
	for digest, b := range i.blobs {
		files[blob(digest)] = b
	}
	for name, b := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func TestSkopeo(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	repo, other := c.repository(t, false), c.repository(t, false)
	i := newImage(3, 100_000)
	creds := c.user + ":" + c.password
	at := "docker://" + hub.host + "/"
	program(t, "skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", creds, "oci:"+layout(t, i)+":v1", at+repo+":v1")
	c.mustVerify(t, repo, "v1", i)
	program(t, "skopeo", "copy", "--src-tls-verify=false", "--src-creds", creds, "--dest-tls-verify=false", "--dest-creds", creds,
		at+repo+":v1", at+other+":v2")
	c.mustVerify(t, other, "v2", i)
	var seen struct {
		Digest   string
		RepoTags []string
	}
	out := program(t, "skopeo", "inspect", "--tls-verify=false", "--creds", creds, at+repo+":v1")
	if err := json.Unmarshal([]byte(out), &seen); err != nil || seen.Digest != i.digest || len(seen.RepoTags) != 1 || seen.RepoTags[0] != "v1" {
		t.Errorf("skopeo sees %s (%v)", out, err)
	}
	program(t, "skopeo", "delete", "--tls-verify=false", "--creds", creds, at+repo+":v1")
	c.call(t, 404, "GET", "/v2/"+repo+"/manifests/v1", "")
	if out, err := exec.CommandContext(t.Context(), "skopeo", "inspect", "--tls-verify=false", "--creds", c.user+":wrong", at+other+":v2").CombinedOutput(); err == nil {
		t.Errorf("with a wrong password skopeo sees %s", out)
	}
}

// bundle is a build context whose image has busybox and a file of its own.
func bundle(t *testing.T) (dir, content string) {
	t.Helper()
	dir, content = t.TempDir(), fresh("content")
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(busybox)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(dir, "busybox"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	file := "FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\nRUN echo " + content + " > /content\nCMD [\"/bin/busybox\", \"cat\", \"/content\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, content
}

// containers runs buildah or podman with storage of this test's own.
func containers(t *testing.T) func(name string, args ...string) string {
	root := rootDir(t)
	return func(name string, args ...string) string {
		t.Helper()
		args = append([]string{"--storage-driver", "vfs", "--root", root + "/root", "--runroot", root + "/run"}, args...)
		return output(t, asRoot(t.Context(), name, args...))
	}
}

func TestBuildah(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	image := hub.host + "/" + c.repository(t, false) + ":built"
	creds := c.user + ":" + c.password
	here, elsewhere := containers(t), containers(t)
	dir, content := bundle(t)
	here("buildah", "bud", "--isolation", "chroot", "-t", image, dir)
	here("buildah", "push", "--tls-verify=false", "--creds", creds, image)
	elsewhere("buildah", "pull", "--tls-verify=false", "--creds", creds, image)
	name := strings.TrimSpace(elsewhere("buildah", "from", "--pull-never", image))
	if got := strings.TrimSpace(elsewhere("buildah", "run", "--isolation", "chroot", name, "/bin/busybox", "cat", "/content")); got != content {
		t.Errorf("the pulled image says %q, not %q", got, content)
	}
	// A build on the pushed image pulls it.
	child := t.TempDir()
	if err := os.WriteFile(filepath.Join(child, "Dockerfile"), []byte("FROM "+image+"\nRUN /bin/busybox cat /content > /copy\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	third := containers(t)
	third("buildah", "bud", "--isolation", "chroot", "--tls-verify=false", "--creds", creds, "-t", image+"-2", child)
	third("buildah", "push", "--tls-verify=false", "--creds", creds, image+"-2")
	path := "/v2/" + strings.TrimSuffix(strings.TrimPrefix(image, hub.host+"/"), ":built") + "/manifests/built-2"
	c.call(t, http.StatusOK, "GET", path, "", "Accept: "+imageType)
}

func TestPodman(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	repo := c.repository(t, true)
	i := newImage(1, 100)
	c.mustPush(t, repo, "v1", i)
	run := containers(t)
	name := strings.TrimPrefix(repo, c.user+"/")
	out := run("podman", "search", "--tls-verify=false", "--format", "{{.Name}}", fmt.Sprintf("%s/%s", hub.host, name))
	if !strings.Contains(out, hub.host+"/"+repo) {
		t.Errorf("podman's search finds %q, not %s", out, repo)
	}
	tags := run("podman", "search", "--tls-verify=false", "--list-tags", hub.host+"/"+repo)
	if !strings.HasSuffix(strings.TrimSpace(tags), hub.host+"/"+repo+"  v1") {
		t.Errorf("podman lists the tags %q", tags)
	}
}
