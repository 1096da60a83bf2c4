package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"berth/shared/hub"
)

// handlers are what the functions of [routes.Events] do, by name.
var handlers = map[string]func(context.Context, *hub.Hub, json.RawMessage) (any, error){
	"event-webhooks":    sendHinted,
	"event-mail":        sendHinted,
	"event-pulls":       countPulls,
	"event-outbox":      hintAgain,
	"event-sweep":       sweep,
	"event-retention":   retain,
	"event-builds":      lookAtBuilds,
	"event-build-state": lookAtBuild,
	"step-prepare":      prepare,
	"step-record":       record,
}

// lastMoment is what a function keeps of its time to tell what it did.
const lastMoment = 5 * time.Second

// inTime gives work the time that the function has. Work that may end at any point,
// and goes on the next time, does not fail when that is over.
func inTime[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	if end, ok := ctx.Deadline(); ok {
		within, cancel := context.WithDeadline(ctx, end.Add(-lastMoment))
		defer cancel()
		done, err := do(within)
		if within.Err() != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		return done, err
	}
	return do(ctx)
}

// sweep removes what nothing refers to.
func sweep(ctx context.Context, h *hub.Hub, _ json.RawMessage) (any, error) {
	return inTime(ctx, h.Sweep)
}

// retain applies retention policies.
func retain(ctx context.Context, h *hub.Hub, _ json.RawMessage) (any, error) {
	return inTime(ctx, h.RunRetentions)
}
