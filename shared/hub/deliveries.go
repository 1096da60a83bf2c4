package hub

import (
	"context"
	"fmt"
	"slices"

	"berth/shared/store"
)

// keptDeliveries is how many deliveries of a webhook are kept: the latest.
const keptDeliveries = 100

// Delivery is one event on its way to one webhook, or what became of it.
type Delivery struct {
	ID       string `json:"id"` // as X-Berth-Delivery says it, the same at each attempt
	Hook     string `json:"hook"`
	Event    string `json:"event"`
	Status   string `json:"status"` // pending, delivered or failed
	Attempts int    `json:"attempts"`
	Code     int    `json:"code"`  // the last answer's status; 0 = none came
	Error    string `json:"error"` // what went wrong last
	At       Time   `json:"at"`    // when the event happened
	Last     Time   `json:"last"`  // the last attempt
	Next     Time   `json:"next"`  // when it will be tried next, while pending
}

// What Delivery.Status says.
const (
	deliveryPending = "pending"
	deliveryDone    = "delivered"
	deliveryFailed  = "failed"
)

// deliveryKey is one of a webhook's places for deliveries, which are used in turn.
func deliveryKey(nsID, hook string, turn int64) store.Key {
	return rkey("ns/"+nsID, fmt.Sprintf("delivery/%s/%02d", hook, turn%keptDeliveries))
}

// deliveryTurnKey counts a webhook's deliveries.
func deliveryTurnKey(nsID, hook string) store.Key {
	return rkey("ns/"+nsID, "delivery/"+hook+"/turn")
}

func deliveriesOf(nsID, hook string) store.Range {
	return store.Prefix(store.Repositories, "ns/"+nsID, "delivery/"+hook+"/", keptDeliveries+2)
}

// Deliveries are the latest deliveries of a webhook of the granted namespace (role
// Owner), the newest first: at most 100.
func (h *Hub) Deliveries(ctx context.Context, g Grant, hook string) ([]Delivery, error) {
	if _, err := h.Hook(ctx, g, hook); err != nil {
		return nil, err
	}
	var all []Delivery
	turn := deliveryTurnKey(g.NamespaceID, hook)
	err := h.each(ctx, deliveriesOf(g.NamespaceID, hook), func(item store.Item) error {
		if item.Key == turn {
			return nil
		}
		d, err := decode[Delivery](item)
		all = append(all, d)
		return err
	})
	slices.SortFunc(all, func(a, b Delivery) int {
		if c := b.At.Compare(a.At.Time); c != 0 {
			return c
		}
		return slices.Compare([]byte(b.ID), []byte(a.ID))
	})
	return all, err
}

// noteDelivery are the operations (one or none) that keep what became of a
// delivery, unless its place was taken by a later one.
func (h *Hub) noteDelivery(ctx context.Context, nsID string, turn int64, d Delivery) ([]store.Op, error) {
	item, err := h.get(ctx, deliveryKey(nsID, d.Hook, turn))
	if err != nil {
		return nil, err
	}
	was, err := found[Delivery](item)
	if err != nil || was.ID != d.ID {
		return nil, err
	}
	return []store.Op{store.Replace(item.Key, item.Version, encode(d))}, nil
}
