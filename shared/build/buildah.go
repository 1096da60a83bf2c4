package build

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// buildah builds with the program of that name, as root, without a container
// runtime: steps run in a changed root, inside of the build's own network.
type buildah struct {
	*sandbox
	program string
	driver  string
}

// local is the image's name in the build's own storage.
const local = "localhost/berth:build"

func newBuildah(ctx context.Context, s *sandbox) (tool, error) {
	program, err := exec.LookPath("buildah")
	if err != nil {
		return nil, missing("there is no buildah (apt-get install buildah)")
	}
	b := &buildah{sandbox: s, program: program}
	registries := "unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"disabled\"\n"
	if s.registry.insecure() {
		registries += fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", s.registry.base.Host)
	}
	err = writeFiles(map[string]string{
		s.place("registries.conf"): registries,
		s.place("policy.json"):     `{"default": [{"type": "insecureAcceptAnything"}]}`,
	})
	if err != nil {
		return nil, err
	}
	b.driver = "overlay"
	if err := b.command(ctx, "info").Run(); err != nil {
		b.driver = "vfs" // slower, and works on every file system
	}
	return b, nil
}

// command is buildah with storage of the build's own.
func (b *buildah) command(ctx context.Context, args ...string) *exec.Cmd {
	storage := []string{"--root", b.place("storage"), "--runroot", b.place("runroot"), "--storage-driver", b.driver}
	cmd := b.sandbox.command(ctx, b.program, append(storage, args...)...)
	cmd.Env = append(cmd.Env, "CONTAINERS_REGISTRIES_CONF="+b.place("registries.conf"), "REGISTRY_AUTH_FILE="+b.login())
	return cmd
}

func (b *buildah) build(ctx context.Context, contextDir, dockerfile string) error {
	args := []string{
		"build", "--isolation", "chroot", "--format", "oci", "--file", dockerfile, "--http-proxy=false",
		"--signature-policy", b.place("policy.json"), "--authfile", b.login(),
	}
	// It does not tell what it keeps for one platform from what is for another.
	if b.Cache && len(b.Platforms) == 0 {
		cache := b.registry.base.Host + "/" + b.Repository
		args = append(args, "--layers", "--cache-from", cache, "--cache-to", cache)
	} else {
		args = append(args, "--no-cache", "--layers=false")
	}
	for _, arg := range b.buildArgs() {
		args = append(args, "--build-arg", arg)
	}
	for _, secret := range b.secretFiles() {
		args = append(args, "--secret", secret)
	}
	if len(b.Platforms) > 0 {
		args = append(args, "--platform", strings.Join(b.Platforms, ","), "--manifest", local)
	} else {
		args = append(args, "--tag", local)
	}
	if err := b.do(b.command(ctx, append(args, contextDir)...), nil); err != nil {
		return err
	}
	b.built()
	return b.push(ctx)
}

func (b *buildah) push(ctx context.Context) error {
	to := "docker://" + b.registry.image(b.Tag)
	args := []string{"push"}
	if len(b.Platforms) > 0 {
		args = []string{"manifest", "push", "--all", fmt.Sprintf("--tls-verify=%t", !b.registry.insecure())}
	}
	args = append(args, "--signature-policy", b.place("policy.json"), "--authfile", b.login(), local, to)
	return b.do(b.command(ctx, args...), nil)
}

func (b *buildah) close() {}
