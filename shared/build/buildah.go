package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// buildah builds with the program of that name, as root. Steps run in containers of
// runc, inside of the build's own network. Buildah could do without containers, and
// only change a step's root; but out of that there are ways for whoever is root in it.
type buildah struct {
	*sandbox
	program string
	runtime string   // see Runtime
	storage []string // its global arguments
}

const buildahName = "buildah"

// local is the image's name in the build's own storage.
const local = "localhost/berth:build"

// onlyRegistries is the policy that images come from registries, or from the build's
// own storage: FROM could also name files of this machine, and its engines.
const onlyRegistries = `{"default": [{"type": "reject"}], "transports": {
	"docker": {"": [{"type": "insecureAcceptAnything"}]}, "containers-storage": {"": [{"type": "insecureAcceptAnything"}]}
}}`

func newBuildah(_ context.Context, s *sandbox) (tool, error) {
	program, err := exec.LookPath("buildah")
	if err != nil {
		return nil, missing("there is no buildah (apt-get install buildah)")
	}
	if _, err := findRuntime(); err != nil {
		return nil, err
	}
	if err := hideGroups(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &buildah{sandbox: s, program: program}
	if b.runtime, err = s.runtime(buildahName, self); err != nil {
		return nil, err
	}
	registries := "unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"disabled\"\n"
	if s.registry.insecure() {
		registries += fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", s.registry.base.Host)
	}
	err = writeFiles(map[string]string{
		s.place("registries.conf"): registries,
		s.place("policy.json"):     onlyRegistries,
	})
	if err != nil {
		return nil, err
	}
	// Images may hold device files, and steps may not use them.
	b.storage = []string{"--storage-driver", "overlay", "--storage-opt", "overlay.mountopt=nodev"}
	if !s.overlays() {
		b.storage = []string{"--storage-driver", "vfs"} // slower, and works on every file system
	}
	return b, os.Mkdir(s.place("nothing"), 0o755)
}

// overlays reports whether file systems can be laid over each other in the build's
// folder.
func (s *sandbox) overlays() bool {
	at := s.place("overlay")
	for _, dir := range []string{"lower", "upper", "work", "both"} {
		if err := os.MkdirAll(filepath.Join(at, dir), 0o700); err != nil {
			return false
		}
	}
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", "overlay") // from the build's folder
	both := filepath.Join(at, "both")
	return syscall.Mount("overlay", both, "overlay", syscall.MS_NODEV, options) == nil && syscall.Unmount(both, 0) == nil
}

// hideGroups makes the control groups read-only for all of the build: its steps stay
// in the group that the build is in.
func hideGroups() error {
	all, err := mountsNow()
	if err != nil {
		return err
	}
	for _, m := range all {
		if !strings.HasPrefix(m.kind, "cgroup") {
			continue
		}
		const flags = syscall.MS_REMOUNT | syscall.MS_BIND | syscall.MS_RDONLY | syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC
		if err := syscall.Mount("", m.point, "", flags, ""); err != nil {
			return fmt.Errorf("the control groups at %s cannot be made read-only: %w", m.point, err)
		}
	}
	return nil
}

// command is buildah with storage of the build's own.
func (b *buildah) command(ctx context.Context, args ...string) *exec.Cmd {
	storage := append([]string{"--root", b.place("storage"), "--runroot", b.place("runroot")}, b.storage...)
	cmd := b.sandbox.command(ctx, b.program, append(storage, args...)...)
	cmd.Env = append(cmd.Env, "CONTAINERS_REGISTRIES_CONF="+b.place("registries.conf"), "REGISTRY_AUTH_FILE="+b.login())
	return cmd
}

func (b *buildah) build(ctx context.Context, contextDir, dockerfile string) error {
	args := []string{
		"build", "--format", "oci", "--file", listed(dockerfile), "--http-proxy=false",
		"--isolation", "oci", "--network", "host", // that is the build's own
		"--runtime", b.runtime, "--runtime-flag", "rootless=true", // without control groups
		"--volume", b.place("nothing") + ":/sys/fs/cgroup:ro",
		"--signature-policy", b.place("policy.json"), "--authfile", b.login(),
	}
	args = append(args, ulimits()...)
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

// ulimits have steps stay within the limits that the build is under itself. Newer
// buildahs would raise them, which the build has no right to.
func ulimits() (args []string) {
	const processes = 6 // RLIMIT_NPROC, see getrlimit(2)
	for _, l := range []struct {
		name     string
		resource int
	}{{"nofile", syscall.RLIMIT_NOFILE}, {"nproc", processes}} {
		var now syscall.Rlimit
		if syscall.Getrlimit(l.resource, &now) == nil {
			most := min(now.Max, 1<<20) // what newer ones take where they may
			args = append(args, "--ulimit", fmt.Sprintf("%s=%d:%d", l.name, most, most))
		}
	}
	return args
}

// listed is a value of an option that takes several between commas, which may have
// commas itself.
func listed(value string) string { return `"` + strings.ReplaceAll(value, `"`, `""`) + `"` }

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
