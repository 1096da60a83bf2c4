package e2e_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// escape is a step that tries the ways out of a changed root, and to see what the
// builder has.
const escape = `package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// try reports a way that leads out; looks are files of the machine.
func try(way string, looks ...string) {
	for _, at := range looks {
		b, err := os.ReadFile(at)
		if err == nil && bytes.Contains(b, []byte("of the hub's machine")) {
			fmt.Println("ESCAPED", way, at)
		}
	}
}

func main() {
	canary := os.Args[1]
	try("as it is", canary)

	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range bytes.Split(status, []byte("\n")) {
		if bytes.HasPrefix(line, []byte("CapEff")) {
			fmt.Printf("%s\n", line)
		}
	}
	others, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range others {
		for _, at := range []string{"/root", "/cwd"} {
			try("by the root of another process", p+at+canary)
		}
		fds, _ := filepath.Glob(p + "/fd/*")
		for _, fd := range fds {
			if f, err := os.Open(fd); err == nil && p != fmt.Sprint("/proc/", os.Getpid()) {
				fmt.Println("ESCAPED: opens the files of", p)
				f.Close()
			}
		}
		if b, err := os.ReadFile(p + "/environ"); err == nil && bytes.Contains(b, []byte("builder:")) {
			fmt.Println("ESCAPED the builder's environment", p)
		}
	}
	for name, dev := range map[string]int{"kmsg": 1<<8 | 11, "vda": 254 << 8, "sda": 8 << 8, "loop0": 7 << 8} {
		kind := uint32(syscall.S_IFBLK)
		if name == "kmsg" {
			kind = syscall.S_IFCHR
		}
		if syscall.Mknod("/node-"+name, kind|0o600, dev) == nil {
			if f, err := os.OpenFile("/node-"+name, os.O_WRONLY, 0); err == nil {
				fmt.Println("ESCAPED by the device", name)
				f.Close()
			}
			os.Remove("/node-" + name)
		}
	}
	os.Mkdir("/inner", 0o755)
	if err := syscall.Mount("proc", "/inner", "proc", 0, ""); err == nil {
		fmt.Println("ESCAPED: mounts")
	}
	if err := syscall.Unshare(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS); err == nil {
		fmt.Println("ESCAPED: makes namespaces")
	}
	if fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 3<<8); err == nil { // ETH_P_ALL
		fmt.Println("ESCAPED: sees what passes on its builder's network")
		syscall.Close(fd)
	}
	for name, family := range map[string]int{"AF_ALG": 38, "AF_VSOCK": 40} { // of no network namespace
		if fd, err := syscall.Socket(family, syscall.SOCK_STREAM, 0); err == nil {
			fmt.Println("ESCAPED: has a socket of", name)
			syscall.Close(fd)
		}
	}
	if fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW, 0); err != nil {
		fmt.Println("ESCAPED into too little: sees no interfaces:", err)
	} else {
		syscall.Close(fd)
	}
	if err := os.WriteFile("/proc/sys/kernel/core_pattern", []byte("|/tmp/x"), 0); err == nil {
		fmt.Println("ESCAPED: writes the kernel's settings")
	}
	if err := os.WriteFile("/proc/sysrq-trigger", []byte("h"), 0); err == nil {
		fmt.Println("ESCAPED: asks the kernel")
	}
	for _, at := range []string{"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/pids/cgroup.procs", "/sys/kernel/uevent_helper", "/sys/power/state", "/proc/sys/vm/panic_on_oom", "/node"} { // node came with the image

		if f, err := os.OpenFile(at, os.O_WRONLY, 0); err == nil {
			fmt.Println("ESCAPED: writes", at)
			f.Close()
		}
	}
	// The way out of a root that was changed without leaving the old one behind.
	here, err := os.Open("/")
	if err == nil && syscall.Chroot("/inner") == nil && syscall.Fchdir(int(here.Fd())) == nil {
		for range 100 {
			syscall.Chdir("..")
		}
		if syscall.Chroot(".") == nil {
			try("by changing the root again", canary)
		}
	}
	fmt.Println("tried everything")
}
`

// escape runs a step that tries to get out.
func (c client) escape(t *testing.T, g *gitHost) {
	t.Helper()
	canary := filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(canary, []byte("of the hub's machine"), 0o644); err != nil {
		t.Fatal(err)
	}
	// The kernel's log as a device file, which no Git repository holds and an archive does.
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "node", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 11}), w.Close()); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"escape": compiled(t, escape), "node.tar": archive.String(),
		"Dockerfile": "FROM scratch\nCOPY escape /escape\nADD node.tar /\nRUN [\"/escape\", \"" + canary + "\"]\n",
	}
	b := c.until(t, c.build(t, c.buildRepository(t, g.repository("escape", files), `"build_cache_enabled":false`), "").ID, "S")
	log := c.buildLog(t, b.ID)
	if strings.Contains(log, "ESCAPED") || !strings.Contains(log, "tried everything") {
		t.Errorf("a step got out:\n%s", log)
	}
}

// reachOutside has a builder read and write a folder of the machine, in ways that
// builders had mistakes in.
func (c client) reachOutside(t *testing.T, g *gitHost) {
	t.Helper()
	const content = "of the hub's machine"
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "file"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	up := strings.Repeat("../", 20) + outside[1:]
	const stage = "COPY busybox /bin/sh\nCOPY busybox /bin/busybox\n"
	look := ` /bin/sh -c "/bin/busybox ls /mnt; /bin/busybox cat /mnt/file; echo x > /mnt/more"` + "\n"
	for name, dockerfile := range map[string]string{
		"cache":     "FROM scratch\n" + stage + "RUN --mount=type=cache,id=" + up + ",target=/mnt" + look,
		"new-cache": "FROM scratch\n" + stage + "RUN --mount=type=cache,id=" + up + "/new,target=/mnt" + look,
		"link": "FROM scratch AS first\n" + stage + "RUN /bin/busybox ln -s " + outside + " /out\n" +
			"FROM scratch\n" + stage + "RUN --mount=type=bind,from=first,source=/out,target=/mnt,rw" + look,
		"commas": "FROM scratch\nCOPY busybox /\n",
	} {
		files := busyboxFiles(t)
		more := `"build_cache_enabled":false`
		if name == "commas" { // an option may be a list of files to some
			at := "a," + outside + "/file,b"
			files["a"], files["b/Dockerfile"], files[at+"/Dockerfile"] = "FROM scratch\n", "COPY a /\n", dockerfile
			more += `,"dockerfile_location":"/` + at + `"`
		}
		files["Dockerfile"] = dockerfile
		b := c.until(t, c.build(t, c.buildRepository(t, g.repository("reach-"+name, files), more), "").ID, "SF")
		log := c.buildLog(t, b.ID)
		if list, err := os.ReadDir(outside); strings.Contains(log, content) || err != nil || len(list) != 1 {
			t.Errorf("%s: a build reached a folder of the machine, where now are %v, %v:\n%s", name, list, err, log)
		}
		if b.Status == "F" && !strings.Contains(log, "no step may see") && !strings.Contains(log, outside) {
			t.Errorf("%s: the log does not say why:\n%s", name, log)
		}
	}
}

// hidden wants the machine out of the sight of the processes of a build that runs.
func (s *server) hidden(t *testing.T) {
	t.Helper()
	canary := filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(canary, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	processes := s.processes(t)
	if len(processes) < 2 {
		t.Fatalf("the processes of a build are %v", processes)
	}
	for _, p := range processes {
		root := strings.Fields(p)[0] + "/root"
		if _, err := os.Stat(root + "/proc"); err != nil {
			continue // it has ended
		}
		for _, file := range []string{canary, "/etc/shadow", "/root/.profile", filepath.Join(s.data, "keys.json")} {
			if b, err := os.ReadFile(root + file); err == nil && (len(b) > 0 || file == canary) {
				t.Errorf("%s sees %s", p, file)
			}
		}
		for _, dir := range []string{"/", "/etc", "/usr", "/root"} {
			if at := root + dir + "/berth-test"; os.Mkdir(at, 0o755) == nil {
				if os.Remove(dir+"/berth-test") == nil { // of the machine
					t.Errorf("%s can write in %s", p, dir)
				}
				os.Remove(at)
			}
		}
	}
}
