package local

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestOrderedKeepsOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, key := range map[string]func(i int) string{
		"rising":  func(i int) string { return fmt.Sprintf("%06d", i) },
		"falling": func(i int) string { return fmt.Sprintf("%06d", 100_000-i) },
		"mixed":   func(int) string { return fmt.Sprintf("%06d", rnd.IntN(1e6)) },
	} {
		var o ordered
		var want []string
		seen := map[string]bool{}
		for i := range 5000 {
			if k := key(i); !seen[k] {
				seen[k] = true
				o.insert(placed{key: k})
				want = append(want, k)
			}
		}
		slices.Sort(want)
		var up, down []string
		for p := (position{}); ; p = o.after(p) {
			k, ok := o.at(p)
			if !ok {
				break
			}
			up = append(up, k.key)
		}
		for p := o.seek("~"); ; p = o.before(p) {
			k, ok := o.at(p)
			if !ok {
				break
			}
			down = append(down, k.key)
		}
		slices.Reverse(down)
		if !slices.Equal(up, want) || !slices.Equal(down, want) {
			t.Errorf("%s: %d keys up, %d down, want %d, or another order", name, len(up), len(down), len(want))
		}
		for range 1000 {
			k := fmt.Sprintf("%06d", rnd.IntN(1e6))
			at, there := slices.BinarySearch(want, k)
			if !there {
				at--
			}
			got, ok := o.at(o.seek(k))
			if ok != (at >= 0) || ok && got.key != want[at] {
				t.Fatalf("%s: seek %s gives %q, %v", name, k, got.key, ok)
			}
		}
		if name == "rising" && len(o.chunks) > 2*len(want)/chunkSize {
			t.Errorf("%d chunks for %d keys that came in order", len(o.chunks), len(want))
		}
	}
}
