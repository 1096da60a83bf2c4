package manage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/shared/store"
	"berth/shared/store/storetest"
)

const (
	busybox    = aliceRepos + "/busybox"
	retentions = busybox + "/retentions"
)

// policy is a policy of one rule.
func policy(template, param, value string, selectors ...string) string {
	return fmt.Sprintf(`{"algorithm":"or","rules":[{"template":"%s","params":{"%s":"%s"},"tag_selectors":[%s]}]}`,
		template, param, value, strings.Join(selectors, ","))
}

func TestRetentionPolicies(t *testing.T) {
	a := newAPI(t, "alice", "bob", "wendy")
	a.create("alice", "busybox")
	a.do("alice", "POST", aliceAccess, `[{"user_id":"wendy","auth":3}]`).empty(201)
	a.do("", "GET", retentions, nil).is(200, `[]`)
	printed := `{"algorithm":"or","rules":[{"params":{"days":"30"},"tag_selectors":[{"kind":"label","pattern":"v5"},
		{"kind":"label","pattern":"1.0.1"},{"kind":"regexp","pattern":"^123$"}],"template":"date_rule"}]}`
	shown := strings.Replace(printed, `{"algorithm":"or"`, `{"algorithm":"or","id":1,"scope":""`, 1)
	a.do("wendy", "POST", retentions, printed).is(201, `{"id":1}`)
	a.do("alice", "POST", retentions+"/", `{"algorithm":"or","rules":[{"template":"tag_rule","params":{"num":7},"tag_selectors":null}]}`).is(201, `{"id":2}`)
	a.do("alice", "GET", "/v1/namespaces/alice/audit", nil).says(`"detail":"policy 2"`)
	two := `{"algorithm":"or","id":2,"scope":"","rules":[{"template":"tag_rule","params":{"num":"7"},"tag_selectors":[]}]}`
	a.do("", "GET", retentions, nil).is(200, `[`+shown+`,`+two+`]`)
	a.do("", "GET", retentions+"/1", nil).is(200, shown)
	a.do("alice", "GET", retentions+"/3", nil).fails(404, "4040000")
	a.do("alice", "GET", retentions+"/x", nil).fails(400, "4000000")

	a.do("alice", "PATCH", retentions+"/2", printed).empty(201)
	a.do("alice", "GET", retentions+"/2", nil).is(200, strings.Replace(shown, `"id":1`, `"id":2`, 1))
	a.do("alice", "PATCH", retentions+"/3", printed).fails(404, "4040000")
	a.do("alice", "DELETE", retentions+"/1", nil).empty(204)
	a.do("alice", "DELETE", retentions+"/1", nil).fails(404, "4040000")
	a.do("alice", "POST", retentions, printed).is(201, `{"id":3}`)
	a.do("bob", "POST", retentions, printed).fails(403, "4039002")
	a.do("bob", "DELETE", retentions+"/3", nil).fails(403, "4039002")
	a.do("", "PATCH", retentions+"/3", printed).fails(401, "4010000")
	for i := range 8 {
		a.do("alice", "POST", retentions, printed).is(201, fmt.Sprintf(`{"id":%d}`, i+4))
	}
	a.do("alice", "POST", retentions, printed).fails(409, "4090000")
}

func TestRetentionPolicyRefuses(t *testing.T) {
	a := newAPI(t, "alice")
	a.create("alice", "busybox")
	many := strings.Repeat(`{"kind":"label","pattern":"x"},`, 100) + `{"kind":"label","pattern":"x"}`
	for body, says := range map[string]string{
		`{`:                                        "",
		`[]`:                                       "",
		`{}`:                                       "algorithm",
		`{"algorithm":"or"}`:                       "rules",
		`{"algorithm":"or","rules":[]}`:            "rules",
		`{"algorithm":"or","rules":{}}`:            "rules",
		`{"algorithm":"and","rules":[{}]}`:         "algorithm",
		policy("name_rule", "days", "1"):           "template",
		policy("date_rule", "num", "1"):            "rules.0.params.days",
		policy("date_rule", "days", "0"):           "days",
		policy("date_rule", "days", "x"):           "days",
		policy("date_rule", "days", "1.5"):         "days",
		policy("date_rule", "days", "99999999999"): "days",
		policy("tag_rule", "num", "-1"):            "num",
		policy("tag_rule", "num", "1", `{"kind":"glob","pattern":"x"}`):                      "rules.0.tag_selectors.0.kind",
		policy("tag_rule", "num", "1", `{"kind":"label","pattern":""}`):                      "pattern",
		policy("tag_rule", "num", "1", `{"kind":"regexp","pattern":"("}`):                    "pattern",
		policy("tag_rule", "num", "1", `7`):                                                  "tag_selectors",
		policy("tag_rule", "num", "1", many):                                                 "tag_selectors",
		`{"algorithm":"or","rules":[{"template":"tag_rule","params":{"num":"1"}}]}`:          "tag_selectors",
		`{"algorithm":"or","rules":[{"template":"tag_rule","params":7,"tag_selectors":[]}]}`: "params",
	} {
		a.do("alice", "POST", retentions, body).fails(400, "4000000").says(says)
	}
	a.do("alice", "GET", retentions, nil).is(200, `[]`)
}

// run executes the policies and sweeps, and wants so many tags taken away.
func (a *api) run(tags int) {
	a.t.Helper()
	report, err := a.hub.RunRetentions(context.Background())
	if err != nil || report.Tags != tags {
		a.t.Fatalf("the policies took %d tags away: %v, want %d", report.Tags, err, tags)
	}
	if _, err := a.hub.Sweep(context.Background()); err != nil {
		a.t.Fatal(err)
	}
}

// sound wants every record to keep the rules.
func (a *api) sound() {
	a.t.Helper()
	report, err := a.hub.Verify(context.Background(), false)
	if err != nil || len(report.Problems) > 0 {
		a.t.Fatalf("the hub is not sound: %v %v", err, report.Problems)
	}
}

func (a *api) tags(want string) {
	a.t.Helper()
	if got := a.do("alice", "GET", busybox+"/tags", nil).tags(); got != want {
		a.t.Errorf("the tags are %q, want %q", got, want)
	}
}

func TestRetentionByNumber(t *testing.T) {
	a := newAPI(t, "alice")
	a.create("alice", "busybox")
	a.push("alice/busybox", "keep", "a1", "a2", "r-1", "a3", "a4")
	a.do("alice", "POST", retentions, policy("tag_rule", "num", "2", `{"kind":"label","pattern":"keep"}`, `{"kind":"regexp","pattern":"^r-"}`)).is(201, `{"id":1}`)
	a.run(2)
	a.tags("a4 a3 r-1 keep")
	a.run(0)
	a.push("alice/busybox", "a5", "a3")
	a.run(1)
	a.tags("a3 a5 r-1 keep")
	a.sound()

	at := a.now.Format("2006-01-02T15:04:05.000Z")
	rule := `"{\"template\":\"tag_rule\",\"params\":{\"num\":\"2\"},\"tag_selectors\":[{\"kind\":\"label\",\"pattern\":\"keep\"},{\"kind\":\"regexp\",\"pattern\":\"^r-\"}]}"`
	entry := func(id int, tag string) string {
		return fmt.Sprintf(`{"created_at":"%s","id":%d,"namespace":"alice","repo":"busybox","retention_id":1,"rule_type":%s,"tag":"%s"}`, at, id, rule, tag)
	}
	page := a.do("alice", "GET", retentions+"/histories?limit=1", nil)
	page.is(200, `{"retention_log":[`+entry(3, "a4")+`],"total":3}`)
	if got := page.header.Get("Content-Range"); got != "0-0/3" {
		t.Errorf("Content-Range is %s", got)
	}
	a.do("alice", "GET", retentions+"/histories?filter=limit::10|offset::1", nil).says(`"tag":"a1"`).says(`"tag":"a2"`).says(`"total":3`)
	a.do("alice", "GET", retentions+"/histories?offset=3", nil).is(200, `{"retention_log":[],"total":3}`)
	a.do("alice", "DELETE", retentions+"/1", nil).empty(204)
	a.push("alice/busybox", "a6", "a7")
	a.run(0)
	a.do("alice", "GET", retentions+"/histories", nil).says(`"total":3`)
}

func TestRetentionByDate(t *testing.T) {
	a := newAPI(t, "alice")
	a.create("alice", "busybox")
	a.push("alice/busybox", "old", "v5", "again")
	a.do("alice", "POST", retentions, policy("date_rule", "days", "30", `{"kind":"label","pattern":"v5"}`)).is(201, `{"id":1}`)
	a.now = a.now.Add(20 * 24 * time.Hour)
	a.push("alice/busybox", "again", "new")
	a.run(0)
	a.now = a.now.Add(10*24*time.Hour - time.Minute)
	a.run(1)
	a.tags("new again v5")
	a.sound()
}

// A repository whose tags are immutable keeps them.
func TestRetentionHonoursImmutableTags(t *testing.T) {
	a := newAPI(t, "alice")
	a.create("alice", "busybox")
	a.push("alice/busybox", "a1", "a2")
	a.do("alice", "POST", retentions, policy("tag_rule", "num", "1")).is(201, `{"id":1}`)
	a.do("alice", "PUT", "/v1/repositories/alice/busybox", `{"immutable_tags":true}`).says(`"immutable_tags":true`)
	a.run(0)
	a.tags("a2 a1")
}

// has wants a manifest to be there, or not.
func (a *api) has(digest string, want bool) {
	a.t.Helper()
	status := a.do("admin", "HEAD", "/v2/alice/busybox/manifests/"+digest, nil).status
	if got := status == 200; got != want {
		a.t.Errorf("manifest %s: %d, want it there: %t", digest, status, want)
	}
}

// What no tag leads to any more goes, and nothing that an index or another tag
// still wants.
func TestRetentionRemovesUntaggedImages(t *testing.T) {
	a := newAPI(t, "alice")
	a.create("alice", "busybox")
	const repo = "alice/busybox"
	child := func(text []byte) object {
		return object{"mediaType": ociManifest, "digest": digest(text), "size": len(text)}
	}
	index := func(tag string, children ...object) string {
		return digest(a.manifest(repo, tag, object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": children, "annotations": object{"of": tag}}))
	}
	alone := a.manifest(repo, "", a.image(repo, "alone")) // in one index
	both := a.manifest(repo, "", a.image(repo, "both"))   // in two
	gone := index("gone", child(alone), child(both))
	signature := a.image(repo, "signature")
	signature["subject"] = object{"mediaType": ociIndex, "digest": gone, "size": 1}
	about := digest(a.manifest(repo, "", signature))
	shared := a.manifest(repo, "shared", a.image(repo, "shared"))
	a.manifest(repo, "shared-too", a.image(repo, "shared"))
	loose := a.manifest(repo, "", a.image(repo, "loose")) // never had a tag
	part := a.manifest(repo, "part", a.image(repo, "part"))
	a.now = a.now.Add(48 * time.Hour)
	kept := index("kept", child(both), child(part))
	a.do("alice", "POST", busybox+"/tags", `{"source_tag":"shared","destination_tag":"new"}`).empty(201)

	a.do("alice", "POST", retentions, policy("date_rule", "days", "1")).is(201, `{"id":1}`)
	a.run(4) // gone, shared, shared-too, part
	a.tags("kept new")
	a.has(gone, false)
	a.has(digest(alone), false)
	a.has(about, false)
	for _, d := range []string{digest(both), kept, digest(shared), digest(loose), digest(part)} {
		a.has(d, true)
	}
	a.sound()
}

// An image that was wanted a moment ago stays until a later sweep.
func TestRetentionWaitsADay(t *testing.T) {
	a := newAPI(t, "alice")
	a.create("alice", "busybox")
	d := a.push("alice/busybox", "a1", "a2")
	a.do("alice", "POST", retentions, policy("tag_rule", "num", "1")).is(201, `{"id":1}`)
	a.run(1)
	a.has(d[0], true)
	a.now = a.now.Add(25 * time.Hour)
	a.run(0)
	a.has(d[0], false)
	a.has(d[1], true)
	a.sound()
}

// An image that lost its tag, and was pushed again since, stays as one that never had
// one: that push was acknowledged.
func TestRetentionSparesWhatIsPushedAgain(t *testing.T) {
	a := newAPI(t, "alice")
	a.create("alice", "busybox")
	const repo = "alice/busybox"
	again, by := a.image(repo, "again"), a.image(repo, "by tag")
	d := []string{digest(a.manifest(repo, "a1", again)), digest(a.manifest(repo, "a2", by)), digest(a.manifest(repo, "a3", a.image(repo, "gone")))}
	a.push(repo, "kept")
	a.do("alice", "POST", retentions, policy("tag_rule", "num", "1")).is(201, `{"id":1}`)
	a.run(3)
	a.now = a.now.Add(time.Minute)
	a.manifest(repo, "", again)
	a.manifest(repo, "b", by)
	a.do("alice", "DELETE", busybox+"/tags/b", nil).empty(204)
	a.now = a.now.Add(48 * time.Hour)
	a.run(0)
	a.has(d[0], true)
	a.has(d[1], true)
	a.has(d[2], false)
	a.sound()
}

// Each write of an execution and of the sweep after it fails once in each way. What
// the first attempt leaves is whole, and the next one finishes.
func TestRetentionSurvivesFaults(t *testing.T) {
	a := newAPI(t, "alice")
	for _, mode := range storetest.Modes {
		for n := 1; ; n++ {
			a.create("alice", "busybox")
			old := a.push("alice/busybox", "a1", "a2")
			a.now = a.now.Add(48 * time.Hour)
			a.push("alice/busybox", "a3")
			a.do("alice", "POST", retentions, policy("tag_rule", "num", "1")).is(201, `{"id":1}`)
			a.faults.Fail(n, mode)
			a.hub.RunRetentions(context.Background())
			a.hub.Sweep(context.Background())
			failed := a.faults.Failed()
			a.sound()
			a.hub.RunRetentions(context.Background())
			a.hub.Sweep(context.Background())
			a.tags("a3")
			a.has(old[0], false)
			a.has(old[1], false)
			a.do("alice", "GET", retentions+"/histories", nil).says(`"total":2`)
			a.sound()
			a.do("alice", "DELETE", busybox+"/tags/a3", nil).empty(204)
			a.do("alice", "DELETE", busybox, nil).empty(204)
			a.run(0)
			if !failed {
				if n < 4 {
					t.Errorf("only %d writes were made to fail", n-1)
				}
				break
			}
		}
	}
}

// between runs do before the n-th call of the store from now.
type between struct {
	store.Records
	n  int
	do func()
}

func (b *between) step() {
	if b.n--; b.n == 0 {
		b.do()
	}
}

func (b *between) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	b.step()
	return b.Records.Get(ctx, keys...)
}

func (b *between) List(ctx context.Context, r store.Range) (store.Page, error) {
	b.step()
	return b.Records.List(ctx, r)
}

func (b *between) Write(ctx context.Context, ops ...store.Op) error {
	b.step()
	return b.Records.Write(ctx, ops...)
}

// Between any two calls of the store that an execution and its sweep make, somebody
// pushes an index of an image that is about to go, tags it anew, or changes the
// policy. What was acknowledged is whole afterwards.
func TestRetentionMeetsOthers(t *testing.T) {
	const repo = "alice/busybox"
	a := newAPI(t, "alice")
	records := &between{Records: a.hub.Records}
	a.hub.Records = records
	var old []byte
	meetings := map[string]func() (status int, wanted bool){
		"an index": func() (int, bool) {
			text, _ := json.Marshal(object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []object{
				{"mediaType": ociManifest, "digest": digest(old), "size": len(old)}}})
			status := a.do("admin", "PUT", "/v2/"+repo+"/manifests/multi", string(text), "Content-Type", ociIndex).status
			return status, status == 201
		},
		"a tag": func() (int, bool) {
			status := a.do("alice", "POST", busybox+"/tags", `{"source_tag":"old","destination_tag":"kept"}`).status
			return status, status == 201
		},
		"the tag again": func() (int, bool) {
			status := a.do("admin", "PUT", "/v2/"+repo+"/manifests/old", string(old), "Content-Type", ociManifest).status
			return status, status == 201
		},
		"the policy": func() (int, bool) {
			return a.do("alice", "DELETE", retentions+"/1", nil).status, false
		},
	}
	for name, meet := range meetings {
		for n := 1; ; n++ {
			a.create("alice", "busybox")
			old = a.manifest(repo, "old", a.image(repo, "old"))
			a.now = a.now.Add(48 * time.Hour)
			a.push(repo, "new")
			a.do("alice", "POST", retentions, policy("tag_rule", "num", "1")).is(201, `{"id":1}`)
			met, status, wanted := false, 0, false
			records.n, records.do = n, func() { met = true; status, wanted = meet() }
			_, err := a.hub.RunRetentions(context.Background())
			if err == nil {
				_, err = a.hub.Sweep(context.Background())
			}
			records.n = 0
			if err != nil {
				t.Fatalf("%s before call %d: %v", name, n, err)
			}
			if status != 0 && status != 201 && status != 204 && status != 404 {
				t.Fatalf("%s before call %d answers %d", name, n, status)
			}
			if wanted {
				a.has(digest(old), true)
			}
			a.sound()
			for _, tag := range strings.Fields(a.do("alice", "GET", busybox+"/tags", nil).tags()) {
				a.do("alice", "DELETE", busybox+"/tags/"+tag, nil).empty(204)
			}
			a.do("alice", "DELETE", busybox, nil).empty(204)
			a.run(0)
			if t.Failed() {
				t.Fatalf("%s before call %d", name, n)
			}
			if !met {
				if n < 10 {
					t.Errorf("%s: only %d calls of the store were tried", name, n-1)
				}
				break
			}
		}
	}
}
