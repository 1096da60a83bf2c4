package hub_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"berth/shared/store"
)

// actor is one of several requests that go on at once. It reaches the storage
// through gates, by the context that it is given.
type actor func(ctx context.Context) error

// effect is what a storage call reads or changes.
type effect struct {
	writes bool
	keys   []string     // of records, and "object:KEY" of layers
	span   *store.Range // of a list
}

func (e effect) touches(key string) bool {
	if slices.Contains(e.keys, key) {
		return true
	}
	if e.span == nil {
		return false
	}
	prefix := string(e.span.Table) + ":" + e.span.Part + "|"
	sort, ok := strings.CutPrefix(key, prefix)
	return ok && sort >= e.span.From && (e.span.To == "" || sort < e.span.To)
}

// depends reports whether the order of two calls can matter.
func (e effect) depends(o effect) bool {
	if !e.writes && !o.writes {
		return false
	}
	if o.span != nil {
		e, o = o, e
	}
	return slices.ContainsFunc(o.keys, e.touches)
}

type actorKey struct{}

// schedule lets actors run one storage call at a time, in an order that the
// explorer chooses.
type schedule struct {
	asking  chan ask
	pending []*ask // by actor; nil = it has ended
	results []error
}

type ask struct {
	actor int
	effect
	ended bool
	err   error
	go_   chan struct{}
}

// pass waits until the caller's actor may do its next call. Calls outside of a
// schedule pass at once.
func pass(ctx context.Context, e effect) {
	s, ok := ctx.Value(actorKey{}).(*gate)
	if !ok {
		return
	}
	a := ask{actor: s.actor, effect: e, go_: make(chan struct{})}
	s.schedule.asking <- a
	<-a.go_
}

type gate struct {
	schedule *schedule
	actor    int
}

func start(actors []actor) *schedule {
	s := &schedule{asking: make(chan ask), pending: make([]*ask, len(actors)), results: make([]error, len(actors))}
	for i, f := range actors {
		go func() {
			ctx := context.WithValue(context.Background(), actorKey{}, &gate{s, i})
			err := f(ctx)
			s.asking <- ask{actor: i, ended: true, err: err}
		}()
		s.await()
	}
	return s
}

// await takes the next word of the one actor that runs.
func (s *schedule) await() {
	a := <-s.asking
	if a.ended {
		s.pending[a.actor], s.results[a.actor] = nil, a.err
		return
	}
	s.pending[a.actor] = &a
}

func (s *schedule) step(actor int) {
	close(s.pending[actor].go_)
	s.await()
}

// explorer runs a scenario in every order of its storage calls that can make a
// difference: depth first, with sleep sets (orders that differ only in calls that
// do not depend on each other are tried once).
type explorer struct {
	t     *testing.T
	fresh func() (actors []actor, check func(results []error))
	runs  int
	most  int
}

func (x *explorer) explore(prefix []int, sleep map[int]bool) {
	if x.t.Failed() {
		return
	}
	actors, check := x.fresh()
	s := start(actors)
	for _, a := range prefix {
		s.step(a)
	}
	// Go on with the first that may, and come back for the others.
	var open []node
	for {
		if n, ok := s.node(sleep); ok {
			n.prefix = slices.Clone(prefix)
			open = append(open, n)
			first := n.choices[0]
			sleep = n.childSleep(0)
			prefix = append(prefix, first)
			s.step(first)
			continue
		}
		break
	}
	if !s.over() { // all that could run is asleep: this order was tried elsewhere
		s.finish()
	} else {
		x.runs++
		if x.runs > x.most {
			x.t.Fatalf("more than %d orders; make the scenario smaller", x.most)
		}
		check(s.results)
		if x.t.Failed() {
			x.t.Logf("in the order %v", prefix)
			return
		}
	}
	for _, n := range slices.Backward(open) {
		for i := 1; i < len(n.choices); i++ {
			x.explore(append(slices.Clone(n.prefix), n.choices[i]), n.childSleep(i))
		}
	}
}

// node is a point with several ways on.
type node struct {
	prefix  []int
	choices []int
	effects map[int]effect
	sleep   map[int]bool
}

func (s *schedule) node(sleep map[int]bool) (node, bool) {
	n := node{effects: make(map[int]effect), sleep: sleep}
	for i, p := range s.pending {
		if p == nil {
			continue
		}
		n.effects[i] = p.effect
		if !sleep[i] {
			n.choices = append(n.choices, i)
		}
	}
	return n, len(n.choices) > 0
}

// childSleep are the actors that need not run after choice i: they were tried
// before it, and do not depend on it.
func (n node) childSleep(i int) map[int]bool {
	chosen := n.effects[n.choices[i]]
	next := make(map[int]bool)
	for a := range n.sleep {
		if e, ok := n.effects[a]; ok && !e.depends(chosen) {
			next[a] = true
		}
	}
	for _, a := range n.choices[:i] {
		if !n.effects[a].depends(chosen) {
			next[a] = true
		}
	}
	return next
}

func (s *schedule) over() bool {
	return !slices.ContainsFunc(s.pending, func(p *ask) bool { return p != nil })
}

// finish lets the rest run in any order, so that no goroutine stays.
func (s *schedule) finish() {
	for !s.over() {
		s.step(slices.IndexFunc(s.pending, func(p *ask) bool { return p != nil }))
	}
}

// gatedRecords and gatedLayers ask before each call.
type gatedRecords struct{ store.Records }

func (g gatedRecords) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	e := effect{}
	for _, k := range keys {
		e.keys = append(e.keys, k.String())
	}
	pass(ctx, e)
	return g.Records.Get(ctx, keys...)
}

func (g gatedRecords) List(ctx context.Context, r store.Range) (store.Page, error) {
	pass(ctx, effect{span: &r})
	return g.Records.List(ctx, r)
}

func (g gatedRecords) Write(ctx context.Context, ops ...store.Op) error {
	e := effect{writes: true}
	for _, op := range ops {
		e.keys = append(e.keys, op.Key.String())
	}
	pass(ctx, e)
	return g.Records.Write(ctx, ops...)
}

type gatedLayers struct{ store.Layers }

func object(key string, writes bool) effect {
	return effect{writes: writes, keys: []string{"object:" + key}}
}

func (g gatedLayers) Append(ctx context.Context, key string, st store.State, r io.Reader) (store.State, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return st, err
	}
	pass(ctx, object(key, true))
	return g.Layers.Append(ctx, key, st, bytes.NewReader(b))
}

func (g gatedLayers) Finish(ctx context.Context, key string, st store.State) error {
	pass(ctx, object(key, true))
	return g.Layers.Finish(ctx, key, st)
}

func (g gatedLayers) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	pass(ctx, object(key, false))
	return g.Layers.Open(ctx, key, offset, length)
}

func (g gatedLayers) Delete(ctx context.Context, key string, st store.State) error {
	pass(ctx, object(key, true))
	return g.Layers.Delete(ctx, key, st)
}

// The explorer itself: two actors that read a number, add one and write it lose
// an update in some order, and it finds that order.
func TestExplorerFindsLostUpdates(t *testing.T) {
	lost, orders := 0, 0
	inner := &testing.T{}
	x := explorer{t: inner, most: 100, fresh: func() ([]actor, func([]error)) {
		n := 0
		add := func(ctx context.Context) error {
			pass(ctx, effect{keys: []string{"n"}})
			read := n
			pass(ctx, effect{writes: true, keys: []string{"n"}})
			n = read + 1
			return nil
		}
		return []actor{add, add}, func([]error) {
			orders++
			if n != 2 {
				lost++
			}
		}
	}}
	x.explore(nil, nil)
	if lost == 0 || lost == orders {
		t.Errorf("%d of %d orders lose an update", lost, orders)
	}
	if orders != 4 { // six orders, of which two pairs differ in the order of two reads
		t.Errorf("%d orders tried, want 4", orders)
	}
}
