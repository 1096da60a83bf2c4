// Package runner runs one build that it claims from a hub elsewhere, as the program
// that CodeBuild starts on AWS. It builds as a hub on one machine does, and knows
// nothing but what its environment says: see hub.BuildVariable and its like.
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"berth/shared/hub"
	"berth/shared/local"
)

// Run claims the build, runs it and reports. ctx ends it early: what runs is stopped
// then, and that is reported. No error means that the hub knows the result.
func Run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	id, claim := getenv(hub.BuildVariable), getenv(hub.ClaimVariable)
	if id == "" || claim == "" {
		return fmt.Errorf("the environment must have %s and %s", hub.BuildVariable, hub.ClaimVariable)
	}
	r, err := newRemote(getenv(hub.HubVariable), claim)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "berth-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := local.NewBuilder(r, log, dir, 1)
	if err != nil {
		return err
	}
	b.Program, b.Image = getenv(hub.BuilderVariable), getenv(hub.BuilderImageVariable)
	if err := b.Start(ctx, id); err != nil {
		return fmt.Errorf("build %s cannot be begun: %w", id, err)
	}
	stop := context.AfterFunc(ctx, func() { b.Stop(context.WithoutCancel(ctx), id) })
	defer stop()
	ended := make(chan struct{})
	go func() {
		select {
		case <-r.over:
			log.Warn("the hub ended the build", "build", id)
			b.Stop(context.WithoutCancel(ctx), id)
		case <-ended:
		}
	}()
	b.Wait()
	close(ended)
	if !r.told() {
		return errors.New("the hub does not know the build's result")
	}
	return nil
}
