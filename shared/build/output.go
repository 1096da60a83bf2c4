package build

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"time"
)

// lookEvery is how often what a program has printed is looked for.
const lookEvery = 50 * time.Millisecond

// runInto runs a command and copies what it prints. The command prints into a file,
// which is read as it grows, and not into a pipe: buildah loses what a step printed
// last where a pipe has no room at that moment.
func (s *sandbox) runInto(cmd *exec.Cmd, to io.Writer) error {
	name := s.place("output")
	in, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Open(name)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		return err
	}
	ended, copied := make(chan struct{}), make(chan error, 1)
	go func() { copied <- s.copyGrowing(to, out, ended) }()
	err = cmd.Wait()
	close(ended)
	return errors.Join(err, <-copied)
}

// copyGrowing copies a file that grows until it has ended. One that has more than
// the log may have ends the build at once, however slowly it is read.
func (s *sandbox) copyGrowing(to io.Writer, file *os.File, ended <-chan struct{}) error {
	for last := false; ; {
		if i, err := file.Stat(); err == nil && i.Size() > s.LogBytes {
			s.log.full()
		}
		n, err := io.CopyN(to, file, 1<<20)
		switch {
		case err != nil && err != io.EOF:
			return err
		case n > 0 && !s.log.isFull():
		case last || s.log.isFull():
			return nil
		default:
			select {
			case <-ended:
				last = true
			case <-time.After(lookEvery):
			}
		}
	}
}
