package hub

import (
	"context"
	"strings"
	"unicode/utf8"

	"berth/shared/store"
)

// Listing is a piece of a list.
type Listing[T any] struct {
	Entries []T
	Next    string // the After of the next piece; "" = there is none
	Count   int64  // of the whole list
}

// stat reads one count of an item.
func (h *Hub) stat(ctx context.Context, k store.Key, name string) (int64, error) {
	item, err := h.get(ctx, k)
	return item.Counts[name], err
}

// listing reads one window of the count records in r, whose Limit it sets itself.
func listing[T any](ctx context.Context, h *Hub, w Window, r store.Range, count int64) (l Listing[T], err error) {
	l.Count = count
	prefix := r.From
	if r, err = windowOf(r, &w); err != nil {
		return l, err
	}
	if int64(w.Skip) > count {
		return l, nil
	}
	var last string
	for {
		page, err := h.Records.List(ctx, r)
		if err != nil {
			return l, err
		}
		for _, i := range page.Items {
			switch {
			case w.Skip > 0:
				w.Skip--
			case len(l.Entries) == w.Size:
				l.Next = last
				return l, nil
			default:
				v, err := decode[T](i)
				if err != nil {
					return l, err
				}
				l.Entries = append(l.Entries, v)
				last = strings.TrimPrefix(i.Sort, prefix)
			}
		}
		if !page.More || len(page.Items) == 0 {
			return l, nil
		}
		r = r.After(page.Items[len(page.Items)-1].Sort)
	}
}

// windowOf narrows a range of one prefix to a window and one entry more.
func windowOf(r store.Range, w *Window) (store.Range, error) {
	if w.After != "" {
		if len(w.After) > store.MaxSort/2 || !utf8.ValidString(w.After) {
			return r, FailField("cursor", "is not one that the hub gave")
		}
		r, w.Skip = r.After(r.From+w.After), 0
	}
	r.Limit = min(w.Skip+w.Size+1, 1000)
	return r, nil
}
