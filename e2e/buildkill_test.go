package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// killedBuild is a build of a code repository that no other build clones, so that
// the Git host can tell how often it ran.
type killedBuild struct {
	client
	code string
	id   string
	log  []string // the lines that were read before the last kill
}

// TestKillBuilds kills the hub at random moments while builds of two namespaces wait
// and run, and starts it again.
func TestKillBuilds(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	const first, least = 10, 4 // builds
	kills := killsWanted(t)
	s := ownHub(t, "--allow-host", "127.0.0.1", "--builds", "3")
	again := []string{"--allow-host", "127.0.0.1", "--builds", "3"}
	g := newGitHost(t)

	clients := []client{s.account(t), s.account(t)}
	for i, c := range clients { // an access token costs no password hashing after each restart
		var got struct{ Token string }
		a := c.call(t, 200, "POST", "/v1/generate-api-token/", fmt.Sprintf(`{"username":%q,"password":%q}`, c.user, c.password))
		if err := json.Unmarshal(a.body, &got); err != nil {
			t.Fatal(err)
		}
		clients[i] = c.as(c.user, got.Token)
	}
	files := busyboxFiles(t, `RUN ["/bin/sh", "-c", "i=0; while [ $((i=i+1)) -le 200 ]; do echo line $i; done"]`, "COPY busybox /bin/busybox", `RUN ["/bin/busybox", "sleep", "0.1"]`)
	g.repository("code", files)

	var all []*killedBuild
	ask := func() {
		b := &killedBuild{client: clients[len(all)%2], code: fmt.Sprintf("code%d", len(all))}
		g.git("", "clone", "-q", "code", b.code)
		b.id = b.build(t, b.buildRepository(t, g.base+"/"+b.code+"/.git", `"build_cache_enabled":false,"version_tagging":1`), "").ID
		all = append(all, b)
	}
	unfinished := func() (n int) {
		for _, b := range all {
			if strings.Contains("WI", read(t, b.call(t, 200, "GET", "/v1/builds/"+b.id, "")).Status) {
				n++
			}
		}
		return n
	}
	for range kills {
		for n := unfinished(); n < least || len(all) < first; n++ {
			ask()
		}
		time.Sleep(time.Duration(rand.IntN(1_000_000)) * time.Microsecond)
		for _, b := range all {
			b.readLog(t)
		}
		time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond)
		s.kill()
		s.nothingRuns(t)
		if err := s.again(again...); err != nil {
			t.Fatal(err)
		}
		for _, b := range all {
			b.checkLog(t)
		}
	}
	counts := make(map[string]int)
	for _, b := range all {
		got := b.until(t, b.id, "SF")
		counts[got.Status]++
		b.check(t, got, g.clones(b.code))
	}
	s.nothingLeft(t)
	s.verify(t)
	if strings.Contains(s.log.String(), `"level":"ERROR"`) {
		t.Errorf("the hub logged errors:\n%s", s.log)
	}
	t.Logf("%d kills; of %d builds %d succeeded and %d were cut off", kills, len(all), counts["S"], counts["F"])
}

// check holds a build that has ended against what was seen of it.
func (b *killedBuild) check(t *testing.T, got built, ran int) {
	t.Helper()
	b.checkLog(t)
	if ran > 1 || got.EndedAt == nil {
		t.Errorf("a build ran %d times: %+v", ran, got)
	}
	log := b.buildLog(t, b.id)
	if n := strings.Count(log, "starting to build\n"); n > 1 {
		t.Errorf("the log of %+v begins %d times:\n%s", got, n, log)
	}
	if got.Status == "F" {
		if !strings.Contains(got.Detail, "the hub was stopped while the build ran") {
			t.Errorf("%+v failed otherwise:\n%s", got, log)
		}
		return
	}
	if ran != 1 || strings.Count(log, "INFO line ") != 200 || got.Version == nil {
		t.Fatalf("%+v ran %d times, and its log is\n%s", got, ran, log)
	}
	for _, tag := range []string{"latest", *got.Version} {
		if m := b.call(t, 200, "GET", "/v2/"+got.Repository+"/manifests/"+tag, ""); !strings.Contains(string(m.body), "sha256:"+got.Image) {
			t.Errorf("the image of %+v is %s", got, m)
		}
	}
}

// readLog remembers what of a build's log can be read.
func (b *killedBuild) readLog(t *testing.T) {
	t.Helper()
	a := b.call(t, 200, "GET", fmt.Sprintf("/v1/builds/%s/logs?after=%d", b.id, len(b.log)), "")
	b.log = append(b.log, logLines(t, a)...)
}

// checkLog wants everything that was read to be there still.
func (b *killedBuild) checkLog(t *testing.T) {
	t.Helper()
	lines := logLines(t, b.call(t, 200, "GET", "/v1/builds/"+b.id+"/logs", ""))
	if len(lines) < len(b.log) || !slices.Equal(lines[:len(b.log)], b.log) {
		t.Errorf("after a kill the log of %s is\n%s\nand was\n%s", b.id, strings.Join(lines, "\n"), strings.Join(b.log, "\n"))
	}
}

func logLines(t *testing.T, a answer) (all []string) {
	t.Helper()
	var lines []struct {
		Time    int64
		Message string
	}
	if err := json.Unmarshal(a.body, &lines); err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		all = append(all, fmt.Sprintf("%d %s", l.Time, l.Message))
	}
	return all
}

// nothingRuns wants the processes of builds to end with the hub, which was killed.
func (s *server) nothingRuns(t *testing.T) {
	t.Helper()
	var left []string
	for range 100 { // what was killed takes a moment to be gone
		if left = s.processes(t); len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("the hub is dead, and of its builds lives:\n%s", strings.Join(left, "\n"))
}
