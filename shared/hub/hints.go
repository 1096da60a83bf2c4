package hub

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"berth/shared/store"
)

// Hint says that an entry of the outbox is to be handled, from a time on. A hub
// that no loop of [Hub.RunOutbox] serves is told by hints. They may come twice, late or
// never: the outbox alone says what there is to do.
type Hint struct {
	Key  store.Key
	Due  Time
	Mail bool // the entry is a mail; else it is about webhooks
}

// outboxEntry is what the key of an outbox entry says.
func outboxEntry(k store.Key) (kind string, shard int, due Time, ok bool) {
	name, in := strings.CutPrefix(k.Part, outboxPart)
	parts := strings.SplitN(k.Sort, "/", 3)
	if !in || k.Table != store.Builds || len(parts) != 3 || len(name) != 1 {
		return "", 0, due, false
	}
	shard = strings.Index(shardNames, name)
	ms, err := strconv.ParseInt(parts[1], 10, 64)
	return parts[0], shard, AtMilli(ms), err == nil && shard >= 0
}

// hint tells of the entries that a Write put into the outbox. They are safe there
// if that fails: see [Hub.HintOutbox].
func (h *Hub) hint(ctx context.Context, ops ...store.Op) {
	if h.Hint == nil {
		return
	}
	var hints []Hint
	for _, op := range ops {
		if kind, _, due, ok := outboxEntry(op.Key); ok && op.Kind == store.OpPut {
			hints = append(hints, Hint{op.Key, due, kind == outboxMails})
		}
	}
	if len(hints) == 0 {
		return
	}
	if err := h.Hint(ctx, hints); err != nil {
		h.Log.WarnContext(ctx, "the outbox has entries that nobody was told of; they are found later", "err", err)
	}
}

// writeHinting is a Write that tells of what it puts into the outbox.
func (h *Hub) writeHinting(ctx context.Context, ops ...store.Op) error {
	err := h.Records.Write(ctx, ops...)
	if err == nil {
		h.hint(ctx, ops...)
	}
	return err
}

// HandleHint handles the entry of the outbox at a key. One that is not there is
// handled, or in the hands of another. An error says to hint again.
func (h *Hub) HandleHint(ctx context.Context, k store.Key) error {
	kind, shard, _, ok := outboxEntry(k)
	handle := h.outboxHandler(kind)
	if !ok || handle == nil {
		return fmt.Errorf("%s is no place in the outbox", k)
	}
	item, err := h.get(ctx, k)
	if err != nil || !item.Found() {
		return err
	}
	if err := handle(ctx, shard, item); !isConflict(err) {
		return err
	}
	return nil // another has it
}

// HintOutbox hints at all that is due: what a kill left, what no hint told of, and
// what was put off for longer than hints are kept.
func (h *Hub) HintOutbox(ctx context.Context) error {
	for _, kind := range []string{outboxEvents, outboxDeliveries, outboxMails} {
		for shard := range shards {
			var hints []Hint
			err := h.each(ctx, h.outboxDue(kind, shard), func(item store.Item) error {
				_, _, due, _ := outboxEntry(item.Key)
				hints = append(hints, Hint{item.Key, due, kind == outboxMails})
				return nil
			})
			if err == nil && len(hints) > 0 {
				err = h.Hint(ctx, hints)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// outboxDue is what is to be handled now of a kind in a partition.
func (h *Hub) outboxDue(kind string, shard int) store.Range {
	return store.Range{
		Table: store.Builds, Part: outboxPart + shardName(shard),
		From: kind + "/", To: outboxKey(kind, shard, Time{h.Now().Add(time.Millisecond)}, "").Sort, Limit: 100,
	}
}

// outboxHandler is what handles entries of a kind; nil where this hub does not.
func (h *Hub) outboxHandler(kind string) func(ctx context.Context, shard int, item store.Item) error {
	switch {
	case kind == outboxEvents:
		return h.fanOut
	case kind == outboxDeliveries:
		return h.deliver
	case kind == outboxMails && h.Mailer != nil:
		return h.sendMail
	}
	return nil
}
