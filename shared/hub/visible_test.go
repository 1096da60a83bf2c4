package hub

import (
	"bytes"
	"fmt"
	"iter"
	"log/slog"
	"net/url"
	"slices"
	"testing"

	"berth/shared/store/memory"
)

// What a caller may see is read from many places, and comes in one order from
// wherever one begins, each repository once.
func TestVisibleFromEveryPlace(t *testing.T) {
	ctx := t.Context()
	key := bytes.Repeat([]byte{7}, 32)
	public, _ := url.Parse("https://hub.example")
	h := New(memory.NewRecords(), memory.NewLayers(), Keys{Registry: key, SDK: key, Seal: key}, Options{PublicURL: public})
	h.Log = slog.New(slog.DiscardHandler)
	for _, name := range []string{"maker", "guest"} {
		if _, err := h.CreateAccount(ctx, NewAccount{Name: name, Password: "correct horse"}); err != nil {
			t.Fatal(err)
		}
	}
	maker, guest := Caller{Account: "maker"}, Caller{Account: "guest"}
	var all, seen []string
	for i, ns := range []string{"a", "a-b", "a0", "a--b", "ab", "b"} { // a-b/x sorts before a/x
		if _, err := h.CreateOrg(ctx, maker, NewOrg{Name: ns}); err != nil {
			t.Fatal(err)
		}
		g, err := h.Authorize(ctx, maker, Target{Namespace: ns, Need: Owner})
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // guest is a reader of every second one
			if err := h.Records.Write(ctx, h.memberOps(Namespace{ID: g.NamespaceID, Name: ns}, "guest", Reader)...); err != nil {
				t.Fatal(err)
			}
		}
		for j, name := range []string{"x", "x-y", "x.y", "x0", "y"} {
			r, err := h.CreateRepository(ctx, g, Repository{Name: name, Public: j%2 == 0}, "")
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r.Path())
			if i%2 == 0 || r.Public {
				seen = append(seen, r.Path())
			}
		}
	}
	slices.Sort(all)
	slices.Sort(seen)
	for _, c := range []struct {
		caller Caller
		want   []string
	}{{maker, all}, {guest, seen}, {Caller{Account: "root", Admin: true}, all}} {
		for _, after := range append([]string{"", "a", "a/", "zzz"}, all...) {
			for few := 1; few < 8; few += 3 {
				var got []string
				for e, err := range h.visible(ctx, c.caller, after, few) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, e.path)
				}
				from, exact := slices.BinarySearch(c.want, after)
				if exact {
					from++
				}
				if !slices.Equal(got, c.want[from:]) {
					t.Fatalf("%s after %q, %d at once: %v, want %v", c.caller.Name(), after, few, got, c.want[from:])
				}
			}
		}
	}
}

// Two sorted sequences become one, whose reader may stop anywhere, and which ends
// at an error.
func TestMerge(t *testing.T) {
	failed := fmt.Errorf("failed")
	seq := func(paths string) iter.Seq2[listed, error] {
		return func(yield func(listed, error) bool) {
			for _, c := range paths {
				var err error
				if c == '!' {
					err = failed
				}
				if !yield(listed{path: string(c)}, err) || err != nil {
					return
				}
			}
		}
	}
	for _, m := range []struct{ a, b, want string }{
		{"", "", ""}, {"abc", "", "abc"}, {"", "abc", "abc"}, {"ace", "bdf", "abcdef"}, {"abc", "abc", "abc"},
		{"abd", "bcd", "abcd"}, {"x", "abc", "abcx"}, {"abc", "x", "abcx"}, {"ab!", "c", "ab!"}, {"bc", "a!", "a!"}, {"!", "a", "!"},
	} {
		for most := range len(m.want) + 1 {
			got := ""
			for e, err := range merge(seq(m.a), seq(m.b)) {
				if len(got) == most {
					break
				}
				if got += e.path; (err != nil) != (e.path == "!") {
					t.Errorf("%+v: %s with %v", m, e.path, err)
				}
			}
			if got != m.want[:most] && most < len(m.want) || most == len(m.want) && got != m.want {
				t.Errorf("%+v, the first %d: %s", m, most, got)
			}
		}
	}
}
