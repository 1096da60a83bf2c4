package build

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// buildkit builds with a BuildKit of the build's own: a daemon inside of the build's
// network, which its steps share, with all that it keeps in the build's folder. It
// ends with the build. A client, buildctl or Docker's buildx, tells it what to build.
type buildkit struct {
	*sandbox
	daemon *daemon
	client func(ctx context.Context, w work) *exec.Cmd
}

// work is what a client tells a daemon to do, in BuildKit's own words.
type work struct {
	contextDir, dockerfile string
	cacheFrom, cacheTo     string // "" = none
	output                 string
}

// buildkitSocket is where the daemon listens. Sockets' paths are short, folders' may
// be long: both ends run in the folder.
const (
	buildkitSocket  = "buildkitd.sock"
	buildkitAddress = "unix:///proc/self/cwd/" + buildkitSocket
)

// newBuildKit is BuildKit by its own programs.
func newBuildKit(ctx context.Context, s *sandbox) (tool, error) {
	programs := make(map[string]string)
	for _, name := range []string{"buildkitd", "buildctl"} {
		path, err := exec.LookPath(name)
		if err != nil {
			return nil, missing("there is no " + name + " (see https://github.com/moby/buildkit/releases)")
		}
		programs[name] = path
	}
	if _, err := findRuntime(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args, err := s.buildkitArgs(self)
	if err != nil {
		return nil, err
	}
	if err := s.configureBuildKit(); err != nil {
		return nil, err
	}
	cmd := s.command(context.WithoutCancel(ctx), programs["buildkitd"], args...)
	cmd.Env = append(cmd.Env, buildkitVariables...)
	if err := s.doors.confine(cmd); err != nil {
		return nil, err
	}
	b := &buildkit{sandbox: s}
	b.client = func(ctx context.Context, w work) *exec.Cmd {
		return s.command(ctx, programs["buildctl"], s.buildctlArgs(w)...)
	}
	b.daemon, err = s.startDaemon(ctx, cmd)
	return b, err
}

// buildkitConfig is the daemon's configuration, for the path of a socket and a control
// group. What a Dockerfile names as its syntax is a program that could have steps run
// in other groups: only Docker's own is taken.
const buildkitConfig = `[cdi]
disabled = true
[otel]
socketPath = %q
[worker.oci]
defaultCgroupParent = %q
[frontend."gateway.v0"]
allowedRepositories = ["docker/dockerfile", "docker/dockerfile-upstream"]
`

// configureBuildKit writes the daemon's configuration.
func (s *sandbox) configureBuildKit() error {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	group := stepsGroup(string(groups), s.dir)
	config := fmt.Sprintf(buildkitConfig, s.place("otel.sock"), group)
	if s.registry.insecure() {
		config += fmt.Sprintf("[registry.%q]\nhttp = true\n", s.registry.base.Host)
	}
	return writeFiles(map[string]string{s.place("buildkitd.toml"): config, s.place(groupFile): group})
}

// buildkitArgs are the daemon's arguments, where this program is at self. Its steps
// have its own network, and may ask for no other one and for no rights.
func (s *sandbox) buildkitArgs(self string) ([]string, error) {
	runtime, err := s.runtime("buildkit", self)
	return []string{
		"--config", s.place("buildkitd.toml"), "--root", s.place("buildkit"), "--addr", buildkitAddress,
		"--containerd-worker=false", "--oci-worker=true", "--oci-worker-net=host", "--oci-worker-binary", runtime,
	}, err
}

// buildkitVariables are the daemon's: the log of a step has limits enough.
var buildkitVariables = []string{"BUILDKIT_STEP_LOG_MAX_SIZE=-1", "BUILDKIT_STEP_LOG_MAX_SPEED=-1"}

// buildctlArgs are the arguments of BuildKit's own client.
func (s *sandbox) buildctlArgs(w work) []string {
	args := []string{
		"--addr", buildkitAddress, "build", "--progress", "plain", "--frontend", "dockerfile.v0",
		"--local", "context=" + w.contextDir, "--local", "dockerfile=" + filepath.Dir(w.dockerfile), "--opt", "filename=" + filepath.Base(w.dockerfile),
	}
	for _, arg := range s.buildArgs() {
		args = append(args, "--opt", "build-arg:"+arg)
	}
	for _, secret := range s.secretFiles() {
		args = append(args, "--secret", secret)
	}
	if len(s.Platforms) > 0 {
		args = append(args, "--opt", "platform="+strings.Join(s.Platforms, ","))
	}
	return append(args, given("--import-cache", w.cacheFrom, "--export-cache", w.cacheTo, "--output", w.output)...)
}

// given are the options of a list of names and values that have a value.
func given(options ...string) (list []string) {
	for i := 0; i < len(options); i += 2 {
		if options[i+1] != "" {
			list = append(list, options[i:i+2]...)
		}
	}
	return list
}

func (b *buildkit) build(ctx context.Context, contextDir, dockerfile string) error {
	w := work{contextDir: contextDir, dockerfile: dockerfile}
	w.output = "type=image,push=true,oci-mediatypes=true,name=" + b.registry.image(b.Tag)
	if b.Cache {
		cache := "type=registry,ref=" + b.registry.image(b.cacheTag())
		// A cache that is not there yet would be told of as an error.
		if _, err := b.registry.manifest(ctx, b.cacheTag()); err == nil {
			w.cacheFrom = cache
		}
		w.cacheTo = cache + ",mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
	}
	built := sync.OnceFunc(b.built)
	err := b.do(b.client(ctx, w), func(line []byte) {
		if exporting.Match(line) {
			built()
		}
	})
	if err == nil {
		built()
	}
	return b.daemon.explain(err)
}

// exporting is the line that begins the push. A line that a step prints has a time
// before it.
var exporting = regexp.MustCompile(`^#\d+ exporting to image`)

func (b *buildkit) close() { b.daemon.close() }

// cacheTag is the name of what builds of one tag keep for each other; the hub knows
// its form, and shows it in no list.
func (b *buildkit) cacheTag() string {
	sum := sha256.Sum256([]byte(b.Tag))
	return fmt.Sprintf("berth-cache-%x", sum[:16])
}

// daemon is a process that runs beside the others of a build.
type daemon struct {
	stdin io.Closer
	kill  func()
	gone  chan struct{}
	said  tail
}

const (
	daemonStart = 2 * time.Minute  // is how long a daemon has to listen
	daemonGrace = 10 * time.Second // and to end by itself
)

// startDaemon starts a command that runs until its input ends, and waits until it
// listens at the socket of BuildKit. Close it, also when the context has ended.
func (s *sandbox) startDaemon(ctx context.Context, cmd *exec.Cmd) (*daemon, error) {
	d := &daemon{gone: make(chan struct{})}
	var err error
	if d.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = &d.said, &d.said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		cmd.Wait()
		close(d.gone)
	}()
	d.kill = func() { cmd.Process.Kill() }
	ctx, cancel := context.WithTimeoutCause(ctx, daemonStart, fmt.Errorf("buildkitd does not listen within %v", daemonStart))
	defer cancel()
	for {
		if c, err := net.Dial("unix", buildkitSocket); err == nil {
			c.Close()
			return d, nil
		}
		select {
		case <-d.gone:
			return nil, fmt.Errorf("buildkitd does not start: %s", &d.said)
		case <-ctx.Done():
			d.close()
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// explain is why something failed that the daemon was told to do: its own end, where
// it has ended.
func (d *daemon) explain(err error) error {
	select {
	case <-d.gone:
		if err != nil {
			return fmt.Errorf("buildkitd ended before the build: %s", &d.said)
		}
	default:
	}
	return err
}

// close ends the daemon, and returns when it has ended.
func (d *daemon) close() {
	d.stdin.Close()
	select {
	case <-d.gone:
	case <-time.After(daemonGrace):
		d.kill()
		<-d.gone
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-tailBytes):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
