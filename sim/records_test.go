package sim_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/shared/cloud"
	"berth/shared/store"
	"berth/shared/store/storetest"
	"berth/sim"
	emulator "berth/sim/dynamodb"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Every backend passes one suite; this one also while DynamoDB is at its worst.
// Whatever it does, no write is lost, done twice, or told wrongly.
func TestRecords(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults emulator.Faults
	}{
		{"plain", emulator.Faults{}},
		{"refused", emulator.Faults{Throttle: 0.2, Conflict: 0.2, Unprocessed: 0.5}},
		{"lost", emulator.Faults{LostRequest: 0.2, LostAnswer: 0.3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db, url := sim.DynamoDB(t)
			db.Inject(c.faults)
			storetest.Records(t, func(*testing.T) store.Records { return sim.Records(url) })
			if n := db.Injected(); (n > 0) != (c.faults != emulator.Faults{}) {
				t.Errorf("%d faults were injected", n)
			}
		})
	}
}

// watched is an endpoint that keeps each request's body, and the records behind it.
func watched(t *testing.T, names map[store.Table]string) (*emulator.DB, *cloud.Records, func() []string) {
	db, _ := sim.DynamoDB(t)
	var mu sync.Mutex
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		bodies = append(bodies, string(b))
		mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(b))
		db.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return db, cloud.NewRecords(dynamodb.NewFromConfig(sim.Config(server.URL)), names), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(bodies)
	}
}

// A write that is repeated is the very same request: DynamoDB promises to know a
// token again only with the same parameters.
func TestRepeatsAreTheSame(t *testing.T) {
	db, s, bodies := watched(t, sim.TableNames)
	db.Inject(emulator.Faults{LostAnswer: 0.9, Seed: 7})
	k := store.Key{Table: store.Tags, Part: "p", Sort: "s"}
	counts := map[string]int64{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}
	if err := s.Write(t.Context(), store.Add(k, counts), store.Create(store.Key{Table: store.Builds, Part: "p", Sort: "s"}, []byte("v"))); err != nil {
		t.Fatal(err)
	}
	sent := bodies()
	if len(sent) < 2 {
		t.Fatalf("%d requests, want repeats", len(sent))
	}
	for i, b := range sent {
		if b != sent[0] {
			t.Errorf("repeat %d differs:\n%s\n%s", i, b, sent[0])
		}
	}
	db.Inject(emulator.Faults{})
	items, err := s.Get(t.Context(), k)
	if err != nil || !maps.Equal(items[0].Counts, counts) {
		t.Errorf("counts %v, %v; want %v", items[0].Counts, err, counts)
	}
}

// What repeating cannot mend is told at once.
func TestNotRepeated(t *testing.T) {
	_, s, bodies := watched(t, map[store.Table]string{store.Tags: "no-such-table"})
	k := store.Key{Table: store.Tags, Part: "p", Sort: "s"}
	_, getErr := s.Get(t.Context(), k)
	_, listErr := s.List(t.Context(), store.Range{Table: store.Tags, Part: "p", Limit: 1})
	for name, err := range map[string]error{"Get": getErr, "List": listErr, "Write": s.Write(t.Context(), store.Put(k, nil))} {
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "ResourceNotFound") {
			t.Errorf("%s: %v, want ErrUnavailable and its cause", name, err)
		}
	}
	if n := len(bodies()); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

// A caller who gives up is told so; after a write also that it may have happened.
func TestGivingUp(t *testing.T) {
	db, url := sim.DynamoDB(t)
	db.Inject(emulator.Faults{LostAnswer: 1})
	s := sim.Records(url)
	k := store.Key{Table: store.Tags, Part: "p", Sort: "s"}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Write(ctx, store.Put(k, []byte("v"))); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Write: %v, want ErrUnavailable and the context's error", err)
	}
	if _, err := s.Get(ctx, k); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Get: %v, want the context's error", err)
	}
	db.Inject(emulator.Faults{})
	if items, err := s.Get(t.Context(), k); err != nil || string(items[0].Value) != "v" {
		t.Errorf("%v, %v: the write that was given up had happened", items, err)
	}
}

// DynamoDB takes no bound longer than a sort key; a range's may be.
func TestLongBounds(t *testing.T) {
	_, url := sim.DynamoDB(t)
	s := sim.Records(url)
	long := strings.Repeat("x", store.MaxSort-1)
	sorts := []string{"a", long, long + "\x00", long + "a", long + "\x7f", "y"}
	var ops []store.Op
	for _, sort := range sorts {
		ops = append(ops, store.Put(store.Key{Table: store.Tags, Part: "p", Sort: sort}, nil))
	}
	if err := s.Write(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
	for _, bound := range []string{long + "\x00\x00", long + "a\x00", long + "é", long[1:] + "é"} {
		for _, reverse := range []bool{false, true} {
			for _, r := range []store.Range{{From: bound}, {To: bound}, {From: "a", To: bound}, {From: bound, To: "y"}, {From: bound, To: long + "é"}} {
				var want, got []string
				for _, sort := range sorts {
					if sort >= r.From && (r.To == "" || sort < r.To) {
						want = append(want, sort)
					}
				}
				if reverse {
					slices.Reverse(want)
				}
				r.Table, r.Part, r.Reverse, r.Limit = store.Tags, "p", reverse, 1
				for {
					page, err := s.List(t.Context(), r)
					if err != nil {
						t.Fatal(err)
					}
					for _, it := range page.Items {
						got = append(got, it.Sort)
					}
					if !page.More {
						break
					}
					r = r.After(got[len(got)-1])
				}
				if !slices.Equal(got, want) {
					t.Errorf("from %.9q… to %.9q…, reverse %v: %d items, want %d", r.From, r.To, reverse, len(got), len(want))
				}
			}
		}
	}
}
