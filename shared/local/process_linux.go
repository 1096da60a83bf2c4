package local

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// starts takes commands to start, one at a time, on a thread that lives as long as
// the process does: the kernel tells a child of its parent's death when the thread
// that made it ends, and Go ends threads as it likes. See prctl(2), PR_SET_PDEATHSIG.
var starts = make(chan func())

func init() {
	go func() {
		runtime.LockOSThread()
		for f := range starts {
			f()
		}
	}()
}

// startBound starts a command whose Pdeathsig means the death of this process.
func startBound(cmd *exec.Cmd) error {
	failed := make(chan error, 1)
	starts <- func() { failed <- cmd.Start() }
	return <-failed
}

// memoryOf sums the resident memory of a process and all its descendants, in bytes.
// What several share counts for each.
func memoryOf(pid int) int64 {
	children := make(map[int][]int)
	resident := make(map[int]int64)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		i := strings.LastIndexByte(string(b), ')')
		if i < 0 {
			continue
		}
		fields := strings.Fields(string(b[i+1:])) // from state on: proc(5), field 3
		if len(fields) < 22 {
			continue
		}
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		parent, _ := strconv.Atoi(fields[1])
		pages, _ := strconv.ParseInt(fields[21], 10, 64)
		children[parent] = append(children[parent], id)
		resident[id] = pages * int64(os.Getpagesize())
	}
	var sum func(int) int64
	sum = func(id int) int64 {
		n := resident[id]
		for _, c := range children[id] {
			n += sum(c)
		}
		return n
	}
	return sum(pid)
}
