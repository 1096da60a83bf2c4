package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"berth/shared/hub"
)

// WorkCommand is the hidden command that Work stands behind.
const WorkCommand = "build-work"

// Work runs the build whose job stands on in, in the folder dir, and tells of it on
// out, a hub.BuildEvent a line. The last one has the result. SIGTERM ends the build.
func Work(dir string, in io.Reader, out io.Writer) error {
	var j hub.Job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return fmt.Errorf("%s is the hub's own command, for its builds: %w", WorkCommand, err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		stop(errors.New("the build was stopped"))
	}()
	var mu sync.Mutex
	encoder := json.NewEncoder(out)
	var failed error
	emit := func(e hub.BuildEvent) {
		mu.Lock()
		defer mu.Unlock()
		if err := encoder.Encode(e); err != nil && failed == nil {
			failed = err
			stop(err) // nobody listens any more
		}
	}
	result := Run(ctx, j, dir, emit)
	emit(hub.BuildEvent{Result: &result})
	return failed
}

// InitCommand is the hidden command that Init stands behind.
const InitCommand = "build-init"

// Init is the first process of a build's own process namespace: it joins the control
// groups whose folders are listed in the first of args ("" = none; without them there
// is still who looks at what the build has), is the first to go where the machine has
// no memory left, makes the namespace's mounts private, runs the program that the
// other args name with the same input and output, and buries whatever loses its
// parent. When it ends, nothing of the build is left.
func Init(args []string) (status int, err error) {
	if os.Getpid() != 1 || len(args) < 2 {
		return 2, fmt.Errorf("%s is the hub's own command, for its builds", InitCommand)
	}
	for _, group := range filepath.SplitList(args[0]) {
		if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte("0"), 0); err != nil {
			fmt.Fprintln(os.Stderr, "a build's share is looked at twice a second, and not held by the kernel:", err)
		}
	}
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		fmt.Fprintln(os.Stderr, "where the machine has no memory left, the kernel may end other processes before a build's:", err)
	}
	args = args[1:]
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return 1, fmt.Errorf("the build's mounts cannot be made its own: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return 1, fmt.Errorf("the build's /proc cannot be mounted: %w", err)
	}
	child, err := os.StartProcess(args[0], args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return 1, err
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		for range term {
			syscall.Kill(child.Pid, syscall.SIGTERM)
		}
	}()
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return 1, err
		}
		if pid == child.Pid {
			if ws.Signaled() {
				return 128 + int(ws.Signal()), nil
			}
			return ws.ExitStatus(), nil
		}
	}
}
