package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/shared/hub"
)

// clone makes a folder of files; content that begins with "-> " makes a link, and a
// name that ends in / a directory.
func clone(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "source")
	for name, content := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, link := strings.CutPrefix(content, "-> "); link {
			err = os.Symlink(to, at)
		} else if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(at, 0o755)
		} else {
			err = os.WriteFile(at, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The context and the Dockerfile are found within the clone, through its links too,
// and nowhere else.
func TestDirectories(t *testing.T) {
	source := clone(t, map[string]string{
		"Dockerfile": "", "app/Dockerfile": "", "app/src/x": "", "folder/Dockerfile/": "", "empty/": "",
		"app2": "-> app", "app/up": "-> ../empty", "app/src/Dockerfile": "-> ../../Dockerfile",
		"absolute/Dockerfile": "-> /etc/passwd", "relative/Dockerfile": "-> ../../../../../../../../../../etc/passwd",
		"out": "-> /", "up": "-> ..", "middle": "-> app/../../source/app", "chain": "-> chain2", "chain2": "-> up/..",
		"round": "-> round", "nowhere": "-> gone", "dev/Dockerfile": "-> /dev/zero", "self/Dockerfile": "-> /proc/self/environ",
	})
	// A folder whose name only begins as the clone's does.
	sibling := filepath.Join(filepath.Dir(source), "source2")
	if err := os.Mkdir(sibling, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../source2", filepath.Join(source, "sibling")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sibling, "Dockerfile"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ context, dockerfile, wantContext, wantFile, err string }{
		{".", ".", "", "Dockerfile", ""},
		{"app", "app", "app", "app/Dockerfile", ""},
		{"app2", "app2", "app", "app/Dockerfile", ""},
		{"app/up", "app/src", "empty", "Dockerfile", ""},
		{"../../etc", ".", "", "", "there is no ../../etc"},
		{"/etc", ".", "", "", "build_context_path: there is no /etc"},
		{".", "../../etc", "", "", "dockerfile_location: there is no "},
		{"out", ".", "", "", "build_context_path: out leads out of the code repository"},
		{"out/etc", ".", "", "", "leads out"},
		{"up", ".", "", "", "leads out"},
		{"chain", ".", "", "", "leads out"},
		{"sibling", ".", "", "", "leads out"},
		{"round", ".", "", "", "build_context_path: "},
		{"nowhere", ".", "", "", "there is no nowhere"},
		{"app/src/x", ".", "", "", "is not a directory"},
		{".", "absolute", "", "", "dockerfile_location: absolute/Dockerfile leads out"},
		{".", "relative", "", "", "leads out"},
		{".", "sibling", "", "", "leads out"},
		{".", "dev", "", "", "leads out"},
		{".", "self", "", "", "leads out"},
		{".", "folder", "", "", "has no Dockerfile"},
		{".", "empty", "", "", "there is no empty/Dockerfile"},
		{"middle", "middle", "app", "app/Dockerfile", ""},
	} {
		r := &run{Job: hub.Job{Context: c.context, Dockerfile: c.dockerfile}}
		context, dockerfile, err := r.directories(source)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s and %s: %v, want %q", c.context, c.dockerfile, err, c.err)
			}
			continue
		}
		if err != nil || context != filepath.Join(source, c.wantContext) || dockerfile != filepath.Join(source, c.wantFile) {
			t.Errorf("%s and %s: %s, %s, %v", c.context, c.dockerfile, context, dockerfile, err)
		}
	}
}
