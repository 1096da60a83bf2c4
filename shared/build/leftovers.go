package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Remove removes a build's folder when the build's processes have ended, and with it
// what a build that was killed has left elsewhere: the container of a Docker engine,
// and the control groups of its steps.
func Remove(dir string) error {
	return errors.Join(removeContainer(dir), removeGroups(dir), removeAll(dir))
}

// removeContainer removes the container that the folder names, if it is there still.
func removeContainer(dir string) error {
	name, err := os.ReadFile(filepath.Join(dir, containerFile))
	if err != nil || len(name) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return again(func() error { // an engine that removes it already refuses that
		out, err := exec.CommandContext(ctx, "docker", "rm", "--force", "--volumes", string(name)).CombinedOutput()
		if err != nil && !strings.Contains(strings.ToLower(string(out)), "no such container") {
			return fmt.Errorf("a build's container is left: docker rm: %w: %s", err, out)
		}
		return nil
	})
}

// groupFile has the control group that the containers of a build's steps are in.
const groupFile = "group"

// stepsGroup is a control group below that of a process, whose /proc/PID/cgroup is
// given, so that whatever bounds the build bounds its steps. See cgroups(7).
func stepsGroup(groups, dir string) string {
	own := "/"
	for line := range strings.Lines(groups) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		if slices.Contains(strings.Split(f[1], ","), "pids") { // the first version
			own = f[2]
			break
		}
		if f[1] == "" { // the second
			own = f[2]
		}
	}
	return filepath.Join(own, stepsPrefix+filepath.Base(dir))
}

const stepsPrefix = "berth-steps-"

// removeGroups removes the control group that the folder names with those in it, from
// each hierarchy that is mounted. They have no processes any more.
func removeGroups(dir string) error {
	group, err := os.ReadFile(filepath.Join(dir, groupFile))
	if err != nil || !strings.HasPrefix(filepath.Base(string(group)), stepsPrefix) {
		return nil
	}
	const root = "/sys/fs/cgroup"
	var failed []error
	for _, hierarchy := range []string{root, root + "/*"} { // the second version, the first
		groups, _ := filepath.Glob(hierarchy + string(group))
		for _, g := range groups {
			failed = append(failed, removeGroup(g))
			if above := filepath.Dir(g); strings.HasSuffix(above, filepath.Base(dir)) { // the build's own group
				os.Remove(above)
			}
		}
	}
	return errors.Join(failed...)
}

func removeGroup(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	for _, d := range slices.Backward(dirs) {
		err = errors.Join(err, again(func() error { return os.Remove(d) }))
	}
	return err
}

// removeAll is os.RemoveAll, tried again where what just ended was still writing.
func removeAll(dir string) error { return again(func() error { return os.RemoveAll(dir) }) }

func again(f func() error) error {
	var err error
	for range 3 {
		if err = f(); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}
