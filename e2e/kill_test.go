package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestKill pushes with four writers while the hub is killed at random moments and
// started again. Whatever it acknowledged must be there afterwards, and whatever
// was cut off must go on.
func TestKill(t *testing.T) {
	kills := killsWanted(t)
	s := ownHub(t)
	owner := s.robotlike(t)
	d := &disturbed{t: t, hub: s, owner: owner, requests: make(chan struct{}), done: make(chan struct{})}
	for i := range 4 {
		w := &writer{disturbed: d, client: owner, repo: owner.repository(t, false), tags: map[string]image{}, random: rand.New(rand.NewPCG(uint64(i), rand.Uint64()))}
		d.writers = append(d.writers, w)
		d.running.Go(w.run)
	}
	for range kills {
		d.kill()
	}
	close(d.done)
	d.running.Wait()
	if t.Failed() {
		return
	}
	for _, w := range d.writers {
		w.verify()
	}
	s.verify(t)
	t.Logf("%d kills, %d requests cut off, %d uploads resumed and %d begun anew, %d images", kills,
		d.cut.Load(), d.resumed.Load(), d.restarted.Load(), d.images.Load())
}

// killsWanted is how often a test kills the hub: 5 times, or as often as BERTH_KILLS
// says.
func killsWanted(t *testing.T) int {
	t.Helper()
	given := os.Getenv("BERTH_KILLS")
	if given == "" {
		return 5
	}
	kills, err := strconv.Atoi(given)
	if err != nil {
		t.Fatal(err)
	}
	return kills
}

// robotlike logs the administrator in: an access token costs no password hashing
// after each restart, and must outlive the kills itself.
func (s *server) robotlike(t *testing.T) client {
	t.Helper()
	a := s.call(t, 200, "POST", "/v1/generate-api-token/", fmt.Sprintf(`{"username":%q,"password":%q}`, s.user, s.password))
	var got struct{ Token string }
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatal(err)
	}
	return s.as(s.user, got.Token)
}

// disturbed is a hub that is killed again and again, and those who push to it.
type disturbed struct {
	t        *testing.T
	hub      *server
	owner    client
	writers  []*writer
	running  sync.WaitGroup
	requests chan struct{} // each answered request, as long as somebody counts
	done     chan struct{} // closed when the writers shall end

	cut, resumed, restarted, images atomic.Int64
}

// kill lets some requests be answered, kills the hub and starts it again.
func (d *disturbed) kill() {
	failed := make(chan struct{})
	go func() { d.running.Wait(); close(failed) }()
	for range 20 + rand.IntN(60) {
		select {
		case <-d.requests:
		case <-failed: // writers end only by failing
			return
		}
	}
	time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond)
	d.hub.kill()
	if err := d.hub.again(); err != nil {
		d.t.Error(err)
		return
	}
	for _, w := range d.writers {
		if err := w.whole("latest"); err != nil {
			d.t.Error(err)
		}
	}
}

// whole checks that a tag, if it is there, points at something complete.
func (w *writer) whole(tag string) error {
	a, err := w.try(context.Background(), "GET", "/v2/"+w.repo+"/manifests/"+tag, nil)
	if err != nil || a.status == 404 {
		return err
	}
	var m manifest
	if err := json.Unmarshal(a.body, &m); err != nil || a.status != 200 || m.Config == nil {
		return fmt.Errorf("%s:%s after a kill: %s", w.repo, tag, a)
	}
	for _, blob := range append(m.Layers, *m.Config) {
		a, err := w.try(context.Background(), "HEAD", "/v2/"+w.repo+"/blobs/"+blob.Digest, nil)
		if err != nil || a.status != 200 || a.header.Get("Content-Length") != strconv.Itoa(blob.Size) {
			return fmt.Errorf("%s:%s points at %s, which answers %d after a kill (%v)", w.repo, tag, blob.Digest, a.status, err)
		}
	}
	return nil
}

// writer pushes images into a repository of its own, and remembers what was
// acknowledged.
type writer struct {
	*disturbed
	client
	repo    string
	random  *rand.Rand
	images  []image          // by digest
	tags    map[string]image // what each tag points at
	pushed  int              // manifests acknowledged
	perhaps int              // manifests whose answer was lost
}

// run pushes until it is told to end, and always ends what it began.
func (w *writer) run() {
	for n := 0; ; n++ {
		select {
		case <-w.done:
			return
		default:
		}
		i := newImage(1+w.random.IntN(3), 1000+w.random.IntN(100_000))
		if n%4 == 0 {
			i = newImage(1, 3_000_000)
		}
		for digest, b := range i.blobs {
			if err := w.upload(digest, b); err != nil {
				w.t.Error(err)
				return
			}
		}
		for _, tag := range []string{fmt.Sprintf("v%d", n), "latest"} {
			if err := w.tag(tag, i); err != nil {
				w.t.Error(err)
				return
			}
			w.tags[tag] = i
		}
		w.images = append(w.images, i)
		w.disturbed.images.Add(1)
	}
}

// send repeats a request until the hub answers it. again tells that an answer was lost.
func (w *writer) send(method, path string, body []byte, headers ...string) (a answer, again bool, err error) {
	for range 100 {
		a, err = w.try(context.Background(), method, path, bytes.NewReader(body), headers...)
		if err == nil {
			select {
			case w.requests <- struct{}{}:
			default:
			}
			return a, again, nil
		}
		again = true
		w.cut.Add(1)
		if err := w.awaitHub(); err != nil {
			return a, again, err
		}
	}
	return a, again, fmt.Errorf("a hundred times no answer: %w", err)
}

// awaitHub returns when the hub answers again.
func (w *writer) awaitHub() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		a, err := w.try(ctx, "GET", "/readyz", nil)
		if err == nil && a.status == 200 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the hub does not come back: %v, %v", a, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

const chunk = 512 << 10

// upload pushes a blob in chunks. One that a kill cut off goes on where the hub
// says it is, or begins anew where the hub does not know it.
func (w *writer) upload(digest string, b []byte) error {
	for {
		a, _, err := w.send("POST", "/v2/"+w.repo+"/blobs/uploads/", nil)
		if err != nil || a.status != 202 {
			return fmt.Errorf("POST upload: %v, %w", a, err)
		}
		ended, err := w.goOn(a.header.Get("Location"), digest, b)
		if ended || err != nil {
			return err
		}
		w.restarted.Add(1)
	}
}

// goOn sends the chunks of an upload. ended is false if the hub does not know it.
func (w *writer) goOn(at, digest string, b []byte) (ended bool, err error) {
	for from := 0; from < len(b); {
		to := min(from+chunk, len(b))
		a, err := w.try(context.Background(), "PATCH", at, bytes.NewReader(b[from:to]),
			"Content-Type: application/octet-stream", fmt.Sprintf("Content-Range: %d-%d", from, to-1))
		switch {
		case err != nil:
			w.cut.Add(1)
			if err := w.awaitHub(); err != nil {
				return false, err
			}
			a, _, err = w.send("GET", at, nil)
			if err != nil || a.status == 404 {
				return false, err
			}
			if a.status != 204 {
				return false, fmt.Errorf("GET upload: %s", a)
			}
			w.resumed.Add(1)
			if from, err = received(a, from); err != nil {
				return false, err
			}
		case a.status == 202:
			from = to
		default:
			return false, fmt.Errorf("PATCH upload at %d: %s", from, a)
		}
	}
	a, again, err := w.send("PUT", location(at, digest), nil)
	if err != nil {
		return false, err
	}
	if again && a.status == 404 { // done before the answer was lost, or not known at all
		a, _, err := w.send("HEAD", "/v2/"+w.repo+"/blobs/"+digest, nil)
		return a.status == 200, err
	}
	if a.status != 201 {
		return false, fmt.Errorf("PUT upload: %s", a)
	}
	return true, nil
}

// received reads how many bytes of an upload the hub has. It had acknowledged
// at least known.
func received(a answer, known int) (int, error) {
	var last int
	if _, err := fmt.Sscanf(a.header.Get("Range"), "0-%d", &last); err != nil {
		return 0, fmt.Errorf("Range %q: %w", a.header.Get("Range"), err)
	}
	if last == 0 && known == 0 {
		return 0, nil
	}
	if last+1 < known {
		return 0, fmt.Errorf("the hub has %d bytes of an upload; it had acknowledged %d", last+1, known)
	}
	return last + 1, nil
}

func (w *writer) tag(tag string, i image) error {
	a, again, err := w.send("PUT", "/v2/"+w.repo+"/manifests/"+tag, i.manifest, "Content-Type: "+imageType)
	if err != nil || a.status != 201 {
		return fmt.Errorf("PUT manifest: %v, %w", a, err)
	}
	w.pushed++
	if again {
		w.perhaps += 10 // a request may be cut off more than once
	}
	return nil
}

// verify compares what the hub has with what it acknowledged.
func (w *writer) verify() {
	w.t.Helper()
	for _, i := range w.images {
		w.mustVerify(w.t, w.repo, i.digest, i)
	}
	var wanted []string
	for tag, i := range w.tags {
		wanted = append(wanted, tag)
		a := w.call(w.t, http.StatusOK, "HEAD", "/v2/"+w.repo+"/manifests/"+tag, "")
		if got := a.header.Get("Docker-Content-Digest"); got != i.digest {
			w.t.Errorf("%s:%s is %s, not %s", w.repo, tag, got, i.digest)
		}
	}
	var list struct{ Tags []string }
	a := w.call(w.t, http.StatusOK, "GET", "/v2/"+w.repo+"/tags/list", "")
	if err := json.Unmarshal(a.body, &list); err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(wanted)
	if !slices.Equal(list.Tags, wanted) {
		w.t.Errorf("%s has the tags %v, not %v", w.repo, list.Tags, wanted)
	}
	var shown struct{ Upload int }
	a = w.call(w.t, http.StatusOK, "GET", "/v1/repositories/"+w.repo, "")
	if err := json.Unmarshal(a.body, &shown); err != nil {
		w.t.Fatal(err)
	}
	if shown.Upload < w.pushed || shown.Upload > w.pushed+w.perhaps {
		w.t.Errorf("%s counts %d uploads; %d were acknowledged and %d may have been", w.repo, shown.Upload, w.pushed, w.perhaps)
	}
	if strings.Contains(w.hub.log.String(), "level=ERROR") || strings.Contains(w.hub.log.String(), `"level":"ERROR"`) {
		w.t.Errorf("the hub logged errors:\n%s", w.hub.log)
	}
}
