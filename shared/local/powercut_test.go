package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"berth/shared/local"
	"berth/shared/local/powercut"
	"berth/shared/store"
	"berth/shared/store/storetest"
)

// small is a size of journals with which the database takes over something all the
// time.
const small = 8192

// A disk with power is a disk.
func TestOnDiskWithPower(t *testing.T) {
	storetest.Records(t, func(t *testing.T) store.Records {
		r, err := local.OpenRecordsOn(powercut.New(t), "/data/records.db", small)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	})
}

// object is what a scenario knows of one object.
type object struct {
	key      string
	data     []byte
	st       store.State // of the last Append that was acknowledged
	begun    bool        // an Append was tried
	finished bool        // Finish was acknowledged
	deleted  bool        // Delete was acknowledged
	deleting bool        // Delete was tried
}

func (o *object) append(t *testing.T, l *local.Layers, to int, then error) error {
	r := io.Reader(bytes.NewReader(o.data[o.st.Size:to]))
	if then != nil {
		r = io.MultiReader(r, iotest.ErrReader(then))
	}
	o.begun = true
	st, err := l.Append(t.Context(), o.key, o.st, r)
	if err == nil || then != nil && errors.Is(err, then) {
		o.st = st
		return nil
	}
	return err
}

func (o *object) finish(t *testing.T, l *local.Layers) error {
	err := l.Finish(t.Context(), o.key, o.st)
	o.finished = o.finished || err == nil
	return err
}

func (o *object) delete(t *testing.T, l *local.Layers) error {
	o.deleting = true
	err := l.Delete(t.Context(), o.key, o.st)
	o.deleted = o.deleted || err == nil
	return err
}

func newObjects() []*object {
	var all []*object
	for i, size := range []int{300_000, 3000, 3000, 30_000, 3000, 0} {
		data := bytes.Repeat([]byte{byte('a' + i), 'x', 'y'}, size/3)
		all = append(all, &object{key: fmt.Sprintf("object-%d", i), data: data})
	}
	return all
}

// layersScenario does what uploads and sweeps do. It stops at the first error.
func layersScenario(t *testing.T, l *local.Layers, o []*object) error {
	broken := errors.New("the client went away")
	for _, do := range []func() error{
		func() error { return o[0].append(t, l, 270_000, nil) },
		func() error { return o[0].append(t, l, 270_010, broken) },
		func() error { return o[1].append(t, l, len(o[1].data), nil) },
		func() error { return o[0].append(t, l, len(o[0].data), nil) },
		func() error { return o[0].finish(t, l) },
		func() error { return o[1].finish(t, l) },
		func() error { return o[0].finish(t, l) },
		func() error { return o[2].append(t, l, 1000, nil) },
		func() error { return o[2].delete(t, l) },
		func() error { return o[1].delete(t, l) },
		func() error { return o[3].append(t, l, 10, nil) },
		func() error { // a tail that nobody was told of, and which Finish must drop
			st := o[3].st
			err := o[3].append(t, l, 30_000, nil)
			o[3].st = st
			o[3].data = o[3].data[:10]
			return err
		},
		func() error { return o[3].finish(t, l) },
		func() error { return o[4].append(t, l, 20, nil) },
		func() error { return o[5].finish(t, l) },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func TestLayersSurvivePowerCuts(t *testing.T) {
	for n := 1; ; n++ {
		disk, objects := powercut.New(t), newObjects()
		disk.CutAt(n)
		l, err := local.OpenLayersOn(disk, "/data/layers")
		if err == nil {
			err = layersScenario(t, l, objects)
		}
		if (err != nil) != disk.Off() || err != nil && !errors.Is(err, powercut.ErrOff) {
			t.Fatalf("step %d: %v, the power is off: %v", n, err, disk.Off())
		}
		for _, loss := range powercut.Losses {
			again := disk.Reboot(t, loss)
			l, err := local.OpenLayersOn(again, "/data/layers")
			if err != nil {
				t.Fatalf("step %d, %v: %v", n, loss, err)
			}
			for _, o := range objects {
				if err := o.check(t, l, again); err != nil {
					t.Errorf("step %d, %v: %s: %v", n, loss, o.key, err)
				}
			}
		}
		if !disk.Off() {
			if n < 30 {
				t.Errorf("the scenario has only %d steps", n)
			}
			return
		}
		killThenCut(t, n, disk, objects)
	}
}

// killThenCut ends the uploads after the process alone was killed, and cuts the
// power then.
func killThenCut(t *testing.T, n int, disk *powercut.Disk, objects []*object) {
	disk.Restart()
	l, err := local.OpenLayersOn(disk, "/data/layers")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if o.deleting {
			err = o.delete(t, l)
		} else if err = o.finish(t, l); err != nil && !o.finished { // it may be finished as it is
			if err = o.append(t, l, len(o.data), nil); err == nil {
				err = o.finish(t, l)
			}
		}
		if err != nil {
			t.Fatalf("step %d, killed and started again: %s: %v", n, o.key, err)
		}
		o.data = o.data[:min(int(o.st.Size), len(o.data))]
	}
	disk.Cut()
	for _, loss := range powercut.Losses {
		again := disk.Reboot(t, loss)
		l, err := local.OpenLayersOn(again, "/data/layers")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			if err := o.check(t, l, again); err != nil {
				t.Errorf("step %d, killed, ended, and cut, %v: %s: %v", n, loss, o.key, err)
			}
		}
	}
}

// check looks for what was acknowledged, and ends the object as its upload would.
func (o object) check(t *testing.T, l *local.Layers, disk *powercut.Disk) error {
	read := func() ([]byte, error) {
		r, err := l.Open(t.Context(), o.key, 0, -1)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	got, err := read()
	readable := err == nil
	switch {
	case err != nil && !errors.Is(err, store.ErrNoObject):
		return err
	case readable && o.deleted:
		return errors.New("it is there, and was deleted")
	case readable && !o.deleting && !bytes.Equal(got, o.data):
		return fmt.Errorf("it reads %d bytes, or other ones, of %d", len(got), len(o.data))
	case !readable && o.finished && !o.deleting:
		return errors.New("it is not there, and was finished")
	}
	if o.deleted {
		for _, name := range disk.Files() {
			if strings.Contains(name, o.key) {
				return fmt.Errorf("%s is left, and was deleted", name)
			}
		}
		return nil
	}
	if !o.deleting && !readable {
		if err := o.append(t, l, len(o.data), nil); err != nil {
			return fmt.Errorf("going on at %d: %w", o.st.Size, err)
		}
		if err := o.finish(t, l); err != nil {
			return err
		}
		if got, err = read(); err != nil || !bytes.Equal(got, o.data) {
			return fmt.Errorf("gone on with, it reads %d bytes of %d, or other ones, %v", len(got), len(o.data), err)
		}
	}
	return o.delete(t, l)
}

// recordsScenario lets writers write numbers, each into two items at once, and
// returns the last number of each writer that was acknowledged.
func recordsScenario(t *testing.T, r *local.Records, writers, each int) []int {
	acked := make([]int, writers)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := 1; n <= each; n++ {
				if err := r.Write(t.Context(), writeOf(w, n)...); err != nil {
					if !errors.Is(err, store.ErrUnavailable) {
						t.Error(err)
					}
					return
				}
				acked[w] = n
			}
		})
	}
	all.Wait()
	return acked
}

func writeOf(w, n int) []store.Op {
	value := fmt.Appendf(nil, "%d %0*d", n, 300*w, 0)
	ops := []store.Op{
		store.Put(keyOf(w, "a"), value), store.Put(keyOf(w, "b"), value),
		store.Add(keyOf(w, "count"), map[string]int64{"n": 1}),
		store.Create(keyOf(w, fmt.Sprint("new", n)), nil),
	}
	if n > 2 {
		ops = append(ops, store.Delete(keyOf(w, fmt.Sprint("new", n-2))))
	}
	return ops
}

func keyOf(w int, sort string) store.Key {
	return store.Key{Table: store.Tables[w%3], Part: fmt.Sprint("writer", w), Sort: sort}
}

func TestRecordsSurvivePowerCuts(t *testing.T) {
	const writers, each = 3, 8
	for n := 1; ; n++ {
		disk := powercut.New(t)
		disk.CutAt(n)
		acked := make([]int, writers)
		r, err := local.OpenRecordsOn(disk, "/data/records.db", small)
		if err == nil {
			acked = recordsScenario(t, r, writers, each)
			err = r.Close()
		}
		if !disk.Off() && (err != nil || slices.Min(acked) < each) {
			t.Fatalf("with power all the time: %v, acknowledged %v of %d", err, acked, each)
		}
		for _, loss := range powercut.Losses {
			checkRecords(t, fmt.Sprintf("step %d, %v", n, loss), disk.Reboot(t, loss), acked)
		}
		if !disk.Off() {
			if n < 30 {
				t.Errorf("the scenario has only %d steps", n)
			}
			return
		}
	}
}

// TestRecordsSurviveOnePowerCutAfterAnother cuts the power again and again, soon
// after each reboot.
func TestRecordsSurviveOnePowerCutAfterAnother(t *testing.T) {
	const writers = 3
	rnd := rand.New(rand.NewPCG(7, 7))
	disk := powercut.New(t)
	have := make([]int, writers) // each writer's last number that is there
	for round := range 150 {
		disk.CutAt(1 + rnd.IntN(40))
		acked := slices.Clone(have)
		if r, err := local.OpenRecordsOn(disk, "/data/records.db", small); err == nil {
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() {
					for r.Write(t.Context(), writeOf(w, acked[w]+1)...) == nil {
						acked[w]++
					}
				})
			}
			all.Wait()
			r.Close()
		}
		disk = disk.Reboot(t, powercut.Losses[rnd.IntN(len(powercut.Losses))])
		r, err := local.OpenRecordsOn(disk, "/data/records.db", small)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for w := range writers {
			items, err := r.Get(t.Context(), keyOf(w, "a"))
			if err != nil {
				t.Fatal(err)
			}
			have[w] = 0
			fmt.Sscan(string(items[0].Value), &have[w])
			if have[w] != acked[w] && have[w] != acked[w]+1 {
				t.Fatalf("round %d: writer %d has %d, acknowledged was %d", round, w, have[w], acked[w])
			}
		}
		disk.Cut() // right after it read the journals
		r.Close()
		disk = disk.Reboot(t, powercut.Everything)
	}
	if slices.Min(have) < 20 {
		t.Errorf("the writers came only to %v", have)
	}
	checkRecords(t, "at the end", disk, have)
}

func checkRecords(t *testing.T, when string, disk *powercut.Disk, acked []int) {
	r, err := local.OpenRecordsOn(disk, "/data/records.db", small)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	defer r.Close()
	for w := range acked {
		items, err := r.Get(t.Context(), keyOf(w, "a"), keyOf(w, "b"), keyOf(w, "count"))
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		var n int
		fmt.Sscan(string(items[0].Value), &n)
		if n < acked[w] || n > acked[w]+1 {
			t.Errorf("%s: writer %d has %d, acknowledged was %d", when, w, n, acked[w])
		}
		if !bytes.Equal(items[0].Value, items[1].Value) || items[2].Counts["n"] != int64(n) {
			t.Errorf("%s: writer %d has half a write: %d, %.20q, %v", when, w, n, items[1].Value, items[2].Counts)
		}
		page, err := r.List(t.Context(), store.Prefix(store.Tables[w%3], fmt.Sprint("writer", w), "new", 100))
		if err != nil || len(page.Items) != min(n, 2) {
			t.Errorf("%s: writer %d has %d new items, %v; want %d", when, w, len(page.Items), err, min(n, 2))
		}
		// It goes on as if nothing had been.
		if err = r.Write(t.Context(), writeOf(w, n+1)...); err != nil {
			t.Errorf("%s: writer %d goes on: %v", when, w, err)
		}
	}
}

// TestRecordsSurviveAKillThenAPowerCut kills the process at each step, and cuts the power
// at each step of the next process: what that one showed or acknowledged is there.
func TestRecordsSurviveAKillThenAPowerCut(t *testing.T) {
	const writers, each = 2, 6
	for n := 1; ; n++ {
		for m := 1; ; m++ {
			disk := powercut.New(t)
			disk.CutAt(n)
			seen := make([]int, writers)
			if r, err := local.OpenRecordsOn(disk, "/data/records.db", small); err == nil {
				seen = recordsScenario(t, r, writers, each)
				r.Close()
			}
			if !disk.Off() {
				return
			}
			disk.Restart()
			disk.CutAt(m)
			if r, err := local.OpenRecordsOn(disk, "/data/records.db", small); err == nil {
				for w := range writers {
					items, err := r.Get(t.Context(), keyOf(w, "a"))
					if err != nil {
						t.Fatal(err)
					}
					fmt.Sscan(string(items[0].Value), &seen[w])
					if r.Write(t.Context(), writeOf(w, seen[w]+1)...) == nil {
						seen[w]++
					}
				}
				if !disk.Off() {
					m = 0
				}
				disk.Cut()
				r.Close()
			}
			for _, loss := range powercut.Losses {
				checkRecords(t, fmt.Sprintf("killed at step %d, cut at %d, %v", n, m, loss), disk.Reboot(t, loss), seen)
			}
			if t.Failed() {
				return
			}
			if m == 0 {
				break
			}
		}
	}
}
