package hub

import (
	"context"
	"errors"
	"time"

	"berth/shared/store"
)

// Mail is a message to one person.
type Mail struct {
	ID      string // the Message-ID without its brackets, the same at each attempt
	To      string // an address
	Subject string // one line
	Text    string // plain text, lines end in \n
	At      Time   // when that happened which the mail tells of
}

// Mailer sends mails.
type Mailer interface {
	// Send hands a mail over to whoever brings it to its reader. The error wraps
	// ErrUndeliverable where it makes no sense to try that mail again.
	Send(ctx context.Context, m Mail) error
}

// ErrUndeliverable says that a mail will never be taken: its address is none, or is
// not known where it leads.
var ErrUndeliverable = errors.New("the mail cannot be delivered")

// outboxMail is a build's end that the account which asked for the build is to be
// told. The mail itself is made at each attempt: it tells only what the account may
// still read, and goes to the address that the account has by then.
type outboxMail struct {
	Build    string `json:"build"`
	Account  string `json:"account"`
	At       Time   `json:"at"`
	Attempts int    `json:"attempts"`
}

// mailLife is how long a mail is tried, and kept for a hub that sends none at
// present: later it is no news.
const mailLife = 3 * 24 * time.Hour

// mailOf puts the mail about a build that ends into the outbox.
func mailOf(b Build) store.Op {
	e := outboxMail{Build: b.ID, Account: b.Maker, At: b.EndedAt}
	return store.Create(outboxKey(outboxMails, shardOf(b.ID), e.At, b.ID), encode(e))
}

// sendMail makes one attempt at a mail. A kill before the end sends it again, under
// the same Message-ID.
func (h *Hub) sendMail(ctx context.Context, shard int, item store.Item) error {
	entry, err := decode[outboxMail](item)
	if err != nil {
		return err
	}
	claimed, err := h.claim(ctx, outboxMails, shard, entry.Build, item)
	if err != nil {
		return err
	}
	m, err := h.buildMail(ctx, entry)
	if err != nil {
		return err
	}
	var next Time
	if late := h.Now().Sub(entry.At.Time) > mailLife; m.To != "" && !late {
		if next, err = h.attemptMail(ctx, &entry, m); err != nil {
			return err
		}
	}
	return h.again(ctx, func() error { return h.endClaim(ctx, claimed, next, entry) })
}

// attemptMail sends a mail, and tells when to try again; never is the zero Time.
func (h *Hub) attemptMail(ctx context.Context, entry *outboxMail, m Mail) (next Time, err error) {
	entry.Attempts++
	err = h.Mailer.Send(ctx, m)
	switch {
	case err == nil:
		return next, nil
	case ctx.Err() != nil:
		return next, ctx.Err() // the hub stops: the lease runs out and another attempt follows
	case errors.Is(err, ErrUndeliverable):
		h.Log.WarnContext(ctx, "a mail about a build is given up", "build", entry.Build, "account", entry.Account, "err", err)
		return next, nil
	}
	next = At(h.Now().Add(backoff[min(entry.Attempts, len(backoff))-1]))
	h.Log.WarnContext(ctx, "a mail about a build is tried again", "build", entry.Build, "account", entry.Account, "at", next.String(), "err", err)
	return next, nil
}

// buildMail makes the mail; it has no address where there is nobody to tell, or who
// asked may not read the build any more.
func (h *Hub) buildMail(ctx context.Context, entry outboxMail) (Mail, error) {
	a, _, err := h.account(ctx, entry.Account)
	if err != nil || a.Email == "" {
		return Mail{}, err
	}
	b, _, err := h.AuthorizeBuild(ctx, Caller{Account: a.Name, Admin: a.Admin}, entry.Build, Reader)
	if is(err, NotFound) {
		return Mail{}, nil
	}
	if err != nil {
		return Mail{}, err
	}
	var lines []LogLine
	if b.Status == Failed {
		if lines, err = h.lastLines(ctx, b.ID, mailedLines); err != nil {
			return Mail{}, err
		}
	}
	m := h.aboutBuild(b, lines)
	m.To = a.Email
	return m, nil
}
