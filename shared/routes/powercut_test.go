package routes_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/shared/local"
	"berth/shared/local/powercut"
	"berth/shared/routes/routestest"
)

// on opens a hub on a disk, and gives a function that closes it.
func (f *faultHub) on(disk *powercut.Disk) (closeAll func(), err error) {
	records, err := local.OpenRecordsOn(disk, "/data/records.db", 64<<10)
	if err != nil {
		return nil, err
	}
	layers, err := local.OpenLayersOn(disk, "/data/layers")
	if err != nil {
		records.Close()
		return nil, err
	}
	f.over(records, layers)
	return func() { layers.Close(); records.Close() }, nil
}

// story is what a client and the hub's sweep do until the power is cut, and what
// the client knows then.
type story struct {
	*faultHub
	tried    map[string]bool // by name of the step
	acked    map[string]bool
	upload   string // where the interrupted upload is
	received int    // how much of it was acknowledged
}

const (
	chunked   = "a blob that comes in two chunks"
	atOnce    = "a blob that comes at once"
	lone      = "a blob that no manifest refers to"
	unended   = "a blob whose upload does not end"
	abandoned = "a blob whose upload is cancelled"
)

// longImage is a manifest that is kept among the layers.
var longImage = image(strings.Repeat("x", 260<<10))

// does makes one request and reports whether it was answered with the status.
func (s *story) does(name string, r request, status int) (http.Header, bool) {
	s.tried[name] = true
	w := s.do(r)
	if w.Code == status {
		s.acked[name] = true
		return w.Header(), true
	}
	if w.Code/100 != 5 {
		s.t.Errorf("%s: %d %s", name, w.Code, w.Body)
	}
	return nil, false
}

// begins begins an upload and sends a first chunk.
func (s *story) begins(name, chunk string) (path string, ok bool) {
	h, ok := s.does(name+": begin", request{method: "POST", path: "/v2/admin/app/blobs/uploads/"}, 202)
	if !ok {
		return "", false
	}
	u, _ := url.Parse(h.Get("Location"))
	_, ok = s.does(name+": chunk", request{"PATCH", u.RequestURI(), chunk, octets}, 202)
	return u.RequestURI(), ok
}

// tell goes on until the power is cut.
func (s *story) tell() {
	path, ok := s.begins("chunked", chunked[:10])
	if !ok {
		return
	}
	if _, ok = s.does("chunked", request{"PUT", withDigest(path, chunked), chunked[10:], octets}, 201); !ok {
		return
	}
	if s.upload, ok = s.begins("unended", unended[:12]); !ok {
		return
	}
	s.received = 12
	for _, step := range []struct {
		name    string
		request request
		status  int
	}{
		{"at once", put("admin/app", "", atOnce), 201},
		{"image", manifest("admin/app", "new", image("new")), 201},
		{"long image", manifest("admin/app", "long", longImage), 201},
		{"move", manifest("admin/app", "old", image()), 201},
		{"delete tag", request{"DELETE", "/v2/admin/app/manifests/v1", "", ""}, 202},
		{"delete blob", request{"DELETE", "/v2/admin/app/blobs/" + routestest.Digest(lone), "", ""}, 202},
		{"create", request{"POST", "/v1/repositories/admin", `{"repo_name":"made"}`, ""}, 201},
		{"delete repository", request{"DELETE", "/v1/repositories/admin/empty", "", ""}, 204},
	} {
		if _, ok = s.does(step.name, step.request, step.status); !ok {
			return
		}
	}
	path, ok = s.begins("abandoned", abandoned[:5])
	if !ok {
		return
	}
	if _, ok = s.does("abandoned", request{method: "DELETE", path: path}, 204); !ok {
		return
	}
	s.now = s.now.Add(26 * time.Hour)
	s.tried["sweep"] = true
	if _, err := s.hub.Sweep(context.Background()); err != nil {
		return
	}
	s.acked["sweep"] = true
}

// wants asks for something that a step made or removed. What was acknowledged is
// so; what was not tried is not so; in between, it may be either.
func (s *story) wants(when, step, path, body string, removed bool) {
	s.t.Helper()
	w := s.do(request{method: "GET", path: path})
	there := w.Code == 200
	if !there && w.Code != 404 {
		s.t.Errorf("%s: %s: %d %s", when, path, w.Code, w.Body)
	}
	switch {
	case s.acked[step] && there == removed:
		s.t.Errorf("%s: %q was acknowledged, and then %d", when, step, w.Code)
	case !s.tried[step] && there != removed:
		s.t.Errorf("%s: %q was not tried, and then %d", when, step, w.Code)
	case there && body != "" && w.Body.String() != body:
		s.t.Errorf("%s: %s has other bytes", when, path)
	}
}

// check looks for all that the client knows.
func (s *story) check(when string) {
	s.t.Helper()
	s.whole(when)
	blob := func(content string) string { return "/v2/admin/app/blobs/" + routestest.Digest(content) }
	tag := func(name string) string { return "/v2/admin/app/manifests/" + name }
	s.wants(when, "image", tag("new"), image("new"), false)
	s.wants(when, "long image", tag("long"), longImage, false)
	s.wants(when, "delete tag", tag("v1"), image(), true)
	s.wants(when, "create", "/v1/repositories/admin/made", "", false)
	s.wants(when, "delete repository", "/v1/repositories/admin/empty", "", true)
	for _, always := range []string{tag("latest"), tag("old"), blob(config), blob(layer)} {
		if w := s.do(request{method: "GET", path: always}); w.Code != 200 {
			s.t.Errorf("%s: %s: %d", when, always, w.Code)
		}
	}
	switch old := s.do(request{method: "GET", path: tag("old")}).Body.String(); {
	case s.acked["move"] && old != image(), !s.tried["move"] && old != image("old"):
		s.t.Errorf("%s: the tag that moves is at the wrong manifest", when)
	}
	if s.tried["sweep"] {
		return // blobs that no manifest refers to may be gone
	}
	s.wants(when, "chunked", blob(chunked), chunked, false)
	s.wants(when, "at once", blob(atOnce), atOnce, false)
	s.wants(when, "delete blob", blob(lone), lone, true)
	s.resume(when)
}

// resume goes on with the upload that did not end.
func (s *story) resume(when string) {
	s.t.Helper()
	if s.upload == "" {
		return
	}
	w := s.do(request{method: "GET", path: s.upload})
	if w.Code != 204 {
		s.t.Errorf("%s: the upload: %d %s", when, w.Code, w.Body)
		return
	}
	last, _ := strconv.Atoi(strings.TrimPrefix(w.Header().Get("Range"), "0-"))
	have := last + 1
	if last == 0 {
		have = 0 // nothing yet: no chunk was of one byte
	}
	if have < s.received || have > 12 {
		s.t.Errorf("%s: %d bytes of the upload are there, %d were acknowledged", when, have, s.received)
		return
	}
	if w = s.do(request{"PUT", withDigest(s.upload, unended), unended[have:], octets}); w.Code != 201 {
		s.t.Errorf("%s: the upload goes on: %d %s", when, w.Code, w.Body)
	}
}

// clear deletes everything and sweeps: then no file may be left that nobody knows.
func (s *story) clear(when string, disk *powercut.Disk) {
	s.t.Helper()
	for _, repo := range []string{"app", "empty", "made"} {
		if w := s.do(request{method: "DELETE", path: "/v1/repositories/admin/" + repo}); w.Code != 204 && w.Code != 404 {
			s.t.Errorf("%s: delete %s: %d %s", when, repo, w.Code, w.Body)
		}
	}
	for range 4 {
		s.now = s.now.Add(26 * time.Hour)
		if _, err := s.hub.Sweep(context.Background()); err != nil {
			s.t.Errorf("%s: %v", when, err)
		}
	}
	left := slices.DeleteFunc(disk.Files(), func(name string) bool { return !strings.HasPrefix(name, "/data/layers/") })
	if len(left) > 0 {
		s.t.Errorf("%s: after everything was deleted there are %d files: %v", when, len(left), left)
	}
}

// The power is cut at every step that the disk takes in a push, a commit, a delete
// and a sweep. What was acknowledged is there after it, nothing is half done, and
// nothing is left over for ever.
func TestPowerIsCutAtEveryStep(t *testing.T) {
	first := &faultHub{t: t, now: seeded().now}
	start := powercut.New(t)
	closeAll, err := first.on(start)
	if err != nil {
		t.Fatal(err)
	}
	first.seed()
	closeAll()
	for n := 1; ; n++ {
		f := *first
		s := &story{faultHub: &f, tried: map[string]bool{}, acked: map[string]bool{}}
		disk := start.Reboot(t, powercut.Nothing)
		disk.CutAt(n)
		if closeAll, err := s.on(disk); err == nil {
			s.tell()
			closeAll()
		}
		off := disk.Off()
		disk.Cut()
		// The others take turns: a step is much like the next.
		for _, loss := range []powercut.Loss{powercut.Everything, powercut.Losses[1+n%(len(powercut.Losses)-1)]} {
			when := fmt.Sprintf("step %d, %v", n, loss)
			again := disk.Reboot(t, loss)
			fresh := f
			after := *s
			after.faultHub = &fresh
			closeAll, err := after.on(again)
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			after.check(when)
			after.clear(when, again)
			closeAll()
		}
		if t.Failed() {
			return
		}
		if !off {
			if n < 60 || !s.acked["sweep"] {
				t.Errorf("the story has %d steps: %v", n, s.acked)
			}
			return
		}
	}
}
