package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/shared/cloud"
	"berth/shared/cloud/queues"
	"berth/shared/cloud/ses"
	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store"
	"berth/shared/store/memory"
	"berth/shared/web"
	"berth/sim"
	emulator "berth/sim/dynamodb"
	mails "berth/sim/ses"
	"berth/sim/sqs"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// outbox is a hub whose outbox is emptied by functions, over simulated services. The
// hub that takes requests and the functions share no memory but a clock.
type outbox struct {
	t        *testing.T
	front    *hub.Hub
	handler  http.Handler
	db       *emulator.DB
	queues   *sqs.SQS
	mails    *mails.SES
	client   *client.Client
	urls     map[web.Queue]string
	function map[string]cloud.EventFunction
	token    string
	ahead    time.Duration // how far the clock was moved

	mu       sync.Mutex
	told     map[string]int // by delivery of a webhook: how often it was taken
	tags     map[string]bool
	refusing int // deliveries that are refused from now on
}

// trouble befalls a call of a function.
type trouble int

const (
	none     trouble = iota
	notDone          // the call does not reach the function
	lost             // it is done, and its answer is lost
	cutShort         // the function is killed amid its work
	doubled          // another function has the same messages at the same time
)

func newOutbox(t *testing.T, faults sqs.Faults) *outbox {
	o := &outbox{t: t, told: map[string]int{}, tags: map[string]bool{}, function: map[string]cloud.EventFunction{}}
	var tables string
	o.db, tables = sim.DynamoDB(t)
	var at string
	var stop func()
	o.queues, at, o.urls, stop = sim.StartSQS()
	t.Cleanup(stop)
	o.queues.Inject(faults)
	o.mails = mails.New("hub.example")
	mailer := httptest.NewServer(o.mails)
	t.Cleanup(mailer.Close)
	settings := map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testtest",
		cloud.Settings.PublicURL: "https://hub.example", cloud.Settings.MailFrom: "Berth <berth@hub.example>",
		cloud.Settings.AllowedHosts: "127.0.0.1", cloud.Settings.DynamoDB: tables,
		cloud.Settings.SQS: at, cloud.Settings.SES: mailer.URL,
	}
	for t, name := range cloud.Settings.Tables {
		settings[name] = sim.TableNames[t]
	}
	for q, name := range cloud.Settings.Queues {
		settings[name] = o.urls[q]
	}
	o.client = client.NewFromConfig(sim.Config(at))
	key := bytes.Repeat([]byte{7}, 32)
	public, _ := url.Parse("https://hub.example")
	o.front = hub.New(sim.Records(tables), memory.NewLayers(), hub.Keys{Registry: key, SDK: key, Seal: key}, hub.Options{PublicURL: public, AllowedHosts: []string{"127.0.0.1"}})
	o.front.Builder = idle{}
	queues.Serve(o.front, o.client, o.urls)
	o.alike(nil, o.front)
	o.handler = routes.Handler(o.front, nil)
	for name, options := range map[string][]cloud.Option{
		"event-webhooks": {queues.With, o.alike}, "event-mail": {queues.With, ses.With, o.alike}, "event-pulls": {o.alike}, "event-outbox": {queues.With, o.alike},
	} {
		f, err := cloud.NewEventFunction(name, func(name string) string { return settings[name] }, options...)
		if err != nil {
			t.Fatal(err)
		}
		o.function[name] = f
	}
	return o
}

// idle is a Builder whose builds the test ends.
type idle struct{}

func (idle) Start(context.Context, string) error { return nil }
func (idle) Stop(context.Context, string) error  { return nil }
func (idle) Look(context.Context, string) (hub.Stand, string, error) {
	return hub.UnderWay, "", nil
}

// alike gives all hubs one clock, and one key for secrets.
func (o *outbox) alike(_ *cloud.Environment, h *hub.Hub) {
	h.Now = func() time.Time {
		o.mu.Lock()
		defer o.mu.Unlock()
		return time.Now().UTC().Add(o.ahead)
	}
	h.Sealer = hub.KeySealer{Key: bytes.Repeat([]byte{7}, 32), Rand: h.Rand}
	h.Log = slog.New(slog.DiscardHandler)
}

func (o *outbox) wait(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ahead += d
}

// ServeHTTP is the receiver of webhooks.
func (o *outbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Event   string
		Tags    []string
		BuildID string `json:"build_id"`
	}
	json.NewDecoder(r.Body).Decode(&body)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refusing > 0 {
		o.refusing--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	o.told[r.Header.Get("X-Berth-Delivery")]++
	o.tags[body.BuildID+strings.Join(body.Tags, " ")] = true
}

func (o *outbox) do(status int, method, path, kind, body string) map[string]any {
	o.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	r.SetBasicAuth("admin", o.token)
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	if w.Code != status {
		o.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	var out map[string]any
	json.Unmarshal(w.Body.Bytes(), &out)
	return out
}

const (
	jsonType   = "application/json"
	somePushes = 12
	somePulls  = 40
	someBuilds = 4
)

// fill lets happen what has to be told and counted.
func (o *outbox) fill() (buildIDs []string) {
	o.t.Helper()
	ctx := o.t.Context()
	o.token = sim.SeedPassword
	if _, err := o.front.CreateAccount(ctx, hub.NewAccount{Name: "admin", Password: o.token, Admin: true, Email: "admin@example.com"}); err != nil {
		o.t.Fatal(err)
	}
	server := httptest.NewServer(o)
	o.t.Cleanup(server.Close)
	o.do(201, "POST", "/v1/namespaces/admin/webhooks", jsonType, fmt.Sprintf(`{"url":%q}`, server.URL))
	o.do(201, "POST", "/v1/repositories/admin", jsonType, `{"repo_name":"app","build_config":{"code_repo_client":"Simple",
		"code_repo_clone_url":"https://git.example/a.git","email_enabled":true,"tag_configs":[{"code_repo_type":"branch"}]}}`)
	o.do(201, "POST", "/v2/admin/app/blobs/uploads/?digest=sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "application/octet-stream", "{}")
	for n := range somePushes {
		o.do(201, "PUT", fmt.Sprintf("/v2/admin/app/manifests/v%d", n), "application/vnd.oci.image.manifest.v1+json", sim.SeedManifest)
	}
	for n := range somePulls {
		o.wait(time.Second)
		o.do(200, "GET", fmt.Sprintf("/v2/admin/app/manifests/v%d", n%somePushes), "", "")
	}
	for range someBuilds {
		id := o.do(201, "POST", "/v1/builds", jsonType, `{"namespace":"admin","repo_name":"app","tag":"latest"}`)["build_id"].(string)
		err := o.front.BuildEvent(ctx, id, hub.BuildEvent{Result: &hub.BuildResult{Status: hub.Failed, Detail: "no.\n"}})
		for errors.Is(err, store.ErrUnavailable) { // a runner tells it again
			err = o.front.EndBuild(ctx, id, hub.BuildResult{Status: hub.Failed, Detail: "no.\n"})
		}
		if err != nil {
			o.t.Fatal(err)
		}
		buildIDs = append(buildIDs, id)
	}
	return buildIDs
}

// poll gives what a queue has to its function, as Lambda does. Each call has the
// trouble that comes next.
func (o *outbox) poll(q web.Queue, next func() trouble) (calls int) {
	o.t.Helper()
	at := o.urls[q]
	for {
		got, err := o.client.ReceiveMessage(o.t.Context(), &client.ReceiveMessageInput{
			QueueUrl: &at, MaxNumberOfMessages: 10, VisibilityTimeout: 30, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		})
		if err != nil {
			o.t.Fatal(err)
		}
		if len(got.Messages) == 0 {
			return calls
		}
		calls++
		failed := o.invoke("event-"+string(q), got.Messages, next())
		for _, m := range got.Messages {
			if !failed[aws.ToString(m.MessageId)] {
				_, err = o.client.DeleteMessage(o.t.Context(), &client.DeleteMessageInput{QueueUrl: &at, ReceiptHandle: m.ReceiptHandle})
			} else {
				_, err = o.client.ChangeMessageVisibility(o.t.Context(), &client.ChangeMessageVisibilityInput{QueueUrl: &at, ReceiptHandle: m.ReceiptHandle})
			}
			if err != nil {
				o.t.Fatal(err)
			}
		}
	}
}

// invoke tells which messages of a batch are to come again.
func (o *outbox) invoke(function string, messages []types.Message, trouble trouble) map[string]bool {
	o.t.Helper()
	var batch events.SQSEvent
	all, failed := map[string]bool{}, map[string]bool{}
	for _, m := range messages {
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: *m.MessageId, Body: *m.Body, Attributes: m.Attributes, EventSource: "aws:sqs"})
		all[*m.MessageId] = true
	}
	if trouble == notDone {
		return all
	}
	event, err := json.Marshal(batch)
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, kill := context.WithCancel(o.t.Context())
	defer kill()
	if trouble == cutShort {
		time.AfterFunc(3*time.Millisecond, kill)
	}
	var other sync.WaitGroup
	if trouble == doubled {
		other.Go(func() { o.function[function](ctx, event) })
	}
	out, err := o.function[function](ctx, event)
	other.Wait()
	if err != nil {
		o.t.Fatal(err)
	}
	if trouble == lost || trouble == cutShort {
		return all
	}
	for _, f := range out.(events.SQSEventResponse).BatchItemFailures {
		failed[f.ItemIdentifier] = true
	}
	return failed
}

// settle runs the functions until nothing is left to do.
func (o *outbox) settle(next func() trouble) {
	o.t.Helper()
	for range 20 {
		calls := 0
		for _, q := range []web.Queue{web.Webhooks, web.Mail, web.Pulls} {
			calls += o.poll(q, next)
		}
		if calls == 0 && len(o.waiting()) == 0 {
			return
		}
		o.wait(5 * time.Minute)
		if _, err := o.function["event-outbox"](o.t.Context(), nil); err != nil {
			o.t.Fatal(err)
		}
	}
	o.t.Fatalf("there is no end: %d messages, in the outbox %v", o.queues.Waiting(), o.waiting())
}

// Whatever SQS and Lambda do, each push and each build is told of, each pull counts
// once, and nobody gets the same thing under two names.
func TestNothingIsLostOrCountedTwice(t *testing.T) {
	for _, c := range []struct {
		name   string
		queues sqs.Faults
		tables emulator.Faults
		calls  []trouble // what happens to calls in turn
		refuse int       // webhooks' receiver and SES refuse so many at first
	}{
		{name: "plain"},
		{name: "twice and out of order", queues: sqs.Faults{Twice: 1, Shuffle: true}},
		{name: "receivers that refuse", queues: sqs.Faults{Twice: 1, Shuffle: true}, refuse: 7},
		{name: "calls that fail", queues: sqs.Faults{Twice: 0.5, Shuffle: true}, calls: []trouble{notDone, lost, none}},
		{name: "two functions at a time", queues: sqs.Faults{Shuffle: true}, calls: []trouble{doubled}},
		{name: "functions that are killed", queues: sqs.Faults{Shuffle: true}, calls: []trouble{cutShort, none}},
		{name: "tables that fail", queues: sqs.Faults{Twice: 0.5, Shuffle: true}, tables: emulator.Faults{Throttle: 0.1, Conflict: 0.1, LostAnswer: 0.1}, calls: []trouble{none, none, lost}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOutbox(t, c.queues)
			o.refusing = c.refuse
			o.mails.Refuse(c.refuse)
			buildIDs := o.fill()
			o.db.Inject(c.tables)
			turn := 0
			o.settle(func() trouble {
				if turn++; len(c.calls) == 0 || turn > 40 {
					return none
				}
				return c.calls[turn%len(c.calls)]
			})
			o.db.Inject(emulator.Faults{})
			if c.queues.Twice == 1 && o.queues.Twice() < somePushes+somePulls+someBuilds {
				t.Errorf("%d messages came twice", o.queues.Twice())
			}
			o.check(buildIDs, c.name != "functions that are killed")
		})
	}
}

// check holds what was told and counted against what happened. Without kills each
// thing is told once.
func (o *outbox) check(buildIDs []string, once bool) {
	t := o.t
	t.Helper()
	repo := o.do(200, "GET", "/v1/repositories/admin/app", "", "")
	if n := repo["download"]; n != float64(somePulls) {
		t.Errorf("%v pulls were counted, want %d", n, somePulls)
	}
	last := ""
	for n := range somePushes {
		tag := o.do(200, "GET", fmt.Sprintf("/v1/repositories/admin/app/tags/v%d", n), "", "")
		at, _ := tag["pulled_at"].(string)
		if last = max(last, at); at == "" {
			t.Errorf("the tag v%d was pulled, and does not say so", n)
		}
	}
	if repo["pulled_at"] != last {
		t.Errorf("the repository was pulled at %v, its tags last at %s", repo["pulled_at"], last)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.told) != somePushes+someBuilds || len(o.tags) != somePushes+someBuilds {
		t.Errorf("%d deliveries of %d things, want %d", len(o.told), len(o.tags), somePushes+someBuilds)
	}
	for id, n := range o.told {
		if n != 1 && once {
			t.Errorf("delivery %s came %d times", id, n)
		}
	}
	sent := map[string]int{}
	for _, m := range o.mails.Mails() {
		sent[m.Headers["X-Berth-Message-Id"]]++
		if m.To != "admin@example.com" || m.From != "Berth <berth@hub.example>" {
			t.Errorf("mail %+v", m)
		}
	}
	if len(sent) != someBuilds {
		t.Errorf("mails %v, want %d", sent, someBuilds)
	}
	for _, id := range buildIDs {
		if n := sent["<build-"+id+"@hub.example>"]; n == 0 || n != 1 && once {
			t.Errorf("%d mails about build %s", n, id)
		}
	}
	if dead := o.queues.Dead(); len(dead) != 0 {
		t.Errorf("messages were given up: %v", dead)
	}
}

// waiting are the entries of the outbox.
func (o *outbox) waiting() (all []store.Key) {
	o.t.Helper()
	for shard := range 16 {
		page, err := o.front.Records.List(o.t.Context(), store.Range{Table: store.Builds, Part: fmt.Sprintf("outbox/%x", shard), Limit: 100})
		if err != nil {
			o.t.Fatal(err)
		}
		for _, item := range page.Items {
			all = append(all, item.Key)
		}
	}
	return all
}

// A message that no function can read ends in the dead-letter queue.
func TestUnreadableMessage(t *testing.T) {
	o := newOutbox(t, sqs.Faults{})
	sent := 0
	for q, bodies := range map[web.Queue][]string{
		web.Webhooks: {"no JSON", `{"part":"token/x","sort":"."}`, `{"part":"outbox/0","sort":"mail/0000000000000/x"}`},
		web.Mail:     {"no JSON", `{}`, `{"part":"outbox/10","sort":"mail/0000000000000/x"}`},
		web.Pulls:    {"no JSON", `{}`, `{"id":"x","repo_id":"y","reference":"z","times":-1}`},
	} {
		for _, text := range bodies {
			at := o.urls[q]
			if _, err := o.client.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: &at, MessageBody: &text}); err != nil {
				t.Fatal(err)
			}
			sent++
		}
	}
	o.settle(func() trouble { return none })
	if dead := o.queues.Dead(); len(dead) != sent {
		t.Errorf("given up were %q", dead)
	}
}
