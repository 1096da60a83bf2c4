package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"berth/shared/store"
)

// BuildLimits bound builds.
type BuildLimits struct {
	Running  int           // builds of one namespace at once
	Waiting  int           // builds that wait in one namespace
	Time     time.Duration // of one build
	LogBytes int64         // of one build's log
	Memory   int64         // bytes of one build's processes; 0 = no limit
	Tasks    int           // processes and threads of one build at once; 0 = no limit
	Disk     int64         // bytes that one build may keep while it runs; 0 = no limit
}

// DefaultBuildLimits are the limits where the operator sets none.
var DefaultBuildLimits = BuildLimits{Running: 2, Waiting: 30, Time: time.Hour, LogBytes: 64 << 20}

func (h *Hub) limits() BuildLimits {
	l, d := h.Options.Builds, DefaultBuildLimits
	l.Running, l.Waiting = cmp.Or(l.Running, d.Running), cmp.Or(l.Waiting, d.Waiting)
	l.Time, l.LogBytes = cmp.Or(l.Time, d.Time), cmp.Or(l.LogBytes, d.LogBytes)
	return l
}

// queue is what waits and runs in a namespace. It is one record: builds start, end
// and are deleted only together with a change of it, so that limits hold exactly
// and nothing starts or ends twice.
type queue struct {
	Waiting []string `json:"waiting"`
	Running []string `json:"running"`
	Started Time     `json:"started"` // when a build of the namespace was started last

	item store.Item
	nsID string
}

func (h *Hub) queue(ctx context.Context, nsID string) (queue, error) {
	item, err := h.get(ctx, queueKey(nsID))
	if err != nil {
		return queue{}, err
	}
	q, err := found[queue](item)
	q.item, q.nsID = item, nsID
	return q, err
}

// ops write the queue as it is now, if it is still as it was read.
func (q queue) ops() []store.Op {
	active := store.Put(activeQueueKey(q.nsID), encode(q.Started))
	if len(q.Waiting)+len(q.Running) == 0 {
		active = store.Delete(activeQueueKey(q.nsID))
	}
	return []store.Op{store.PutFrom(q.item, encode(q)), active}
}

// without takes a build out of the queue.
func (q *queue) without(id string) {
	same := func(s string) bool { return s == id }
	q.Waiting, q.Running = slices.DeleteFunc(q.Waiting, same), slices.DeleteFunc(q.Running, same)
}

// Builder runs builds. A build's runner takes its job when it begins, by
// [Hub.TakeJob] or [Hub.ClaimBuild], and tells of the build through [Hub.BuildEvent]
// or [Hub.ReportBuild].
type Builder interface {
	// Start begins a build and returns. ErrBuilderFull, where it has as many as it can
	// run, and store.ErrUnavailable say that it was not begun and may be later. Any
	// other error ends the build.
	Start(ctx context.Context, buildID string) error
	// Stop ends a build that may run, and returns when nothing of it is left, or will
	// be before long. One that does not run is no error.
	Stop(ctx context.Context, buildID string) error
	// Look tells how a build stands, and of one that has ended why, in words for its
	// log; "" where it ended well.
	Look(ctx context.Context, buildID string) (stand Stand, why string, err error)
}

// Stand is where a Builder has a build.
type Stand uint8

const (
	NotStarted Stand = iota // it does not know the build
	UnderWay
	Ended
)

// ErrBuilderFull says that a Builder runs as many builds as it can.
var ErrBuilderFull = errors.New("the builder has no room for another build at present")

// dispatchAtOnce is how many namespaces with builds one Dispatch looks at.
const dispatchAtOnce = 1000

// Dispatch starts what may start: one build of each namespace in turn, those first
// whose last start is longest ago, until the limits or the builder allow no more.
func (h *Hub) Dispatch(ctx context.Context) error {
	if h.Builder == nil {
		return nil
	}
	var failed []error
	for {
		page, err := h.Records.List(ctx, store.Range{Table: store.Builds, Part: activeQueueKey("x").Part, Limit: dispatchAtOnce})
		if err != nil {
			return err
		}
		type turn struct {
			nsID string
			last time.Time
		}
		var turns []turn
		for _, item := range page.Items {
			last, err := decode[Time](item)
			if err != nil {
				return err
			}
			turns = append(turns, turn{item.Sort, last.Time})
		}
		slices.SortStableFunc(turns, func(a, b turn) int { return a.last.Compare(b.last) })
		var started bool
		for _, t := range turns {
			ok, err := h.startNext(ctx, t.nsID)
			if errors.Is(err, ErrBuilderFull) {
				return errors.Join(failed...)
			}
			if err != nil {
				failed = append(failed, err)
			}
			started = started || ok
		}
		if !started {
			return errors.Join(failed...)
		}
	}
}

// startNext starts the build of a namespace that waits longest, if one may start.
func (h *Hub) startNext(ctx context.Context, nsID string) (started bool, err error) {
	var b Build
	var before Time
	err = h.again(ctx, func() error {
		started = false
		q, err := h.queue(ctx, nsID)
		if err != nil || len(q.Waiting) == 0 || len(q.Running) >= h.limits().Running {
			return err
		}
		var item store.Item
		if b, item, err = h.build(ctx, q.Waiting[0]); err != nil && !is(err, NotFound) {
			return err
		}
		if err != nil || b.Status != Waiting { // its repository is gone
			q.without(q.Waiting[0])
			return h.Records.Write(ctx, q.ops()...)
		}
		q.without(b.ID)
		before = q.Started
		q.Running, q.Started = append(q.Running, b.ID), h.now()
		b.Status, b.Step, b.StartedAt = Running, StepCloning, h.now()
		started = true
		return h.Records.Write(ctx, append(b.ops(item.Version), q.ops()...)...)
	})
	if err != nil || !started {
		return false, err
	}
	err = h.Builder.Start(ctx, b.ID)
	if errors.Is(err, ErrBuilderFull) || errors.Is(err, store.ErrUnavailable) {
		return false, errors.Join(err, h.putBack(ctx, b.ID, before))
	}
	if err != nil {
		h.Log.ErrorContext(ctx, "a build could not be started", "build", b.ID, "err", err)
		return true, h.EndBuild(ctx, b.ID, BuildResult{Status: Failed, Detail: "the build could not be started; its hub's log says why: ask its operator.\n"})
	}
	return true, h.stopIfOver(ctx, b.ID)
}

// stopIfOver stops a build that was deleted while it was being started: whoever
// deleted it may have looked for it too early.
func (h *Hub) stopIfOver(ctx context.Context, id string) error {
	b, _, err := h.build(ctx, id)
	if is(err, NotFound) || err == nil && b.Status.Over() {
		return h.stop(ctx, id)
	}
	return err
}

// stop stops what runs of a build that is over: nothing, where there is no builder. What
// it cannot stop stays noted, for stopNoted.
func (h *Hub) stop(ctx context.Context, id string) error {
	var err error
	if h.Builder != nil {
		err = h.Builder.Stop(ctx, id)
	}
	if err != nil {
		h.Log.WarnContext(ctx, "a build that is over is to be stopped later", "build", id, "err", err)
		return h.Records.Write(ctx, store.Put(stopKey(id), encode(h.now())))
	}
	return h.Records.Write(ctx, store.Delete(stopKey(id)))
}

// stopNoted stops what was not stopped when its build ended.
func (h *Hub) stopNoted(ctx context.Context) error {
	return h.each(ctx, store.Range{Table: store.Builds, Part: stopKey("x").Part, Limit: 100}, func(item store.Item) error {
		return h.stop(ctx, item.Sort)
	})
}

// putBack makes a build wait again, at the head of its queue, that was not begun.
// Its namespace keeps its turn.
func (h *Hub) putBack(ctx context.Context, id string, turn Time) error {
	return h.again(ctx, func() error {
		b, item, err := h.build(ctx, id)
		if err != nil || b.Status != Running {
			return err
		}
		q, err := h.queue(ctx, b.NamespaceID)
		if err != nil {
			return err
		}
		q.without(id)
		q.Waiting, q.Started = append([]string{id}, q.Waiting...), turn
		ops := append(q.ops(), b.endToken()...)
		b.Status, b.Step, b.StartedAt, b.TokenID = Waiting, StepQueued, Time{}, ""
		return h.Records.Write(ctx, append(ops, b.ops(item.Version)...)...)
	})
}

// BuildResult is how a build ended.
type BuildResult struct {
	Status  Status `json:"status"` // Succeeded, Failed or Deleted
	Detail  string `json:"detail"`
	Digest  string `json:"digest,omitempty"`   // of the manifest that was pushed
	ImageID string `json:"image_id,omitempty"` // digest of the image's configuration

	by string // the account that ended it, which needs no mail about that
}

// EndBuild ends a build that is not over; one that is stays as it ended. Its token
// ends with it, and it leaves the queue.
func (h *Hub) EndBuild(ctx context.Context, id string, r BuildResult) error {
	return h.again(ctx, func() error {
		b, item, err := h.build(ctx, id)
		if err != nil || b.Status.Over() {
			return err
		}
		return h.endBuild(ctx, b, item, r)
	})
}

// endBuild ends a build that is not over; more operations ride along.
func (h *Hub) endBuild(ctx context.Context, b Build, item store.Item, r BuildResult, more ...store.Op) error {
	q, err := h.queue(ctx, b.NamespaceID)
	if err != nil {
		return err
	}
	q.without(b.ID)
	ops := append(q.ops(), b.endToken()...)
	b.Status, b.Detail, b.EndedAt, b.TokenID = r.Status, r.Detail, h.now(), ""
	b.Claim, b.Reported = nil, nil
	if r.Status == Succeeded {
		b.Step, b.Digest = StepDone, r.Digest
		b.ImageID = hexOf(r.ImageID)
		b.ImageID = b.ImageID[:min(12, len(b.ImageID))]
	}
	followed, err := h.buildEnded(ctx, b, r.by)
	if err != nil {
		return err
	}
	return h.change(ctx, slices.Concat(b.ops(item.Version), ops, followed, more)...)
}

// CancelBuild ends a build before its time for a caller: one that waits never
// starts, one that runs is stopped. It has ended when this returns, and what runs of it
// is stopped then or, where the builder cannot at present, later: a note that rides in
// the same write says so. Conflict where it is over already.
func (h *Hub) CancelBuild(ctx context.Context, c Caller, id string) error {
	var was Status
	err := h.again(ctx, func() error {
		b, item, err := h.build(ctx, id)
		if err != nil {
			return err
		}
		if was = b.Status; was.Over() {
			return Fail(Conflict, "the build is over already: it %s (%s)", was.ended(), was)
		}
		var note []store.Op
		if was == Running {
			note = []store.Op{store.Put(stopKey(id), encode(h.now()))}
		}
		return h.endBuild(ctx, b, item, BuildResult{Status: Deleted, Detail: "the build was deleted.\n", by: c.member()}, note...)
	})
	if err != nil || was != Running {
		return err
	}
	if err := h.stop(ctx, id); err != nil {
		h.Log.WarnContext(ctx, "a deleted build is stopped once more, later", "build", id, "err", err)
	}
	return nil
}

// LoseBuilds ends every build that the records say runs, for a hub whose builds end
// with its process: to be called when it starts, before Dispatch.
func (h *Hub) LoseBuilds(ctx context.Context) error {
	lost := h.eachRunning(ctx, func(ctx context.Context, id string) error {
		return h.EndBuild(ctx, id, BuildResult{Status: Failed, Detail: "the hub was stopped while the build ran; start it again.\n"})
	})
	return errors.Join(lost, h.stopNoted(ctx))
}

// eachRunning does something with every build that the records say runs. One that
// fails does not keep it from the others.
func (h *Hub) eachRunning(ctx context.Context, do func(ctx context.Context, id string) error) error {
	active := store.Range{Table: store.Builds, Part: activeQueueKey("x").Part, Limit: 100}
	var failed []error
	err := h.each(ctx, active, func(item store.Item) error {
		q, err := h.queue(ctx, item.Sort)
		if err != nil {
			return err
		}
		for _, id := range q.Running {
			err := do(ctx, id)
			if is(err, NotFound) {
				err = h.unqueue(ctx, item.Sort, id)
			}
			if err != nil {
				failed = append(failed, fmt.Errorf("build %s: %w", id, err))
			}
		}
		return ctx.Err()
	})
	return errors.Join(append(failed, err)...)
}

// unqueue takes a build out of the queue whose record is gone.
func (h *Hub) unqueue(ctx context.Context, nsID, id string) error {
	return h.again(ctx, func() error {
		q, err := h.queue(ctx, nsID)
		if err != nil {
			return err
		}
		q.without(id)
		return h.Records.Write(ctx, q.ops()...)
	})
}
