package build

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestConfineStep takes a step's right to raw packets and leaves the rest as it is.
func TestConfineStep(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	const config = `{"ociVersion":"1.0.2","process":{"args":["<&>"],"capabilities":{"bounding":["CAP_CHOWN","CAP_NET_RAW","CAP_KILL"],"effective":["CAP_NET_RAW"]}},` +
		`"root":{"path":"rootfs"},"mounts":[{"destination":"/x","type":"bind","source":"/etc","options":["rbind"]}],"linux":{"cpu":{"quota":12345678901234567}}}`
	want := strings.ReplaceAll(strings.ReplaceAll(config, `,"CAP_NET_RAW"`, ``), `"CAP_NET_RAW"`, ``)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := confineStep(file, filepath.Dir(file), "buildkit"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var is, should any
	if err := json.Unmarshal(got, &is); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &should); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(is, should) || !strings.Contains(string(got), "12345678901234567") {
		t.Errorf("the configuration is now %s", got)
	}
	// What buildah wants to show is looked at before.
	if err := confineStep(file, filepath.Dir(file), buildahName); err == nil || !strings.Contains(err.Error(), "no step may see") {
		t.Errorf("a step that sees /etc: %v", err)
	}
}

// TestWithoutSockets has a filter of system calls let through sockets of networks
// alone.
func TestWithoutSockets(t *testing.T) {
	const filter = `{"namespaces":[1],"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[` +
		`{"names":["socket"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":16,"op":"SCMP_CMP_EQ"},{"index":2,"value":9,"op":"SCMP_CMP_EQ"}]},` +
		`{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":2,"value":9,"op":"SCMP_CMP_NE"}]},` +
		`{"names":["read","socketcall","socket"],"action":"SCMP_ACT_ALLOW"}]}}`
	for _, old := range []bool{false, true} {
		b, err := withoutSockets(json.RawMessage(filter), old)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Namespaces []int
			Seccomp    struct {
				DefaultAction string
				Syscalls      []struct {
					Names  []string
					Action string
					Args   []struct {
						Index, Value int
						Op           string
					}
				}
			}
		}
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		var allowed []int
		other := map[string]bool{}
		for _, c := range got.Seccomp.Syscalls {
			if c.Action != "SCMP_ACT_ALLOW" {
				continue
			}
			for _, name := range c.Names {
				if name != "socket" {
					other[name] = true
				} else if len(c.Args) > 0 && c.Args[0].Index == 0 && c.Args[0].Op == "SCMP_CMP_EQ" {
					allowed = append(allowed, c.Args[0].Value)
				} else {
					t.Errorf("sockets are allowed by %+v", c)
				}
			}
		}
		if !reflect.DeepEqual(allowed, []int{1, 2, 10, 16}) || !other["read"] || other["socketcall"] != old || len(got.Namespaces) != 1 || got.Seccomp.DefaultAction == "" || len(got.Seccomp.Syscalls) != 5 {
			t.Errorf("%v: the filter is %s", old, b)
		}
	}
	if b, err := withoutSockets(json.RawMessage(`{"namespaces":[]}`), false); err != nil || string(b) != `{"namespaces":[]}` {
		t.Errorf("without a filter: %s, %v", b, err)
	}
}

func TestBundleOf(t *testing.T) {
	for args, want := range map[string]string{
		"--log x create --bundle /a --pid-file p id": "/a true",
		"run --bundle=/b id":                         "/b true",
		"run -b /c id":                               "/c true",
		"run id":                                     ". true",
		"--root x delete --force id":                 ". false",
	} {
		bundle, made := bundleOf(strings.Fields(args))
		if got := bundle + map[bool]string{true: " true", false: " false"}[made]; got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
}

// TestMeantForStep judges sources by the file systems that they are on.
func TestMeantForStep(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{"source/sub", "docker", "tmp/buildah1/mnt/own", "tmp/buildah1/mnt/etc", "tmp/buildah1/mnt/login", "tmp/buildah1/mnt/image",
		"storage/overlay/1/merged", "storage/vfs/dir/1", "tmp/buildah-cache/x"} {
		if err := os.MkdirAll(filepath.Join(dir, in), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc", filepath.Join(dir, "source/link")); err != nil {
		t.Fatal(err)
	}
	all := parseMounts(strings.ReplaceAll(`20 1 8:1 / / rw - ext4 /dev/sda rw
21 20 8:2 / /usr rw - ext4 /dev/sdb rw
30 20 8:1 DIR DIR rw,nodev - ext4 /dev/sda rw
31 30 0:50 / DIR/storage/overlay/1/merged rw - overlay overlay rw
32 30 8:1 DIR/source DIR/tmp/buildah1/mnt/own rw - ext4 /dev/sda rw
33 30 8:1 /etc DIR/tmp/buildah1/mnt/etc rw - ext4 /dev/sda rw
34 30 8:1 DIR/docker DIR/tmp/buildah1/mnt/login rw - ext4 /dev/sda rw
35 30 0:50 /sub\040folder DIR/tmp/buildah1/mnt/image rw - overlay overlay rw
`, "DIR", dir))
	if last := all[len(all)-1]; last.root != "/sub folder" || last.kind != "overlay" || last.device != "0:50" {
		t.Errorf("the last mount is %+v", last)
	}
	for source, may := range map[string]bool{
		"source": true, "source/sub": true, "tmp/buildah1/mnt/own": true, "tmp/buildah1/mnt/image": true, "tmp/buildah-cache/x": true,
		"storage/overlay/1/merged": true, "storage/vfs/dir/1": true,
		"": false, "docker": false, "tmp": false, "storage": false, "storage/overlay/1": false, "source/link": false,
		"tmp/buildah1/mnt/etc": false, "tmp/buildah1/mnt/login": false, "source/../docker": false, "nowhere": false, "/usr": false, "/etc": false,
	} {
		at := source
		if !strings.HasPrefix(source, "/") {
			at = dir + "/" + source
		}
		if err := all.meantForStep(dir, at); (err == nil) != may {
			t.Errorf("%q: %v", source, err)
		}
	}
}
