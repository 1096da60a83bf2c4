package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The demo of `make demo` runs, shows two different images from two commits, and
// leaves nothing behind.
func TestDemo(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	program, err := berth()
	if err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	demo := filepath.Join(tmp, "demo")
	output(t, exec.CommandContext(t.Context(), "go", "build", "-o", demo, "./demo"))
	cmd := exec.CommandContext(t.Context(), demo, "-berth", program)
	cmd.Env = environment("TMPDIR=" + tmp)
	out := output(t, cmd)
	rows := regexp.MustCompile(`(?m)^(v\d{8}\.\d{6}|latest) +(sha256:[0-9a-f]{64})(?: +([0-9a-f]{12}) +(hand|push) +([0-9.]+) +(.*))?$`).FindAllStringSubmatch(out, -1)
	if len(rows) != 3 {
		t.Fatalf("the demo ends with the table %q:\n%s", rows, out)
	}
	first, second, latest := rows[0], rows[1], rows[2]
	if first[1] == second[1] || first[2] == second[2] || first[3] == second[3] || latest[2] != second[2] {
		t.Errorf("the images are not two, of which the second is the latest: %q", rows)
	}
	if first[4] != "hand" || first[6] != "HELLO FROM THE FIRST COMMIT" || second[4] != "push" || second[6] != "HELLO FROM THE SECOND COMMIT" {
		t.Errorf("the images are not those of the commits: %q", rows)
	}
	// What its steps print is in the logs that it followed.
	if n := strings.Count(out, "cooking in Linux"); n != 2 {
		t.Errorf("the step of the Dockerfile is seen %d times, not twice:\n%s", n, out)
	}
	if left, _ := filepath.Glob(tmp + "/berth-*"); len(left) > 0 {
		t.Errorf("the demo leaves %q", left)
	}
	processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range processes {
		if args, _ := os.ReadFile(p); strings.Contains(string(args), tmp+"/berth-demo-") {
			t.Errorf("the demo leaves the process %q", args)
		}
	}
}
