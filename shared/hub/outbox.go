package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"berth/shared/store"
)

// The outbox holds what must follow a change: it is written with the change, sent
// afterwards and then deleted, so that a kill loses nothing. Each entry lies in one
// of 16 partitions, in the order of the time from which it may be handled, the past
// included. Whoever handles one first moves that time ahead, by a lease: what a
// killed sender left is sent by the next. So a consumer can meet a delivery twice,
// and knows it by its id.
//
// An event is written with the change; handling it makes a delivery for each webhook
// that wants it. Deliveries lie in a partition of their webhook, so that a slow
// receiver holds up few others, and these not for long: see [rests]. Mails are told of in mail.go.

// outboxEvent is an event that happened.
type outboxEvent struct {
	ID          string          `json:"id"`
	Event       string          `json:"event"`
	At          Time            `json:"at"`
	NamespaceID string          `json:"ns"`
	Body        json.RawMessage `json:"body"`
}

// outboxDelivery is an event on its way to a webhook.
type outboxDelivery struct {
	NamespaceID string          `json:"ns"`
	HookMade    Time            `json:"hook_made"` // tells the webhook from a later one of its id
	Turn        int64           `json:"turn"`
	Delivery    Delivery        `json:"delivery"`
	Body        json.RawMessage `json:"body"`
}

// outboxPart begins the names of the outbox's partitions.
const outboxPart = "outbox/"

// Kinds of outbox entries: the first part of the sort key.
const (
	outboxEvents     = "event"
	outboxDeliveries = "delivery"
	outboxMails      = "mail"
)

// outboxKinds are the kinds that this hub handles, each before those that it makes.
func (h *Hub) outboxKinds() []string {
	return slices.DeleteFunc([]string{outboxEvents, outboxDeliveries, outboxMails}, func(kind string) bool { return h.outboxHandler(kind) == nil })
}

func outboxKey(kind string, shard int, due Time, id string) store.Key {
	return store.Key{
		Table: store.Builds, Part: outboxPart + shardName(shard),
		Sort: fmt.Sprintf("%s/%013d/%s", kind, due.UnixMilli(), id),
	}
}

// outboxLease is how long a sender has an entry for itself: longer than one attempt.
const outboxLease = time.Minute

// claim is an entry that a sender has for itself.
type claim struct {
	kind, id string
	shard    int
	key      store.Key
}

// claim takes an entry for the lease; a conflict where another sender was faster.
func (h *Hub) claim(ctx context.Context, kind string, shard int, id string, item store.Item) (claim, error) {
	c := claim{kind, id, shard, outboxKey(kind, shard, At(h.Now().Add(outboxLease)), id)}
	return c, h.Records.Write(ctx, store.DeleteAt(item.Key, item.Version), store.Create(c.key, item.Value))
}

// endClaim ends an attempt: the entry goes, or, with a time, waits for it. More
// operations ride along. Where the lease has run out and another sender has taken the
// entry, it is that one's to end.
func (h *Hub) endClaim(ctx context.Context, c claim, next Time, entry any, more ...store.Op) error {
	item, err := h.get(ctx, c.key)
	if err != nil || !item.Found() {
		return err
	}
	if next.IsZero() {
		return h.Records.Write(ctx, append(more, store.DeleteAt(c.key, item.Version))...)
	}
	put := store.Put(outboxKey(c.kind, c.shard, next, c.id), encode(entry))
	if put.Key == c.key {
		put = store.Replace(c.key, item.Version, put.Value)
	} else {
		more = append(more, store.DeleteAt(c.key, item.Version))
	}
	return h.writeHinting(ctx, append(more, put)...)
}

// PushEvent is the body of the event image:push.
type PushEvent struct {
	Event      string   `json:"event"`
	Namespace  string   `json:"namespace"`
	RepoName   string   `json:"repo_name"`
	RepoPath   string   `json:"repo_path"`
	Tags       []string `json:"tags"`
	Digest     string   `json:"digest"`
	MediaType  string   `json:"media_type"`
	Size       int64    `json:"size"`
	PushedBy   string   `json:"pushed_by"`
	OccurredAt Time     `json:"occurred_at"`
}

// happened are the operations (one or none) that put an event into the outbox, to
// ride in the write that makes it happen. hooks is the record at hooksKey.
func (h *Hub) happened(hooks store.Item, nsID, event string, body any) ([]store.Op, error) {
	l, err := found[hookList](hooks)
	if err != nil {
		return nil, err
	}
	for _, k := range l.Hooks {
		if k.wants(event) {
			e := outboxEvent{ID: h.newID(), Event: event, At: h.now(), NamespaceID: nsID, Body: encode(body)}
			return []store.Op{store.Create(outboxKey(outboxEvents, shardOf(e.ID), e.At, e.ID), encode(e))}, nil
		}
	}
	return nil, nil
}

// outboxPoll is how often the outbox is looked at.
const outboxPoll = time.Second

// RunOutbox sends what is in the outbox, until the context ends, and returns its
// error. Several may run.
func (h *Hub) RunOutbox(ctx context.Context) error {
	var wg sync.WaitGroup
	for shard := range shards {
		for _, kind := range h.outboxKinds() {
			wg.Go(func() {
				for ctx.Err() == nil {
					n, err := h.sendDue(ctx, kind, shard)
					if err != nil && ctx.Err() == nil {
						h.Log.WarnContext(ctx, "the outbox is not emptied at present", "kind", kind, "err", err)
					}
					if err != nil || n == 0 {
						select {
						case <-ctx.Done():
						case <-time.After(outboxPoll):
						}
					}
				}
			})
		}
	}
	wg.Wait()
	return ctx.Err()
}

// SendOutbox handles once whatever is due now: the events, then the deliveries,
// those included that the events made, and the mails.
func (h *Hub) SendOutbox(ctx context.Context) error {
	for _, kind := range h.outboxKinds() {
		for shard := range shards {
			for more := 1; more > 0; {
				var err error
				if more, err = h.sendDue(ctx, kind, shard); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// sendAtOnce is how many entries of one partition are handled at the same time.
const sendAtOnce = 4

// sendDue handles what is due in one partition, and tells how much that was.
func (h *Hub) sendDue(ctx context.Context, kind string, shard int) (int, error) {
	page, err := h.Records.List(ctx, h.outboxDue(kind, shard))
	if err != nil {
		return 0, err
	}
	handle := h.outboxHandler(kind)
	failed := make([]error, len(page.Items))
	slots := make(chan struct{}, sendAtOnce)
	var wg sync.WaitGroup
	for i, item := range page.Items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if failed[i] = handle(ctx, shard, item); isConflict(failed[i]) {
				failed[i] = nil // another sender has it
			}
		})
	}
	wg.Wait()
	return len(page.Items), errors.Join(failed...)
}

// fanOut turns an event into a delivery for each webhook that wants it. All of it
// is one write, so nothing is sent twice for an event that is handled twice.
func (h *Hub) fanOut(ctx context.Context, _ int, item store.Item) error {
	e, err := decode[outboxEvent](item)
	if err != nil {
		return err
	}
	hooks, err := h.get(ctx, hooksKey(e.NamespaceID))
	if err != nil {
		return err
	}
	l, err := found[hookList](hooks)
	if err != nil {
		return err
	}
	ops := []store.Op{store.DeleteAt(item.Key, item.Version), store.CheckFrom(hooks)}
	for _, k := range l.Hooks {
		if !k.wants(e.Event) {
			continue
		}
		turnKey := deliveryTurnKey(e.NamespaceID, k.ID)
		turn, err := h.get(ctx, turnKey)
		if err != nil {
			return err
		}
		n, err := found[int64](turn)
		if err != nil {
			return err
		}
		d := Delivery{ID: e.ID + "-" + k.ID, Hook: k.ID, Event: e.Event, Status: deliveryPending, At: e.At, Next: e.At}
		entry := outboxDelivery{NamespaceID: e.NamespaceID, HookMade: k.Created, Turn: n, Delivery: d, Body: e.Body}
		ops = append(ops,
			store.PutFrom(turn, encode(n+1)),
			store.Put(deliveryKey(e.NamespaceID, k.ID, n), encode(d)),
			store.Create(outboxKey(outboxDeliveries, shardOf(k.ID), e.At, d.ID), encode(entry)))
	}
	return h.writeHinting(ctx, ops...)
}
