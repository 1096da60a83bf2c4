package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command runs the binary beside the hub and returns what it printed and its exit status.
func (s *server) command(t *testing.T, env []string, args ...string) (out string, status int) {
	t.Helper()
	path, err := berth()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(environment("BERTH_DATA="+s.data), env...)
	b, err := cmd.CombinedOutput()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// verify stops the hub and lets the binary read everything that it kept.
func (s *server) verify(t *testing.T) {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if out, status := s.command(t, nil, "verify", "--content"); status != 0 || !strings.Contains(out, `"problems": []`) {
		t.Errorf("the data folder is not whole:\n%s", out)
	}
}

func TestSecondServeIsRefused(t *testing.T) {
	s := ownHub(t)
	out, status := s.command(t, nil, "serve", "--listen", "127.0.0.1:0")
	if status != 1 || !strings.Contains(out, s.data) || !strings.Contains(out, s.base) {
		t.Errorf("a second hub on the folder ends with %d:\n%s", status, out)
	}
	s.call(t, 200, "GET", "/readyz", "")
}

func TestGeneratedPassword(t *testing.T) {
	path, err := berth()
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	start := func() string {
		cmd := exec.CommandContext(t.Context(), path, "serve", "--listen", "127.0.0.1:0", "--data", data)
		var log bytes.Buffer
		cmd.Env, cmd.Stderr = environment(), &log
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		printed := ""
		for b := make([]byte, 4096); !strings.Contains(printed, "answers at"); {
			n, err := out.Read(b)
			printed += string(b[:n])
			if err != nil {
				t.Fatalf("%v\n%s%s", err, printed, &log)
			}
		}
		m := regexp.MustCompile(`\n\n    (\S+)\n`).FindStringSubmatch(printed)
		if m != nil {
			at := listensAt.FindStringSubmatch(printed)
			client{at[1], "admin", m[1]}.call(t, 200, "GET", "/v1/auth/profile", "")
		}
		cmd.Process.Signal(syscall.SIGTERM)
		rest, _ := io.ReadAll(out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the hub ended with %v\n%s", err, &log)
		}
		if m != nil && strings.Contains(log.String(), m[1]) {
			t.Error("the password stands in the log")
		}
		return printed + string(rest)
	}
	if out := start(); !strings.Contains(out, "shown this once") {
		t.Errorf("the first start prints\n%s", out)
	}
	if out := start(); strings.Contains(out, "shown this once") {
		t.Errorf("the second start prints\n%s", out)
	}
}

func TestCommandsBesideTheHub(t *testing.T) {
	s := ownHub(t)
	password := []string{"BERTH_ADMIN_PASSWORD=" + adminPassword}
	if out, status := s.command(t, nil, "gc"); status != 2 || !strings.Contains(out, "--token") {
		t.Errorf("gc without credentials ends with %d:\n%s", status, out)
	}
	if out, status := s.command(t, []string{"BERTH_ADMIN_PASSWORD=wrong wrong"}, "gc"); status != 1 || !strings.Contains(out, "user name or password is wrong") {
		t.Errorf("gc with a wrong password ends with %d:\n%s", status, out)
	}
	if out, status := s.command(t, password, "gc"); status != 0 || !strings.Contains(out, `"blobs": 0`) {
		t.Errorf("gc ends with %d:\n%s", status, out)
	}
	if out, status := s.command(t, password, "retention", "run"); status != 0 || !strings.Contains(out, `"tags": 0`) {
		t.Errorf("retention ends with %d:\n%s", status, out)
	}
	out, status := s.command(t, password, "admin", "create", "second")
	m := regexp.MustCompile(`\n    (\S+)\n`).FindStringSubmatch(out)
	if status != 0 || m == nil {
		t.Fatalf("admin create ends with %d:\n%s", status, out)
	}
	var seen struct {
		IsAdmin bool `json:"is_admin"`
	}
	a := s.as("second", m[1]).call(t, 200, "GET", "/v1/auth/profile", "")
	if err := json.Unmarshal(a.body, &seen); err != nil || !seen.IsAdmin {
		t.Errorf("the new administrator is %s (%v)", a, err)
	}
	if out, status := s.command(t, password, "admin", "create", "second"); status != 1 || !strings.Contains(out, "taken") {
		t.Errorf("a second time it ends with %d:\n%s", status, out)
	}
	s.account(t).call(t, 403, "POST", "/v1/admin/gc", "")
	s.account(t).call(t, 403, "POST", "/v1/admin/retention", "")
	s.account(t).call(t, 403, "POST", "/v1/admin/accounts", `{"username":"third","password":"a long password"}`)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if out, status := s.command(t, nil, "gc"); status != 0 || !strings.Contains(out, `"uploads": 0`) {
		t.Errorf("without a running hub gc ends with %d:\n%s", status, out)
	}
	if out, status := s.command(t, nil, "admin", "create", "third", "--password", "short"); status != 1 || !strings.Contains(out, "password") {
		t.Errorf("with a bad password admin create ends with %d:\n%s", status, out)
	}
}

func TestMetricsAndLog(t *testing.T) {
	s := ownHub(t, "--log-format", "json")
	secret := fresh("secret")
	s.call(t, 401, "GET", "/v2/token?service=x&account="+secret, "", "Authorization: Bearer brt_"+secret)
	s.call(t, 404, "GET", "/v1/repositories/admin/none", "")
	s.call(t, 404, "GET", "/nowhere", "")
	metrics := string(s.as("", "").call(t, 200, "GET", "/metrics", "").body)
	for _, want := range []string{
		`berth_http_requests_total{route="repository-get",status="404"} 1`,
		`berth_http_requests_total{route="none",status="404"} 1`,
		`berth_http_request_duration_seconds_count{route="repository-get"} 1`,
		`berth_build_info{`, "berth_builds_running 0", "berth_storage_records_bytes ", "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics miss %s", want)
		}
	}
	var doc struct {
		Paths map[string]struct{ Get struct{ OperationID string } }
	}
	if err := json.Unmarshal(s.call(t, 200, "GET", "/openapi.json", "").body, &doc); err != nil || doc.Paths["/metrics"].Get.OperationID != "metrics" {
		t.Errorf("the metrics are not in the OpenAPI document: %v", err)
	}
	if strings.Contains(metrics, "nowhere") {
		t.Error("a path that a stranger made up is in the metrics")
	}
	id := s.call(t, 404, "GET", "/v1/repositories/admin/none", "").header.Get("X-Request-Id")
	s.call(t, 405, "POST", "/healthz", "")
	if a := s.call(t, 405, "DELETE", "/metrics", ""); a.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow is %q", a.header.Get("Allow"))
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	log := s.log.String()
	if strings.Contains(log, secret) {
		t.Errorf("a secret stands in the log:\n%s", log)
	}
	found := false
	for line := range strings.Lines(log) {
		var l struct {
			Msg, Request, Caller, Route, Method, Path string
			Status, Bytes                             int
			MS                                        *float64
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("a line of the log is no JSON: %s", line)
		}
		if l.Request == id {
			found = true
			if l.Caller != "admin" || l.Route != "repository-get" || l.Method != http.MethodGet || l.Status != 404 || l.Bytes == 0 || l.MS == nil {
				t.Errorf("the request is logged as %s", line)
			}
		}
	}
	if !found {
		t.Errorf("the log misses the request %s:\n%s", id, log)
	}
}

// An operator learns from the log why nobody can connect, and need not start the hub anew.
func TestTooManyOpenFiles(t *testing.T) {
	s := ownHub(t)
	program(t, "prlimit", "--pid", strconv.Itoa(s.cmd.Process.Pid), "--nofile=32")
	var open []net.Conn
	closeAll := func() {
		for _, c := range open {
			c.Close()
		}
	}
	defer func() { closeAll() }()
	for range 32 { // the kernel takes those that the hub cannot
		c, err := net.Dial("tcp", s.host)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	for !strings.Contains(s.log.String(), "LimitNOFILE") {
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	closeAll()
	s.call(t, 200, "GET", "/healthz", "")
	if n := strings.Count(s.log.String(), "LimitNOFILE"); n != 1 {
		t.Errorf("the log warns %d times:\n%s", n, s.log)
	}
}

// The end of the terminal that the hub runs in stops it as an interrupt does.
func TestHangup(t *testing.T) {
	ours := make(chan os.Signal, 1)
	signal.Notify(ours, syscall.SIGHUP) // or the hub inherits that it is ignored, where it is
	defer signal.Stop(ours)
	s := ownHub(t)
	s.cmd.Process.Signal(syscall.SIGHUP)
	if err := s.cmd.Wait(); err != nil || !strings.Contains(s.log.String(), "stopped") {
		t.Errorf("the hub ended with %v\n%s", err, s.log)
	}
}

// An upload that runs when the hub is told to stop is finished and answered.
func TestStopFinishesTheUpload(t *testing.T) {
	s := ownHub(t)
	repo := s.repository(t, false)
	b := randomBytes(2 << 20)
	at := s.call(t, 202, "POST", "/v2/"+repo+"/blobs/uploads/", "").header.Get("Location")
	body, feed := io.Pipe()
	type result struct {
		answer
		error
	}
	done := make(chan result)
	go func() {
		a, err := s.try(t.Context(), "PUT", location(at, sha256Of(b)), body, "Content-Type: application/octet-stream", "Expect: 100-continue")
		done <- result{a, err}
	}()
	feed.Write(b[:1<<20]) // taken when the hub reads the body: a connection that it sees idle it closes
	s.cmd.Process.Signal(syscall.SIGTERM)
	for { // until the hub takes no new connection
		if _, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(s.base + "/healthz"); err != nil {
			break
		}
	}
	feed.Write(b[1<<20:])
	feed.Close()
	if r := <-done; r.error != nil || r.status != 201 {
		t.Fatalf("the upload is answered %s, %v", r.answer, r.error)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("the hub ended with %v", err)
	}
	if err := s.again(); err != nil {
		t.Fatal(err)
	}
	if a := s.call(t, 200, "GET", "/v2/"+repo+"/blobs/"+sha256Of(b), ""); !bytes.Equal(a.body, b) {
		t.Errorf("of %d bytes %d are there after the stop", len(b), len(a.body))
	}
}
