package hub

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// A runner that is no child of the hub's process, as on AWS, claims its build: no
// secret stands in what starts it, but a code that is good for this once. The Builder
// calls PrepareBuild and hands the code on, the runner calls ClaimBuild, and
// ReportBuild as it goes. RecordBuild ends the build, when the Builder sees the
// runner's end.

// The environment of such a runner: the build's id, the code that claims it, the hub's
// public address and, where they are given, Job.Builder and Job.BuilderImage.
const (
	BuildVariable        = "BERTH_BUILD_ID"
	ClaimVariable        = "BERTH_CLAIM"
	HubVariable          = "BERTH_HUB"
	BuilderVariable      = "BERTH_BUILDER"
	BuilderImageVariable = "BERTH_BUILDER_IMAGE"
)

// PrepareBuild makes the code by which a runner may claim a build that runs; an
// earlier one is good no more. Conflict where the build does not run.
func (h *Hub) PrepareBuild(ctx context.Context, id string) (claim string, err error) {
	err = h.again(ctx, func() error {
		b, item, err := h.build(ctx, id)
		if err != nil {
			return err
		}
		if b.Status != Running {
			return notRunning(b)
		}
		code := make([]byte, 20)
		h.random(code)
		claim = ids.EncodeToString(code)
		b.Claim = hashSecret(claim)
		return h.Records.Write(ctx, b.ops(item.Version)...)
	})
	return claim, err
}

// ClaimBuild gives the job of a build to whoever has the code. It may be repeated,
// with a fresh token for the same job, until the runner has reported something.
// Unauthenticated where the code is not the build's, is used, or the build is over.
func (h *Hub) ClaimBuild(ctx context.Context, id, claim string) (Job, error) {
	refused := Fail(Unauthenticated, "this claims no build: its code was used, or the build is over")
	j, err := h.takeJob(ctx, id, func(b Build) error {
		if len(b.Claim) == 0 || subtle.ConstantTimeCompare(b.Claim, hashSecret(claim)) != 1 {
			return refused
		}
		return nil
	})
	if is(err, NotFound) {
		err = refused
	}
	return j, err
}

// AuthorizeRunner lets a build's runner do something: whoever has the access token
// that the build runs with.
func (h *Hub) AuthorizeRunner(c Caller, id string) error {
	switch {
	case !c.Known():
		return Fail(Unauthenticated, "only the build's own runner may do this")
	case c.Token == nil || c.Token.Build == "" || c.Token.Build != id:
		return Fail(Denied, "only the build's own runner may do this")
	}
	return nil
}

// ReportBuild takes what a runner tells that has claimed its build. A result is kept
// until RecordBuild ends the build. Conflict where the build is over: the runner
// should stop. One that tells more lines than a log may have is stopped, and its
// build ends.
func (h *Hub) ReportBuild(ctx context.Context, id string, e BuildEvent) error {
	if err := e.check(); err != nil {
		return err
	}
	b, err := h.appendLog(ctx, id, e.Lines)
	if err == errLogFull {
		return h.endReporting(ctx, id)
	}
	if err != nil {
		return err
	}
	if len(e.Lines) > 0 && e.Step == 0 && e.Commit == "" && e.Result == nil && b.Claim == nil {
		return nil
	}
	return h.again(ctx, func() error {
		b, item, err := h.build(ctx, id)
		if err != nil {
			return err
		}
		if b.Status != Running {
			return notRunning(b)
		}
		b.advance(e)
		b.Claim = nil
		if b.Reported == nil {
			b.Reported = e.Result
		}
		return h.Records.Write(ctx, b.ops(item.Version)...)
	})
}

// endReporting ends a build whose log is too long, and stops its runner.
func (h *Hub) endReporting(ctx context.Context, id string) error {
	r := h.logTooLong()
	if err := h.EndBuild(ctx, id, r); err != nil {
		return err
	}
	if err := h.stop(ctx, id); err != nil {
		h.Log.ErrorContext(ctx, "the runner of a build that has ended is not stopped", "build", id, "err", err)
	}
	return Fail(Conflict, "%s", strings.TrimSpace(r.Detail))
}

// Limits of what a runner may tell.
const (
	maxLogSeq      = 1 << 32
	maxReportLines = 10_000
	maxResult      = 8 << 10
)

// check holds an event from outside against what runners tell.
func (e BuildEvent) check() error {
	switch {
	case e.Step != 0 && (e.Step < StepCloning || e.Step > StepDone):
		return FailField("step", "must be %d to %d, not %d", StepCloning, StepDone, e.Step)
	case e.Commit != "" && !commitID.MatchString(e.Commit):
		return FailField("commit", "must be a full commit id")
	case len(e.Lines) > maxReportLines:
		return FailField("lines", "may be %d at once, not %d", maxReportLines, len(e.Lines))
	}
	for i, l := range e.Lines {
		at := fmt.Sprintf("lines.%d", i)
		switch {
		case l.Seq < 1 || l.Seq > maxLogSeq || i > 0 && l.Seq != e.Lines[i-1].Seq+1:
			return FailField(at+".seq", "must be the number of the line, one more than that of the line before")
		case len(l.Message) > MaxLogLine || !utf8.ValidString(l.Message):
			return FailField(at+".message", "may have %d bytes of UTF-8", MaxLogLine)
		case l.Level != "INFO" && l.Level != "WARN" && l.Level != "ERROR":
			return FailField(at+".level", "must be INFO, WARN or ERROR, not %q", l.Level)
		}
	}
	if r := e.Result; r != nil {
		switch {
		case r.Status != Succeeded && r.Status != Failed:
			return FailField("result.status", "must be %s or %s, not %q", Succeeded, Failed, r.Status)
		case len(r.Detail) > maxResult || !utf8.ValidString(r.Detail):
			return FailField("result.detail", "may have %d bytes of UTF-8", maxResult)
		case r.Digest != "" && CheckDigest(r.Digest) != nil, r.Status == Succeeded && r.Digest == "":
			return FailField("result.digest", "must be the digest of what was pushed")
		case r.ImageID != "" && CheckDigest(r.ImageID) != nil:
			return FailField("result.image_id", "must be a digest")
		}
	}
	return nil
}

// RecordBuild ends a build whose runner has ended: with the result that it told, or
// as failed, for a reason that the Builder gives. A build that does not run stays as
// it is.
func (h *Hub) RecordBuild(ctx context.Context, id, why string) error {
	b, _, err := h.build(ctx, id)
	if err != nil || b.Status != Running {
		return err
	}
	if why == "" {
		why = "the build's runner ended without a result"
	}
	if b.Reported == nil {
		if err := h.lastWord(ctx, id, why); err != nil {
			return err
		}
	}
	return h.again(ctx, func() error {
		b, item, err := h.build(ctx, id)
		if err != nil || b.Status != Running {
			return err
		}
		r := BuildResult{Status: Failed, Detail: why + "\n"}
		if b.Reported != nil {
			r = *b.Reported
		}
		return h.endBuild(ctx, b, item, r)
	})
}

// lastWord ends a build's log with what its runner did not tell.
func (h *Hub) lastWord(ctx context.Context, id, why string) error {
	l := LogLine{Seq: 1, Time: h.Now().Unix(), Level: "ERROR", Message: why}
	last, err := h.lastLines(ctx, id, 1)
	if err != nil {
		return err
	}
	if len(last) > 0 {
		if last[0].Level == l.Level && last[0].Message == why { // of an attempt before
			return nil
		}
		l.Seq, l.Time = last[0].Seq+1, max(l.Time, last[0].Time)
	}
	if _, err = h.appendLog(ctx, id, []LogLine{l}); err == errLogFull || is(err, Conflict) {
		err = nil // its last word is its detail
	}
	return err
}

// startedLately is how long a Builder may not know of a build that was started.
const startedLately = time.Minute

// LookAtBuild ends a build that the hub believes to run and that has ended, and
// starts one whose start was interrupted.
func (h *Hub) LookAtBuild(ctx context.Context, id string) error {
	b, _, err := h.build(ctx, id)
	if err != nil || b.Status != Running {
		return err
	}
	stand, why, err := h.Builder.Look(ctx, id)
	if err != nil || stand == UnderWay {
		return err
	}
	if stand == Ended {
		return h.RecordBuild(ctx, id, why)
	}
	switch age := h.Now().Sub(b.StartedAt.Time); {
	case age < startedLately:
		return nil
	case age > h.limits().Time:
		return h.RecordBuild(ctx, id, "the hub lost sight of the build; start it again")
	}
	return h.Builder.Start(ctx, id)
}

// LookAtBuilds looks at every build that the hub believes to run, and stops what still
// runs of those that are over.
func (h *Hub) LookAtBuilds(ctx context.Context) error {
	return errors.Join(h.eachRunning(ctx, h.LookAtBuild), h.stopNoted(ctx))
}
