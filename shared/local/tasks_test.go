package local

import (
	"testing"

	"berth/shared/hub"
)

// A process's group is found in both versions of control groups, also where only a
// part of the hierarchy is mounted, as in a container.
func TestTaskGroups(t *testing.T) {
	const (
		proc   = "20 25 0:19 / /proc rw,nosuid - proc proc rw\n"
		first  = "30 25 0:26 / /sys/fs/cgroup/pids rw,nosuid shared:9 - cgroup cgroup rw,pids\n31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		part   = "30 25 0:26 /docker/1 /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n"
		second = "32 25 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	)
	for _, test := range []struct{ name, own, mounts, want, top string }{
		{"second", "0::/system.slice/berth.service\n", proc + second, "/sys/fs/cgroup/system.slice/berth.service", "/sys/fs/cgroup"},
		{"second, namespace", "0::/\n", second, "/sys/fs/cgroup", "/sys/fs/cgroup"},
		{"first", "9:memory:/a\n8:pids:/b/c\n0::/\n", proc + first + second, "/sys/fs/cgroup/pids/b/c", ""},
		{"first, with another", "8:cpu,pids:/b\n", "30 25 0:26 / /cg rw - cgroup cgroup rw,cpu,pids\n", "/cg/b", ""},
		{"first, container", "8:pids:/docker/1/x\n", part, "/sys/fs/cgroup/pids/x", ""},
		{"elsewhere", "8:pids:/other\n", part, "", ""},
		{"none", "1:name=systemd:/\n", proc, "", ""},
		{"not mounted", "8:pids:/\n0::/\n", proc, "", ""},
	} {
		got, top, err := groupsIn("pids", test.own, test.mounts)
		if got != test.want || top != test.top || (err == nil) != (test.want != "") {
			t.Errorf("%s: %q below %q, %v, want %q below %q", test.name, got, top, err, test.want, test.top)
		}
	}
	if got, _, err := groupsIn("memory", "9:memory:/a\n8:pids:/b/c\n0::/\n", proc+first+second); got != "/sys/fs/cgroup/memory/a" || err != nil {
		t.Errorf("of memory: %q, %v", got, err)
	}
}

func TestTooMuch(t *testing.T) {
	j := hub.Job{Memory: 1 << 30, Tasks: 100}
	for _, test := range []struct {
		usage
		full bool
		want bool
	}{
		{usage{}, false, false}, {usage{j.Memory, j.Tasks}, false, false}, {usage{j.Memory + 1, 1}, false, true}, {usage{1, j.Tasks + 1}, false, true}, {usage{}, true, true},
	} {
		if got := tooMuch(j, test.usage, test.full); (got != "") != test.want {
			t.Errorf("%+v, %v: %q", test.usage, test.full, got)
		}
	}
	j.Memory, j.Tasks = 0, 0
	if got := tooMuch(j, usage{1 << 50, 1 << 30}, false); got != "" {
		t.Errorf("without limits: %q", got)
	}
}
