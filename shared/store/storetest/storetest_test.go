package storetest_test

import (
	"errors"
	"strings"
	"testing"

	"berth/shared/store"
	"berth/shared/store/memory"
	"berth/shared/store/storetest"
)

// The wrappers are stores themselves.
func TestWrappersConform(t *testing.T) {
	storetest.Records(t, func(*testing.T) store.Records {
		return storetest.Count(storetest.Faulty(memory.NewRecords()))
	})
	storetest.Layers(t, func(*testing.T) store.Layers {
		return storetest.CountLayers(storetest.FaultLayers(memory.NewLayers()))
	})
}

func TestFaultyFailsTheChosenWriteInItsMode(t *testing.T) {
	k := store.Key{Table: store.Tags, Part: "p", Sort: "s"}
	for _, mode := range storetest.Modes {
		s := storetest.Faulty(memory.NewRecords())
		s.Fail(2, mode)
		for i, value := range []string{"1", "2", "3"} {
			err := s.Write(t.Context(), store.Put(k, []byte(value)))
			if failed := errors.Is(err, store.ErrUnavailable); failed != (i == 1) || failed != (err != nil) {
				t.Errorf("%v: write %d: %v", mode, i+1, err)
			}
			if i == 1 {
				items, err := s.Get(t.Context(), k)
				if want := map[storetest.Mode]string{storetest.NotDone: "1", storetest.DoneButFails: "2"}[mode]; err != nil || string(items[0].Value) != want {
					t.Errorf("%v: after the failed write %q, %v; want %q", mode, items[0].Value, err, want)
				}
			}
		}
		if s.Writes() != 3 || !s.Failed() {
			t.Errorf("%v: %d writes, failed %v", mode, s.Writes(), s.Failed())
		}
	}
}

func TestFaultyLayersFailsTheChosenWriteInItsMode(t *testing.T) {
	for _, mode := range storetest.Modes {
		s := storetest.FaultLayers(memory.NewLayers())
		var st store.State
		s.Fail(1, mode)
		after, err := s.Append(t.Context(), "object-1", st, strings.NewReader("lost"))
		if !errors.Is(err, store.ErrUnavailable) || after.Size != 0 {
			t.Errorf("%v: Append: %+v, %v", mode, after, err)
		}
		if st, err = s.Append(t.Context(), "object-1", after, strings.NewReader("kept")); err != nil {
			t.Fatal(err)
		}
		s.Fail(1, mode)
		if err = s.Finish(t.Context(), "object-1", st); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%v: Finish: %v", mode, err)
		}
		_, err = s.Open(t.Context(), "object-1", 0, -1)
		if done := err == nil; done != (mode == storetest.DoneButFails) {
			t.Errorf("%v: Open after the failed Finish: %v", mode, err)
		}
		if err = s.Finish(t.Context(), "object-1", st); err != nil {
			t.Error(err)
		}
	}
}

func TestCount(t *testing.T) {
	s := storetest.Count(memory.NewRecords())
	k := store.Key{Table: store.Tags, Part: "p", Sort: "s"}
	s.Write(t.Context(), store.Put(k, nil), store.CheckAbsent(store.Key{Table: store.Tags, Part: "p", Sort: "t"}))
	s.Get(t.Context(), k, k, k)
	s.List(t.Context(), store.Range{Table: store.Tags, Part: "p", Limit: 9})
	want := storetest.Calls{Gets: 1, GetKeys: 3, Lists: 1, ListItems: 1, Writes: 1, Ops: 2}
	if got := s.Take(); got != want || got.Reads() != 2 {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := s.Take(); got != (storetest.Calls{}) {
		t.Errorf("after Take %+v", got)
	}
	l := storetest.CountLayers(memory.NewLayers())
	st, _ := l.Append(t.Context(), "object-1", store.State{}, strings.NewReader("12345"))
	l.Finish(t.Context(), "object-1", st)
	l.Open(t.Context(), "object-1", 0, -1)
	l.Delete(t.Context(), "object-1", st)
	if got, want := l.Take(), (storetest.LayerCalls{Appends: 1, Appended: 5, Finishes: 1, Opens: 1, Deletes: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
