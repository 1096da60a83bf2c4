package build

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// tool finds the program that builds.
func (r *run) tool(registry *registry) (tool, error) {
	program, err := exec.LookPath("buildah")
	if err != nil {
		return nil, errors.New("this machine has no buildah, which builds images: install it (apt-get install buildah)")
	}
	b := &buildah{run: r, registry: registry, program: program}
	return b, b.prepare()
}

// buildah builds with the program of that name, as root, without a container
// runtime: steps run in a changed root, inside of the build's own network.
type buildah struct {
	*run
	registry *registry
	program  string
	driver   string
	stop     func()
	socket   string
}

// local is the image's name in the build's own storage.
const local = "localhost/berth:build"

// place is a path in the build's folder.
func (b *buildah) place(names ...string) string {
	return filepath.Join(append([]string{b.dir}, names...)...)
}

// prepare writes the files that tell buildah where it may go and as whom.
func (b *buildah) prepare() error {
	auth := base64.StdEncoding.EncodeToString([]byte("build:" + b.Token))
	login, err := json.Marshal(map[string]any{"auths": map[string]any{b.registry.base.Host: map[string]string{"auth": auth}}})
	if err != nil {
		return err
	}
	registries := "unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"disabled\"\n"
	if b.registry.insecure() {
		registries += fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", b.registry.base.Host)
	}
	files := map[string]string{
		b.place("auth.json"):       string(login),
		b.place("registries.conf"): registries,
		b.place("policy.json"):     `{"default": [{"type": "insecureAcceptAnything"}]}`,
	}
	for name, value := range b.Secrets {
		files[b.place("secrets", name)] = value
	}
	for _, dir := range []string{"home", "tmp", "secrets"} {
		if err := os.MkdirAll(b.place(dir), 0o700); err != nil {
			return err
		}
	}
	for name, content := range files {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return err
		}
	}
	b.driver = "overlay"
	if err := b.command(context.Background(), "info").Run(); err != nil {
		b.driver = "vfs" // slower, and works on every file system
	}
	return nil
}

// command is buildah with storage of the build's own.
func (b *buildah) command(ctx context.Context, args ...string) *exec.Cmd {
	storage := []string{"--root", b.place("storage"), "--runroot", b.place("runroot"), "--storage-driver", b.driver}
	cmd := exec.CommandContext(ctx, b.program, append(storage, args...)...)
	cmd.Dir = b.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.place("home"), "TMPDIR=" + b.place("tmp"),
		"CONTAINERS_REGISTRIES_CONF=" + b.place("registries.conf"), "REGISTRY_AUTH_FILE=" + b.place("auth.json"),
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// do runs buildah inside of the build's network, its output going into the log.
func (b *buildah) do(ctx context.Context, args ...string) error {
	if b.socket == "" {
		var err error
		if b.socket, b.stop, err = b.doors(b.registry); err != nil {
			return err
		}
	}
	cmd := b.command(ctx, args...)
	if err := b.confine(cmd, b.socket, b.registry); err != nil {
		return err
	}
	out := b.log.writer("INFO")
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("the image builder ended with status %d; the lines above say why", exit.ExitCode())
	}
	return err
}

func (b *buildah) build(ctx context.Context, contextDir, dockerfile string) error {
	args := []string{
		"build", "--isolation", "chroot", "--format", "oci", "--file", dockerfile,
		"--signature-policy", b.place("policy.json"), "--authfile", b.place("auth.json"),
	}
	if b.Cache {
		cache := b.registry.base.Host + "/" + b.Repository
		args = append(args, "--layers", "--cache-from", cache, "--cache-to", cache)
	} else {
		args = append(args, "--no-cache", "--layers=false")
	}
	for _, name := range slices.Sorted(maps.Keys(b.Args)) {
		args = append(args, "--build-arg", name+"="+b.Args[name])
	}
	for _, name := range slices.Sorted(maps.Keys(b.Secrets)) {
		args = append(args, "--secret", "id="+name+",src="+b.place("secrets", name))
	}
	if len(b.Platforms) > 0 {
		args = append(args, "--platform", strings.Join(b.Platforms, ","), "--manifest", local)
	} else {
		args = append(args, "--tag", local)
	}
	return b.do(ctx, append(args, contextDir)...)
}

func (b *buildah) push(ctx context.Context) error {
	to := "docker://" + b.registry.image(b.Tag)
	policy := []string{"--signature-policy", b.place("policy.json"), "--authfile", b.place("auth.json")}
	if len(b.Platforms) > 0 {
		return b.do(ctx, append(append([]string{"manifest", "push", "--all"}, policy...), local, to)...)
	}
	return b.do(ctx, append(append([]string{"push"}, policy...), local, to)...)
}
