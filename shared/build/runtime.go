package build

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// RuntimeCommand is the hidden command that Runtime stands behind.
const RuntimeCommand = "build-runtime"

// runtimes are the programs that run a step's container, the first of them that the
// machine has.
var runtimes = []string{"buildkit-runc", "runc", "crun"}

func findRuntime() (string, error) {
	for _, name := range runtimes {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", missing("there is no runc, in whose containers steps run (apt-get install runc)")
}

// runtime makes the program that a builder takes for runc: a script whose interpreter
// is this program, which is at self where the builder runs.
func (s *sandbox) runtime(builder, self string) (script string, err error) {
	// See execve(2).
	line := fmt.Sprintf("#!%s %s\n", self, RuntimeCommand)
	if len(line) > 255 || strings.ContainsAny(self, " \t\n") {
		return "", fmt.Errorf("the path %q is too long or has a space in it: put the hub's program somewhere else", self)
	}
	script = s.place("runtime", builder)
	if err := os.MkdirAll(filepath.Dir(script), 0o700); err != nil {
		return "", err
	}
	if slices.Contains(s.Platforms, "linux/386") {
		if err := os.WriteFile(s.place("runtime", oldSockets), nil, 0o600); err != nil {
			return "", err
		}
	}
	return script, os.WriteFile(script, []byte(line), 0o700)
}

// Runtime is runc as builders see it. What a builder wants of a step's container is
// held against what a step may have, before runc sees it: no builder is free of
// mistakes in what it takes from a Dockerfile, and runc gives what it is told to.
// args are the script in the build's folder and the arguments of runc, which takes
// this process over, with its state in the build's folder.
func Runtime(args []string) (status int, err error) {
	if len(args) < 2 {
		return 2, errors.New(RuntimeCommand + " is the hub's own command, for its builds")
	}
	at, builder := filepath.Dir(args[0]), filepath.Base(args[0])
	program, err := findRuntime()
	if err != nil {
		return 1, err
	}
	if bundle, made := bundleOf(args[1:]); made {
		if err := confineStep(filepath.Join(bundle, "config.json"), filepath.Dir(at), builder); err != nil {
			return 1, err
		}
	}
	args = append([]string{program, "--root", filepath.Join(at, "state")}, args[1:]...)
	return 1, fmt.Errorf("%s: %w", program, syscall.Exec(program, args, os.Environ()))
}

// bundleOf is the folder of the container that arguments of runc make, if they do.
func bundleOf(args []string) (bundle string, made bool) {
	bundle = "."
	for i, arg := range args {
		name, value, given := strings.Cut(arg, "=")
		switch {
		case arg == "create" || arg == "run":
			made = true
		case name != "--bundle" && name != "-b":
		case given:
			bundle = value
		case i+1 < len(args):
			bundle = args[i+1]
		}
	}
	return bundle, made
}

// confineStep changes the configuration of a step's container, in the format of OCI's
// runtime specification: the step does not see what passes on the network that it
// shares with its builder, whose keys pass there, and has no sockets that lead around
// that network. Of buildah's, an error where it shows the step what it should not see.
func confineStep(file, dir, builder string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var config struct {
		Root   struct{ Path string }
		Mounts []stepMount
	}
	var whole map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(b, &config), json.Unmarshal(b, &whole)); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if builder == buildahName {
		if err := checkSources(dir, filepath.Dir(file), config.Root.Path, config.Mounts); err != nil {
			return err
		}
	}
	if whole["process"], err = withoutRawNetwork(whole["process"]); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if linux, ok := whole["linux"]; ok {
		_, err := os.Stat(filepath.Join(dir, "runtime", oldSockets))
		if whole["linux"], err = withoutSockets(linux, err == nil); err != nil {
			return fmt.Errorf("%s: linux: %w", file, err)
		}
	}
	if b, err = json.Marshal(whole); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
}

// withoutRawNetwork is a process that may not read or write network packets as they
// are.
func withoutRawNetwork(process json.RawMessage) (json.RawMessage, error) {
	var p map[string]json.RawMessage
	if err := json.Unmarshal(process, &p); err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	if given, ok := p["capabilities"]; ok {
		var sets map[string][]string
		if err := json.Unmarshal(given, &sets); err != nil {
			return nil, fmt.Errorf("process.capabilities: %w", err)
		}
		for name, set := range sets {
			sets[name] = slices.DeleteFunc(set, func(c string) bool { return c == "CAP_NET_RAW" })
		}
		var err error
		if p["capabilities"], err = json.Marshal(sets); err != nil {
			return nil, err
		}
	}
	return json.Marshal(p)
}

// sockets are rules by which steps may have sockets of AF_UNIX, AF_INET, AF_INET6 and
// AF_NETLINK (but NETLINK_AUDIT), without the families that no network namespace
// confines: such as AF_VSOCK, which leads to the host of a virtual machine.
const sockets = `[
	{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
	{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
	{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_EQ"}]},
	{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}, {"index": 2, "value": 9, "op": "SCMP_CMP_NE"}]}
]`

// oldSockets is a file beside the script that stands for runc: steps may make sockets
// by socketcall(2), as 32-bit programs do, whose arguments no filter sees.
const oldSockets = "socketcall"

// withoutSockets is the part of a step's configuration that has its filter of system
// calls, with a filter that lets those sockets through alone.
func withoutSockets(linux json.RawMessage, old bool) (json.RawMessage, error) {
	var l, filter map[string]json.RawMessage
	if err := json.Unmarshal(linux, &l); err != nil {
		return nil, err
	}
	if l["seccomp"] == nil {
		return linux, nil // the kernel has no filters
	}
	var calls, kept []map[string]json.RawMessage
	if err := json.Unmarshal(l["seccomp"], &filter); err != nil {
		return nil, fmt.Errorf("seccomp: %w", err)
	}
	if string(filter["defaultAction"]) == `"SCMP_ACT_ALLOW"` {
		return nil, errors.New("seccomp: what no rule names is allowed")
	}
	if err := json.Unmarshal(filter["syscalls"], &calls); err != nil {
		return nil, fmt.Errorf("seccomp.syscalls: %w", err)
	}
	if err := json.Unmarshal([]byte(sockets), &kept); err != nil {
		return nil, err
	}
	for _, call := range calls {
		var names []string
		if err := json.Unmarshal(call["names"], &names); err != nil {
			return nil, fmt.Errorf("seccomp.syscalls.names: %w", err)
		}
		names = slices.DeleteFunc(names, func(n string) bool { return n == "socket" || n == "socketcall" && !old })
		if call["names"], _ = json.Marshal(names); len(names) > 0 {
			kept = append(kept, call)
		}
	}
	var err error
	if filter["syscalls"], err = json.Marshal(kept); err != nil {
		return nil, err
	}
	if l["seccomp"], err = json.Marshal(filter); err != nil {
		return nil, err
	}
	return json.Marshal(l)
}

// stepMount is what a step's container has mounted.
type stepMount struct {
	Destination, Type, Source string
	Options                   []string
}

// sources are the places that the mount shows.
func (m stepMount) sources() (list []string) {
	if m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind") {
		list = append(list, m.Source)
	}
	for _, option := range m.Options {
		switch name, value, _ := strings.Cut(option, "="); name {
		case "lowerdir":
			list = append(list, strings.Split(value, ":")...)
		case "upperdir", "workdir":
			list = append(list, value)
		}
	}
	return list
}

// checkSources wants that a step sees nothing of the machine but what is meant for
// it.
func checkSources(dir, bundle, root string, mounts []stepMount) error {
	all, err := mountsNow()
	if err != nil {
		return err
	}
	for _, m := range append([]stepMount{{"/", "bind", root, nil}}, mounts...) {
		for _, source := range m.sources() {
			if !filepath.IsAbs(source) {
				source = filepath.Join(bundle, source)
			}
			if err := all.meantForStep(dir, source); err != nil {
				return fmt.Errorf("a step wants to see at %s what no step may see: %w", m.Destination, err)
			}
		}
	}
	return nil
}
