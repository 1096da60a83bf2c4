package hub

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	"berth/shared/outbound"
	"berth/shared/store"
)

// attemptTime is how long a receiver may take to answer.
const attemptTime = 10 * time.Second

// backoff is how long after each failed attempt the next one follows. After the
// last a delivery has failed for good.
var backoff = []time.Duration{
	10 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour,
}

// A receiver that took long is left alone for restFactor times as long: what waits for
// it would else hold up the others of its partition. One that answers faster than
// restAfter is not.
const (
	restAfter  = time.Second
	restFactor = 4
)

// rests are receivers that are left alone, by their webhooks. Each sender knows of
// those that it met itself.
type rests struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// note takes down how long an attempt that has just ended took.
func (r *rests) note(hook string, took time.Duration, now time.Time) {
	if took < restAfter {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = make(map[string]time.Time)
	}
	maps.DeleteFunc(r.until, func(_ string, until time.Time) bool { return !until.After(now) })
	r.until[hook] = At(now.Add(restFactor * took)).Time // as the outbox has it
}

// of is until when a receiver is left alone; ok is false where it is not.
func (r *rests) of(hook string, now time.Time) (until time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	until = r.until[hook]
	return until, until.After(now)
}

// putOff lets a delivery wait for a receiver that is left alone. It is no attempt.
func (h *Hub) putOff(ctx context.Context, shard int, item store.Item, entry outboxDelivery, until Time) error {
	d := &entry.Delivery
	d.Next = until
	ops, err := h.noteDelivery(ctx, entry.NamespaceID, entry.Turn, *d)
	if err != nil {
		return err
	}
	return h.writeHinting(ctx, append(ops, store.DeleteAt(item.Key, item.Version),
		store.Put(outboxKey(outboxDeliveries, shard, until, d.ID), encode(entry)))...)
}

// deliver makes one attempt at a delivery: it claims the entry for the lease, sends,
// and writes what became of it.
func (h *Hub) deliver(ctx context.Context, shard int, item store.Item) error {
	entry, err := decode[outboxDelivery](item)
	if err != nil {
		return err
	}
	d := &entry.Delivery
	receiver := entry.NamespaceID + "/" + d.Hook
	if until, ok := h.rests.of(receiver, h.Now()); ok {
		return h.putOff(ctx, shard, item, entry, At(until))
	}
	claimed, err := h.claim(ctx, outboxDeliveries, shard, d.ID, item)
	if err != nil {
		return err
	}
	hook, err := h.hookOf(ctx, entry)
	if err != nil {
		return err
	}
	d.Attempts++
	d.Last, d.Next = h.now(), Time{}
	if hook != nil {
		d.Code, err = h.send(ctx, entry, hook)
		h.rests.note(receiver, h.Now().Sub(d.Last.Time), h.Now())
	}
	switch {
	case hook == nil:
		d.Status, d.Code, d.Error = deliveryFailed, 0, "the webhook was deleted or switched off"
	case err == nil:
		d.Status, d.Error = deliveryDone, ""
	case ctx.Err() != nil:
		return ctx.Err() // the hub stops: the lease runs out and another attempt follows
	default:
		d.Error = err.Error()
		if d.Attempts > len(backoff) {
			d.Status = deliveryFailed
		} else {
			d.Next = At(h.Now().Add(backoff[d.Attempts-1]))
		}
	}
	return h.again(ctx, func() error {
		ops, err := h.noteDelivery(ctx, entry.NamespaceID, entry.Turn, *d)
		if err != nil {
			return err
		}
		return h.endClaim(ctx, claimed, d.Next, entry, ops...)
	})
}

// hookOf is the webhook that a delivery is for; nil where it is gone or switched off.
func (h *Hub) hookOf(ctx context.Context, entry outboxDelivery) (*Hook, error) {
	item, err := h.get(ctx, hooksKey(entry.NamespaceID))
	if err != nil {
		return nil, err
	}
	l, err := found[hookList](item)
	if err != nil {
		return nil, err
	}
	i := l.find(entry.Delivery.Hook)
	if i < 0 || !l.Hooks[i].Active || !l.Hooks[i].Created.Equal(entry.HookMade.Time) {
		return nil, nil
	}
	return &l.Hooks[i], nil
}

// send posts a delivery. Its error says what went wrong, in words that may be
// shown to the namespace's owners.
func (h *Hub) send(ctx context.Context, entry outboxDelivery, hook *Hook) (code int, err error) {
	secret, err := h.sealer().Open(ctx, hookPlace(entry.NamespaceID, hook.ID), hook.Sealed)
	if err != nil {
		h.Log.WarnContext(ctx, "a webhook's secret cannot be opened", "webhook", hook.ID, "err", err)
		return 0, errors.New("the hub cannot sign deliveries at present")
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(entry.Body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(entry.Body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Berth")
	req.Header.Set("X-Berth-Event", entry.Delivery.Event)
	req.Header.Set("X-Berth-Delivery", entry.Delivery.ID)
	req.Header.Set("X-Berth-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	res, err := h.sendingClient().Do(req)
	if err != nil {
		return 0, plainly(err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return res.StatusCode, fmt.Errorf("the receiver answered %d", res.StatusCode)
	}
	return res.StatusCode, nil
}

// plainly says why a receiver was not reached, and nothing about the hub's network.
func plainly(err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, outbound.ErrForbidden):
		return outbound.ErrForbidden
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("the receiver did not answer within %s", attemptTime)
	}
	return errors.New("the receiver could not be reached")
}

func (h *Hub) sendingClient() *http.Client {
	h.clientOnce.Do(func() { h.client = h.Outbound().Client(attemptTime) })
	return h.client
}
