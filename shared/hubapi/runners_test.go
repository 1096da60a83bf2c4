package hubapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/shared/hub"
)

// elsewhere is a Builder whose builds are claimed. It tells how each stands as it
// was told to.
type elsewhere struct {
	started, stopped []string
	stand            hub.Stand
	why              string
	refuses          error // to stop anything
}

func (e *elsewhere) Start(_ context.Context, id string) error {
	e.started = append(e.started, id)
	return nil
}

func (e *elsewhere) Stop(_ context.Context, id string) error {
	if e.refuses == nil {
		e.stopped = append(e.stopped, id)
	}
	return e.refuses
}

func (e *elsewhere) Look(context.Context, string) (hub.Stand, string, error) {
	return e.stand, e.why, nil
}

// claimed is a build that runs elsewhere, and the code that claims it.
func claimed(t *testing.T) (a *repoAPI, e *elsewhere, id, code string) {
	t.Helper()
	a, e = newRepoAPI(t), &elsewhere{stand: hub.UnderWay}
	a.hub.Builder = e
	a.do("madams", "POST", "/v1/repositories/madams", printedCreate).is(201, &object{})
	id = a.build()
	code, err := a.hub.PrepareBuild(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return a, e, id, code
}

// claim asks for a build's job, and report tells of it with the token that came with
// the job.
func (a *repoAPI) claim(id, code string, status int) (j hub.Job) {
	a.t.Helper()
	var refused object
	var into any = &j
	if status != 200 {
		into = &refused
	}
	a.do("", "POST", "/v1/builds/"+id+"/claim", `{"claim": "`+code+`"}`).is(status, into)
	return j
}

func (a *repoAPI) report(id, token, body string, status int) {
	a.t.Helper()
	req := httptest.NewRequest("POST", "/v1/builds/"+id+"/events", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	rec := httptest.NewRecorder()
	a.handler.ServeHTTP(rec, req)
	if rec.Code != status {
		a.t.Fatalf("%s: %d %s, want %d", body, rec.Code, rec.Body, status)
	}
}

// A build that is started elsewhere waits for its runner without any secret, is
// claimed with its code until the runner has told something, and is ended by whoever
// saw the runner end, with the result that it told.
func TestClaimedBuild(t *testing.T) {
	a, e, id, code := claimed(t)
	if len(e.started) != 1 || e.started[0] != id {
		t.Fatalf("started %v, want %s", e.started, id)
	}
	a.claim(id, "another code", 401)
	a.claim("00000000-0000-4000-8000-000000000000", code, 401)
	first := a.claim(id, code, 200)
	again := a.claim(id, code, 200) // the answer was lost
	if first.Token == again.Token || !strings.HasPrefix(first.DeployKey, "-----BEGIN") || again.Repository != "madams/docker_images_test" {
		t.Fatalf("the job is %+v", again)
	}
	a.report(id, first.Token, `{"step": 20}`, 401)
	const lines = `{"step": 20, "lines": [{"seq": 1, "time": 1416376461, "level": "INFO", "message": "one"}, {"seq": 2, "time": 1416376461, "level": "INFO", "message": "two"}]}`
	a.report(id, again.Token, lines, 204)
	a.report(id, again.Token, lines, 204) // its answer was lost
	a.claim(id, code, 401)
	digest := "sha256:" + strings.Repeat("ab", 32)
	a.report(id, again.Token, `{"result": {"status": "S", "detail": "built.\n", "digest": "`+digest+`", "image_id": "`+digest+`"}}`, 204)
	if b := a.shown(id); b["status"] != "I" || b["step_at"] != 20.0 {
		t.Errorf("before its end: %v", b)
	}
	if err := a.hub.RecordBuild(t.Context(), id, "the machine failed"); err != nil {
		t.Fatal(err)
	}
	if b := a.shown(id); b["status"] != "S" || b["digest"] != digest || b["detail"] != "built.\n" {
		t.Errorf("at its end: %v", b)
	}
	a.report(id, again.Token, `{"step": 30}`, 401)
	var log []object
	a.do("madams", "GET", "/v1/builds/"+id+"/logs", "").is(200, &log)
	if len(log) != 2 || log[1]["message"] != "two" {
		t.Errorf("its log is %v", log)
	}
}

// What a runner tells is held against what runners tell, field by field.
func TestBadReports(t *testing.T) {
	a, _, id, code := claimed(t)
	token := a.claim(id, code, 200).Token
	line := func(seq, level, message string) string {
		return `{"seq": ` + seq + `, "time": 1, "level": "` + level + `", "message": "` + message + `"}`
	}
	for body, field := range map[string]string{
		`{"step": 5}`:          "step",
		`{"commit": "master"}`: "commit",
		`{"lines": [` + line("0", "INFO", "") + `]}`:                                    "lines.0.seq",
		`{"lines": [` + line("1", "INFO", "") + `,` + line("3", "INFO", "") + `]}`:      "lines.1.seq",
		`{"lines": [` + line("1", "LOUD", "") + `]}`:                                    "lines.0.level",
		`{"lines": [` + line("1", "INFO", strings.Repeat("x", hub.MaxLogLine+1)) + `]}`: "lines.0.message",
		`{"result": {"status": "D"}}`:                                                   "result.status",
		`{"result": {"status": "S"}}`:                                                   "result.digest",
		`{"result": {"status": "F", "image_id": "x"}}`:                                  "result.image_id",
		`{"result": {"status": "F", "detail": "` + strings.Repeat("x", 9000) + `"}}`:    "result.detail",
	} {
		req := httptest.NewRequest("POST", "/v1/builds/"+id+"/events", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		rec := httptest.NewRecorder()
		a.handler.ServeHTTP(rec, req)
		if rec.Code != 400 || !strings.Contains(rec.Body.String(), field) {
			t.Errorf("%.100s: %d %s, want 400 and %s", body, rec.Code, rec.Body, field)
		}
	}
	a.claim(id, code, 200) // nothing was told
}

// The hub holds a log to its limit itself: a runner that does not is stopped, and its
// build ends with the reason.
func TestRunnerTellsTooMuch(t *testing.T) {
	a, e, id, code := claimed(t)
	const most = 300 << 10
	a.hub.Options.Builds.LogBytes = most
	token := a.claim(id, code, 200).Token
	seq, told := 0, 0
	piece := func(bytes int) string {
		var lines []string
		for ; bytes > 0; bytes -= 1000 {
			seq++
			lines = append(lines, fmt.Sprintf(`{"seq":%d,"time":1,"level":"INFO","message":"%s"}`, seq, strings.Repeat("x", 999)))
		}
		return `{"lines":[` + strings.Join(lines, ",") + `]}`
	}
	for ; told+60_000 <= most; told += 60_000 {
		body := piece(60_000)
		a.report(id, token, body, 204)
		a.report(id, token, body, 204) // its answer was lost: it does not count twice
	}
	last := fmt.Sprintf(`{"seq":%d,"time":1,"level":"ERROR","message":"why the runner ends it"}`, seq+1)
	a.report(id, token, `{"lines":[`+last+`]}`, 204)
	seq++
	a.report(id, token, piece(200_000), 409)
	b := a.shown(id)
	if want := fmt.Sprintf("the log is longer than %d bytes, which is the most\n", most); b["status"] != "F" || b["detail"] != want {
		t.Errorf("the build is %v", b)
	}
	if !slices.Equal(e.stopped, []string{id}) {
		t.Errorf("stopped %v", e.stopped)
	}
	a.report(id, token, last, 401) // its token ended
	size := 0
	for after := 0; ; {
		var log []object
		a.do("madams", "GET", fmt.Sprintf("/v1/builds/%s/logs?after=%d", id, after), "").is(200, &log)
		if len(log) == 0 {
			break
		}
		after += len(log)
		for _, l := range log {
			size += len(l["message"].(string)) + 1
		}
	}
	if size < told || size > most+hub.MaxLogChunk {
		t.Errorf("the log has %d bytes, of which %d were told before", size, told)
	}
}

// Lines that are told while a build ends stand before its end or are refused: once it
// is over its log stays as it is.
func TestLogEndsWithTheBuild(t *testing.T) {
	a, _, id, code := claimed(t)
	token := a.claim(id, code, 200).Token
	line := func(seq int) []hub.LogLine {
		return []hub.LogLine{{Seq: int64(seq), Time: 1, Level: "INFO", Message: "x"}}
	}
	a.report(id, token, `{"lines":[{"seq":1,"time":1,"level":"INFO","message":"x"}]}`, 204)
	var telling sync.WaitGroup
	var taken atomic.Int64 // the last line that was taken
	for _, tell := range []func(context.Context, string, hub.BuildEvent) error{a.hub.ReportBuild, a.hub.BuildEvent} {
		telling.Go(func() {
			for {
				seq := taken.Load() + 1
				if err := tell(t.Context(), id, hub.BuildEvent{Lines: line(int(seq))}); err != nil {
					if hub.CodeOf(err) != hub.Conflict {
						t.Error(err)
					}
					return
				}
				taken.CompareAndSwap(seq-1, seq)
			}
		})
	}
	for taken.Load() < 50 {
		time.Sleep(time.Millisecond)
	}
	if err := a.hub.EndBuild(t.Context(), id, hub.BuildResult{Status: hub.Failed, Detail: "over\n"}); err != nil {
		t.Fatal(err)
	}
	lines := func() int {
		got, _, err := a.hub.BuildLog(t.Context(), id, hub.LogQuery{})
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	at := lines() // what the end was written after
	telling.Wait()
	if after := lines(); after != at || int64(at) < taken.Load() {
		t.Errorf("at its end the log has %d lines, later %d; %d were taken", at, after, taken.Load())
	}
}

// A build of another is nobody's to tell of.
func TestReportOfAnother(t *testing.T) {
	a, _, id, code := claimed(t)
	token := a.claim(id, code, 200).Token
	other := a.build()
	a.report(other, token, `{"step": 20}`, 403)
}

// A build whose runner tells nothing ends with the reason of whoever ran it, which
// its log tells too. A deleted one stays deleted, and its runner is told to stop.
func TestRunnersEnd(t *testing.T) {
	a, e, id, code := claimed(t)
	token := a.claim(id, code, 200).Token
	a.report(id, token, `{"lines": [{"seq": 1, "time": 1416376461, "level": "INFO", "message": "one"}]}`, 204)
	for range 2 { // a step that is tried again
		if err := a.hub.RecordBuild(t.Context(), id, "the machine failed"); err != nil {
			t.Fatal(err)
		}
	}
	if b := a.shown(id); b["status"] != "F" || b["detail"] != "the machine failed\n" {
		t.Errorf("at its end: %v", b)
	}
	var log []object
	a.do("madams", "GET", "/v1/builds/"+id+"/logs", "").is(200, &log)
	if len(log) != 2 || log[1]["message"] != "the machine failed" || log[1]["level"] != "ERROR" {
		t.Errorf("its log is %v", log)
	}

	id = a.build()
	code, err := a.hub.PrepareBuild(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	token = a.claim(id, code, 200).Token
	a.do("madams", "DELETE", "/v1/builds/"+id, "").is(204, nil)
	if len(e.stopped) != 1 || e.stopped[0] != id {
		t.Errorf("stopped %v, want %s", e.stopped, id)
	}
	a.report(id, token, `{"step": 30}`, 401)
	a.claim(id, code, 401)
	if err := a.hub.RecordBuild(t.Context(), id, "stopped"); err != nil {
		t.Fatal(err)
	}
	if b := a.shown(id); b["status"] != "D" {
		t.Errorf("after its runner's end: %v", b)
	}
	if _, err := a.hub.PrepareBuild(t.Context(), id); hub.CodeOf(err) != hub.Conflict {
		t.Errorf("prepared again: %v", err)
	}
}

// A build that the hub lost sight of ends, one whose start was interrupted is started
// again, and one that is under way goes on.
func TestLostBuilds(t *testing.T) {
	a, e, id, _ := claimed(t)
	look := func(after time.Duration, stand hub.Stand, want string, starts int) {
		t.Helper()
		now := a.now
		a.now = now.Add(after)
		e.stand, e.why = stand, "the machine was lost"
		if err := a.hub.LookAtBuilds(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b := a.shown(id); b["status"] != want || len(e.started) != starts {
			t.Errorf("%v later it is %v, started %v; want %s after %d starts", after, b["status"], e.started, want, starts)
		}
	}
	look(30*time.Minute, hub.UnderWay, "I", 1)
	look(0, hub.NotStarted, "I", 2)
	look(time.Hour, hub.NotStarted, "F", 2)
	id = a.build()
	look(time.Second, hub.NotStarted, "I", 3)
	look(time.Second, hub.Ended, "F", 3)
	if b := a.shown(id); b["detail"] != "the machine was lost\n" {
		t.Errorf("it ended with %v", b["detail"])
	}
}

// A build that cannot be stopped at present ends all the same, and is stopped later, once.
func TestStoppedLater(t *testing.T) {
	a, e, id, _ := claimed(t)
	e.refuses = errors.New("no answer")
	a.do("madams", "DELETE", "/v1/builds/"+id, "").is(204, nil)
	if b := a.shown(id); b["status"] != "D" {
		t.Errorf("the deleted build is %v", b)
	}
	a.do("madams", "DELETE", "/v1/builds/"+id, "").is(409, &object{})
	for range 2 { // in vain, and then not
		if err := a.hub.LookAtBuilds(t.Context()); err != nil || len(e.stopped) > 0 {
			t.Fatalf("%v, stopped are %v", err, e.stopped)
		}
	}
	e.refuses = nil
	for range 2 {
		if err := a.hub.LookAtBuilds(t.Context()); err != nil || !slices.Equal(e.stopped, []string{id}) {
			t.Errorf("%v, stopped are %v, want %s once", err, e.stopped, id)
		}
	}
	// A hub whose builds ended with its process has nothing to stop when it starts.
	next := a.build()
	e.refuses = errors.New("no answer")
	a.do("madams", "DELETE", "/v1/builds/"+next, "").is(204, nil)
	a.hub.Builder = nil
	if err := a.hub.LoseBuilds(t.Context()); err != nil {
		t.Error(err)
	}
	a.hub.Builder, e.refuses = e, nil
	if err := a.hub.LookAtBuilds(t.Context()); err != nil || len(e.stopped) != 1 {
		t.Errorf("%v, stopped are %v", err, e.stopped)
	}
}

// shown is a build as the hub shows it.
func (a *repoAPI) shown(id string) (b object) {
	a.t.Helper()
	a.do("madams", "GET", "/v1/builds/"+id, "").is(200, &b)
	return b
}
