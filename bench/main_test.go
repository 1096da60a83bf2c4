package main

import (
	"bytes"
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test binary stand in for both servers that "bench run"
// starts: itself as the bare server, and a Berth that is another bare server.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "serve":
			os.Args = []string{os.Args[0], "raw", "-listen", os.Args[3], "-dir", os.Args[5]}
			fallthrough
		case "raw":
			main()
			return
		}
	}
	os.Exit(m.Run())
}

var small = []string{"-size", "1", "-layers", "3", "-layer-size", "4", "-for", "20ms", "-tags", "250", "-repos", "250",
	"-quiet", "0s", "-fsync-for", "1ms", "-writers", "4", "-rounds", "1"}

func newTestBench(t *testing.T, args ...string) (*bench, *bytes.Buffer) {
	t.Helper()
	b, out := newBench(), &bytes.Buffer{}
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	b.flags(fs)
	if err := fs.Parse(append(small, args...)); err != nil {
		t.Fatal(err)
	}
	b.res.out = out
	return b, out
}

func newRawTest(t *testing.T) *httptest.Server {
	s := newRawServer()
	s.dir = t.TempDir()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return srv
}

// The bare server answers everything that the phases ask for, and every list is whole.
func TestPhasesAgainstRaw(t *testing.T) {
	srv := newRawTest(t)
	b, out := newTestBench(t, "-phases", "blob,mono,layers,manifest,tags,catalog", "-fsync-dir", t.TempDir())
	if err := b.measureURLs([]string{"raw=" + srv.URL, "other=" + srv.URL}); err != nil {
		t.Fatal(err, out)
	}
	for _, metric := range []string{"push_1m", "pull_1m", "push_mono_1m", "push_3x4k", "get_manifest", "head_manifest", "head_blob",
		"tag_push_lone_writer", "tag_push_first_tenth", "tag_push_last_tenth", "tags_per_fsync", "tags_page_of_few", "tags_page_of_many",
		"get_manifest_one_tag", "get_manifest_many_tags", "catalog_page_of_few", "catalog_page_of_many", "repo_create"} {
		if b.res.get("other", metric).median() <= 0 {
			t.Errorf("%s was not measured", metric)
		}
		if !strings.Contains(out.String(), "other      "+metric+" ") {
			t.Errorf("%s was not printed", metric)
		}
	}
	for _, bad := range []string{"_MISSING", "_COUNT", "_UNSORTED", "FAILED"} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("output has %s:\n%s", bad, out)
		}
	}
	if got, want := b.res.get("raw", "tags_all_pages").median(), 1.0; got != want {
		t.Errorf("tags_all took %v pages, want %v", got, want)
	}
}

// A target that fails is reported, and does not hold up the others.
func TestFailedTarget(t *testing.T) {
	srv := newRawTest(t)
	bad := httptest.NewServer(&rawServer{dir: filepath.Join(t.TempDir(), "none"), uploads: map[string]*rawUpload{}})
	defer bad.Close()
	b, out := newTestBench(t, "-phases", "blob")
	if err := b.measureURLs([]string{"bad=" + bad.URL, "raw=" + srv.URL}); err == nil {
		t.Error("no error")
	}
	if !strings.Contains(out.String(), "bad        blob                       FAILED: POST "+bad.URL+"/v2/bench/blob/blobs/uploads/: status 500") {
		t.Errorf("the failure is not told:\n%s", out)
	}
	if b.res.get("raw", "push_1m").median() <= 0 {
		t.Error("the other target was not measured")
	}
}

func TestFillAndCheck(t *testing.T) {
	srv := newRawTest(t)
	state := filepath.Join(t.TempDir(), "state.json")
	if err := fillCmd([]string{"-images", "3", "-layers", "2", "-delete", "0", "-state", state, srv.URL}); err != nil {
		t.Fatal(err)
	}
	if err := checkCmd([]string{"-state", state, srv.URL}); err != nil {
		t.Fatal(err)
	}
	other := newRawTest(t) // which has none of it
	if err := checkCmd([]string{"-state", state, other.URL}); err == nil || !strings.Contains(err.Error(), "13 manifests or blobs") {
		t.Errorf("lost content gave error %v, want 13 lost: 3 images of manifest, config and 2 layers, and 1 shared layer", err)
	}
}

// The run starts both servers, measures them side by side, restarts the subject and judges.
func TestRun(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if onDisk(dir) != nil {
		dir = "."
	}
	out := capture(t, func() {
		if err := runCmd(append(small, "-bin", self, "-dir", dir, "-idle", "1ms")); err != nil {
			t.Error(err)
		}
	})
	for _, want := range []string{"berth      start_to_answer ", "xraw=", "\nbar ", "\nmanifest GET, authenticated, ratio to raw "} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	for line := range strings.Lines(out) { // the bare server has no pages of the hub's
		if strings.Contains(line, "not measured") != strings.HasPrefix(line, "the hub's page") {
			t.Error("wrong about what was measured:", line)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "berth-bench-*")); len(left) > 0 {
		t.Errorf("the run left %v", left)
	}
}

// capture returns what f writes to the standard output.
func capture(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	old := os.Stdout
	os.Stdout = file
	defer func() { os.Stdout = old }()
	f()
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
