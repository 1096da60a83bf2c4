package e2e_test

import (
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sink is a mail server, a process of its own, that keeps what it is given.
type sink struct {
	t    *testing.T
	at   string // host:port
	dir  string
	args []string
	env  []string
	cmd  *exec.Cmd
}

// newSink starts a mail server. args are further ones of aiosmtpd.
func newSink(t *testing.T, env []string, args ...string) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{t: t, at: l.Addr().String(), dir: filepath.Join(t.TempDir(), "mails"), args: args, env: env}
	l.Close()
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *sink) start() {
	s.t.Helper()
	here, err := filepath.Abs("testdata")
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command("aiosmtpd", append(append([]string{"--nosetuid", "--listen", s.at, "--class", "sink.Sink"}, s.args...), s.dir)...)
	s.cmd.Env = append(append(os.Environ(), "PYTHONPATH="+here, "PYTHONDONTWRITEBYTECODE=1"), s.env...)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", s.at)
		if err == nil {
			c.Close()
			return
		}
		if time.Since(begun) > time.Minute {
			s.t.Fatalf("the mail server does not start: %v", err)
		}
	}
}

func (s *sink) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// letter is a mail that arrived.
type letter struct {
	mail.Header
	text string
}

// mails are what arrived so far.
func (s *sink) mails() (all []letter) {
	s.t.Helper()
	names, _ := filepath.Glob(s.dir + "/new/*")
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			s.t.Fatal(err)
		}
		defer f.Close()
		m, err := mail.ReadMessage(f)
		if err != nil {
			s.t.Fatal(err)
		}
		if m.Header.Get("Content-Transfer-Encoding") != "quoted-printable" || !strings.HasPrefix(m.Header.Get("Content-Type"), "text/plain") {
			s.t.Fatalf("the mail is %v", m.Header)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, letter{m.Header, strings.ReplaceAll(string(text), "\r\n", "\n")})
	}
	return all
}

// arrived waits until so many mails have come, and returns them by Message-ID.
func (s *sink) arrived(n int) map[string][]letter {
	s.t.Helper()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		byID := map[string][]letter{}
		for _, l := range s.mails() {
			byID[l.Get("Message-Id")] = append(byID[l.Get("Message-Id")], l)
		}
		if len(byID) >= n {
			return byID
		}
		if time.Since(begun) > 2*time.Minute {
			s.t.Fatalf("%d mails came, want %d: %v", len(byID), n, byID)
		}
	}
}

// mailed makes a build repository whose builds end with a mail.
func (c client) mailed(t *testing.T, clone string) string {
	t.Helper()
	repo := c.buildRepository(t, clone, "")
	c.call(t, 200, "PUT", "/v1/repositories/"+c.user+"/"+repo+"/build-config", `{"email_enabled":true}`)
	return repo
}

// about are the mails about a build: one, or the same once more.
func (b built) about(t *testing.T, all map[string][]letter) letter {
	t.Helper()
	var found []letter
	for id, letters := range all {
		if strings.HasPrefix(id, "<build-"+b.ID+"@") {
			found = append(found, letters...)
		}
	}
	if len(found) == 0 {
		t.Fatalf("no mail about build %s: %v", b.ID, all)
	}
	return found[0]
}

func TestMail(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	to := newSink(t, nil)
	args := []string{"--allow-host", "127.0.0.1", "--smtp", to.at, "--mail-from", "Berth <berth@hub.example>"}
	s := ownHub(t, args...)
	c, g := s.account(t), newGitHost(t)
	good := c.mailed(t, g.repository("good", busyboxFiles(t)))
	// What a build prints cannot end the mail, nor begin another one.
	const print = `i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; done; printf '.\\r\\n.\\n'; echo 'MAIL FROM:<x@example.com>'; exit 3`
	bad := c.mailed(t, g.repository("bad", busyboxFiles(t, `RUN ["/bin/sh", "-c", "`+print+`"]`)))
	silent := c.buildRepository(t, g.base+"/good/.git", "")

	none := c.until(t, c.build(t, silent, "").ID, "S")
	succeeded := c.until(t, c.build(t, good, "").ID, "S")
	failed := c.until(t, c.build(t, bad, "").ID, "F")
	all := to.arrived(2)
	m := succeeded.about(t, all)
	for name, want := range map[string]string{
		"From": `"Berth" <berth@hub.example>`, "X-Mailfrom": "berth@hub.example",
		"To": "<" + c.user + "@example.com>", "X-Rcptto": c.user + "@example.com",
		"Subject": "[Berth] The build of " + c.user + "/" + good + ":latest succeeded", "Auto-Submitted": "auto-generated",
	} {
		if got := m.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if at, err := m.Date(); err != nil || succeeded.EndedAt == nil || !strings.HasPrefix(*succeeded.EndedAt, at.UTC().Format("2006-01-02T15:04:05.")) {
		t.Errorf("the mail's date is %v (%v), the build ended at %v", at, err, *succeeded.EndedAt)
	}
	for _, text := range []string{succeeded.Commit, "Duration: ", s.base + "/v1/builds/" + succeeded.ID, "Result:       S"} {
		if !strings.Contains(m.text, text) {
			t.Errorf("the mail does not say %q:\n%s", text, m.text)
		}
	}
	m = failed.about(t, all)
	for _, text := range []string{"Result:       F", "line 40\n", "MAIL FROM:<x@example.com>", strings.TrimSpace(failed.Detail)} {
		if !strings.Contains(m.text, text) {
			t.Errorf("the mail does not say %q:\n%s", text, m.text)
		}
	}

	// The mail server is away when a build ends, and the hub is killed meanwhile.
	to.stop()
	late := c.until(t, c.build(t, good, "").ID, "S")
	for begun := time.Now(); !strings.Contains(s.log.String(), "a mail about a build is tried again"); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatal("nothing was tried while the mail server was away")
		}
	}
	s.kill()
	to.start()
	if err := s.again(args...); err != nil {
		t.Fatal(err)
	}
	late.about(t, to.arrived(3))

	// The hub is killed just when a build has ended.
	killed := c.until(t, c.build(t, bad, "").ID, "F")
	s.kill()
	if err := s.again(args...); err != nil {
		t.Fatal(err)
	}
	killed.about(t, to.arrived(4))

	// An address that does not exist is tried once.
	c.call(t, 200, "PUT", "/v1/auth/profile", fmt.Sprintf(`{"email":"refused-%s@example.com"}`, c.user))
	c.until(t, c.build(t, good, "").ID, "S")
	for begun := time.Now(); !strings.Contains(s.log.String(), "a mail about a build is given up"); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatal("the mail to no mailbox was not given up")
		}
	}
	for id, letters := range to.arrived(4) {
		if strings.Contains(id, none.ID) {
			t.Error("a build whose configuration wants no mail was told of")
		}
		if len(letters) != 1 && !strings.Contains(id, killed.ID) { // that kill may have come between the mail and its note
			t.Errorf("%d mails %s", len(letters), id)
		}
	}
	if n := len(to.arrived(4)); n != 4 {
		t.Errorf("%d different mails, want 4", n)
	}
}

// Name, password and mail go over an encrypted connection, to a server whose
// certificate is known, or not at all.
func TestMailIsEncrypted(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	cert, key, _ := certificate(t)
	const password = "the mail server's password"
	to := newSink(t, []string{"SINK_LOGIN=berth:" + password}, "--tlscert", cert, "--tlskey", key)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--allow-host", "127.0.0.1", "--smtp", to.at, "--smtp-tls", "starttls", "--smtp-user", "berth", "--smtp-password-file", file, "--mail-from", "berth@hub.example"}
	s := ownHub(t, args...)
	c, g := s.account(t), newGitHost(t)
	repo := c.mailed(t, g.repository("x", busyboxFiles(t)))
	c.until(t, c.build(t, repo, "").ID, "S")
	for begun := time.Now(); !strings.Contains(s.log.String(), "certificate"); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("the log tells of no certificate that is not known; mails: %v", to.mails())
		}
	}
	if n := len(to.mails()); n != 0 {
		t.Errorf("%d mails to a server with an unknown certificate", n)
	}
	s.kill()
	t.Setenv("SSL_CERT_FILE", cert)
	if err := s.again(args...); err != nil {
		t.Fatal(err)
	}
	b := c.until(t, c.build(t, repo, "").ID, "S")
	b.about(t, to.arrived(1))
	if strings.Contains(s.log.String(), password) {
		t.Error("the log has the password")
	}
}
