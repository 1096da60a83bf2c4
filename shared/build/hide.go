package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// A build's processes have mounts of their own, in which there is little of the
// machine: its programs and its public settings, none of which can be changed, and
// the build's folder. Whatever reads or writes a file that a Dockerfile, a code
// repository or an image led it to finds no other one.

// systemDirs are the directories of the root that stay: programs, settings, and the
// kernel's own.
var systemDirs = []string{"bin", "sbin", "usr", "lib", "lib32", "lib64", "libx32", "etc", "nix", "gnu", "proc", "sys", "dev"}

// usedFiles are settings that may be links to what is hidden.
var usedFiles = []string{
	"/etc/resolv.conf", "/etc/hosts", "/etc/localtime",
	"/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/ca-bundle.pem", "/etc/pki/tls/certs/ca-bundle.crt",
}

// hide hides the machine from this process and those that it starts, but for what a
// build in the folder needs, whose path has no links. Device files in the folder are
// of no use then. engine says that a Docker engine is needed too.
func hide(dir string, engine bool) error {
	root, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	var dirs []string
	for _, d := range root {
		if d.IsDir() && !slices.Contains(systemDirs, d.Name()) {
			dirs = append(dirs, "/"+d.Name())
		}
	}
	if _, err := os.Stat("/dev/shm"); err == nil {
		dirs = append(dirs, "/dev/shm")
	}
	// The hub's own data, and other builds, where they are among what stays.
	data := filepath.Dir(filepath.Dir(dir))
	if data != "/" && !slices.ContainsFunc(dirs, func(d string) bool { return below(d, data) }) {
		dirs = append(dirs, data)
	}
	shown, err := openShown(dir, needed(engine))
	if err != nil {
		return err
	}
	for _, d := range dirs {
		if err := syscall.Mount("tmpfs", d, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=755,size=16m"); err != nil {
			return fmt.Errorf("%s cannot be hidden from the build: %w", d, err)
		}
	}
	for _, s := range shown {
		if err := s.show(); err != nil {
			return fmt.Errorf("%s cannot be shown to the build: %w", s.path, err)
		}
	}
	for _, d := range []string{"/var/tmp", "/tmp"} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			return err
		}
	}
	if err := hideSecrets("/etc"); err != nil {
		return err
	}
	if err := holdFast(dir); err != nil {
		return err
	}
	return os.Chdir(dir) // as it is mounted now
}

// needed are the files and directories that a build's programs use, wherever the
// machine has them.
func needed(engine bool) []string {
	list := slices.Clone(usedFiles)
	if self, err := os.Executable(); err == nil {
		list = append(list, self)
	}
	list = append(list, os.Getenv("SSL_CERT_FILE"))
	list = append(list, filepath.SplitList(os.Getenv("SSL_CERT_DIR"))...)
	list = append(list, filepath.SplitList(os.Getenv("PATH"))...)
	for _, name := range append([]string{"buildah", "buildkitd", "buildctl", "git"}, runtimes...) {
		if path, err := exec.LookPath(name); err == nil {
			list = append(list, path)
		}
	}
	if !engine {
		return list
	}
	if path, err := exec.LookPath("docker"); err == nil {
		list = append(list, path)
	}
	if path, err := findBuildx(); err == nil {
		list = append(list, path)
	}
	return append(list, engineSocket())
}

// engineSocket is where a Docker engine listens; "" = not on this machine.
func engineSocket() string {
	at := os.Getenv("DOCKER_HOST")
	if at == "" {
		return "/var/run/docker.sock"
	}
	path, ok := strings.CutPrefix(at, "unix://")
	if !ok {
		return ""
	}
	return path
}

// hideEngine hides the Docker engine, which would do anything for whoever reaches it,
// from a builder that needs none.
func hideEngine() {
	if at := engineSocket(); at != "" {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			syscall.Unmount(real, syscall.MNT_DETACH)
		}
		syscall.Unmount(at, syscall.MNT_DETACH)
	}
}

// shownPath is a path that stays in sight.
type shownPath struct {
	path     string
	file     *os.File // what is there
	writable bool
}

const openPath = 0x200000 // O_PATH of open(2)

// openShown opens what is to stay in sight, by its true paths first and then by the
// names that it is known by. What does not exist is left out.
func openShown(dir string, paths []string) (list []shownPath, err error) {
	all, names := []string{dir}, []string{}
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			continue
		}
		if real, err := filepath.EvalSymlinks(path); err == nil && !below(path, dir) && !below(real, dir) { // with the hub's data in it
			all, names = append(all, real), append(names, filepath.Clean(path))
		}
	}
	for _, path := range append(all, names...) {
		fd, err := syscall.Open(path, openPath|syscall.O_CLOEXEC, 0)
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
		list = append(list, shownPath{path, os.NewFile(uintptr(fd), path), path == dir})
	}
	return list, nil
}

// show mounts a path where it was, unless it is in sight.
func (s shownPath) show() error {
	defer s.file.Close()
	was, err := s.file.Stat()
	if err != nil {
		return err
	}
	if is, err := os.Stat(s.path); err == nil && os.SameFile(was, is) && !s.writable {
		return nil
	}
	if was.IsDir() {
		err = os.MkdirAll(s.path, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(s.path), 0o755); err == nil {
		var at *os.File
		if at, err = os.OpenFile(s.path, os.O_CREATE|os.O_RDONLY, 0o644); err == nil {
			at.Close()
		}
	}
	if err != nil {
		return err
	}
	from := fmt.Sprintf("/proc/self/fd/%d", s.file.Fd())
	if err := syscall.Mount(from, s.path, "", syscall.MS_BIND, ""); err != nil {
		return err
	}
	flags := uintptr(syscall.MS_REMOUNT | syscall.MS_BIND | syscall.MS_NODEV)
	if !s.writable {
		flags |= syscall.MS_RDONLY
	}
	return syscall.Mount("", s.path, "", flags, "")
}

// hideSecrets hides what only root may read.
func hideSecrets(dir string) error {
	empty, err := os.MkdirTemp("/tmp", "")
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		var i fs.FileInfo
		if err == nil {
			i, err = d.Info()
		}
		if errors.Is(err, fs.ErrNotExist) { // files come and go
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case i.IsDir() && i.Mode().Perm()&0o005 != 0o005:
			if err := syscall.Mount(empty, path, "", syscall.MS_BIND, ""); err != nil {
				return fmt.Errorf("%s cannot be hidden from the build: %w", path, err)
			}
			return fs.SkipDir
		case i.Mode().IsRegular() && i.Mode().Perm()&0o004 == 0:
			if err := syscall.Mount("/dev/null", path, "", syscall.MS_BIND, ""); err != nil {
				return fmt.Errorf("%s cannot be hidden from the build: %w", path, err)
			}
		}
		return nil
	})
}

// holdFast makes what is in sight of the machine's own file systems read-only, but
// for the build's folder.
func holdFast(dir string) error {
	all, err := mountsNow()
	if err != nil {
		return err
	}
	for _, m := range all {
		if below(dir, m.point) || slices.Contains(kernelKinds, m.kind) || strings.HasPrefix(m.kind, "cgroup") {
			continue
		}
		err := syscall.Mount("", m.point, "", m.flags|syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, "")
		if err != nil && m.point == "/" { // of another one there may be nothing in sight
			return fmt.Errorf("%s cannot be made read-only for the build: %w", m.point, err)
		}
	}
	return nil
}

// kernelKinds are file systems that hold no files of the machine.
var kernelKinds = []string{"proc", "sysfs", "devtmpfs", "devpts", "mqueue", "tmpfs", "securityfs", "debugfs", "tracefs", "bpf", "pstore", "configfs",
	"efivarfs", "fusectl", "hugetlbfs", "binfmt_misc", "autofs"}
