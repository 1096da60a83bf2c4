package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"berth/shared/hub"
)

// chore is what the hub does by itself now and then.
type chore struct {
	name  string
	every time.Duration // 0 = never
	last  bool          // also once more when the hub stops
	do    func(context.Context) error
}

// settling is how long after its start the hub leaves long chores alone, so that
// one that is started anew often still does them.
const settling = time.Minute

func (s *settings) chores(h *hub.Hub) []chore {
	return []chore{
		{"count pulls", time.Second, true, h.FlushPulls},
		{"gc", s.sweepEvery, false, func(ctx context.Context) error {
			r, err := h.Sweep(ctx)
			h.Log.InfoContext(ctx, "swept", "uploads", r.Uploads, "repositories", r.Repositories, "namespaces", r.Namespaces,
				"manifests", r.Manifests, "links", r.Links, "blobs", r.Blobs, "objects", r.Objects, "bytes", r.Bytes)
			return err
		}},
		{"retention", s.retentionEvery, false, func(ctx context.Context) error {
			r, err := h.RunRetentions(ctx)
			h.Log.InfoContext(ctx, "retention applied", "repositories", r.Repositories, "tags", r.Tags)
			return err
		}},
	}
}

// keep does the chores and sends what is in the outbox until ctx ends. Wait for the
// group before the storage is closed.
func keep(ctx context.Context, chores []chore, outbox func(context.Context) error, log *slog.Logger) *sync.WaitGroup {
	var group sync.WaitGroup
	group.Go(func() { outbox(ctx) })
	for _, c := range chores {
		if c.every > 0 {
			group.Go(func() { c.keep(ctx, log) })
		}
	}
	return &group
}

func (c chore) keep(ctx context.Context, log *slog.Logger) {
	timer := time.NewTimer(min(c.every, settling))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			c.once(ctx, log)
			timer.Reset(c.every)
		case <-ctx.Done():
			if c.last {
				c.once(context.WithoutCancel(ctx), log)
			}
			return
		}
	}
}

func (c chore) once(ctx context.Context, log *slog.Logger) {
	if err := c.do(ctx); err != nil && ctx.Err() == nil {
		log.Error("a chore failed and is tried again", "chore", c.name, "in", c.every.String(), "err", err)
	}
}
