package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// A push that was acknowledged is told to webhooks although the hub is killed right
// after it, and what comes twice bears the same id.
func TestWebhookSurvivesAKill(t *testing.T) {
	s := ownHub(t, "--allow-host", "127.0.0.1")
	var mu sync.Mutex
	tags := map[string]string{} // by delivery
	all := make(chan struct{})
	told := sync.OnceFunc(func() { close(all) })
	const pushes = 20
	to := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Tags []string `json:"tags"`
		}
		b, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(b, &body); err != nil || len(body.Tags) != 1 || r.Header.Get("X-Berth-Event") != "image:push" {
			t.Errorf("delivery %v %s", r.Header, b)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		id := r.Header.Get("X-Berth-Delivery")
		if was, ok := tags[id]; ok && was != body.Tags[0] {
			t.Errorf("delivery %s told of %s and of %s", id, was, body.Tags[0])
		}
		if tags[id] = body.Tags[0]; len(tags) == pushes {
			told()
		}
	}))
	defer to.Close()
	s.call(t, 201, "POST", "/v1/namespaces/admin/webhooks", fmt.Sprintf(`{"url":%q,"events":["image:push"]}`, to.URL))
	i := newImage(1, 1000)
	for n := range pushes {
		s.mustPush(t, "admin/hooked", fmt.Sprintf("v%d", n), i)
		if n%5 == 4 {
			s.kill()
			if err := s.again("--allow-host", "127.0.0.1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	select {
	case <-all:
	case <-time.After(2 * time.Minute): // a delivery that was cut off waits for its lease of one minute
		mu.Lock()
		defer mu.Unlock()
		t.Errorf("only %d of %d pushes were told: %v", len(tags), pushes, tags)
	}
}
