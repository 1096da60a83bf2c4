package hub

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"berth/shared/store"
)

// AuditEntry is one line of the audit log: a change that somebody made.
type AuditEntry struct {
	ID      string `json:"id"`
	At      Time   `json:"at"`
	Who     string `json:"who"`  // as [Caller.Name]
	What    string `json:"what"` // the operation, as the table of routes names it
	On      string `json:"on"`   // the path that it was asked of
	Detail  string `json:"detail"`
	From    string `json:"from"` // the client's address
	Request string `json:"request"`
}

// audit is the entry of the request that a context belongs to. It is written once:
// with what [Hub.change] writes first, so that change and entry are one, or else by
// [Hub.FinishAudit] before the answer leaves.
type audit struct {
	entry AuditEntry
	ns    string // the namespace's id; "" = none
	done  bool
}

type auditContext struct{}

func auditOf(ctx context.Context) *audit {
	a, _ := ctx.Value(auditContext{}).(*audit)
	return a
}

// Audited returns the context of a request that changes something, in the
// namespace of that id ("" = none).
func (h *Hub) Audited(ctx context.Context, nsID string, e AuditEntry) context.Context {
	e.ID, e.At = h.newID(), h.now()
	return context.WithValue(ctx, auditContext{}, &audit{entry: e, ns: nsID})
}

// AuditedBy corrects who makes the request, where its body says it.
func AuditedBy(ctx context.Context, who string) {
	if a := auditOf(ctx); a != nil {
		a.entry.Who = who
	}
}

// auditDetail says what the path does not: the name of what was made, a role.
func auditDetail(ctx context.Context, format string, args ...any) {
	if a := auditOf(ctx); a != nil {
		a.entry.Detail = fmt.Sprintf(format, args...)
	}
}

// auditIn says in which namespace's log the entry belongs, where the request's rule
// does not: by its id, or "" for the hub's own.
func auditIn(ctx context.Context, nsID string) {
	if a := auditOf(ctx); a != nil {
		a.ns = nsID
	}
}

// change is the Write that does what a request asks. The request's line of the
// audit log rides in it, and is at the same time how an attempt whose answer was
// lost is known again: change then tries once more, and finds the line there, or
// writes all. Of several changes of a request the first has the line.
func (h *Hub) change(ctx context.Context, ops ...store.Op) error {
	a := auditOf(ctx)
	if a == nil || a.done {
		return h.writeHinting(ctx, ops...)
	}
	all := append(a.ops(len(ops)), ops...)
	err := h.Records.Write(ctx, all...)
	if errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil {
		err = h.Records.Write(ctx, all...)
	}
	var c *store.ConflictError
	if errors.As(err, &c) && c.Key == all[0].Key {
		err = nil
	}
	if a.done = err == nil; a.done {
		h.hint(ctx, ops...)
	}
	return err
}

// FinishAudit writes the request's entry, unless a change took it along.
func (h *Hub) FinishAudit(ctx context.Context) error {
	if a := auditOf(ctx); a == nil || a.done {
		return nil
	}
	return h.change(ctx)
}

// ops store the entry and count it, and leave room for as many more. The count is in
// shards, as all pushes to a namespace meet it.
func (a *audit) ops(more int) []store.Op {
	sort := invTime(a.entry.At) + "/" + a.entry.ID
	key := rkey("audit", "entry/"+sort)
	if a.ns != "" {
		key = rkey("ns/"+a.ns, "audit/"+sort)
	}
	return append(make([]store.Op, 0, 2+more),
		store.Create(key, encode(a.entry)),
		store.Add(auditsKey(a.ns, shardOf(a.entry.ID)), map[string]int64{statEntries: 1}))
}

// auditsKey is a shard of the count of a log's entries.
func auditsKey(nsID string, s int) store.Key {
	if nsID == "" {
		return rkey("audit", "count/"+shardName(s))
	}
	return rkey("ns/"+nsID, "audits/"+shardName(s))
}

const statEntries = "entries"

// invTime is a part of a sort key by which the newest comes first.
func invTime(t Time) string {
	digits := hex.AppendEncode(nil, binary.BigEndian.AppendUint64(nil, uint64(math.MaxInt64-t.UnixMilli())))
	return string(digits)
}

// AuditLog lists the changes in the granted namespace (role Owner), newest first.
func (h *Hub) AuditLog(ctx context.Context, g Grant, w Window) (Listing[AuditEntry], error) {
	return h.auditLog(ctx, g.NamespaceID, w, store.Prefix(store.Repositories, "ns/"+g.NamespaceID, "audit/", 1))
}

// HubAuditLog lists the changes that belong to no namespace, newest first.
func (h *Hub) HubAuditLog(ctx context.Context, w Window) (Listing[AuditEntry], error) {
	return h.auditLog(ctx, "", w, store.Prefix(store.Repositories, "audit", "entry/", 1))
}

func (h *Hub) auditLog(ctx context.Context, nsID string, w Window, r store.Range) (Listing[AuditEntry], error) {
	counts, _, err := h.counts(ctx, auditsKey, nsID)
	if err != nil {
		return Listing[AuditEntry]{}, err
	}
	return listing[AuditEntry](ctx, h, w, r, counts[statEntries])
}
