package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/shared/client"
	"berth/shared/hub"
	"berth/shared/local"
	"berth/shared/store/memory"
)

func TestFolderHasOneHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "data")
	d, err := openData(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.announce("http://hub.example"); err != nil {
		t.Fatal(err)
	}
	_, err = openData(path)
	var busy *busyError
	if !errors.As(err, &busy) || busy.PID != os.Getpid() || busy.URL != "http://hub.example" {
		t.Fatalf("a second opening answers %v", err)
	}
	if !strings.Contains(err.Error(), "http://hub.example") || !strings.Contains(err.Error(), "--data") {
		t.Errorf("the message does not help: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = openData(path); err != nil {
		t.Fatalf("after the first gave it up: %v", err)
	}
	d.Close()
}

// A folder that was mistyped is neither found whole nor made.
func TestNoFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "typo")
	for _, args := range []string{"verify", "gc", "retention run", "admin create somebody"} {
		if code := run(context.Background(), append(strings.Fields(args), "--data", path)); code != 1 {
			t.Errorf("%s of no folder ends with %d", args, code)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := openKept(path); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("an empty folder opens with %v", err)
	}
}

// A folder that lacks a part is not taken for a new hub's, whose sweep would remove
// the rest. What a first start leaves that was killed early is no such folder.
func TestIncompleteFolder(t *testing.T) {
	kept := t.TempDir()
	d, err := openData(kept)
	if err != nil {
		t.Fatal(err)
	}
	if err := firstStart(t.Context(), d.hub(&url.URL{Scheme: "http", Host: "localhost"}), io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	copied := func() string {
		path := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(path, os.DirFS(kept)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, part := range []string{"records.db", "records.db-journal-a", "records.db-journal-b", "layers"} {
		path := copied()
		if err := os.Remove(filepath.Join(path, part)); err != nil {
			t.Fatal(err)
		}
		if _, err := openData(path); err == nil || !strings.Contains(err.Error(), part+" is missing") {
			t.Errorf("without %s the folder opens with %v", part, err)
		}
		if _, err := os.Stat(filepath.Join(path, part)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a new %s was made: %v", part, err)
		}
	}
	early := t.TempDir()
	f, err := openFolder(early)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.keys(true); err != nil {
		t.Fatal(err)
	}
	records, err := local.OpenRecords(filepath.Join(early, "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(records.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if d, err = openData(early); err != nil {
		t.Fatalf("what a killed first start left does not open: %v", err)
	}
	d.Close()
}

// The layers may lie on another disk.
func TestMeasureLayersThatAreLinkedTo(t *testing.T) {
	there, link := t.TempDir(), filepath.Join(t.TempDir(), "layers")
	if err := os.Symlink(there, link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(there, "layer"), make([]byte, 12345), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &measured{dir: link}
	if m.sum(); m.last != 12345 {
		t.Errorf("the layers' files have %v bytes, not 12345", m.last)
	}
}

func TestKeys(t *testing.T) {
	path := t.TempDir()
	first, err := openData(path)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	file := filepath.Join(path, "keys.json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("keys.json is %v, %v", info.Mode(), err)
	}
	for mode, want := range map[fs.FileMode]bool{0o644: true, 0o640: false, 0o600: false} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if got := first.exposed(); got != want {
			t.Errorf("keys with the mode %o are exposed: %v", mode, got)
		}
	}
	second, err := openData(path)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	k := first.keys
	if !bytes.Equal(k.Registry, second.keys.Registry) || !bytes.Equal(k.SDK, second.keys.SDK) || !bytes.Equal(k.Seal, second.keys.Seal) {
		t.Error("the keys changed with a restart")
	}
	if len(k.Seal) != 32 || bytes.Equal(k.Seal, k.SDK) || bytes.Equal(k.SDK, k.Registry) {
		t.Error("the keys are not three of 32 bytes")
	}
	for _, spoil := range []func() error{
		func() error { return os.WriteFile(file, []byte(`{"registry":"AAAA"}`), 0o600) },
		func() error { return os.Remove(file) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := openData(path); err == nil || !strings.Contains(err.Error(), "from a copy") {
			t.Errorf("with its keys lost, the folder opens with %v", err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	for _, c := range []struct{ env, args, want string }{
		{"", "", "closed"},
		{"open", "", "open"},
		{"open", "--signup=closed", "closed"},
		{"perhaps", "", "BERTH_SIGNUP: must be open or closed"},
	} {
		t.Run(c.env+c.args, func(t *testing.T) {
			if c.env != "" {
				t.Setenv("BERTH_SIGNUP", c.env)
			}
			command := serveCommand()
			if err := command.ParseFlags(strings.Fields(c.args)); err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := command.PreRunE(command, nil); err != nil {
				got = err.Error()
			} else {
				got = command.Flag("signup").Value.String()
			}
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range []string{
		"serve --tls-cert only.pem", "serve --public-url hub.example.com", "serve --public-url https://hub/path",
		"serve --gc-every soon", "serve --gc-every -1h", "serve --builds -1", "serve --build-memory=-1", "serve now", "serve --no-such",
		"serve --smtp mail.example", "serve --smtp mail.example --mail-from nobody", "serve --smtp mail.example:x --mail-from a@example.com",
		"serve --smtp mail.example --mail-from a@example.com --smtp-user a", "serve --smtp mail.example --mail-from a@example.com --smtp-tls perhaps",
	} {
		if code := run(context.Background(), append(strings.Fields(args), "--data", t.TempDir(), "--listen", "127.0.0.1:0")); code != 2 {
			t.Errorf("%s ends with %d", args, code)
		}
	}
}

func TestLogIsWrittenWhole(t *testing.T) {
	var out bytes.Buffer
	b := newLogBuffer(&out)
	log := slog.New(slog.NewTextHandler(b, nil))
	for i := range 20000 {
		log.Info("line", "i", i)
	}
	b.Close()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 20000 || !strings.HasSuffix(lines[0], "i=0") || !strings.HasSuffix(lines[19999], "i=19999") {
		t.Errorf("%d lines, from %s to %s", len(lines), lines[0], lines[len(lines)-1])
	}
}

func TestLogIsFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		b := newLogBuffer(&out)
		defer b.Close()
		b.Write([]byte("a line\n"))
		synctest.Wait()
		if out.String() != "" {
			t.Error("a line went out at once")
		}
		time.Sleep(logFlush + time.Millisecond)
		synctest.Wait()
		if out.String() != "a line\n" {
			t.Errorf("after %s the log is %q", logFlush, out.String())
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A hub that is told to stop finishes the upload that runs, and takes no other.
func TestStopFinishesRequests(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Write(b)
	})}
	go server.Serve(listener)
	body, feed := io.Pipe()
	answered := make(chan string, 1)
	go func() {
		res, err := http.Post("http://"+listener.Addr().String(), "", body)
		if err != nil {
			answered <- err.Error()
			return
		}
		b, _ := io.ReadAll(res.Body)
		answered <- string(b)
	}()
	feed.Write([]byte("begun, "))
	<-started
	stopped := make(chan error, 1)
	server.RegisterOnShutdown(func() {
		if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
			t.Error("a new connection was taken")
		}
		feed.Write([]byte("finished"))
		feed.Close()
	})
	s := &settings{grace: time.Minute}
	go func() { stopped <- s.shutDown(server, nil, slog.New(slog.DiscardHandler)) }()
	if got := <-answered; got != "begun, finished" {
		t.Errorf("the upload ended with %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A second signal ends the hub although a request runs.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
	})}
	go server.Serve(listener)
	ended := make(chan error, 1)
	go func() {
		_, err := http.Get("http://" + listener.Addr().String())
		ended <- err
	}()
	<-started
	signals := make(chan os.Signal, 1)
	signals <- os.Interrupt
	s := &settings{grace: time.Hour}
	if err := s.shutDown(server, signals, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("the request was answered")
	}
}

func TestChores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var short, long []time.Duration
		sent := false
		note := func(to *[]time.Duration) func(context.Context) error {
			return func(ctx context.Context) error {
				if err := ctx.Err(); err != nil {
					t.Error("a chore was begun with its time over")
				}
				*to = append(*to, time.Since(start))
				return errors.New("to be tried again")
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		group := keep(ctx, []chore{
			{"short", time.Second, true, note(&short)},
			{"long", time.Hour, false, note(&long)},
			{"off", 0, true, note(&long)},
		}, func(ctx context.Context) error {
			<-ctx.Done()
			sent = true
			return ctx.Err()
		}, slog.New(slog.DiscardHandler))
		time.Sleep(2*time.Hour + 2500*time.Millisecond)
		stop()
		group.Wait()
		if want := []time.Duration{time.Second, 2 * time.Second}; !slices.Equal(short[:2], want) {
			t.Errorf("the short chore was begun at %v, not %v", short[:2], want)
		}
		if got := short[len(short)-1]; got != 2*time.Hour+2500*time.Millisecond {
			t.Errorf("the short chore was last done at %v", got)
		}
		if want := []time.Duration{time.Minute, time.Hour + time.Minute}; !slices.Equal(long, want) {
			t.Errorf("the long chore was done at %v, not %v", long, want)
		}
		if !sent {
			t.Error("nobody waited for the outbox")
		}
	})
}

// A chore is over when it is done: what goes on and on is begun once, beside them.
func TestChoresEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(memory.NewRecords(), memory.NewLayers(), hub.Keys{}, hub.Options{})
		h.Log = slog.New(slog.DiscardHandler)
		for _, c := range (&settings{sweepEvery: time.Hour, retentionEvery: time.Hour}).chores(h) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := c.do(ctx); err != nil {
				t.Errorf("%s on an empty hub ends with %v", c.name, err)
			}
			cancel()
		}
	})
}

// A word that no command has is a wrong use, below every group of commands.
func TestUnknownWords(t *testing.T) {
	groups := [][]string{{}}
	for _, c := range rootCommand().Commands() {
		if c.HasSubCommands() {
			groups = append(groups, []string{c.Name()})
		}
	}
	for _, words := range groups {
		root := rootCommand()
		root.SetOut(io.Discard)
		root.SetArgs(append(words, "nonsense"))
		err := root.ExecuteContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), `takes no "nonsense"`) {
			t.Errorf("berth %s nonsense ends with %v", strings.Join(words, " "), err)
		}
	}
}

// What a hub or a build says of its failure cannot steer the terminal; what to do next
// is said where the words themselves do not.
func TestFailuresAsTold(t *testing.T) {
	refused := func(status int, code, message string) error {
		return fmt.Errorf("it: %w", &client.Error{Hub: "https://hub.example", Status: status, Code: code, Message: message})
	}
	for want, err := range map[string]error{
		"it: a[31mb; log in with `berth login https://hub.example`": refused(401, "unauthenticated", "a\x1b[31m\u009bb\a"),
		"one\n]0;two": errors.Join(errors.New("one\r"), errors.New("\x1b]0;two\x07")),
		"interrupted": fmt.Errorf("it: %w", context.Canceled),
		"it: x; `berth repo list [NAMESPACE]` shows what there is": refused(404, "repository_not_found", "x"),
		"it: y; `berth repo list [NAMESPACE]` shows what there is": refused(404, "NAME_UNKNOWN", "y"),
		"it: z; is its address right, and a hub there?":            refused(404, "", "z"),
		"it: no": refused(403, "permission_denied", "no"),
	} {
		if got := told(err); got != want {
			t.Errorf("%q is told as %q, want %q", err, got, want)
		}
	}
}
