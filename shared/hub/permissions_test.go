package hub

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"berth/shared/store/memory"
)

// Lists of names come in pieces, each beginning after the last name of the one before.
func TestNamesInPieces(t *testing.T) {
	ctx := context.Background()
	public, _ := url.Parse("https://hub.example")
	h := New(memory.NewRecords(), memory.NewLayers(), Keys{}, Options{PublicURL: public})
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"admin", "alice", "bob", "carol"} {
		_, err := h.CreateAccount(ctx, NewAccount{Name: name, Password: "correct horse", Email: name + "@example.com", Admin: name == "admin"})
		ok(err)
	}
	alice, admin := Caller{Account: "alice"}, Caller{Account: "admin", Admin: true}
	for i := range 120 { // more than are looked up at once
		_, err := h.CreateOrg(ctx, alice, NewOrg{Name: fmt.Sprintf("o%03d", i)})
		ok(err)
	}
	for _, c := range []Caller{alice, admin} {
		all, _, err := h.ListNamespaces(ctx, c, NamespaceQuery{Limit: 1000})
		ok(err)
		var want, got []string
		for _, n := range all {
			want = append(want, n.Name)
		}
		q := NamespaceQuery{Limit: 7}
		for more := true; more; {
			var list []NamespaceRole
			list, more, err = h.ListNamespaces(ctx, c, q)
			ok(err)
			if len(list) > 7 || more && len(list) == 0 {
				t.Fatalf("a piece of %d, more: %t", len(list), more)
			}
			for _, n := range list {
				got = append(got, n.Name)
				q.After = n.Name
			}
		}
		if len(want) < 121 || strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: in pieces %v\nat once %v", c.Account, got, want)
		}
	}
	g, err := h.Authorize(ctx, alice, Target{Namespace: "o000", Need: Owner})
	ok(err)
	ok(h.ChangeRoles(ctx, g, AddRoles, RoleChange{"bob", Reader}, RoleChange{"carol", Writer}))
	first, more, err := h.Roles(ctx, g, "", 2)
	ok(err)
	rest, end, err := h.Roles(ctx, g, "bob", 2)
	ok(err)
	if len(first) != 2 || !more || first[1].Account != "bob" || len(rest) != 1 || end || rest[0].Account != "carol" || rest[0].Role != Writer {
		t.Errorf("the roles are %v (more: %t), then %v (more: %t)", first, more, rest, end)
	}
}
