package hubapi_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/shared/store/storetest"
)

const hooks = "/v1/namespaces/madams/webhooks"

// receiver is somebody's server that takes webhooks.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []received
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: 204}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, received{req.Header, body})
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

// answers changes what the receiver answers.
func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// take is what came since the last time.
func (r *receiver) take() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

func (a *repoAPI) sendOutbox() {
	a.t.Helper()
	if err := a.hub.SendOutbox(context.Background()); err != nil {
		a.t.Fatal(err)
	}
}

func (a *repoAPI) deliveries(hook string) page {
	a.t.Helper()
	var p page
	a.do("madams", "GET", hooks+"/"+hook+"/deliveries", nil).is(200, &p)
	return p
}

func TestWebhooks(t *testing.T) {
	a := newRepoAPI(t)
	var made, got object
	a.do("madams", "POST", hooks+"/", `{"url":"https://ci.example.com/hook?x=y"}`).is(201, &made)
	made.has(t, `{"url":"https://ci.example.com/hook?x=y","events":["image:push","build:complete"],"is_active":true,
		"created_at":"2014-11-19T05:54:22.741Z","updated_at":"2014-11-19T05:54:22.741Z"}`)
	id, secret := made["id"].(string), made["secret"].(string)
	if id == "" || len(secret) < 40 {
		t.Errorf("made %v", made)
	}
	r := a.do("madams", "PUT", hooks+"/"+id, `{"is_active":false,"events":["image:push","image:push"],"secret":"a secret of my own"}`).is(200, &got)
	got.has(t, `{"url":"https://ci.example.com/hook?x=y","events":["image:push"],"is_active":false}`)
	if strings.Contains(string(r.body), "secret") {
		t.Errorf("changed %s", r.body)
	}
	a.do("madams", "PUT", hooks+"/mine", `{"url":"http://8.8.8.8:8080/"}`).is(201, &got)
	a.do("madams", "GET", hooks+"/mine", nil).is(200, &got)
	var list page
	l := a.do("madams", "GET", hooks, nil).is(200, &list)
	if fmt.Sprint(list.field("id")) != "["+id+" mine]" || list.Count != 2 {
		t.Errorf("list %s", l.body)
	}
	for _, item := range a.records("madams") {
		for _, s := range []string{secret, "a secret of my own"} {
			if strings.Contains(string(item.Value)+string(l.body), s) {
				t.Errorf("%s: the secret is kept or shown in the open", item.Key)
			}
		}
	}
	for name, test := range map[string]struct{ body, says string }{
		"no url":         {`{}`, "url"},
		"no address":     {`{"url":"ci"}`, "url"},
		"another scheme": {`{"url":"ftp://ci.example.com"}`, "url"},
		"with password":  {`{"url":"https://u:p@ci.example.com"}`, "url"},
		"loopback":       {`{"url":"http://127.0.0.1/"}`, "url"},
		"mapped":         {`{"url":"http://[::ffff:10.0.0.1]/"}`, "url"},
		"metadata":       {`{"url":"http://169.254.169.254/latest"}`, "url"},
		"localhost":      {`{"url":"http://localhost:8080/"}`, "url"},
		"unknown event":  {`{"url":"https://a.example","events":["image:pull"]}`, "image:pull"},
		"no event":       {`{"url":"https://a.example","events":[]}`, "events"},
		"short secret":   {`{"url":"https://a.example","secret":"1234567"}`, "secret"},
		"wrong type":     {`{"url":"https://a.example","is_active":"yes"}`, "is_active"},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			a.do("madams", "POST", hooks, test.body).fails(400, "invalid_field", test.says)
		})
	}
	a.t = t
	a.do("madams", "PUT", hooks+"/Not-An-Id", `{"url":"https://a.example"}`).fails(400, "invalid_field", "id")
	a.do("stranger", "GET", hooks, nil).fails(403, "permission_denied")
	a.do("", "POST", hooks, `{"url":"https://a.example"}`).fails(401, "unauthenticated")
	a.do("madams", "DELETE", hooks+"/mine/", nil).is(204, nil)
	a.do("madams", "DELETE", hooks+"/mine", nil).fails(404, "not_found")
	a.do("madams", "GET", hooks+"/mine/deliveries", nil).fails(404, "not_found")
	for i := range 19 {
		a.do("madams", "POST", hooks, fmt.Sprintf(`{"url":"https://a.example/%d"}`, i)).is(201, &got)
	}
	a.do("madams", "POST", hooks, `{"url":"https://a.example"}`).fails(409, "conflict", "20")
	a.do("madams", "GET", hooks+"?page_size=15", nil).is(200, &list)
	a.do("madams", "GET", (*list.Next)[len("https://hub.example:8443"):], nil).is(200, &list)
	if list.Count != 20 || len(list.Results) != 5 || list.Next != nil {
		t.Errorf("second page of %d: %d", list.Count, len(list.Results))
	}
}

func TestPushIsDelivered(t *testing.T) {
	a := newRepoAPI(t)
	a.hub.Options.AllowedHosts = []string{"127.0.0.1"}
	to, other := newReceiver(t), newReceiver(t)
	a.make("app", false)
	image := a.image("app", "arm64")
	a.pushManifest("app", "before", image)
	var made, got object
	a.do("madams", "POST", hooks, map[string]any{"url": to.URL, "secret": "s3cret s3cret", "events": []string{"image:push"}}).is(201, &made)
	a.do("madams", "POST", hooks, map[string]any{"url": other.URL, "events": []string{"build:complete"}}).is(201, &got)
	digest := a.pushManifest("app", "v1", image)
	a.sendOutbox()
	all := to.take()
	if len(all) != 1 || len(other.take()) != 0 {
		t.Fatalf("%d deliveries, want 1 to the first receiver alone", len(all))
	}
	d := all[0]
	mac := hmac.New(sha256.New, []byte("s3cret s3cret"))
	mac.Write(d.body)
	for name, want := range map[string]string{
		"X-Berth-Event": "image:push", "Content-Type": "application/json", "User-Agent": "Berth",
		"X-Berth-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	} {
		if got := d.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	var body object
	if err := json.Unmarshal(d.body, &body); err != nil {
		t.Fatal(err)
	}
	body.has(t, `{"event":"image:push","namespace":"madams","repo_name":"app","repo_path":"madams/app","tags":["v1"],
		"digest":"`+digest+`","media_type":"application/vnd.oci.image.manifest.v1+json","pushed_by":"madams","occurred_at":"2014-11-19T05:54:22.741Z"}`)

	list := a.deliveries(made["id"].(string))
	if list.Count != 1 {
		t.Fatalf("deliveries %v", list)
	}
	list.Results[0].has(t, `{"id":"`+d.header.Get("X-Berth-Delivery")+`","event":"image:push","status":"delivered","attempts":1,"status_code":204,
		"error":"","created_at":"2014-11-19T05:54:22.741Z","attempted_at":"2014-11-19T05:54:22.741Z","next_at":null}`)
	a.sendOutbox()
	if n := len(to.take()); n != 0 {
		t.Errorf("%d more deliveries of the same push", n)
	}
}

// A receiver that fails is tried again, with the same id, ever later; after eight
// attempts the delivery has failed.
func TestDeliveryIsTriedAgain(t *testing.T) {
	a := newRepoAPI(t)
	a.hub.Options.AllowedHosts = []string{"127.0.0.1"}
	to := newReceiver(t)
	to.answers(500)
	a.do("madams", "PUT", hooks+"/h", map[string]string{"url": to.URL}).is(201, &object{})
	a.make("app", false)
	a.pushManifest("app", "v1", a.image("app", "arm64"))
	a.sendOutbox()
	first := to.take()
	if len(first) != 1 {
		t.Fatalf("%d attempts at once", len(first))
	}
	a.deliveries("h").Results[0].has(t, `{"status":"pending","attempts":1,"status_code":500,"error":"the receiver answered 500"}`)
	waits := []time.Duration{10 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour}
	for i, wait := range waits {
		a.now = a.now.Add(wait - time.Millisecond)
		a.sendOutbox()
		if n := len(to.take()); n != 0 {
			t.Fatalf("attempt %d came too early", i+2)
		}
		a.now = a.now.Add(time.Millisecond)
		a.sendOutbox()
		again := to.take()
		if len(again) != 1 || again[0].header.Get("X-Berth-Delivery") != first[0].header.Get("X-Berth-Delivery") || string(again[0].body) != string(first[0].body) {
			t.Fatalf("attempt %d: %v", i+2, again)
		}
	}
	a.deliveries("h").Results[0].has(t, `{"status":"failed","attempts":8,"next_at":null}`)
	a.now = a.now.Add(48 * time.Hour)
	a.sendOutbox()
	if n := len(to.take()); n != 0 {
		t.Errorf("%d attempts after the last", n)
	}
	to.answers(200)
	a.pushManifest("app", "v2", a.image("app", "amd64"))
	a.sendOutbox()
	if list := a.deliveries("h"); list.Count != 2 || list.Results[0]["status"] != "delivered" || list.Results[1]["status"] != "failed" {
		t.Errorf("deliveries %v", list)
	}
}

// A receiver that takes long is asked a few times, and then left alone for a while: the
// others get theirs meanwhile. What waited is no attempt, and arrives later.
func TestSlowReceiverHoldsUpNobody(t *testing.T) {
	a := newRepoAPI(t)
	a.hub.Options.AllowedHosts = []string{"127.0.0.1"}
	var late atomic.Int64
	begin := a.now
	a.hub.Now = func() time.Time { return begin.Add(time.Duration(late.Load())) }
	slow, quick := newReceiver(t), newReceiver(t)
	tarpit := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		late.Add(int64(9 * time.Second))
		slow.Config.Handler.ServeHTTP(w, r)
	}))
	defer tarpit.Close()
	a.do("madams", "PUT", hooks+"/slow", map[string]string{"url": tarpit.URL}).is(201, &object{})
	const others, pushes = 19, 10 // so many that some lie in the partition of the slow one
	for i := range others {
		a.do("madams", "PUT", fmt.Sprintf("%s/quick%d", hooks, i), map[string]string{"url": quick.URL}).is(201, &object{})
	}
	a.make("app", false)
	image := a.image("app", "arm64")
	for range pushes {
		a.pushManifest("app", "v1", image)
	}
	a.sendOutbox()
	most := 4 // are asked at the same time
	if n := len(quick.take()); n != others*pushes {
		t.Errorf("%d deliveries to the others, want %d", n, others*pushes)
	}
	got := slow.take()
	if len(got) == 0 || len(got) > most {
		t.Fatalf("the slow one was asked %d times", len(got))
	}
	pending := 0
	for _, d := range a.deliveries("slow").Results {
		if d["status"] == "pending" {
			pending++
			d.has(t, `{"attempts": 0, "next_at": "2014-11-19T05:54:22.741Z"}`)
		}
	}
	if pending != pushes-len(got) {
		t.Errorf("%d wait, %d were delivered", pending, len(got))
	}
	a.sendOutbox()
	if n := len(slow.take()); n != 0 {
		t.Errorf("the slow one was not left alone: %d more", n)
	}
	for range pushes {
		late.Add(int64(40 * time.Second))
		a.sendOutbox()
	}
	ids := map[string]bool{}
	for _, d := range append(got, slow.take()...) {
		ids[d.header.Get("X-Berth-Delivery")] = true
	}
	if len(ids) != pushes {
		t.Errorf("%d of %d deliveries came to the slow one", len(ids), pushes)
	}
	for _, d := range a.deliveries("slow").Results {
		d.has(t, `{"status": "delivered", "attempts": 1, "next_at": null}`)
	}
}

// A sender that was stopped for longer than its lease finds that another has the
// delivery, and leaves it alone.
func TestDeliveryAfterALostLease(t *testing.T) {
	a := newRepoAPI(t)
	a.hub.Options.AllowedHosts = []string{"127.0.0.1"}
	var late atomic.Int64
	begin := a.now
	a.hub.Now = func() time.Time { return begin.Add(time.Duration(late.Load())) }
	asked := 0
	var ids []string
	to := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids = append(ids, r.Header.Get("X-Berth-Delivery"))
		if asked++; asked == 1 { // the first sender sleeps meanwhile
			late.Add(int64(2 * time.Minute))
			a.sendOutbox()
			late.Add(int64(time.Second))
		}
		w.WriteHeader(500)
	}))
	defer to.Close()
	a.do("madams", "PUT", hooks+"/h", map[string]string{"url": to.URL}).is(201, &object{})
	a.make("app", false)
	a.pushManifest("app", "v1", a.image("app", "arm64"))
	a.sendOutbox()
	if len(ids) != 2 || ids[0] != ids[1] {
		t.Fatalf("attempts: %q", ids)
	}
	for range 20 { // whoever ended it, one entry is left
		late.Add(int64(24 * time.Hour))
		a.sendOutbox()
	}
	if len(ids) != 9 { // the one that was lost, and the eight of the other
		t.Errorf("%d attempts, want 9", len(ids))
	}
}

// What a killed hub left is sent by the next: the push and its event are one write,
// and an attempt that was cut off is made again after its lease, with the same id.
func TestDeliveryAfterAKill(t *testing.T) {
	a := newRepoAPI(t)
	a.hub.Options.AllowedHosts = []string{"127.0.0.1"}
	to := newReceiver(t)
	a.do("madams", "PUT", hooks+"/h", map[string]string{"url": to.URL}).is(201, &object{})
	a.make("app", false)
	a.pushManifest("app", "v1", a.image("app", "arm64"))

	killed, kill := context.WithCancel(context.Background())
	stop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { kill() }))
	defer stop.Close()
	a.do("madams", "PUT", hooks+"/h", map[string]string{"url": stop.URL}).is(200, &object{})
	if err := a.hub.SendOutbox(killed); err == nil {
		t.Fatal("the sender was not cut off")
	}
	a.do("madams", "PUT", hooks+"/h", map[string]string{"url": to.URL}).is(200, &object{})
	a.sendOutbox()
	if n := len(to.take()); n != 0 {
		t.Fatalf("%d deliveries while another sender has it", n)
	}
	a.now = a.now.Add(time.Minute)
	a.sendOutbox()
	if n := len(to.take()); n != 1 {
		t.Errorf("%d deliveries after the lease, want 1", n)
	}
}

// Every write of the sender fails once, in both ways: each push is delivered, and
// what comes twice bears the same id.
func TestDeliveryWhenTheStoreFails(t *testing.T) {
	for at := 1; at <= 3; at++ {
		for _, mode := range storetest.Modes {
			a := newRepoAPI(t)
			a.hub.Options.AllowedHosts = []string{"127.0.0.1"}
			to := newReceiver(t)
			a.do("madams", "PUT", hooks+"/h", map[string]string{"url": to.URL}).is(201, &object{})
			a.make("app", false)
			a.pushManifest("app", "v1", a.image("app", "arm64"))
			a.faults.Fail(at, mode)
			if err := a.hub.SendOutbox(context.Background()); err == nil {
				t.Fatalf("write %d: no failure", at)
			}
			for range 3 {
				a.now = a.now.Add(time.Minute)
				a.sendOutbox()
			}
			ids := map[string]int{}
			for _, d := range to.take() {
				ids[d.header.Get("X-Berth-Delivery")]++
			}
			if len(ids) != 1 {
				t.Errorf("write %d, mode %v: deliveries %v", at, mode, ids)
			}
			if list := a.deliveries("h"); list.Count != 1 || list.Results[0]["status"] != "delivered" {
				t.Errorf("write %d, mode %v: %v", at, mode, list)
			}
		}
	}
}

// Nothing is sent to a webhook that was deleted or switched off meanwhile, nor to
// another one that came to have its id.
func TestDeliveryToAWebhookThatIsGone(t *testing.T) {
	a := newRepoAPI(t)
	a.hub.Options.AllowedHosts = []string{"127.0.0.1"}
	to := newReceiver(t)
	to.answers(500)
	a.make("app", false)
	for i, change := range []func(){
		func() { a.do("madams", "DELETE", hooks+"/h", nil).is(204, nil) },
		func() { a.do("madams", "PUT", hooks+"/h", `{"is_active":false}`).is(200, &object{}) },
		func() {
			a.do("madams", "DELETE", hooks+"/h", nil).is(204, nil)
			a.do("madams", "PUT", hooks+"/h", map[string]string{"url": to.URL}).is(201, &object{})
		},
	} {
		a.do("madams", "PUT", hooks+"/h", map[string]any{"url": to.URL, "is_active": true}).is2(201, 200)
		a.pushManifest("app", "v1", a.image("app", "arm64"))
		a.sendOutbox()
		if n := len(to.take()); n != 1 {
			t.Fatalf("%d: %d attempts before", i, n)
		}
		a.now = a.now.Add(time.Second)
		change()
		a.now = a.now.Add(time.Minute)
		a.sendOutbox()
		if n := len(to.take()); n != 0 {
			t.Errorf("%d: %d attempts at a webhook that is gone", i, n)
		}
	}
}

// A name that leads inside the hub's network is refused at connect, and so is a
// redirect; the owner is told, but not what is there.
func TestDeliveryStaysOutside(t *testing.T) {
	a := newRepoAPI(t)
	a.hub.Options.AllowedHosts = []string{"127.0.0.1"}
	inside := newReceiver(t)
	port := inside.URL[strings.LastIndex(inside.URL, ":"):]
	redirect := httptest.NewServer(http.RedirectHandler("http://127.0.0.2"+port+"/", http.StatusTemporaryRedirect))
	defer redirect.Close()
	a.do("madams", "PUT", hooks+"/h", map[string]string{"url": redirect.URL}).is(201, &object{})
	a.make("app", false)
	a.pushManifest("app", "v1", a.image("app", "arm64"))
	a.sendOutbox()
	if n := len(inside.take()); n != 0 {
		t.Errorf("%d requests went inside", n)
	}
	d := a.deliveries("h").Results[0]
	d.has(t, `{"status":"pending","attempts":1,"status_code":null}`)
	if s := d["error"].(string); strings.Contains(s, "127.0.0") || s == "" {
		t.Errorf("error %q", s)
	}
	redirect.Close()
	a.now = a.now.Add(time.Minute)
	a.sendOutbox()
	a.deliveries("h").Results[0].has(t, `{"attempts":2,"status_code":null,"error":"the receiver could not be reached"}`)
}

// The latest hundred deliveries are kept.
func TestDeliveriesAreTrimmed(t *testing.T) {
	a := newRepoAPI(t)
	a.hub.Options.AllowedHosts = []string{"127.0.0.1"}
	to := newReceiver(t)
	a.do("madams", "PUT", hooks+"/h", map[string]string{"url": to.URL}).is(201, &object{})
	a.make("app", false)
	image := a.image("app", "arm64")
	for range 103 {
		a.now = a.now.Add(time.Second)
		a.pushManifest("app", "v1", image)
		a.sendOutbox() // what is sent together is kept in any order
	}
	if n := len(to.take()); n != 103 {
		t.Errorf("%d deliveries, want 103", n)
	}
	var p page
	a.do("madams", "GET", hooks+"/h/deliveries?page_size=100", nil).is(200, &p)
	if p.Count != 100 || len(p.Results) != 100 || p.Results[0]["created_at"] != "2014-11-19T05:56:05.741Z" {
		t.Errorf("%d kept, the latest of %v", p.Count, p.Results[0]["created_at"])
	}
}
