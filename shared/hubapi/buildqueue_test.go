package hubapi_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
)

func TestBuildQueue(t *testing.T) {
	a, m := buildRepository(t, 10)
	a.hub.Options.Builds = hub.BuildLimits{Running: 2, Waiting: 3}
	var ids []string
	for range 5 {
		ids = append(ids, a.build())
	}
	full := a.do("madams", "POST", "/v1/builds", printedBuild)
	full.fails(429, "too_many_requests", "madams", "3")
	if full.header.Get("Retry-After") == "" {
		t.Error("the answer has no Retry-After")
	}
	states := func(want string) {
		t.Helper()
		var got string
		for _, id := range ids {
			var b object
			a.do("madams", "GET", "/v1/builds/"+id, nil).is(200, &b)
			got += b["status"].(string)
		}
		if got != want {
			t.Errorf("the builds are %s, want %s", got, want)
		}
	}
	states("IIWWW")
	// A waiting one that is deleted never starts, a running one is stopped.
	a.do("madams", "DELETE", "/v1/builds/"+ids[2], nil).is(204, nil)
	states("IIDWW")
	a.do("madams", "DELETE", "/v1/builds/"+ids[0], nil).is(204, nil)
	states("DIDIW")
	if !slices.Equal(m.stopped, ids[:1]) {
		t.Errorf("stopped were %v, want the first of %v", m.stopped, ids)
	}
	a.do("madams", "DELETE", "/v1/builds/"+ids[0], nil).fails(409, "conflict")
	a.do("madams", "DELETE", "/v1/builds/"+ids[2], nil).fails(409, "conflict")
	var d object
	a.do("madams", "GET", "/v1/builds/"+ids[2], nil).is(200, &d)
	d.has(t, `{"status": "D", "started_at": null, "ended_at": "2015-09-02T08:18:13.011Z", "is_removable": false, "step_at": 1}`)
	// A hub that starts again ends what ran, and goes on with what waits.
	if err := a.hub.LoseBuilds(context.Background()); err != nil {
		t.Fatal(err)
	}
	states("DFDFW")
	if err := a.hub.Dispatch(context.Background()); err != nil {
		t.Fatal(err)
	}
	states("DFDFI")
	a.whole()
}

func TestBuildQueueTakesTurns(t *testing.T) {
	a, m := buildRepository(t, 0)
	a.do("stranger", "POST", "/v1/repositories/stranger", printedCreate).is(201, &object{})
	names := make(map[string]string)
	for i := range 4 {
		a.now = a.now.Add(time.Second)
		names[a.build()] = fmt.Sprint("madams ", i)
	}
	for i := range 2 {
		a.now = a.now.Add(time.Second)
		var b object
		a.do("stranger", "POST", "/v1/builds", strings.Replace(printedBuild, "madams", "stranger", 1)).is(201, &b)
		names[b["build_id"].(string)] = fmt.Sprint("stranger ", i)
	}
	var order []string
	for range 6 {
		m.mu.Lock()
		m.most++
		m.mu.Unlock()
		for range 3 { // a machine that is full changes no turns
			a.now = a.now.Add(time.Second)
			if err := a.hub.Dispatch(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if len(m.jobs) != len(order)+1 {
			t.Fatalf("%d builds were started, want %d", len(m.jobs), len(order)+1)
		}
		id := m.jobs[len(order)].BuildID
		order = append(order, names[id])
		a.tell(id, hub.BuildEvent{Result: &hub.BuildResult{Status: hub.Succeeded}})
	}
	// Which of two that never had a turn is first is open.
	switch got := strings.Join(order, ", "); got {
	case "madams 0, stranger 0, madams 1, stranger 1, madams 2, madams 3", "stranger 0, madams 0, stranger 1, madams 1, madams 2, madams 3":
	default:
		t.Errorf("the builds were started in the order %s", got)
	}
}

// line is a line of a log as the hub API shows it.
type line struct {
	Seq       int64
	Message   string
	Level     string
	Time      int64
	Continued bool
}

func TestBuildLog(t *testing.T) {
	a, _ := buildRepository(t, 1)
	id := a.build()
	var none []line
	a.do("madams", "GET", "/v1/builds/"+id+"/logs", nil).is(200, &none)
	if len(none) != 0 {
		t.Errorf("the log is %v", none)
	}
	// 25,000 lines, a hundred a second, in pieces of many sizes.
	const lines, start = 25_000, 1441770706
	message := func(seq int64) string { return fmt.Sprintf("line %d <&> \u00e9", seq) }
	var piece []hub.LogLine
	for seq := int64(1); seq <= lines; seq++ {
		level := "INFO"
		if seq == lines {
			level = "ERROR"
		}
		piece = append(piece, hub.LogLine{Seq: seq, Time: start + (seq-1)/100, Level: level, Message: message(seq)})
		if seq%777 == 0 || seq == lines {
			a.tell(id, hub.BuildEvent{Lines: piece})
			a.tell(id, hub.BuildEvent{Lines: piece}) // a runner may tell twice
			piece = nil
		}
	}
	// want reads a log along Link, and compares it.
	want := func(query string, first, last int64) (pieces int) {
		t.Helper()
		next := "/v1/builds/" + id + "/logs" + query
		seq := first
		for next != "" {
			pieces++
			var got []line
			r := a.do("madams", "GET", next, nil).is(200, &got)
			for _, l := range got {
				if l.Seq != seq || l.Message != message(seq) || l.Time != start+(seq-1)/100 || l.Continued || (l.Level != "INFO") != (seq == lines) {
					t.Fatalf("%s: line %d is %+v", next, seq, l)
				}
				seq++
			}
			next = ""
			if link := r.header.Get("Link"); link != "" {
				at, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
				u, err := url.Parse(at)
				if err != nil || u.Host != "hub.example:8443" || !strings.HasSuffix(link, `>; rel="next"`) {
					t.Fatalf("Link is %s", link)
				}
				next = u.RequestURI()
			}
		}
		if seq != last+1 {
			t.Errorf("%s: the last line is %d, want %d", query, seq-1, last)
		}
		return pieces
	}
	if pieces := want("", 1, lines); pieces != 3 {
		t.Errorf("the log came in %d pieces", pieces)
	}
	want("?after=0", 1, lines)
	want("?after=24990", 24_991, lines)
	want("?after=25000", 25_001, lines)
	want("?after=99999", 25_001, lines)
	want(fmt.Sprintf("?start_time=%d", start+249), 24_901, lines)
	want(fmt.Sprintf("?end_time=%d", start), 1, 100)
	want(fmt.Sprintf("?start_time=%d&end_time=%d", start+100, start+101), 10_001, 10_200)
	want(fmt.Sprintf("?start_time=%d&end_time=%d&after=10150", start+100, start+101), 10_151, 10_200)
	want(fmt.Sprintf("?start_time=%d&end_time=%d", start+1, start+149), 101, 15_000)
	want(fmt.Sprintf("?start_time=%d", start+1000), 25_001, lines)
	want(fmt.Sprintf("?end_time=%d", start-1), 1, 0)
	want("?end_time=0", 1, 0)
	for _, q := range []string{"start_time=x", "end_time=-1", "after=1.5"} {
		name, _, _ := strings.Cut(q, "=")
		a.do("madams", "GET", "/v1/builds/"+id+"/logs?"+q, nil).fails(400, "invalid_field", name)
	}
	// The printed fields, with their types.
	var raw []object
	a.do("madams", "GET", fmt.Sprintf("/v1/builds/%s/logs?end_time=%d", id, start), nil).is(200, &raw)
	raw[0].has(t, `{"message": "line 1 <&> \u00e9", "level": "INFO", "time": 1441770706, "seq": 1, "continued": false}`)
	a.do("madams", "GET", "/v1/builds/00000000-0000-4000-8000-000000000000/logs", nil).fails(404, "not_found")
}

func TestBuildsGoWithTheirRepository(t *testing.T) {
	a, _ := buildRepository(t, 1)
	id, waits := a.build(), a.build()
	a.tell(id, hub.BuildEvent{Lines: []hub.LogLine{{Seq: 1, Time: 1, Level: "INFO", Message: "x"}}})
	a.do("madams", "DELETE", buildsRepo, nil).is(204, nil)
	for _, id := range []string{id, waits} {
		a.do("madams", "GET", "/v1/builds/"+id, nil).fails(404, "not_found")
	}
	if _, err := a.hub.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	var list page
	a.do("madams", "GET", "/v1/builds", nil).is(200, &list)
	if list.Count != 0 || len(list.Results) != 0 {
		t.Errorf("the builds of a deleted repository are listed: %v", list)
	}
	a.whole()
}

// A hundred thousand lines cost a write for each record that they fill, and a look at
// the build that they are counted with; who follows them reads no more than what is
// new.
func TestBuildLogCost(t *testing.T) {
	a, _ := buildRepository(t, 1)
	id := a.build()
	const lines = 100_000
	var piece []hub.LogLine
	held, pieces := 0, 0
	a.calls.Take()
	for seq := int64(1); seq <= lines; seq++ {
		l := hub.LogLine{Seq: seq, Time: 1, Level: "INFO", Message: "a line of the build"}
		if held += l.Cost(); held > hub.MaxLogChunk || seq == lines {
			a.tell(id, hub.BuildEvent{Lines: piece})
			piece, held = nil, l.Cost()
			pieces++
		}
		piece = append(piece, l)
	}
	a.tell(id, hub.BuildEvent{Lines: piece})
	if calls := a.calls.Take(); calls.Writes != pieces+1 || calls.Ops != 2*calls.Writes || calls.Reads() != calls.Writes || calls.GetKeys != calls.Gets || pieces > lines/600 {
		t.Errorf("%d lines in %d pieces cost %+v", lines, pieces+1, calls)
	}
	for _, after := range []int64{lines - 1, lines - 300, 50_000, 0} {
		var got []line
		a.do("madams", "GET", fmt.Sprintf("/v1/builds/%s/logs?after=%d", id, after), nil).is(200, &got)
		records := min(lines-int(after), 10_000)/600 + 2
		if calls := a.calls.Take(); len(got) == 0 || got[0].Seq != after+1 || calls.ListItems > records+16 {
			t.Errorf("what follows line %d is %d lines, and cost %+v", after, len(got), calls)
		}
	}
	a.whole()
}
