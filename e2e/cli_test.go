package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestCLI runs the scripts of testdata/cli, each against a hub of its own, with the
// program as a person has it. They know the hub as $HUB and $HOST, by a way that can
// lose connections, and an account $NAME with the password in the file password;
// admin's is in admin-password.
//
// Further commands: `image DIR LAYERS BYTES` writes an OCI layout; `code NAME DIR`
// serves a folder as a Git repository, as $CODE; `get VAR PATH` takes a value of the
// JSON that was printed last (- = all that was printed); `lose REGEXP TIMES
// [up|down BYTES]` loses the connections of requests; `requests REGEXP COUNT` wants
// that many to have passed, and every loss to have come.
func TestCLI(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	program, err := berth()
	if err != nil {
		t.Fatal(err)
	}
	git := newGitHost(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/cli",
		RequireExplicitExec: true,
		Setup:               func(env *testscript.Env) error { return setUpScript(env, git, filepath.Dir(program)) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"image": func(ts *testscript.TestScript, _ bool, args []string) {
				layers, err1 := strconv.Atoi(args[1])
				size, err2 := strconv.Atoi(args[2])
				ts.Check(err1)
				ts.Check(err2)
				ts.Check(newImage(layers, size).write(ts.MkAbs(args[0])))
			},
			"code": func(ts *testscript.TestScript, _ bool, args []string) { serveCode(ts, git, args[0], args[1]) },
			"get":  func(ts *testscript.TestScript, _ bool, args []string) { ts.Setenv(args[0], printed(ts, args[1])) },
			"lose": loseConnections,
			"requests": func(ts *testscript.TestScript, _ bool, args []string) {
				count, left := ts.Value(wayKey{}).(*weakNet).count(regexp.MustCompile(args[0]))
				if strconv.Itoa(count) != args[1] || left != 0 {
					ts.Fatalf("%d requests are %s, not %s; %d losses have not come", count, args[0], args[1], left)
				}
			},
		},
	})
}

// wayKey is what a script's way to its hub is kept under.
type wayKey struct{}

// setUpScript starts the script's hub.
func setUpScript(env *testscript.Env, git *gitHost, programs string) error {
	way, err := newWeakNet()
	if err != nil {
		return err
	}
	env.Defer(func() { way.server.Close() })
	s, err := launch(env.WorkDir+"/.hub", "--allow-host", "127.0.0.1", "--public-url", way.url)
	if err != nil {
		return err
	}
	env.Defer(func() {
		if err := s.stop(); err != nil {
			env.T().Log("the hub ends with", err)
		}
		s.nothingLeft(git.t)
	})
	m := regexp.MustCompile(`listens on (\S+)`).FindStringSubmatch(s.out)
	if m == nil {
		return fmt.Errorf("the hub does not say where it listens: %s", s.out)
	}
	way.to.Store(&url.URL{Scheme: "http", Host: m[1]})
	name := "ann"
	a, err := s.try(git.t.Context(), "POST", "/v1/auth/register", strings.NewReader(fmt.Sprintf(
		`{"username":%q,"password":"a long password","email":"ann@example.com"}`, name)))
	if err != nil || a.status != 201 {
		return fmt.Errorf("no account: %v %w", a, err)
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	env.Values[wayKey{}] = way
	env.Setenv("PATH", programs+":"+env.Getenv("PATH"))
	for key, value := range map[string]string{
		"HUB": way.url, "HOST": strings.TrimPrefix(way.url, "http://"), "NAME": name, "BUSYBOX": busybox,
		"HOME": env.WorkDir, "BERTH_CONFIG": env.WorkDir + "/config", "GIT": git.base,
	} {
		env.Setenv(key, value)
	}
	if err := os.WriteFile(env.WorkDir+"/admin-password", []byte(adminPassword+"\n"), 0o600); err != nil {
		return err
	}
	return os.WriteFile(env.WorkDir+"/password", []byte("a long password\n"), 0o600)
}

// serveCode serves a folder of the script as a Git repository.
func serveCode(ts *testscript.TestScript, git *gitHost, name, dir string) {
	to := filepath.Join(git.dir, name)
	ts.Check(os.CopyFS(to, os.DirFS(ts.MkAbs(dir))))
	git.git(name, "init", "-q", "-b", "master")
	git.git(name, "add", "-A")
	git.git(name, "commit", "-q", "-m", "x")
	ts.Setenv("CODE", git.base+"/"+name+"/.git")
	ts.Setenv("COMMIT", git.git(name, "rev-parse", "HEAD"))
}

// printed is a value of the JSON that the last command printed, by its names and
// numbers between dots; - is all that it printed.
func printed(ts *testscript.TestScript, path string) string {
	out := ts.ReadFile("stdout")
	if path == "-" {
		return strings.TrimSpace(out)
	}
	var v any
	ts.Check(json.Unmarshal([]byte(out), &v))
	for _, name := range strings.Split(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			i, err := strconv.Atoi(name)
			ts.Check(err)
			if i >= len(in) {
				ts.Fatalf("there are %d of %s in %s", len(in), path, out)
			}
			v = in[i]
		}
	}
	if v == nil {
		ts.Fatalf("there is no %s in %s", path, out)
	}
	return fmt.Sprint(v)
}

func loseConnections(ts *testscript.TestScript, _ bool, args []string) {
	times, err := strconv.Atoi(args[1])
	ts.Check(err)
	l := loss{of: regexp.MustCompile(args[0])}
	if len(args) == 4 {
		l.after, err = strconv.ParseInt(args[3], 10, 64)
		ts.Check(err)
		l.answer = args[2] == "down"
	}
	ts.Value(wayKey{}).(*weakNet).lose(l, times)
}
