package main

import (
	"crypto/rand"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const subject = "berth" // the target that the bars are for

// runCmd measures Berth beside the bare server, in one run on one disk.
func runCmd(args []string) error {
	b := newBench()
	var release func()
	b.until, release = signal.NotifyContext(b.until, os.Interrupt, syscall.SIGTERM)
	defer release()
	fs := flag.NewFlagSet("run", flag.ExitOnError)
	b.flags(fs)
	fs.Set("rounds", "3")
	fs.Set("namespace", "admin")
	src := fs.String("src", "..", "Berth's source")
	bin := fs.String("bin", "", "a Berth binary to measure instead of building one")
	dir := fs.String("dir", "/var/tmp", "directory on the disk to measure on; a temporary folder is made in it")
	idle := fs.Duration("idle", time.Second, "how long a restarted Berth sits idle before its memory is read")
	fs.Parse(args)
	if err := onDisk(*dir); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(*dir, "berth-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if b.fsyncDir == "" {
		b.fsyncDir = tmp
	}
	if *bin == "" {
		if *bin, err = buildBerth(*src, tmp); err != nil {
			return err
		}
	}
	password := rand.Text()
	raw, berth, err := servers(tmp, *bin, password)
	if err != nil {
		return err
	}
	for _, s := range []*server{raw, berth} {
		s.until = b.until
		defer s.stop()
		took, err := s.start()
		if err != nil {
			return err
		}
		b.res.add(s.name, "start_empty", "ms", ms(took))
	}
	if err := b.measureURLs(append([]string{
		raw.name + "=" + raw.base,
		berth.name + "=" + strings.Replace(berth.base, "://", "://admin:"+password+"@", 1),
	}, fs.Args()...)); err != nil {
		return err
	}
	berth.stop()
	if err := berth.starts(&b.res, 5, *idle); err != nil {
		return err
	}
	b.res.flush()
	b.judge()
	return nil
}

// buildBerth builds the binary into a folder.
func buildBerth(src, dir string) (bin string, err error) {
	bin = filepath.Join(dir, subject)
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./cmd/berth")
	build.Dir, build.Stdout, build.Stderr = src, os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("building Berth: %w", err)
	}
	return bin, nil
}

// servers prepares both on free ports of the loopback address.
func servers(tmp, bin, password string) (raw, berth *server, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	var addrs [2]string
	for i := range addrs {
		if addrs[i], err = freeAddr(); err != nil {
			return nil, nil, err
		}
	}
	raw = &server{name: "raw", base: "http://" + addrs[0], log: filepath.Join(tmp, "raw.log"),
		command: []string{self, "raw", "-fsync", "-listen", addrs[0], "-dir", filepath.Join(tmp, "raw")}}
	berth = &server{name: subject, base: "http://" + addrs[1], log: filepath.Join(tmp, "berth.log"),
		command: []string{bin, "serve", "--listen", addrs[1], "--data", filepath.Join(tmp, "data")},
		env:     []string{"BERTH_ADMIN_PASSWORD=" + password}}
	return raw, berth, nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
