package hubapi_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/store/storetest"
)

// postman is a Mailer that keeps what it is given.
type postman struct {
	err  error // what comes of the next attempts
	sent []hub.Mail
}

func (p *postman) Send(_ context.Context, m hub.Mail) error {
	p.sent = append(p.sent, m)
	return p.err
}

func (p *postman) take() []hub.Mail {
	sent := p.sent
	p.sent = nil
	return sent
}

// mailing is a hub that sends mails, with a build repository that wants them.
func mailing(t *testing.T) (*repoAPI, *postman) {
	t.Helper()
	a, _ := buildRepository(t, 10)
	p := &postman{}
	a.hub.Mailer, a.hub.Options.Mail = p, true
	a.do("madams", "PUT", automated+"/build-config", `{"email_enabled":true}`).is(200, &object{})
	return a, p
}

const automated = "/v1/repositories/madams/docker_images_test"

// ends lets a build end a while after it began.
func (a *repoAPI) ends(id string, r hub.BuildResult) {
	a.t.Helper()
	a.now = a.now.Add(83 * time.Second)
	a.tell(id, hub.BuildEvent{Result: &r})
}

func TestMailAtABuildsEnd(t *testing.T) {
	a, p := mailing(t)
	id := a.build()
	a.tell(id, hub.BuildEvent{Step: hub.StepBuilding, Commit: strings.Repeat("c", 40)})
	a.ends(id, hub.BuildResult{Status: hub.Succeeded, Digest: "sha256:" + strings.Repeat("d", 64), ImageID: "sha256:" + strings.Repeat("e", 64)})
	a.sendOutbox()
	sent := p.take()
	if len(sent) != 1 {
		t.Fatalf("%d mails, want 1", len(sent))
	}
	m := sent[0]
	if m.To != "madams@example.com" || m.Subject != "[Berth] The build of madams/docker_images_test:latest succeeded" || m.ID != "build-"+id+"@hub.example" {
		t.Errorf("mail %+v", m)
	}
	for _, text := range []string{
		"Asked for by: madams\n", "Version:      v2014", "Code:         yournamespace/Docker-image, branch master\n",
		"Commit:       " + strings.Repeat("c", 40) + "\n", "https://github.com/yournamespace/Docker-image/commit/" + strings.Repeat("c", 40) + "\n",
		"Duration:     1m23s\n", "Digest:       sha256:ddd", "Result:       S", "Link:         https://hub.example:8443/v1/builds/" + id + "\n",
	} {
		if !strings.Contains(m.Text, text) {
			t.Errorf("the mail does not say %q:\n%s", text, m.Text)
		}
	}
	if strings.Contains(m.Text, "log") {
		t.Errorf("the mail about a success has a log:\n%s", m.Text)
	}

	a.sendOutbox()
	a.now = a.now.Add(time.Hour)
	a.sendOutbox()
	if again := p.take(); len(again) != 0 {
		t.Errorf("%d more mails about the same build", len(again))
	}
}

// A failed build's mail has the end of its log, harmless in a mail.
func TestMailAboutAFailure(t *testing.T) {
	a, p := mailing(t)
	id := a.build()
	for first := int64(1); first < 50; first += 7 {
		var lines []hub.LogLine
		for seq := first; seq < first+7; seq++ {
			lines = append(lines, hub.LogLine{Seq: seq, Level: "INFO", Message: fmt.Sprintf("step %d.", seq)})
		}
		a.tell(id, hub.BuildEvent{Lines: lines})
	}
	a.tell(id, hub.BuildEvent{Lines: []hub.LogLine{
		{Seq: 50, Level: "WARN", Message: "one\r\nBcc: other@example.com\x1b[31m\u202e\ttwo"},
		{Seq: 51, Level: "ERROR", Message: strings.Repeat("é", 600)},
	}})
	a.ends(id, hub.BuildResult{Status: hub.Failed, Detail: "step 2 ended with 1.\n"})
	a.sendOutbox()
	sent := p.take()
	if len(sent) != 1 || sent[0].Subject != "[Berth] The build of madams/docker_images_test:latest failed" {
		t.Fatalf("mails %+v", sent)
	}
	text := sent[0].Text
	for _, want := range []string{
		"Result:       F, step 2 ended with 1.\n", "\nINFO  step 32.\n", "\nINFO  step 49.\nWARN  one Bcc: other@example.com[31m two\nERROR " + strings.Repeat("é", 500) + "…\n",
		"https://hub.example:8443/v1/builds/" + id + "/logs",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the mail does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "step 31.") {
		t.Errorf("the mail has more than 20 lines of log:\n%s", text)
	}
}

// Who gets none, and whose mail goes to another address than at first.
func TestWhoGetsAMail(t *testing.T) {
	failed := hub.BuildResult{Status: hub.Failed, Detail: "no.\n"}
	for name, test := range map[string]struct {
		do func(a *repoAPI, id string)
		to string // "" = nobody
	}{
		"a build that fails":                 {func(a *repoAPI, id string) { a.ends(id, failed) }, "madams@example.com"},
		"a build that its asker deletes":     {func(a *repoAPI, id string) { a.do("madams", "DELETE", "/v1/builds/"+id, nil).is(204, nil) }, ""},
		"a build that somebody else deletes": {func(a *repoAPI, id string) { a.do("admin", "DELETE", "/v1/builds/"+id, nil).is(204, nil) }, "madams@example.com"},
		"an account with another address": {func(a *repoAPI, id string) {
			a.ends(id, failed)
			a.do("madams", "PUT", "/v1/auth/profile", `{"email":"new@example.com"}`).is(200, &object{})
		}, "new@example.com"},
		"an account without an address": {func(a *repoAPI, id string) {
			a.ends(id, failed)
			a.do("madams", "PUT", "/v1/auth/profile", `{"email":""}`).is(200, &object{})
		}, ""},
		"a repository that is deleted": {func(a *repoAPI, id string) {
			a.do("madams", "DELETE", automated, nil).is(204, nil)
			a.ends(id, failed)
		}, ""},
		"a mail that is old": {func(a *repoAPI, id string) {
			a.ends(id, failed)
			a.now = a.now.Add(73 * time.Hour)
		}, ""},
		"a hub that sends none": {func(a *repoAPI, id string) {
			a.hub.Options.Mail = false
			a.ends(id, failed)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a, p := mailing(t)
			test.do(a, a.build())
			a.sendOutbox()
			sent := p.take()
			if test.to == "" && len(sent) != 0 || test.to != "" && (len(sent) != 1 || sent[0].To != test.to) {
				t.Errorf("mails %+v, want one to %q", sent, test.to)
			}
			a.now = a.now.Add(24 * time.Hour)
			if a.sendOutbox(); len(p.take()) != 0 {
				t.Error("another mail a day later")
			}
		})
	}
}

// Whoever lost the right to read a build is not told how it ended.
func TestMailToAFormerMember(t *testing.T) {
	a, p := mailing(t)
	a.do("madams", "POST", "/v2/manage/namespaces/madams/access", `[{"user_id":"stranger","user_name":"stranger","auth":3}]`).is(201, nil)
	var made object
	a.do("stranger", "POST", "/v1/builds", printedBuild).is(201, &made)
	id := made["build_id"].(string)
	a.ends(id, hub.BuildResult{Status: hub.Failed, Detail: "no.\n"})
	p.err = errors.New("the mail server is away")
	a.sendOutbox()
	if sent := p.take(); len(sent) != 1 || sent[0].To != "stranger@example.com" {
		t.Fatalf("mails %+v", sent)
	}
	a.do("madams", "DELETE", "/v2/manage/namespaces/madams/access", `["stranger"]`).is(204, nil)
	p.err = nil
	a.now = a.now.Add(time.Hour)
	if a.sendOutbox(); len(p.take()) != 0 {
		t.Error("a former member is told of a build")
	}
}

// A mail that is not taken is tried again, ever later, for three days; one that
// never will be is given up at once.
func TestMailIsTriedAgain(t *testing.T) {
	a, p := mailing(t)
	p.err = errors.New("the mail server is away")
	id := a.build()
	a.ends(id, hub.BuildResult{Status: hub.Failed, Detail: "no.\n"})
	var waits []time.Duration
	last := a.now
	for end, step := a.now.Add(100*time.Hour), 10*time.Second; a.now.Before(end); a.now = a.now.Add(step) {
		a.sendOutbox()
		if sent := p.take(); len(sent) > 0 {
			if len(sent) != 1 || sent[0].ID != "build-"+id+"@hub.example" {
				t.Fatalf("mails %+v", sent)
			}
			waits, last = append(waits, a.now.Sub(last)), a.now
		}
		if len(waits) == 4 {
			step = 10 * time.Minute
		}
	}
	if got := fmt.Sprint(waits[:9]); got != "[0s 10s 30s 2m0s 10m0s 30m0s 2h0m0s 6h0m0s 6h0m0s]" || len(waits) != 18 {
		t.Errorf("%d attempts, after %s", len(waits), got)
	}

	p.err = fmt.Errorf("%w: no such mailbox", hub.ErrUndeliverable)
	a.ends(a.build(), hub.BuildResult{Status: hub.Failed, Detail: "no.\n"})
	for range 2 {
		a.sendOutbox()
		a.now = a.now.Add(time.Hour)
	}
	if n := len(p.take()); n != 1 {
		t.Errorf("%d attempts at what is undeliverable", n)
	}
}

// Every write of the sender fails once, in both ways: the mail is sent, and what
// comes twice is the same mail.
func TestMailWhenTheStoreFails(t *testing.T) {
	for at := 1; at <= 2; at++ {
		for _, mode := range storetest.Modes {
			a, p := mailing(t)
			id := a.build()
			a.ends(id, hub.BuildResult{Status: hub.Failed, Detail: "no.\n"})
			a.faults.Fail(at, mode)
			if err := a.hub.SendOutbox(context.Background()); err == nil {
				t.Fatalf("write %d: no failure", at)
			}
			for range 3 {
				a.now = a.now.Add(time.Minute)
				a.sendOutbox()
			}
			sent := p.take()
			if len(sent) == 0 {
				t.Errorf("write %d, mode %v: no mail", at, mode)
			}
			for _, m := range sent {
				if m != sent[0] {
					t.Errorf("write %d, mode %v: %+v and %+v", at, mode, sent[0], m)
				}
			}
		}
	}
}
