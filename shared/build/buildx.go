package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// BuildKitImage is the image that a Docker engine builds with, unless the job names
// another: BuildKit as its makers publish it.
const BuildKitImage = "moby/buildkit:v0.34.2"

const buildxName = "buildx"

// newBuildx is Docker's buildx, telling a BuildKit that a Docker engine runs. What an
// engine builds by itself has the engine's network and outlives whoever asked for it,
// so it is given a container to run instead, which has no network but the build's
// doors: this program is in it as the first process, and ends it when the build is
// gone.
func newBuildx(ctx context.Context, s *sandbox) (tool, error) {
	docker, err := exec.LookPath("docker")
	if err != nil {
		return nil, missing("there is no docker (apt-get install docker.io)")
	}
	buildx, err := findBuildx()
	if err != nil {
		return nil, err
	}
	answer, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := s.command(answer, docker, "version", "--format", "{{.Server.Version}}").Run(); err != nil {
		return nil, missing("docker reaches no engine; start it, or name it in DOCKER_HOST")
	}
	if err := s.configureBuildKit(); err != nil {
		return nil, err
	}
	image := s.BuilderImage
	if image == "" {
		image = BuildKitImage
	}
	if err := s.pullBuildKit(ctx, docker, image); err != nil {
		return nil, err
	}
	command := func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := s.command(ctx, buildx, args...)
		// It would run git in the code repository.
		cmd.Env = append(cmd.Env, "BUILDX_CONFIG="+s.place("buildx"), "BUILDX_GIT_INFO=false", "BUILDX_NO_DEFAULT_ATTESTATIONS=1")
		return cmd
	}
	if out, err := command(ctx, "create", "--name", builderName, "--driver", "remote", buildkitAddress).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("docker buildx create: %w: %s", err, out)
	}
	b := &buildkit{sandbox: s}
	b.client = func(ctx context.Context, w work) *exec.Cmd { return command(ctx, s.buildxArgs(w)...) }
	run, err := s.buildkitContainer(ctx, docker, image)
	if err != nil {
		return nil, err
	}
	b.daemon, err = s.startDaemon(ctx, run)
	return b, err
}

// builderName is what buildx calls the build's BuildKit.
const builderName = "berth"

// pluginDirs are where Docker looks for the programs behind root's further commands.
var pluginDirs = []string{
	"/root/.docker/cli-plugins",
	"/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins",
}

// findBuildx finds the program behind `docker buildx`, which works by itself too.
func findBuildx() (string, error) {
	const name = "docker-buildx"
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range pluginDirs {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", missing("there is no docker-buildx (apt-get install docker-buildx, or docker-buildx-plugin with Docker's own packages)")
}

// pullBuildKit has the engine get BuildKit's image where it does not have it.
func (s *sandbox) pullBuildKit(ctx context.Context, docker, image string) error {
	if s.command(ctx, docker, "image", "inspect", image).Run() == nil {
		return nil
	}
	s.log.info("pulling %s", image)
	if err := s.tell(s.command(ctx, docker, "pull", image), nil); err != nil {
		return fmt.Errorf("the Docker engine cannot pull %s; load it by hand, or name another image with --builder-image", image)
	}
	return nil
}

// containerFile has the name of the container that BuildKit runs in, from before it
// is made on.
const containerFile = "container"

// selfInside is where this program is in that container.
const selfInside = "/berth"

// buildkitContainer is the command that runs BuildKit in a container: it sees the
// build's folder, under the same path, and this program.
func (s *sandbox) buildkitContainer(ctx context.Context, docker, image string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	daemon, err := s.buildkitArgs(selfInside)
	if err != nil {
		return nil, err
	}
	name := "berth-build-" + filepath.Base(s.dir)
	if err := writeFiles(map[string]string{s.place(containerFile): name}); err != nil {
		return nil, err
	}
	args := []string{
		"run", "--interactive", "--rm", "--name", name, "--privileged", "--userns", "host", "--network", "none",
		"--mount", "type=bind,source=" + s.dir + ",target=" + s.dir, "--mount", "type=bind,readonly,source=" + self + ",target=" + selfInside,
		"--workdir", s.dir, "--entrypoint", selfInside,
	}
	if s.Memory > 0 {
		args = append(args, fmt.Sprintf("--memory=%d", s.Memory), fmt.Sprintf("--memory-swap=%d", s.Memory))
	}
	if s.Tasks > 0 {
		args = append(args, fmt.Sprintf("--pids-limit=%d", s.Tasks))
	}
	variables := append(s.doors.builders(), buildkitVariables...)
	if certificates := trusted(); certificates != "" { // this machine's, not the image's
		args = append(args, "--mount", "type=bind,readonly,source="+certificates+",target=/certificates.pem")
		variables = append(variables, "SSL_CERT_FILE=/certificates.pem")
	}
	cmd := s.command(context.WithoutCancel(ctx), docker)
	for _, variable := range variables {
		name, _, _ := strings.Cut(variable, "=")
		args = append(args, "--env", name) // the value is docker's own
		cmd.Env = append(cmd.Env, variable)
	}
	args = append(args, image)
	args = append(args, s.doors.inside(append([]string{"buildkitd"}, daemon...)...)...)
	cmd.Args = append(cmd.Args, args...)
	return cmd, nil
}

// trusted is the file of the certificates that this machine trusts; "" = unknown.
func trusted() string {
	for _, file := range []string{os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"} {
		if i, err := os.Stat(file); err == nil && i.Mode().IsRegular() {
			return file
		}
	}
	return ""
}

// buildxArgs are the arguments of Docker's client.
func (s *sandbox) buildxArgs(w work) []string {
	args := []string{"build", "--builder", builderName, "--progress", "plain", "--file", w.dockerfile}
	for _, arg := range s.buildArgs() {
		args = append(args, "--build-arg", arg)
	}
	for _, secret := range s.secretFiles() {
		args = append(args, "--secret", secret)
	}
	if len(s.Platforms) > 0 {
		args = append(args, "--platform", strings.Join(s.Platforms, ","))
	}
	args = append(args, given("--cache-from", w.cacheFrom, "--cache-to", w.cacheTo, "--output", w.output)...)
	return append(args, w.contextDir)
}
