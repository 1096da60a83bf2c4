package registry_test

import (
	"context"

	"berth/shared/store"
)

// list reads all items of a partition with a prefix.
func (r *registry) list(table, part, prefix string) []store.Item {
	r.t.Helper()
	in := store.Range{Table: store.Table(table), Part: part, Limit: 1000}
	if prefix != "" {
		in = store.Prefix(in.Table, part, prefix, 1000)
	}
	page, err := r.calls.Records.List(context.Background(), in)
	if err != nil {
		r.t.Fatal(err)
	}
	return page.Items
}
