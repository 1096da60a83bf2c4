//go:build proof

package proof

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"berth/sim/dynamodb"
	"berth/sim/stack"
)

// 32 clients push into one namespace, and into one repository, at once: none of them is
// told of a failure, and each counter equals a recount. Transactions last 10 ms, and are
// in conflict with all others on their items.
func TestPushTogether(t *testing.T) {
	s := ownStack(t, withoutIngest)
	c := clientOf(t, s)
	s.DynamoDB().Inject(dynamodb.Faults{Hold: 10 * time.Millisecond})
	const clients, rounds = 32, 3
	for name, repo := range map[string]func(n int) string{
		"one namespace":  func(n int) string { return fmt.Sprintf("admin/many-%02d", n) },
		"one repository": func(int) string { return "admin/one" },
	} {
		t.Run(name, func(t *testing.T) {
			var wait sync.WaitGroup
			for n := range clients {
				wait.Go(func() {
					for round := range rounds {
						tag := fmt.Sprintf("t%d-%d", n, round)
						seed := uint64(len(name)<<16 + n*rounds + round)
						if status, err := c.push(repo(n), tag, newImage(seed), false); err != nil {
							t.Errorf("%s:%s: %d %v", repo(n), tag, status, err)
						}
					}
				})
			}
			wait.Wait()
		})
	}
	t.Logf("%d transactions were in conflict", s.DynamoDB().Injected())
	if s.DynamoDB().Injected() == 0 {
		t.Error("no transactions were in conflict")
	}
	s.DynamoDB().Inject(dynamodb.Faults{})
	var tags struct{ Tags []string }
	if err := json.Unmarshal(c.call(t, 200, "GET", "/v2/admin/one/tags/list", "").body, &tags); err != nil || len(tags.Tags) != clients*rounds {
		t.Errorf("%d tags, %v; want %d", len(tags.Tags), err, clients*rounds)
	}
	verify(t, s)
}

// Functions are killed in the middle of what they write, before the write or after it.
// Clients that ask again get through; whatever was acknowledged is there, and each counter
// equals a recount.
func TestKilledAmidWrites(t *testing.T) {
	s := ownStack(t, withoutIngest)
	c := clientOf(t, s)
	s.Inject(stack.Faults{Kills: 0.25})
	var mu sync.Mutex
	acknowledged := map[string]image{}
	var wait sync.WaitGroup
	for n := range 4 {
		wait.Go(func() {
			for round := range 8 {
				repo, tag, i := fmt.Sprintf("admin/killed-%d", n%2), fmt.Sprintf("t%d-%d", n, round), newImage(uint64(1000+n*100+round))
				if status, err := c.push(repo, tag, i, true); err != nil {
					t.Errorf("%s:%s: %d %v", repo, tag, status, err)
					continue
				}
				mu.Lock()
				acknowledged[repo+"/manifests/"+tag] = i
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	s.Inject(stack.Faults{})
	if s.Injected() < 10 {
		t.Errorf("%d functions were killed", s.Injected())
	}
	t.Logf("%d functions were killed", s.Injected())
	settle(t, s)
	for at, i := range acknowledged {
		a, err := c.do("GET", "/v2/"+at, nil, "Accept", manifestType)
		if err != nil || a.status != http.StatusOK || string(a.body) != string(i.manifest) {
			t.Errorf("%s: %d %s, %v", at, a.status, a.body, err)
		}
	}
	for _, function := range []string{"event-outbox", "event-sweep", "event-retention", "event-builds"} {
		if err := s.Tick(t.Context(), function); err != nil {
			t.Errorf("%s: %v", function, err)
		}
	}
	verify(t, s)
}
