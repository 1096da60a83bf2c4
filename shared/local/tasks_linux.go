package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// A taskGroup holds all of a build's processes in a control group, in which the
// kernel starts no more of them than it may have. It is a folder below the hub's
// own group where that can be, so that whatever bounds the hub bounds its builds. See
// cgroups(7).
type taskGroup struct{ dir string }

// groupPrefix begins the names of the groups of a folder's builds.
func groupPrefix(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "berth-build-" + hex.EncodeToString(sum[:4]) + "-"
}

// groupsFor is where the groups of this process's builds go that a controller of
// control groups, pids or memory, is to hold; an error where the machine lets it make
// none.
func groupsFor(controller string) (dir string, err error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	dir, top, err := groupsIn(controller, string(own), string(mounts))
	if err != nil || top == "" {
		return dir, err
	}
	if filepath.Base(dir) == hubGroup { // of which the one above was divided before
		dir = filepath.Dir(dir)
	}
	if divided, err := divide(dir, top); err == nil {
		return divided, nil
	}
	if controller == "pids" { // whose groups may be threaded, see limit
		return dir, nil
	}
	return "", fmt.Errorf("no group below %s or %s can hold memory", dir, top)
}

// hubGroup is the group that the hub goes to where its own is divided among builds.
const hubGroup = "berth-hub"

// divide finds a group of the second version whose groups can hold memory: the hub's
// own, if it was given to the hub to divide, or else the one at the top, where services
// have theirs. A group with processes of its own gives memory to none below, so the hub
// moves into one there. The builds of a hub that may not divide its group are bounded
// each, but not by what bounds the hub.
func divide(own, top string) (string, error) {
	if gives(own) {
		return own, nil
	}
	if delegated(own, top) && moveBelow(own) == nil {
		return own, nil
	}
	if gives(top) {
		return top, nil
	}
	return "", errors.New("no group gives memory to those below it")
}

// moveBelow has the hub go to a group below its own, which gives memory and processes
// then. Where others are in it too, it stays as it was.
func moveBelow(own string) error {
	below := filepath.Join(own, hubGroup)
	if err := os.Mkdir(below, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	join := func(group string) error {
		return os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte("0"), 0)
	}
	err := join(below)
	if err == nil {
		err = os.WriteFile(filepath.Join(own, "cgroup.subtree_control"), []byte("+memory +pids"), 0)
	}
	if err != nil {
		err = errors.Join(err, join(own), removeGroup(below))
	}
	return err
}

// gives reports whether the groups below one can hold memory and processes.
func gives(group string) bool {
	b, err := os.ReadFile(filepath.Join(group, "cgroup.subtree_control"))
	given := strings.Fields(string(b))
	return err == nil && slices.Contains(given, "memory") && slices.Contains(given, "pids")
}

// delegated reports whether a group is the hub's to divide: systemd says so of a
// service with Delegate=yes (systemd.resource-control(5)), and a container's is at its
// top, without being the machine's.
func delegated(own, top string) bool {
	if own == top {
		_, err := os.Stat(filepath.Join(own, "cgroup.type"))
		return err == nil
	}
	value := make([]byte, 8)
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		if n, err := syscall.Getxattr(own, name, value); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// groupsIn finds the folder of a process's group: in the first version's hierarchy of
// a controller, else in the second version's, which has all controllers, and whose top
// it says too.
func groupsIn(controller, own, mounts string) (dir, top string, err error) {
	for _, version := range []struct{ controller, kind, option string }{{controller, "cgroup", controller}, {"", "cgroup2", ""}} {
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
				if version.kind == "cgroup2" {
					top = mount[4]
				}
				return filepath.Join(mount[4], below), top, nil
			}
		}
	}
	return "", "", fmt.Errorf("no control groups with the controller %s are mounted", controller)
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
	made := os.Mkdir(g.dir, 0o755)
	if made != nil && !errors.Is(made, os.ErrExist) { // it may hold memory already
		return nil, made
	}
	if err := g.limit(below, most); err != nil {
		if made == nil {
			removeGroup(g.dir)
		}
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
func (g *taskGroup) refused() bool { return g != nil && counted(g.dir, "pids.events", "max") > 0 }

// counted is a number that stands behind a word in a file of a group.
func counted(dir, file, word string) (n int64) {
	text, _ := os.ReadFile(filepath.Join(dir, file))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == word {
			n, _ = strconv.ParseInt(f[1], 10, 64)
		}
	}
	return n
}

// removeGroup removes a group, whose processes have ended, unless it is gone.
func removeGroup(dir string) error {
	if err := os.Remove(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
