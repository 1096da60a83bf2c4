package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The scenarios run against any hub: one that BERTH_E2E_URL names, with its
// administrator's password in BERTH_ADMIN_PASSWORD, or one that they build and
// start. What looks at the process itself always starts its own.
const adminPassword = "correct horse battery"

// berth is the binary under test.
var berth = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "berth-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "berth")
	build := exec.Command("go", "build", "-o", path, "./cmd/berth")
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// shared is the hub of all scenarios that do not need their own.
var shared struct {
	once sync.Once
	hub  *server
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.hub != nil && shared.hub.cmd != nil {
		if err := shared.hub.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "the shared hub:", err)
			code = 1
		}
		os.RemoveAll(shared.hub.data)
	}
	if path, err := berth(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// server is a hub and how to reach it as its administrator.
type server struct {
	client
	host string // without scheme, as image names begin
	data string
	cmd  *exec.Cmd // nil for a hub that is not ours
	log  *logTail
	out  string // what it printed before it was ready
}

// theHub is the hub that BERTH_E2E_URL names, or one for all tests.
func theHub(t *testing.T) *server {
	t.Helper()
	shared.once.Do(func() {
		if at := os.Getenv("BERTH_E2E_URL"); at != "" {
			shared.hub, shared.err = remoteHub(at)
			return
		}
		var dir string
		if dir, shared.err = os.MkdirTemp("", "berth-e2e-data-"); shared.err == nil {
			shared.hub, shared.err = launch(dir)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.hub
}

func remoteHub(at string) (*server, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	return &server{client: client{base: strings.TrimSuffix(at, "/"), user: "admin", password: os.Getenv("BERTH_ADMIN_PASSWORD")}, host: u.Host}, nil
}

// buildingHub is the hub that BERTH_E2E_URL names, or one for this test alone. The one
// that is named must run builds, and let them reach 127.0.0.1.
func buildingHub(t *testing.T, args ...string) *server {
	t.Helper()
	if os.Getenv("BERTH_E2E_URL") != "" {
		return theHub(t)
	}
	return ownHub(t, args...)
}

// ownHub starts a hub for this test alone, stopped when the test ends.
func ownHub(t *testing.T, args ...string) *server {
	t.Helper()
	return ownHubOn(t, t.TempDir(), args...)
}

// ownHubOn is ownHub with a data folder that the test has prepared.
func ownHubOn(t *testing.T, data string, args ...string) *server {
	t.Helper()
	s, err := launch(data, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			s.kill()
		}
		if t.Failed() {
			t.Logf("the hub's log ends:\n%s", s.log)
		}
	})
	return s
}

var listensAt = regexp.MustCompile(`answers at (https?://(\S+))`)

// launch starts the binary on a data folder and waits for it to listen.
func launch(data string, args ...string) (*server, error) {
	path, err := berth()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, args...)...)
	cmd.Env = environment("BERTH_ADMIN_PASSWORD=" + adminPassword)
	s := &server{cmd: cmd, data: data, log: &logTail{}}
	cmd.Stderr = s.log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		s.out += line
		if m := listensAt.FindStringSubmatch(line); m != nil {
			s.client = client{base: m[1], user: "admin", password: adminPassword}
			s.host = m[2]
			go io.Copy(io.Discard, stdout)
			return s, nil
		}
		if err != nil {
			cmd.Wait()
			return nil, fmt.Errorf("the hub did not start:\n%s%s", s.out, s.log)
		}
	}
}

// environment is this process's without the settings of a hub, which may be those
// of the one that the scenarios run against.
func environment(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "BERTH_") })
	return append(env, more...)
}

// again starts the hub anew on its data folder and address.
func (s *server) again(args ...string) error {
	next, err := launch(s.data, append([]string{"--listen", s.host}, args...)...)
	if err != nil {
		return err
	}
	next.log.prepend(s.log)
	s.cmd, s.log, s.out = next.cmd, next.log, next.out
	return nil
}

// kill ends the process as a crash would.
func (s *server) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// stop asks the process to end, and waits until it has.
func (s *server) stop() error {
	s.cmd.Process.Signal(syscall.SIGTERM)
	return s.cmd.Wait()
}

// logTail keeps the last of what the hub logged.
type logTail struct {
	mu  sync.Mutex
	buf []byte
}

const logTailSize = 64 << 10

func (l *logTail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, p...)
	if len(l.buf) > 2*logTailSize {
		l.buf = append([]byte(nil), l.buf[len(l.buf)-logTailSize:]...)
	}
	return len(p), nil
}

func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.buf)
}

func (l *logTail) prepend(before *logTail) {
	old := before.String()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append([]byte(old), l.buf...)
}

// client calls a hub's HTTP interface as one account; user "" is nobody.
type client struct {
	base, user, password string
}

func (c client) as(user, password string) client { return client{c.base, user, password} }

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string { return fmt.Sprintf("%d %.1000s", a.status, a.body) }

// plain follows no redirect within the hub, so that a test sees it. On AWS another
// host sends blobs, and there every client has to go. Of a body it sends nothing before
// the hub reads it, if the request's Expect header says so.
var plain = &http.Client{
	Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ExpectContinueTimeout: 2 * time.Minute},
	CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if req.URL.Host == via[0].URL.Host {
			return http.ErrUseLastResponse
		}
		return nil
	},
	Timeout: 2 * time.Minute,
}

// try sends a request. Each header is "Name: value".
func (c client) try(ctx context.Context, method, path string, body io.Reader, headers ...string) (answer, error) {
	at := path
	if strings.HasPrefix(path, "/") {
		at = c.base + path
	}
	req, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return answer{}, err
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, c.password)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := plain.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, b}, err
}

// call sends a request and wants that status.
func (c client) call(t *testing.T, want int, method, path, body string, headers ...string) answer {
	t.Helper()
	a, err := c.try(t.Context(), method, path, bytes.NewReader([]byte(body)), headers...)
	if err != nil {
		t.Fatal(err)
	}
	if a.status != want {
		t.Fatalf("%s %s %.300q answers %s, not %d", method, path, body, a, want)
	}
	return a
}

// fresh makes up a name that nothing has yet.
func fresh(prefix string) string {
	b := make([]byte, 6)
	rand.Read(b)
	return prefix + "x" + hex.EncodeToString(b)
}

// account registers an account, with a namespace of its own.
func (s *server) account(t *testing.T) client {
	t.Helper()
	name := fresh("u")
	s.call(t, http.StatusCreated, "POST", "/v1/auth/register",
		fmt.Sprintf(`{"username":%q,"password":"a long password","email":"%s@example.com","realname":"A Person"}`, name, name))
	return s.as(name, "a long password")
}

// repository makes a repository in the client's namespace, and returns its path.
func (c client) repository(t *testing.T, public bool) string {
	t.Helper()
	name := fresh("r")
	c.call(t, http.StatusCreated, "POST", "/v1/repositories/"+c.user+"/", fmt.Sprintf(`{"repo_name":%q,"is_public":%v}`, name, public))
	return c.user + "/" + name
}
