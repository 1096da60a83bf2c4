package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// mounts are those of a mount namespace, in the order in which they were made.
type mounts []mount

// mount is a line of /proc/self/mountinfo; see proc(5).
type mount struct {
	device string // major:minor of the file system
	root   string // what of it is mounted
	point  string // where
	flags  uintptr
	kind   string
}

// mountFlags are the options of a mount that it has by itself; see mount(2).
var mountFlags = map[string]uintptr{
	"ro": syscall.MS_RDONLY, "nosuid": syscall.MS_NOSUID, "nodev": syscall.MS_NODEV, "noexec": syscall.MS_NOEXEC,
	"noatime": syscall.MS_NOATIME, "nodiratime": syscall.MS_NODIRATIME, "relatime": syscall.MS_RELATIME,
}

func mountsNow() (mounts, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return parseMounts(string(text)), nil
}

func parseMounts(text string) (all mounts) {
	for line := range strings.Lines(text) {
		at, file, _ := strings.Cut(line, " - ")
		a, f := strings.Fields(at), strings.Fields(file)
		if len(a) < 6 || len(f) == 0 {
			continue
		}
		m := mount{device: a[2], root: unescaped(a[3]), point: unescaped(a[4]), kind: f[0]}
		for option := range strings.SplitSeq(a[5], ",") {
			m.flags |= mountFlags[option]
		}
		all = append(all, m)
	}
	return all
}

var octal = regexp.MustCompile(`\\[0-7]{3}`)

// unescaped is a path of mountinfo, which has spaces and their like as \040.
func unescaped(path string) string {
	return octal.ReplaceAllStringFunc(path, func(s string) string {
		c, _ := strconv.ParseUint(s[1:], 8, 8)
		return string([]byte{byte(c)})
	})
}

// origin is where a path without links really is: on which file system, and where
// there.
func (all mounts) origin(path string) (on mount, place string, err error) {
	for _, m := range all {
		if below(m.point, path) && len(m.point) >= len(on.point) { // a later one hides an earlier one
			on = m
		}
	}
	if on.point == "" {
		return on, "", fmt.Errorf("%s is on no file system", path)
	}
	return on, filepath.Join(on.root, strings.TrimPrefix(path, on.point)), nil
}

// below reports whether a path is a folder or in it.
func below(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// shownPlaces are the places of a build's folder that buildah shows to steps: the
// code, layers without a file system of their own, caches, volumes, and files that it
// writes for a step, such as /etc/hosts. The rest is buildah's own.
var shownPlaces = regexp.MustCompile(`^((source|nothing)(/|$)|tmp/buildah[^/]*/.|storage/vfs/dir/.|storage/[a-z]+-containers/[^/]+/userdata/.)`)

// meantForStep is an error where a source of a mount is none that a step may see. It
// may be in the shown places of the build's folder, or on a file system that is
// mounted within that folder alone, as an image's is.
func (all mounts) meantForStep(dir, source string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	path, err := filepath.EvalSymlinks(source)
	if err != nil {
		return err
	}
	home, folder, err := all.origin(dir)
	if err != nil {
		return err
	}
	on, place, err := all.origin(path)
	if err != nil {
		return err
	}
	if on.device == home.device {
		if in, err := filepath.Rel(folder, place); err == nil && shownPlaces.MatchString(in) {
			return nil
		}
		return errors.New(place)
	}
	for _, m := range all {
		if m.device == on.device && !below(dir, m.point) {
			return errors.New(path)
		}
	}
	return nil
}
