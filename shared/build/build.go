// Package build runs one build: it clones a Git repository, builds an image from
// it, pushes that to the hub over the public registry interface, and tells of all
// this as it goes. It is the same on one machine and on AWS. It is told everything
// by a hub.Job and keeps nothing beyond its folder.
package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"berth/shared/hub"
	"berth/shared/outbound"
)

// maxReason is the most of a reason, in bytes, that a build is shown with; its log
// has all of it.
const maxReason = 4 << 10

// Run runs a build in dir, an empty folder of its own, and tells of it through
// emit, which is called by one goroutine at a time. It returns how the build ended;
// ctx ends it early. It needs root, and mounts of its own. What it leaves is the caller's to remove, by
// Remove, when no process of the build is left: those end with the caller's process
// namespace, if that is one of Init's.
func Run(ctx context.Context, j hub.Job, dir string, emit func(hub.BuildEvent)) hub.BuildResult {
	ctx, cancel := context.WithTimeoutCause(ctx, j.Time, fmt.Errorf("the build took longer than %v, which is the most", j.Time))
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	log := newLog(j, emit, func() {
		fail(errors.New(hub.LogTooLong(j.LogBytes)))
	})
	r := &run{Job: j, log: log, guard: outbound.New(j.Allowed)}
	var result hub.BuildResult
	var err error
	if r.dir, err = filepath.EvalSymlinks(dir); err == nil {
		result, err = r.run(ctx)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("the build was stopped")
	}
	if err != nil {
		reason := strings.TrimSpace(printable(log.mask.text(err.Error())))
		log.last(reason)
		if len(reason) > maxReason {
			reason = reason[:runeCut(reason, maxReason)]
		}
		result = hub.BuildResult{Status: hub.Failed, Detail: reason + "\n"}
	}
	log.close()
	return result
}

// run is a build under way.
type run struct {
	hub.Job
	dir   string
	log   *log
	guard *outbound.Guard
}

// step tells of the step that the build has reached.
func (r *run) step(n int) { r.log.event(hub.BuildEvent{Step: n}) }

// built tells that the image is there, and is about to be pushed.
func (r *run) built() {
	r.step(hub.StepTagging)
	r.log.info("tagging the image as %s:%s", r.Repository, r.Tag)
	r.step(hub.StepPushing)
}

func (r *run) run(ctx context.Context) (hub.BuildResult, error) {
	r.log.info("starting to build")
	if err := hide(r.dir, r.Builder == "" || r.Builder == Auto || r.Builder == buildxName); err != nil {
		return hub.BuildResult{}, err
	}
	if len(r.Missing) > 0 {
		return hub.BuildResult{}, fmt.Errorf("the namespace has no build secret %s; berth secret set makes one", strings.Join(r.Missing, ", "))
	}
	r.step(hub.StepCloning)
	source := filepath.Join(r.dir, "source")
	commit, err := r.clone(ctx, source)
	if err != nil {
		return hub.BuildResult{}, err
	}
	r.log.event(hub.BuildEvent{Commit: commit})
	if r.ByCommit {
		r.Version = commit
	}
	contextDir, dockerfile, err := r.directories(source)
	if err != nil {
		return hub.BuildResult{}, err
	}
	r.step(hub.StepBuilding)
	registry, err := newRegistry(r.Job)
	if err != nil {
		return hub.BuildResult{}, err
	}
	s, err := r.newSandbox(registry)
	if err != nil {
		return hub.BuildResult{}, err
	}
	defer s.close()
	tool, err := s.tool(ctx)
	if err != nil {
		return hub.BuildResult{}, err
	}
	defer tool.close()
	r.log.info("Dockerfile path: %s. Build context path: %s", dockerfile, contextDir)
	if err := tool.build(ctx, contextDir, dockerfile); err != nil {
		return hub.BuildResult{}, err
	}
	return r.finish(ctx, registry)
}

// finish reads back what was pushed, and points the version tag at the very same
// manifest.
func (r *run) finish(ctx context.Context, registry *registry) (hub.BuildResult, error) {
	m, err := registry.manifest(ctx, r.Tag)
	if err != nil {
		return hub.BuildResult{}, fmt.Errorf("the pushed image cannot be read back: %w", err)
	}
	if r.Version == "" {
		r.log.info("no version tag was asked for")
	} else {
		if err := registry.tag(ctx, m, r.Version); err != nil {
			return hub.BuildResult{}, fmt.Errorf("the version tag %s cannot be pushed: %w", r.Version, err)
		}
		r.log.info("pushed %s:%s too", r.Repository, r.Version)
	}
	r.log.info("pushed %s:%s, digest %s", r.Repository, r.Tag, m.digest)
	return hub.BuildResult{Status: hub.Succeeded, Detail: "the image was built and pushed.\n", Digest: m.digest, ImageID: m.imageID}, nil
}

// directories are the build context and the Dockerfile: both inside the clone, also
// when links are followed.
func (r *run) directories(source string) (contextDir, dockerfile string, err error) {
	if contextDir, err = inside(source, r.Context); err != nil {
		return "", "", fmt.Errorf("build_context_path: %w", err)
	}
	if dockerfile, err = inside(source, filepath.Join(r.Dockerfile, "Dockerfile")); err != nil {
		return "", "", fmt.Errorf("dockerfile_location: %w", err)
	}
	if i, err := os.Stat(contextDir); err != nil || !i.IsDir() {
		return "", "", fmt.Errorf("build_context_path: %s is not a directory of the code repository", r.Context)
	}
	if i, err := os.Stat(dockerfile); err != nil || !i.Mode().IsRegular() {
		return "", "", fmt.Errorf("dockerfile_location: %s has no Dockerfile", r.Dockerfile)
	}
	return contextDir, dockerfile, nil
}

// inside is the true path of a place below root; an error where it leaves root.
func inside(root, place string) (string, error) {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", err
	}
	p, err := filepath.EvalSymlinks(filepath.Join(root, filepath.Clean("/"+place)))
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("there is no %s in the code repository", place)
	}
	if err != nil {
		return "", err
	}
	if p != root && !strings.HasPrefix(p, root+string(filepath.Separator)) {
		return "", fmt.Errorf("%s leads out of the code repository", place)
	}
	return p, nil
}
