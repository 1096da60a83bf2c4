package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A taskGroup holds all of a build's processes in a control group, in which the
// kernel starts no more of them than it may have. It is a folder below the hub's
// own group, so that whatever bounds the hub bounds its builds. See cgroups(7).
type taskGroup struct{ dir string }

// taskPrefix begins the names of the groups of a folder's builds.
func taskPrefix(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "berth-build-" + hex.EncodeToString(sum[:4]) + "-"
}

// taskGroups is where the groups of this process's builds go; an error where the
// machine lets it make none.
func taskGroups() (dir string, err error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	return taskGroupsIn(string(own), string(mounts))
}

// taskGroupsIn finds the folder of a process's group: in the first version's
// hierarchy of pids, else in the second version's, which has all controllers.
func taskGroupsIn(own, mounts string) (dir string, err error) {
	for _, version := range []struct{ controller, kind, option string }{{"pids", "cgroup", "pids"}, {"", "cgroup2", ""}} {
		var path string
		for line := range strings.Lines(own) {
			if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 && has(f[1], version.controller) {
				path = f[2]
			}
		}
		for line := range strings.Lines(mounts) {
			f, rest, _ := strings.Cut(line, " - ")
			mount, file := strings.Fields(f), strings.Fields(rest)
			if path == "" || len(mount) < 5 || len(file) < 3 || file[0] != version.kind || version.option != "" && !has(file[2], version.option) {
				continue
			}
			if below, ok := strings.CutPrefix(path, strings.TrimSuffix(mount[3], "/")); ok { // what is mounted need not be all
				return filepath.Join(mount[4], below), nil
			}
		}
	}
	return "", errors.New("no control groups with the controller pids are mounted")
}

func has(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// newTaskGroup makes a group that holds so many processes and threads.
func newTaskGroup(below, name string, most int) (*taskGroup, error) {
	g := &taskGroup{filepath.Join(below, name)}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, err
	}
	if err := g.limit(below, most); err != nil {
		g.remove()
		return nil, err
	}
	return g, nil
}

// limit has the kernel hold the group to so many. In the second version the group
// above has to give its groups the controller first; as the hub's own processes are
// in that one too, it then only takes groups that are threaded.
func (g *taskGroup) limit(below string, most int) error {
	if _, err := os.Stat(filepath.Join(g.dir, "pids.max")); err != nil {
		if err := os.WriteFile(filepath.Join(below, "cgroup.subtree_control"), []byte("+pids"), 0); err != nil {
			return err
		}
	}
	if kind, err := os.ReadFile(filepath.Join(g.dir, "cgroup.type")); err == nil && strings.TrimSpace(string(kind)) == "domain invalid" {
		if err := g.set("cgroup.type", "threaded"); err != nil {
			return err
		}
	}
	return g.set("pids.max", strconv.Itoa(most))
}

func (g *taskGroup) set(file, value string) error {
	return os.WriteFile(filepath.Join(g.dir, file), []byte(value), 0)
}

// refused reports whether the kernel has refused the build a process. Without a group
// it has not.
func (g *taskGroup) refused() bool {
	if g == nil {
		return false
	}
	events, err := os.ReadFile(filepath.Join(g.dir, "pids.events"))
	var n int64
	_, scanned := fmt.Sscanf(string(events), "max %d", &n)
	return err == nil && scanned == nil && n > 0
}

// remove removes the group, whose processes have ended, unless it is gone.
func (g *taskGroup) remove() error {
	if err := os.Remove(g.dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
