package local

import (
	"os"
	"path/filepath"
	"strconv"
)

// A memoryGroup holds all of a build's processes in a control group that the kernel
// gives so much memory: of processes, and of files that lie in memory, which no
// process shows. Where the build takes more, the kernel ends one of its processes.
type memoryGroup struct{ dir string }

// newMemoryGroup makes a group that holds so many bytes. In the second version the
// group above has to give its groups the controller first, which it only may where it
// has no processes itself.
func newMemoryGroup(below, name string, most int64) (*memoryGroup, error) {
	g := &memoryGroup{filepath.Join(below, name)}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, err
	}
	if err := g.limit(below, strconv.FormatInt(most, 10)); err != nil {
		removeGroup(g.dir)
		return nil, err
	}
	return g, nil
}

func (g *memoryGroup) limit(below, most string) error {
	set := func(file, value string) error { return os.WriteFile(filepath.Join(g.dir, file), []byte(value), 0) }
	if _, err := os.Stat(filepath.Join(g.dir, "memory.limit_in_bytes")); err == nil { // the first version
		if err := set("memory.limit_in_bytes", most); err != nil {
			return err
		}
		set("memory.memsw.limit_in_bytes", most) // with what is swapped out; not every kernel counts that
		return nil
	}
	if _, err := os.Stat(filepath.Join(g.dir, "memory.max")); err != nil {
		if err := os.WriteFile(filepath.Join(below, "cgroup.subtree_control"), []byte("+memory"), 0); err != nil {
			return err
		}
	}
	if err := set("memory.max", most); err != nil {
		return err
	}
	set("memory.swap.max", "0")
	return nil
}

// exceeded reports whether the kernel has ended a process of the build, for it took
// more. Without a group it has not.
func (g *memoryGroup) exceeded() bool {
	return g != nil && counted(g.dir, "memory.oom_control", "oom_kill")+counted(g.dir, "memory.events", "oom_kill") > 0
}
