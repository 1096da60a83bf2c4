package codebuild

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func project(t *testing.T, commands string) Project {
	t.Helper()
	spec, err := ParseBuildspec(`{"version": "0.2", "phases": {` + commands + `}}`)
	if err != nil {
		t.Fatal(err)
	}
	return Project{
		Name: "images", ARN: "arn:project", Buildspec: spec, Env: map[string]string{"OF": "project"}, Timeout: time.Minute,
		Source: func(dir string) error { return os.WriteFile(filepath.Join(dir, "file"), []byte("source\n"), 0o600) },
	}
}

func TestPhases(t *testing.T) {
	for _, c := range []struct{ name, commands, status, said string }{
		{"all", `"pre_build": {"commands": ["echo $OF", "echo $GIVEN"]}, "build": {"commands": ["cat file"]}, "post_build": {"commands": ["echo end"]}`,
			"SUCCEEDED", "project\ngiven\nsource\nend\n"},
		{"failed", `"pre_build": {"commands": ["echo a", "false", "echo b"]}, "build": {"commands": ["echo c"]}, "post_build": {"commands": ["echo end"]}`,
			"FAILED", "a\nend\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var told []string
			b := New(project(t, c.commands), 0, func(b Build) { told = append(told, b.BuildStatus) })
			got, err := b.Run(t.Context(), map[string]string{"GIVEN": "given"})
			if err != nil || got.BuildStatus != c.status || b.Said() != c.said {
				t.Errorf("%v, %v, %q; want %s, %q", got.BuildStatus, err, b.Said(), c.status, c.said)
			}
			if want := "IN_PROGRESS " + c.status; strings.Join(told, " ") != want {
				t.Errorf("told of %v, want %s", told, want)
			}
		})
	}
}

// Stopping ends all that the build has started, and one over the limit does not start.
func TestStop(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	b := New(project(t, `"build": {"commands": ["(sleep 2; echo late >`+mark+`) & echo up; sleep 60"]}`), 1, func(Build) {})
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for b.Said() != "up\n" && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		if _, err := b.Run(ctx, nil); !errors.Is(err, ErrLimit) {
			t.Errorf("a second build: %v", err)
		}
		stop()
	}()
	if got, err := b.Run(ctx, nil); err != nil || got.BuildStatus != "STOPPED" {
		t.Errorf("%v, %v", got.BuildStatus, err)
	}
	time.Sleep(2500 * time.Millisecond)
	if _, err := os.Stat(mark); err == nil {
		t.Error("a process of the stopped build was still there")
	}
}
