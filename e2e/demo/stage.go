package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

const adminPassword = "the demo's own password"

// stage is where the demo happens: a temporary folder, the hub that runs in it, and
// what has to be stopped at the end.
type stage struct {
	dir, berth string
	hub        string // its address
	steps      int
	ends       []func() error
}

func newStage(berth string) (*stage, error) {
	path, err := filepath.Abs(berth)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; `make build` makes it", err)
	}
	for _, program := range []string{"git", "skopeo", "buildah"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%w; `make packages` installs it", err)
		}
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("builds need root: run this with sudo, as `make demo` does")
	}
	dir, err := os.MkdirTemp("", "berth-demo-")
	if err != nil {
		return nil, err
	}
	return &stage{dir: dir, berth: path, ends: []func() error{func() error { return os.RemoveAll(dir) }}}, nil
}

// Close stops what runs, the last first, and removes the folder.
func (s *stage) Close() error {
	var errs []error
	for _, end := range slices.Backward(s.ends) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

// host is the hub's as images' names begin.
func (s *stage) host() string { return strings.TrimPrefix(s.hub, "http://") }

// step says what comes next.
func (s *stage) step(what string) {
	s.steps++
	fmt.Printf("\n%s\n\n", styled("1", fmt.Sprintf("%d. %s", s.steps, what)))
}

// styled is a text in a terminal's style, where there is a terminal.
func styled(style, text string) string {
	info, err := os.Stdout.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// say is a line about what happens.
func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// environment is that of the programs: log-ins and settings stay in the folder.
func (s *stage) environment(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "BERTH_") })
	return append(append(env, "BERTH_CONFIG="+s.path("config"), "HOME="+s.dir, "GIT_CONFIG_NOSYSTEM=1"), more...)
}

// run shows a command and runs it before the eyes of whoever watches.
func (s *stage) run(ctx context.Context, input, name string, args ...string) error {
	fmt.Println(styled("2", "$ "+strings.Join(append([]string{name}, args...), " ")))
	path := name
	if name == "berth" {
		path = s.berth
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.environment(), strings.NewReader(input), os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, args[0], err)
	}
	return nil
}

// output runs a command aside.
func (s *stage) output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, s.environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

var answersAt = regexp.MustCompile(`answers at (http://\S+)`)

// startHub starts the program and waits until it listens.
func (s *stage) startHub(ctx context.Context) error {
	log, err := os.Create(s.path("hub.log"))
	if err != nil {
		return err
	}
	cmd := exec.Command(s.berth, "serve", "--listen", "127.0.0.1:0", "--data", s.path("data"), "--allow-host", "127.0.0.1")
	cmd.Env = s.environment("BERTH_ADMIN_PASSWORD=" + adminPassword)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt of the demo lets it stop in order
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	s.ends = append(s.ends, func() error {
		cmd.Process.Signal(syscall.SIGTERM)
		return errors.Join(cmd.Wait(), log.Close())
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := answersAt.FindStringSubmatch(lines.Text()); m != nil {
			s.hub = m[1]
			say("berth serve answers at %s after %d ms", s.hub, time.Since(begun).Milliseconds())
			go io.Copy(io.Discard, out)
			return ctx.Err()
		}
	}
	text, _ := os.ReadFile(log.Name())
	return fmt.Errorf("the hub did not start:\n%s", text)
}
