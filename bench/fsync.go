package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// fsyncs are how often a second one writer alone makes 4 KiB durable
// (write, then fdatasync): at the end of a growing file, as a log does, and
// inside a file whose blocks are there already, as a database in place does.
// The first is the measure that group commits are held against.
type fsyncs struct{ appended, inPlace float64 }

const (
	syncBlock = 4 << 10
	syncFile  = 16 << 20 // bytes that the file in place has before
)

// probeFsync measures for d each.
func probeFsync(dir string, d time.Duration) (p fsyncs, err error) {
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("bench-fsync-%d", os.Getpid())))
	if err != nil {
		return p, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(make([]byte, syncFile)); err != nil {
		return p, err
	}
	if err := f.Sync(); err != nil {
		return p, err
	}
	if p.inPlace, err = syncRate(f, d, func(i int) int64 { return int64(i) * syncBlock % syncFile }); err != nil {
		return p, err
	}
	p.appended, err = syncRate(f, d, func(i int) int64 { return syncFile + int64(i)*syncBlock })
	return p, err
}

func syncRate(f *os.File, d time.Duration, at func(i int) int64) (float64, error) {
	block := make([]byte, syncBlock)
	start, n := time.Now(), 0
	for ; n == 0 || time.Since(start) < d; n++ {
		block[n%syncBlock]++
		if _, err := f.WriteAt(block, at(n)); err != nil {
			return 0, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

func fsyncCmd(args []string) error {
	fs := flag.NewFlagSet("fsync", flag.ExitOnError)
	d := fs.Duration("for", 2*time.Second, "duration of each of the two probes")
	fs.Parse(args)
	if fs.NArg() != 1 {
		return errors.New("fsync needs a directory on the disk in question")
	}
	p, err := probeFsync(fs.Arg(0), *d)
	if err != nil {
		return err
	}
	res := results{out: os.Stdout}
	res.add("-", "fsync_append", "1/s", p.appended)
	res.add("-", "fsync_in_place", "1/s", p.inPlace)
	res.flush()
	return nil
}

// tmpfsMagic is the file system type of tmpfs in statfs(2).
const tmpfsMagic = 0x01021994

// onDisk refuses a directory in memory, where an fsync costs nothing.
func onDisk(dir string) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return err
	}
	if st.Type == tmpfsMagic {
		return fmt.Errorf("%s is in memory (tmpfs); give -dir a directory on a disk", dir)
	}
	return nil
}
