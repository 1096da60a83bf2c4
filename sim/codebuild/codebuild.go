// Package codebuild stands in for AWS CodeBuild: it executes the commands of a
// project's buildspec, as a container would: with the project's environment and what
// the start of the build adds to it, in a folder with the project's source, and in
// process and mount namespaces whose end is the end of all that the build has started.
// It runs on this machine and as this user, and wants to be root.
package codebuild

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"berth/sim/tail"
	"berth/sim/template"
)

// Project is what builds are started of.
type Project struct {
	Name      string
	ARN       string
	Buildspec Buildspec
	Env       map[string]string
	Source    func(dir string) error // puts the source into an empty folder
	Timeout   time.Duration
}

// Build is a build as events and answers describe it.
type Build struct {
	ID          string            `json:"Id"`
	Arn         string            `json:"Arn"`
	ProjectName string            `json:"ProjectName"`
	BuildStatus string            `json:"BuildStatus"` // IN_PROGRESS, SUCCEEDED, FAILED, STOPPED or TIMED_OUT
	Environment map[string]string `json:"-"`           // what its start has added
}

// CodeBuild runs builds.
type CodeBuild struct {
	project Project
	changed func(Build)
	said    *tail.Buffer

	mu      sync.Mutex
	limit   int // of builds at a time; 0 = none
	running int
}

// New runs builds of a project, at most some at a time. changed is told of each that starts or ends.
func New(p Project, limit int, changed func(Build)) *CodeBuild {
	return &CodeBuild{project: p, limit: limit, changed: changed, said: &tail.Buffer{}}
}

// ErrLimit is returned where too many builds run.
var ErrLimit = errors.New("AccountLimitExceededException")

// Run starts a build and waits for its end, which the context's end brings about.
// An error is a build that did not start.
func (c *CodeBuild) Run(ctx context.Context, env map[string]string) (Build, error) {
	c.mu.Lock()
	if c.limit > 0 && c.running >= c.limit {
		c.mu.Unlock()
		return Build{}, ErrLimit
	}
	c.running++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.running--
		c.mu.Unlock()
	}()
	id := c.project.Name + ":" + strings.ToLower(rand.Text())
	b := Build{
		ID: id, Arn: "arn:aws:codebuild:" + template.Region + ":" + template.Account + ":build/" + id,
		ProjectName: c.project.Name, BuildStatus: "IN_PROGRESS", Environment: env,
	}
	dir, err := os.MkdirTemp("", "berth-codebuild-")
	if err != nil {
		return b, err
	}
	defer os.RemoveAll(dir)
	c.changed(b)
	b.BuildStatus = c.execute(ctx, dir, b)
	c.changed(b)
	return b, nil
}

// Running tells how many builds run.
func (c *CodeBuild) Running() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

// Limit changes how many builds may run at a time; 0 = any number.
func (c *CodeBuild) Limit(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = n
}

// Said is what the builds have written last.
func (c *CodeBuild) Said() string { return c.said.String() }

// execute does the phases of the buildspec, and tells the status.
func (c *CodeBuild) execute(ctx context.Context, dir string, b Build) string {
	source := filepath.Join(dir, "src")
	if err := os.Mkdir(source, 0o700); err != nil {
		return c.fault(err)
	}
	if err := c.project.Source(source); err != nil {
		return c.fault(err)
	}
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte(c.project.Buildspec.script()), 0o600); err != nil {
		return c.fault(err)
	}
	late, stop := context.WithTimeout(ctx, c.project.Timeout)
	defer stop()
	cmd := exec.CommandContext(late, "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", script)
	cmd.Dir, cmd.Stdout, cmd.Stderr = source, c.said, c.said
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "CODEBUILD_SRC_DIR=" + source, "CODEBUILD_BUILD_ID=" + b.ID,
		"CODEBUILD_BUILD_ARN=" + b.Arn, "AWS_REGION=" + template.Region, "AWS_DEFAULT_REGION=" + template.Region,
	}
	for _, env := range []map[string]string{c.project.Buildspec.Env.Variables, c.project.Env, b.Environment} {
		for k, v := range env {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "STOPPED"
	case late.Err() != nil:
		return "TIMED_OUT"
	case err != nil:
		return "FAILED"
	}
	return "SUCCEEDED"
}

func (c *CodeBuild) fault(err error) string {
	fmt.Fprintln(c.said, "codebuild:", err)
	return "FAILED"
}

// Detail is the detail of the event "CodeBuild Build State Change".
func (b Build) Detail() json.RawMessage {
	variables := []any{}
	for k, v := range b.Environment {
		variables = append(variables, map[string]string{"name": k, "type": "PLAINTEXT", "value": v})
	}
	detail, _ := json.Marshal(map[string]any{
		"build-status": b.BuildStatus, "project-name": b.ProjectName, "build-id": b.Arn, "current-phase": "COMPLETED",
		"additional-information": map[string]any{"environment": map[string]any{"environment-variables": variables}}, "version": "1",
	})
	return detail
}
