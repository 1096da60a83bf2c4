package local

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"berth/shared/hub"
)

const (
	lookEvery = 500 * time.Millisecond // at the processes and the room on the disk
	// walkShare is how much longer than a walk through a build's folder the time until
	// the next one is.
	walkShare = 20
	// Builds leave so many bytes and files free of the disk that the hub's data lies on.
	minFree, minFiles = 256 << 20, 4096
)

// limit ends a build that takes too long (a little after it should have noticed
// itself), or more of the machine than it may.
func (b *Builder) limit(j hub.Job, w *worker) {
	over := time.NewTimer(j.Time + 10*time.Second)
	defer over.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var walk time.Time // the next one
	for {
		var why string
		select {
		case <-w.gone:
			return
		case <-over.C:
			why = fmt.Sprintf("the build took longer than %v, which is the most", j.Time)
		case <-look.C:
			u := usageOf(w.cmd.Process.Pid)
			if w.tasks.refused() {
				u.tasks = j.Tasks + 1
			}
			if w.memory.exceeded() {
				u.memory = j.Memory + 1
			}
			if why = tooMuch(j, u, full(w.dir)); why == "" && j.Disk > 0 && time.Now().After(walk) {
				begun := time.Now()
				if diskOf(w.dir) > j.Disk {
					why = fmt.Sprintf("the build used more than %d MiB of the disk, which is the most", j.Disk>>20)
				}
				walk = time.Now().Add(walkShare * time.Since(begun))
			}
		}
		if why != "" {
			b.end(context.Background(), w, why)
			return
		}
	}
}

// usage is what a build has of the machine at a moment.
type usage struct {
	memory int64 // bytes that are resident; what several processes share counts for each
	tasks  int   // processes and threads
}

// tooMuch says what a build has too much of; "" = nothing.
func tooMuch(j hub.Job, u usage, full bool) string {
	switch {
	case j.Tasks > 0 && u.tasks > j.Tasks:
		return tooManyTasks(j)
	case j.Memory > 0 && u.memory > j.Memory:
		return tooMuchMemory(j)
	case full:
		return "the hub's disk is nearly full; free some of it, and start the build again"
	}
	return ""
}

func tooManyTasks(j hub.Job) string {
	return fmt.Sprintf("the build ran more than %d processes and threads at once, which is the most", j.Tasks)
}

func tooMuchMemory(j hub.Job) string {
	return fmt.Sprintf("the build used more than %d MiB of memory, which is the most", j.Memory>>20)
}

// full reports whether the disk that a folder lies on has nothing left for builds.
func full(dir string) bool {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return false // the folder is gone, and the build with it
	}
	return int64(s.Bavail)*s.Bsize < minFree || s.Files > 0 && s.Ffree < minFiles // some file systems count no files
}

// diskOf is about what the files below a folder take of the disk, in bytes.
func diskOf(dir string) (total int64) {
	filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // files come and go
		}
		if i, err := e.Info(); err == nil {
			if s, ok := i.Sys().(*syscall.Stat_t); ok {
				total += s.Blocks*512 + 256 // what it is and what it is called
			}
		}
		return nil
	})
	return total
}

// usageOf is that of a process and all its descendants.
func usageOf(pid int) (total usage) {
	children := make(map[int][]int)
	of := make(map[int]usage)
	processes, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range processes {
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
		threads, _ := strconv.Atoi(fields[17])
		pages, _ := strconv.ParseInt(fields[21], 10, 64)
		children[parent] = append(children[parent], id)
		of[id] = usage{pages * int64(os.Getpagesize()), threads}
	}
	for ids := []int{pid}; len(ids) > 0; {
		id := ids[0]
		ids = append(ids[1:], children[id]...)
		total.memory += of[id].memory
		total.tasks += of[id].tasks
	}
	return total
}
