package hubapi_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/store/memory"
	"berth/shared/store/storetest"
)

// codeHook is a build repository with its webhook. Its entries: main makes latest and
// stable, and never, which is not active; v1.2 makes 1-2; feature/x makes feature-x.
type codeHook struct {
	*repoAPI
	code, secret string
	address      string // the webhook's
}

// newCodeHook is a copy of one that is made once, for making its key takes long.
func newCodeHook(t *testing.T) *codeHook {
	t.Helper()
	if seededHook.codeHook == nil {
		seededHook.codeHook, seededHook.records = makeCodeHook(t)
	}
	h, a := *seededHook.codeHook, *seededHook.repoAPI
	h.repoAPI = &a
	a.t = t
	a.over(seededHook.records.Clone())
	return &h
}

var seededHook struct {
	*codeHook
	records *memory.Records
}

func makeCodeHook(t *testing.T) (*codeHook, *memory.Records) {
	t.Helper()
	a := newRepoAPI(t)
	entry := func(kind, ref, tag string, active bool) object {
		return object{"code_repo_type": kind, "code_repo_type_value": ref, "docker_repo_tag": tag, "is_active": active}
	}
	var made struct {
		Config struct {
			Code   string `json:"code_repo_webhook_code"`
			Secret string `json:"code_repo_webhook_secret"`
			URL    string `json:"code_repo_webhook_url"`
		} `json:"build_config"`
	}
	a.do("madams", "POST", "/v1/repositories/madams", object{"repo_name": "app", "build_config": object{
		"code_repo_client": "GitHub", "code_repo_namespace": "madams", "code_repo_name": "app",
		"tag_configs": []object{
			entry("branch", "main", "latest", true), entry("branch", "main", "stable", true), entry("branch", "main", "never", false),
			entry("tag", `/^v(\d+)\.(\d+)$/`, "{1}-{2}", true), entry("branch", "/^feature/.+$/", "{sourceref}", true),
		},
	}}).is(201, &made)
	u, err := url.Parse(made.Config.URL)
	if err != nil || made.Config.Secret == "" || u.Path != "/v1/hooks/code/"+made.Config.Code {
		t.Fatalf("the configuration shows %+v", made)
	}
	return &codeHook{a, made.Config.Code, made.Config.Secret, u.Path}, a.faults.Records.(*memory.Records)
}

func hexHMAC(secret, data string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(data))
	return hex.EncodeToString(mac.Sum(nil))
}

// headers are what a Git host sends with a body.
func (h *codeHook) headers(host, event, delivery, body string) map[string]string {
	millis := strconv.FormatInt(h.now.UnixMilli(), 10)
	all := map[string]string{"Content-Type": "application/json"}
	switch host {
	case "github":
		maps.Copy(all, map[string]string{
			"X-GitHub-Event": event, "X-GitHub-Delivery": delivery, "X-Hub-Signature": "sha1=7d38cdd689735b008b3c702edd92eea23791c5f6",
			"X-Hub-Signature-256": "sha256=" + hexHMAC(h.secret, body), "User-Agent": "GitHub-Hookshot/044aadd",
		})
	case "gitlab":
		maps.Copy(all, map[string]string{"X-Gitlab-Event": event, "X-Gitlab-Token": h.secret, "Idempotency-Key": delivery, "X-Gitlab-Instance": "https://gitlab.com"})
	case "bitbucket":
		maps.Copy(all, map[string]string{"X-Event-Key": event, "X-Request-UUID": delivery, "X-Attempt-Number": "1", "X-Hub-Signature": "sha256=" + hexHMAC(h.secret, body)})
	case "gitee":
		maps.Copy(all, map[string]string{"X-Gitee-Event": event, "X-Gitee-Token": h.secret, "X-Gitee-Timestamp": millis, "User-Agent": "git-oschina-hook"})
	case "generic":
		maps.Copy(all, map[string]string{"X-Hub-Signature-256": "sha256=" + hexHMAC(h.secret, body)})
	}
	return all
}

func (h *codeHook) send(headers map[string]string, body string) repoAnswer {
	h.t.Helper()
	req := httptest.NewRequest("POST", h.address, strings.NewReader(body))
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	h.handler.ServeHTTP(rec, req)
	return repoAnswer{h.t, "hook", rec.Code, rec.Header(), rec.Body.Bytes()}
}

// started sends a delivery, wants the status, and returns the builds in the answer.
func (h *codeHook) started(status int, headers map[string]string, body string) []string {
	h.t.Helper()
	var answer struct {
		IDs []string `json:"build_ids"`
	}
	h.send(headers, body).is(status, &answer)
	if answer.IDs == nil {
		h.t.Error("build_ids is no list")
	}
	return answer.IDs
}

// builds are all builds, each as its reference, commit and tag, sorted.
func (h *codeHook) builds() []string {
	h.t.Helper()
	var list struct{ Results []object }
	h.do("madams", "GET", "/v1/builds?page_size=100&namespace=madams&repo_name=app", nil).is(200, &list)
	all := []string{}
	for _, b := range list.Results {
		if b["auto_created"] != true || b["created_by"] != "madams" || b["status"] != "W" {
			h.t.Errorf("a push started %v", b)
		}
		all = append(all, fmt.Sprint(b["code_repo_type"], " ", b["code_repo_type_value"], " ", b["code_head_commit"].(string)[:4], " ", b["docker_repo_tag"]))
	}
	slices.Sort(all)
	return all
}

func payload(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/codehooks/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every Git host's events start the builds that the active entries want: of a
// push one each, of that commit; of a tag the commit that it names; of anything else none.
func TestCodeHookEvents(t *testing.T) {
	main := []string{"branch main 1481 latest", "branch main 1481 stable"}
	tag := []string{"tag v1.2 1481 1-2"}
	for _, test := range []struct {
		file, event string
		want        []string
	}{
		{"github-push", "push", main},
		{"github-tag", "push", tag},
		{"github-delete", "push", nil},
		{"github-ping", "ping", nil},
		{"github-pull_request", "pull_request", nil},
		{"github-push", "workflow_run", nil},
		{"gitlab-push", "Push Hook", main},
		{"gitlab-tag", "Tag Push Hook", tag},
		{"gitlab-delete", "Push Hook", nil},
		{"gitlab-merge_request", "Merge Request Hook", nil},
		{"bitbucket-push", "repo:push", append(slices.Clone(main), "tag v1.2 9049 1-2")},
		{"bitbucket-pullrequest", "pullrequest:created", nil},
		{"gitee-push", "Push Hook", main},
		{"gitee-tag", "Tag Push Hook", tag},
		{"gitee-merge_request", "Merge Request Hook", nil},
		{"generic-push", "", []string{"branch feature/x 1481 feature-x"}},
	} {
		t.Run(test.file+" "+test.event, func(t *testing.T) {
			h := newCodeHook(t)
			host, _, _ := strings.Cut(test.file, "-")
			body := payload(t, test.file)
			headers := h.headers(host, test.event, "72d3162e-cc78-11e3-81ab-4c9367dc0958", body)
			ids := h.started(202, headers, body)
			if got := h.builds(); !slices.Equal(got, test.want) && len(got)+len(test.want) > 0 || len(ids) != len(got) {
				t.Errorf("builds %q, answered %q, want %q", got, ids, test.want)
			}
			again := 202
			if len(test.want) > 0 {
				again = 200
			}
			if ids := h.started(again, headers, body); len(ids) > 0 || len(h.builds()) != len(test.want) {
				t.Errorf("the repeat started %q; builds %q", ids, h.builds())
			}
			h.whole()
		})
	}
}

// GitHub can send its JSON as a form, of which the signature is over the form.
func TestCodeHookForm(t *testing.T) {
	h := newCodeHook(t)
	body := url.Values{"payload": {payload(t, "github-push")}}.Encode()
	headers := h.headers("github", "push", "1", body)
	headers["Content-Type"] = "application/x-www-form-urlencoded"
	if ids := h.started(202, headers, body); len(ids) != 2 {
		t.Errorf("started %q", ids)
	}
	for _, bad := range []string{"other=x", "payload=%zz"} {
		headers := h.headers("github", "push", "2", bad)
		headers["Content-Type"] = "application/x-www-form-urlencoded"
		if got := h.send(headers, bad); got.status != 400 {
			t.Errorf("%s: %d %s", bad, got.status, got.body)
		}
	}
}

// Without the proof that belongs to the headers nothing is started, and whether the
// code exists does not show.
func TestCodeHookProof(t *testing.T) {
	h := newCodeHook(t)
	body := payload(t, "github-push")
	millis := func(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }
	gitee := func(at time.Time, secret string) string {
		raw, _ := hex.DecodeString(hexHMAC(secret, millis(at)+"\n"+secret))
		return base64.StdEncoding.EncodeToString(raw)
	}
	good := "sha256=" + hexHMAC(h.secret, body)
	var refusal string
	for name, headers := range map[string]map[string]string{
		"none":             {},
		"other secret":     {"X-Hub-Signature-256": "sha256=" + hexHMAC("other", body)},
		"empty secret":     {"X-Hub-Signature-256": "sha256=" + hexHMAC("", body)},
		"other body":       {"X-Hub-Signature-256": "sha256=" + hexHMAC(h.secret, body+" ")},
		"no prefix":        {"X-Hub-Signature-256": hexHMAC(h.secret, body)},
		"other prefix":     {"X-Hub-Signature-256": "sha1=" + hexHMAC(h.secret, body)},
		"cut off":          {"X-Hub-Signature-256": good[:len(good)-2]},
		"no hexadecimal":   {"X-Hub-Signature-256": "sha256=zz"},
		"the code":         {"X-Gitlab-Token": h.code},
		"gitlab, cut":      {"X-Gitlab-Token": h.secret[1:]},
		"bitbucket, other": {"X-Hub-Signature": "sha256=" + hexHMAC("other", body), "X-Event-Key": "repo:push"},
		"worse goes first": {"X-Gitlab-Token": "x", "X-Hub-Signature-256": good},
		"gitee, no time":   {"X-Gitee-Token": h.secret},
		"gitee, no number": {"X-Gitee-Token": h.secret, "X-Gitee-Timestamp": "now"},
		"gitee, old":       {"X-Gitee-Token": h.secret, "X-Gitee-Timestamp": millis(h.now.Add(-time.Hour - time.Millisecond))},
		"gitee, new":       {"X-Gitee-Token": h.secret, "X-Gitee-Timestamp": millis(h.now.Add(time.Hour + time.Second))},
		"gitee, seconds":   {"X-Gitee-Token": h.secret, "X-Gitee-Timestamp": strconv.FormatInt(h.now.Unix(), 10)},
		"gitee, other":     {"X-Gitee-Token": gitee(h.now, "other"), "X-Gitee-Timestamp": millis(h.now)},
		"gitee, moved":     {"X-Gitee-Token": gitee(h.now, h.secret), "X-Gitee-Timestamp": millis(h.now.Add(time.Second))},
		"gitee, empty":     {"X-Gitee-Token": gitee(h.now, ""), "X-Gitee-Timestamp": millis(h.now)},
	} {
		got := h.send(headers, body)
		got.fails(401, "unauthenticated", "secret")
		if name == "none" {
			refusal = string(got.body)
		}
		address := h.address
		for _, code := range []string{strings.Repeat("0", 32), "0", "x", h.code + "0"} {
			h.address = "/v1/hooks/code/" + code
			if unknown := h.send(headers, body); unknown.status != 401 || string(unknown.body) != string(got.body) {
				t.Errorf("%s: the code %s is answered %d %s", name, code, unknown.status, unknown.body)
			}
		}
		h.address = address
	}
	h.address += "0" // a code that nobody has, with what proves the right one
	if got := h.send(map[string]string{"X-Gitlab-Token": h.secret}, body); got.status != 401 || string(got.body) != refusal {
		t.Errorf("another code: %d %s", got.status, got.body)
	}
	h.address = h.address[:len(h.address)-1]
	if got := h.builds(); len(got) > 0 {
		t.Errorf("builds %q", got)
	}
	for i, headers := range []map[string]string{
		{"X-Gitee-Token": gitee(h.now, h.secret), "X-Gitee-Timestamp": millis(h.now)},
		{"X-Gitee-Token": url.QueryEscape(gitee(h.now, h.secret)), "X-Gitee-Timestamp": millis(h.now)},
		{"X-Gitee-Token": h.secret, "X-Gitee-Timestamp": millis(h.now.Add(-time.Hour))},
	} {
		headers["X-Gitee-Event"] = "Push Hook"
		if ids := h.started(202, headers, body+strings.Repeat(" ", i)); len(ids) != 2 {
			t.Errorf("%v: started %q", headers, ids)
		}
	}
	headers := h.headers("gitee", "Push Hook", "", body)
	headers["X-Gitee-Ping"] = "true"
	if ids := h.started(202, headers, body+"     "); len(ids) != 0 {
		t.Errorf("Gitee's ping started %q", ids)
	}
}

// A delivery is known again by its name, or else by its body, for a week.
func TestCodeHookRepeats(t *testing.T) {
	h := newCodeHook(t)
	body := payload(t, "github-push")
	first := h.headers("github", "push", "one", body)
	h.started(202, first, body)
	h.now = h.now.Add(7*24*time.Hour - time.Second)
	h.started(200, first, body)
	other := body + " "
	if ids := h.started(202, h.headers("github", "push", "two", other), other); len(ids) != 2 {
		t.Errorf("another delivery started %q", ids)
	}
	h.started(200, h.headers("github", "push", "one", other+" "), other+" ") // the host's own repeat, written anew
	h.now = h.now.Add(2 * time.Second)
	if ids := h.started(202, first, body); len(ids) != 2 {
		t.Errorf("after a week the delivery started %q", ids)
	}
	unnamed := h.headers("generic", "", "", body+"\n")
	h.started(202, unnamed, body+"\n")
	h.started(200, unnamed, body+"\n")
	h.whole()
}

// No Git host signs the name of a delivery: a body that was captured starts nothing
// under another name, nor without one, nor as another host's whose proof is the same.
func TestCodeHookCaptured(t *testing.T) {
	for file, event := range map[string]string{"github-push": "push", "bitbucket-push": "repo:push", "generic-push": ""} {
		h := newCodeHook(t)
		host, _, _ := strings.Cut(file, "-")
		body := payload(t, file)
		headers := h.headers(host, event, "one", body)
		n := len(h.started(202, headers, body))
		for _, name := range []string{"X-GitHub-Delivery", "X-Request-UUID", "Idempotency-Key", "X-Gitlab-Event-UUID"} {
			captured := maps.Clone(headers)
			captured[name] = "two"
			h.started(200, captured, body)
			delete(captured, name)
			h.started(200, captured, body)
		}
		if host == "github" { // without its event it is a generic one
			delete(headers, "X-GitHub-Event")
			delete(headers, "X-GitHub-Delivery")
			h.started(200, headers, body)
		}
		if got := h.builds(); len(got) != n {
			t.Errorf("%s: builds %q", file, got)
		}
		h.whole()
	}
	// GitLab proves itself by the secret, whatever the body: there the name counts, and
	// the same state can be pushed twice.
	h := newCodeHook(t)
	body := payload(t, "gitlab-push")
	h.started(202, h.headers("gitlab", "Push Hook", "one", body), body)
	h.started(202, h.headers("gitlab", "Push Hook", "two", body), body)
}

// The same delivery many times at once starts each build once.
func TestCodeHookRace(t *testing.T) {
	h := newCodeHook(t)
	body := payload(t, "bitbucket-push")
	headers := h.headers("bitbucket", "repo:push", "one", body)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := h.send(headers, body); got.status != 200 && got.status != 202 {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	wg.Wait()
	if got := h.builds(); len(got) != 3 {
		t.Errorf("builds %q", got)
	}
	h.whole()
}

// Whatever write fails, and however, the delivery's repeat completes it: no build
// is missing and none is made twice.
func TestCodeHookFaults(t *testing.T) {
	for _, mode := range storetest.Modes {
		for n := 1; ; n++ {
			h := newCodeHook(t)
			body := payload(t, "bitbucket-push")
			headers := h.headers("bitbucket", "repo:push", "one", body)
			h.faults.Fail(n, mode)
			got := h.send(headers, body)
			failed := h.faults.Failed()
			if got.status != 202 && got.status != 503 {
				t.Fatalf("mode %v, write %d: %d %s", mode, n, got.status, got.body)
			}
			if got := h.send(headers, body); got.status != 200 && got.status != 202 {
				t.Fatalf("mode %v, write %d: the repeat: %d %s", mode, n, got.status, got.body)
			}
			if got := h.builds(); len(got) != 3 {
				t.Errorf("mode %v, write %d: builds %q", mode, n, got)
			}
			h.whole()
			if !failed {
				break
			}
		}
	}
}

// A full queue is 429; what is left of the delivery is started by its repeat.
func TestCodeHookFullQueue(t *testing.T) {
	h := newCodeHook(t)
	h.hub.Options.Builds.Waiting = 3
	body := payload(t, "github-push")
	h.started(202, h.headers("github", "push", "one", body), body)
	body += " "
	second := h.headers("github", "push", "two", body)
	got := h.send(second, body)
	got.fails(429, "too_many_requests", "madams", "of this delivery 1 were started, and sending it again starts what is left")
	if got.header.Get("Retry-After") == "" || len(h.builds()) != 3 {
		t.Errorf("%s, builds %q", got.header, h.builds())
	}
	h.hub.Options.Builds.Waiting = 30
	if ids := h.started(202, second, body); len(ids) != 1 || len(h.builds()) != 4 {
		t.Errorf("the repeat started %q; builds %q", ids, h.builds())
	}
	h.started(200, second, body)
	h.whole()
}

// Bodies may have 5 MiB; what is no push event is 400 and starts nothing.
func TestCodeHookBodies(t *testing.T) {
	h := newCodeHook(t)
	body := payload(t, "github-push")
	large := body + strings.Repeat(" ", 5<<20-len(body))
	h.send(h.headers("github", "push", "over", large+" "), large+" ").fails(413, "too_large", "5242880")
	for _, bad := range []string{
		``, `{`, `[]`, `"text"`, `{"ref": 5}`, `{"ref": "main", "after": "` + strings.Repeat("a", 40) + `"}`,
		`{"ref": "refs/heads/main"}`, `{"ref": "refs/heads/main", "after": "main"}`, `{"ref": "refs/heads/main", "after": "1481a2d"}`,
		`{"ref": "refs/heads/main", "after": "` + strings.Repeat("A", 40) + `"}`,
	} {
		if got := h.send(h.headers("generic", "", "", bad), bad); got.status != 400 {
			t.Errorf("%s: %d %s", bad, got.status, got.body)
		}
	}
	bad := `{"push": {"changes": [{"new": {"type": "branch", "name": "main", "target": {"hash": "1481a2d"}}}]}}`
	h.send(h.headers("bitbucket", "repo:push", "1", bad), bad).fails(400, "invalid_field", "hash")
	for field, bad := range map[string]string{"ref": `{"ref": 5}`, "head_commit.id": `{"head_commit": {"id": []}}`} {
		h.send(h.headers("generic", "", "", bad), bad).says(400, field+": ")
	}
	for _, none := range []string{`{}`, `null`, `{"ref": "refs/notes/commits", "after": "` + strings.Repeat("a", 40) + `"}`, `{"ref": "refs/heads/other", "after": "` + strings.Repeat("a", 40) + `"}`} {
		if ids := h.started(202, h.headers("generic", "", "", none), none); len(ids) > 0 {
			t.Errorf("%s started %q", none, ids)
		}
	}
	if got := h.builds(); len(got) > 0 {
		t.Errorf("builds %q", got)
	}
	if ids := h.started(202, h.headers("github", "push", "large", large), large); len(ids) != 2 {
		t.Errorf("5 MiB started %q", ids)
	}
}

// A build that a push started is in the audit log, as its configuration's maker's.
func TestCodeHookAudit(t *testing.T) {
	h := newCodeHook(t)
	body := payload(t, "gitlab-push")
	h.now = h.now.Add(time.Second)
	h.started(202, h.headers("gitlab", "Push Hook", "one", body), body)
	var log struct{ Results []object }
	h.do("madams", "GET", "/v1/namespaces/madams/audit?page_size=1", nil).is(200, &log)
	if len(log.Results) != 1 || log.Results[0]["what"] != "code-hook" || log.Results[0]["who"] != "madams" || log.Results[0]["detail"] != "madams/app:latest" {
		t.Errorf("the log begins with %v", log.Results)
	}
	if strings.Contains(fmt.Sprint(log), h.secret) {
		t.Error("the log has the secret")
	}
}

// The log tells of a webhook's requests, and neither of its code nor of its secret.
func TestCodeHookLog(t *testing.T) {
	h := newCodeHook(t)
	var log bytes.Buffer
	h.hub.Log = slog.New(slog.NewJSONHandler(&log, nil))
	body := payload(t, "gitlab-push")
	h.started(202, h.headers("gitlab", "Push Hook", "one", body), body)
	h.send(map[string]string{"X-Gitlab-Token": "wrong"}, body).fails(401, "unauthenticated")
	h.do("madams", "GET", h.address+"/", nil).fails(405, "method_not_allowed")
	if n := strings.Count(log.String(), `"path":"/v1/hooks/code/***"`); n != 3 {
		t.Errorf("%d lines of 3 requests: %s", n, log.String())
	}
	if strings.Contains(log.String(), h.code) || strings.Contains(log.String(), h.secret) {
		t.Errorf("the log tells who may start builds: %s", log.String())
	}
}

// A repository that is gone has no webhook.
func TestCodeHookOfDeleted(t *testing.T) {
	h := newCodeHook(t)
	h.do("madams", "DELETE", "/v1/repositories/madams/app", nil)
	body := payload(t, "gitlab-push")
	h.send(h.headers("gitlab", "Push Hook", "one", body), body).fails(http.StatusUnauthorized, "unauthenticated")
}

// FuzzCodeHook sends what a Git host that has the secret might: no payload is the
// hub's own trouble, and what is taken names full commits.
func FuzzCodeHook(f *testing.F) {
	files, err := os.ReadDir("testdata/codehooks")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, file := range files {
		b, _ := os.ReadFile("testdata/codehooks/" + file.Name())
		host, _, _ := strings.Cut(file.Name(), "-")
		f.Add(host, "application/json", string(b))
	}
	f.Add("github", "application/x-www-form-urlencoded", "payload=%7B%7D")
	f.Fuzz(func(t *testing.T, host, kind, body string) {
		h := fuzzedHook(t)
		headers := h.headers(host, "", "", body)
		headers["Content-Type"] = kind
		got := h.send(headers, body)
		switch got.status {
		case 200, 202, 400, 401, 413, 429:
		default:
			t.Fatalf("%d %s", got.status, got.body)
		}
		list, err := h.hub.Builds(t.Context(), hub.Caller{Account: "madams"}, hub.Grant{}, hub.BuildFilter{}, hub.Window{Size: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range list.Entries {
			if err := hub.CheckCommit("commit", b.Commit); err != nil {
				t.Fatal(err)
			}
			if err := h.hub.CancelBuild(t.Context(), hub.Caller{}, b.ID); err != nil && hub.CodeOf(err) != hub.Conflict {
				t.Fatal(err)
			}
		}
	})
}

var fuzzed *codeHook

// fuzzedHook is one hub for all that a process sends.
func fuzzedHook(t *testing.T) *codeHook {
	if fuzzed == nil {
		fuzzed = newCodeHook(t)
	}
	fuzzed.t = t
	return fuzzed
}
