package cloud_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/shared/cloud"
	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/routes/routestest"
)

// Each function that no request reaches has a sample of what calls it, and gives the
// answer that lies beside it: see TestEvents.
func TestTriggers(t *testing.T) {
	if *update {
		for name, e := range triggers(t) {
			writeJSON(t, name+".json", e)
			function, _, _ := strings.Cut(name, ".")
			b, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			writeJSON(t, name+".want.json", common(trigger(t, function, b, false), trigger(t, function, b, true)))
		}
	}
	seen := map[string]bool{}
	paths, err := filepath.Glob("../../events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		of, ok := cloudEvent(name)
		if !ok || strings.HasSuffix(name, ".want") {
			continue
		}
		seen[of.Name] = true
		t.Run(name, func(t *testing.T) {
			event, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var want any
			readJSON(t, "../../events/"+name+".want.json", &want)
			if where := differs(want, trigger(t, of.Name, event, false), "answer"); where != "" {
				t.Error(where)
			}
		})
	}
	for _, e := range routes.Events() {
		if !seen[e.Name] {
			t.Errorf("events/%s.json is missing: go test ./shared/cloud -run TestTriggers -update makes it", e.Name)
		}
	}
}

// What an event says is done: pulls are counted once each, whatever comes twice, and
// the build ends for the reason that the state machine gives.
func TestTriggersDo(t *testing.T) {
	w := routestest.Make()
	for _, c := range []struct{ function, path, field, want string }{
		{"event-pulls", "/v1/repositories/team/open", "download", "2"},
		{"step-record", "/v1/builds/" + w.Known["running build"], "status", "F"},
		{"step-record", "/v1/builds/" + w.Known["running build"], "detail", "the build took longer than its machine may run\n"},
	} {
		event, err := os.ReadFile("../../events/" + c.function + ".json")
		if err != nil {
			t.Fatal(err)
		}
		h := triggered(false)
		f, err := cloud.On(h, c.function)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", c.path, nil)
		r.Header.Set("Authorization", "Token "+w.Tokens["administrator"])
		rec := httptest.NewRecorder()
		routes.Handler(h, nil).ServeHTTP(rec, r)
		var shown map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &shown); err != nil || fmt.Sprint(shown[c.field]) != c.want {
			t.Errorf("after %s %s of %s is %q (%d, %v), want %q", c.function, c.field, c.path, fmt.Sprint(shown[c.field]), rec.Code, err, c.want)
		}
	}
}

// working is a Builder whose builds run on.
type working struct{}

func (working) Start(context.Context, string) error { return nil }
func (working) Stop(context.Context, string) error  { return nil }
func (working) Look(context.Context, string) (hub.Stand, string, error) {
	return hub.UnderWay, "", nil
}

// triggered is a hub of the world; another is one at another time and with other
// randomness.
func triggered(another bool) *hub.Hub {
	w := routestest.Make()
	h := hub.New(w.Records.Clone(), w.Layers.Clone(), routestest.Keys, w.Options)
	h.Log, h.Builder = slog.New(slog.DiscardHandler), working{}
	h.Hint = func(context.Context, []hub.Hint) error { return nil }
	h.Now = func() time.Time { return w.Now }
	if another {
		h.Now = func() time.Time { return w.Now.Add(time.Minute) }
		h.Rand = rand.NewChaCha8([32]byte{2})
	}
	return h
}

// trigger is what a function answers to an event.
func trigger(t *testing.T, function string, event json.RawMessage, another bool) any {
	t.Helper()
	f, err := cloud.On(triggered(another), function)
	if err != nil {
		t.Fatal(err)
	}
	out, err := f(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

type fields map[string]any

// triggers are events as AWS sends them: about the world of the tests of routes.
func triggers(t *testing.T) map[string]any {
	t.Helper()
	w := routestest.Make()
	h := hub.New(w.Records.Clone(), w.Layers.Clone(), routestest.Keys, w.Options)
	g, err := h.Authorize(t.Context(), hub.Caller{Account: "owner"}, hub.Target{Namespace: "team", Repository: "open", Need: hub.Reader})
	if err != nil {
		t.Fatal(err)
	}
	build := w.Known["running build"]
	pull := func(id, repo string) string {
		b, _ := json.Marshal(hub.PullMessage{ID: id, PullCount: hub.PullCount{RepoID: repo, Reference: "v1", Times: 1, At: hub.At(w.Now)}})
		return string(b)
	}
	bus := func(source, kind string, resources []string, detail any) fields {
		return fields{
			"version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "detail-type": kind, "source": source, "account": "000000000000",
			"time": w.Now.Format(time.RFC3339), "region": "eu-central-1", "resources": resources, "detail": detail,
		}
	}
	schedule := func(name string) fields {
		return bus("aws.events", "Scheduled Event", []string{"arn:aws:events:eu-central-1:000000000000:rule/berth-" + name}, fields{})
	}
	machine := "arn:aws:states:eu-central-1:000000000000:"
	return map[string]any{
		"event-webhooks": messages(w, "webhooks", `{"part":"outbox/3","sort":"event/1767326645000/abcdefghijklmnopqrst"}`, `{"part":"token/x","sort":"."}`),
		"event-mail":     messages(w, "mail", `{"part":"outbox/c","sort":"delivery/1767326645000/abcdefghijklmnopqrst"}`, "not even JSON"),
		"event-pulls": messages(w, "pulls", pull("abcdefghijklmnopqrst", g.RepoID), pull("bcdefghijklmnopqrstu", g.RepoID),
			pull("abcdefghijklmnopqrst", g.RepoID), pull("cdefghijklmnopqrstuv", "gone"), `{"id":"","repo_id":"`+g.RepoID+`"}`),
		"event-outbox": schedule("event-outbox"), "event-sweep": schedule("event-sweep"),
		"event-retention": schedule("event-retention"), "event-builds": schedule("event-builds"),
		"event-build-state": bus("aws.codebuild", "CodeBuild Build State Change", []string{"arn:aws:codebuild:eu-central-1:000000000000:build/berth-builds:1"}, fields{
			"build-status": "FAILED", "project-name": "berth-builds", "current-phase": "COMPLETED",
			"additional-information": fields{"environment": fields{"environment-variables": []fields{
				{"name": hub.BuildVariable, "type": "PLAINTEXT", "value": build},
			}}},
		}),
		"event-build-state.states": bus("aws.states", "Step Functions Execution Status Change", []string{machine + "execution:berth-builds:" + build}, fields{
			"executionArn": machine + "execution:berth-builds:" + build, "stateMachineArn": machine + "stateMachine:berth-builds", "name": build, "status": "FAILED",
		}),
		"event-build-state.berth": bus("berth", "build:ended", []string{}, fields{"build_id": build}),
		"step-prepare":            fields{"build_id": build},
		"step-record": fields{"build_id": build, "failure": fields{
			"Error": "States.TaskFailed", "Cause": `{"Build":{"BuildStatus":"TIMED_OUT"}}`,
		}},
	}
}

// messages are a batch of a queue.
func messages(w *routestest.World, queue string, bodies ...string) fields {
	var records []fields
	for i, body := range bodies {
		at := w.Now.UnixMilli()
		records = append(records, fields{
			"messageId": fmt.Sprintf("059f36b4-87a3-44ab-83d2-66197599%04d", i+1), "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a==", "body": body,
			"attributes": fields{
				"ApproximateReceiveCount": "1", "SentTimestamp": fmt.Sprint(at), "SenderId": "AROAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": fmt.Sprint(at + 5),
			},
			"messageAttributes": fields{}, "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
			"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:berth-" + queue, "awsRegion": "eu-central-1",
		})
	}
	return fields{"Records": records}
}
