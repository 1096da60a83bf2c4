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
	"syscall"
	"time"
)

// sandbox is what every builder works in: the build's folder with the files that
// builders read, its network, and its environment.
type sandbox struct {
	*run
	registry *registry
	doors    *doors
}

// newSandbox writes the files and opens the network. Close it.
func (r *run) newSandbox(registry *registry) (*sandbox, error) {
	s := &sandbox{run: r, registry: registry}
	auth := base64.StdEncoding.EncodeToString([]byte("build:" + r.Token))
	login, err := json.Marshal(map[string]any{"auths": map[string]any{registry.base.Host: map[string]string{"auth": auth}}})
	if err != nil {
		return nil, err
	}
	files := map[string]string{s.login(): string(login)}
	for name, value := range r.Secrets {
		files[s.place("secrets", name)] = value
	}
	for _, dir := range []string{"docker", "home", "tmp", "secrets"} {
		if err := os.MkdirAll(s.place(dir), 0o700); err != nil {
			return nil, err
		}
	}
	if err := writeFiles(files); err != nil {
		return nil, err
	}
	s.doors, err = r.openDoors(registry)
	return s, err
}

func (s *sandbox) close() { s.doors.close() }

// place is a path in the build's folder.
func (s *sandbox) place(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}

// login is the file with the build's credentials for the hub.
func (s *sandbox) login() string { return s.place("docker", "config.json") }

func writeFiles(files map[string]string) error {
	for name, content := range files {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// buildArgs are the arguments of the Dockerfile, each as name=value. The proxy is
// among them, by names that every Dockerfile has without declaring them.
func (s *sandbox) buildArgs() []string {
	args := s.doors.steps()
	for _, name := range slices.Sorted(maps.Keys(s.Args)) {
		args = append(args, name+"="+s.Args[name])
	}
	return args
}

// secretFiles are the build's secrets, each as id=name,src=file.
func (s *sandbox) secretFiles() (list []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
		list = append(list, "id="+name+",src="+s.place("secrets", name))
	}
	return list
}

// Variables are those of the hub's environment that a build has too: where programs
// are, what certificates they trust, and which Docker engine there is.
var Variables = []string{"PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "DOCKER_HOST"}

// command is a program with the build's environment. It ends with this process.
func (s *sandbox) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"HOME=" + s.place("home"), "TMPDIR=" + s.place("tmp"), "DOCKER_CONFIG=" + s.place("docker")}
	for _, name := range Variables {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// do runs a command inside of the build's network, its output going into the log;
// see, where given, sees each line before.
func (s *sandbox) do(cmd *exec.Cmd, see func(line []byte)) error {
	if err := s.doors.confine(cmd); err != nil {
		return err
	}
	if _, err := cmd.StdinPipe(); err != nil { // open until the command has ended
		return err
	}
	return s.tell(cmd, see)
}

// tell runs a command where this process is, as do does.
func (s *sandbox) tell(cmd *exec.Cmd, see func(line []byte)) error {
	out := s.log.writer("INFO")
	out.see = see
	defer out.Close()
	err := s.runInto(cmd, out)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("the image builder ended with status %d; the lines above say why", exit.ExitCode())
	}
	return err
}
