package sim_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"berth/shared/cloud"
	"berth/shared/routes"
	"berth/shared/web"
	"berth/sim"
	"berth/sim/runtimeapi"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func TestMain(m *testing.M) {
	code := m.Run()
	sim.Clean()
	os.Exit(code)
}

// Each function answers its sample event, as a process of its own over the
// simulated account, as testdata/NAME.want.json says. A header "*" there may have
// any value, but must be there.
func TestFunctions(t *testing.T) {
	names, err := filepath.Glob("testdata/*.want.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no sample events: %v", err)
	}
	account := sim.NewAccount(t)
	account.Seed(t)
	for _, path := range names {
		name := strings.TrimSuffix(filepath.Base(path), ".want.json")
		t.Run(name, func(t *testing.T) {
			event, err := os.ReadFile("testdata/" + name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var want, got events.APIGatewayV2HTTPResponse
			read(t, path, &want)
			f, err := runtimeapi.Start(sim.Build(t, "berth/functions/"+name), account.Environment()...)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
			defer cancel()
			answer, err := f.Invoke(ctx, event)
			if err != nil {
				t.Fatalf("%v\n%s", err, f.Said())
			}
			if err := json.Unmarshal(answer, &got); err != nil {
				t.Fatalf("%v: %s", err, answer)
			}
			for k, v := range want.Headers {
				if v == "*" && got.Headers[k] != "" {
					want.Headers[k] = got.Headers[k]
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("answered\n%s\n\nit said\n%s", answer, f.Said())
			}
		})
	}
}

// A function is frozen once it has answered: what it counts is in a queue by then,
// from where another function takes it.
func TestPullIsCounted(t *testing.T) {
	account := sim.NewAccount(t)
	account.Seed(t)
	f, err := runtimeapi.Start(sim.Build(t, "berth/functions/registry-manifest-get"), account.Environment()...)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	event, err := os.ReadFile("testdata/registry-manifest-get.json")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := f.Invoke(t.Context(), event); err != nil {
			t.Fatalf("%v\n%s", err, f.Said())
		}
	}
	counter, err := runtimeapi.Start(sim.Build(t, "berth/functions/event-pulls"), account.Environment()...)
	if err != nil {
		t.Fatal(err)
	}
	defer counter.Close()
	at := account.Getenv(cloud.Settings.Queues[web.Pulls])
	got, err := sqs.NewFromConfig(sim.Config(account.Getenv(cloud.Settings.SQS))).
		ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &at, MaxNumberOfMessages: 10})
	if err != nil || len(got.Messages) != 3 {
		t.Fatalf("%d messages, %v; want 3", len(got.Messages), err)
	}
	var batch events.SQSEvent
	for _, m := range got.Messages {
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: *m.MessageId, Body: *m.Body, EventSource: "aws:sqs"})
	}
	if event, err = json.Marshal(batch); err != nil {
		t.Fatal(err)
	}
	for range 2 { // SQS may deliver it twice
		if answer, err := counter.Invoke(t.Context(), event); err != nil || string(answer) != `{"batchItemFailures":[]}` {
			t.Fatalf("%s, %v\n%s", answer, err, counter.Said())
		}
	}
	r := httptest.NewRequest("GET", "/v1/repositories/"+sim.SeedUser+"/"+sim.SeedRepository, nil)
	r.SetBasicAuth(sim.SeedUser, sim.SeedPassword)
	w := httptest.NewRecorder()
	routes.Handler(account.Hub(t), nil).ServeHTTP(w, r)
	var shown struct{ Download int }
	if err := json.Unmarshal(w.Body.Bytes(), &shown); err != nil || shown.Download != 3 {
		t.Errorf("%d %s: download is %d, %v; want 3", w.Code, w.Body, shown.Download, err)
	}
}

func read(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// A function that lacks a setting ends, and says which.
func TestSettingsAreMissing(t *testing.T) {
	f, err := runtimeapi.Start(sim.Build(t, "berth/functions/registry-manifest-get"), "AWS_REGION=eu-central-1", "BERTH_PUBLIC_URL=hub.example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = f.Invoke(t.Context(), []byte("{}"))
	if err == nil {
		t.Fatal("it answers")
	}
	for _, name := range []string{"BERTH_SECRET", "BERTH_BUCKET", "BERTH_TABLE_TAGS", "AWS_ACCESS_KEY_ID", "BERTH_PUBLIC_URL: it must be as https://"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("it does not say %q: %v", name, err)
		}
	}
}

// From the start of the process to its first answer: one that asks no storage, and
// one that reads and writes DynamoDB, which checks a password too.
func BenchmarkColdStart(b *testing.B) {
	account := sim.NewAccount(b)
	account.Seed(b)
	program := sim.Build(b, "berth/functions/registry-manifest-get")
	event, err := os.ReadFile("testdata/registry-manifest-get.json")
	if err != nil {
		b.Fatal(err)
	}
	for name, event := range map[string][]byte{
		"404":      []byte(strings.ReplaceAll(string(event), "/manifests/", "/nothing/")),
		"manifest": event,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f, err := runtimeapi.Start(program, account.Environment()...)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := f.Invoke(b.Context(), event); err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
	}
}
