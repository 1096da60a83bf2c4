package local

import (
	"os/exec"
	"runtime"
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
