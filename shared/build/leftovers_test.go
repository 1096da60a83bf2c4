package build

import (
	"os"
	"path/filepath"
	"testing"
)

// Steps are in a group below the build's own, in both versions of control groups.
func TestStepsGroup(t *testing.T) {
	for groups, want := range map[string]string{
		"0::/system.slice/berth.service\n":    "/system.slice/berth.service/berth-steps-b1",
		"9:memory:/a\n8:pids:/b/c\n0::/d\n":   "/b/c/berth-steps-b1",
		"0::/d\n12:cpu,pids:/b\n1:name=x:/\n": "/b/berth-steps-b1",
		"0::/\n":                              "/berth-steps-b1",
		"":                                    "/berth-steps-b1",
	} {
		if got := stepsGroup(groups, "/data/builds/b1"); got != want {
			t.Errorf("%q: %s, want %s", groups, got, want)
		}
	}
}

// A folder that names no group and no container of a build's has nothing but itself
// removed.
func TestRemove(t *testing.T) {
	for name, content := range map[string]string{"none": "", groupFile: "/", "sub/" + groupFile: "x", containerFile: ""} {
		dir := filepath.Join(t.TempDir(), "b1")
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Remove(dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s: the folder is there (%v)", name, err)
		}
	}
}
