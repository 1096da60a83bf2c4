package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"berth/shared/cloud"
	"berth/shared/cloud/machine"
	"berth/shared/cloud/sealing"
	"berth/shared/hub"
	"berth/shared/routes"
	"berth/sim"
	"berth/sim/awsjson"
	"berth/sim/kms"
	"berth/sim/states"
)

// builds is a hub on the simulated account whose builds the state machine runs: with
// the functions of its first and last states, and the real runner instead of CodeBuild.
type builds struct {
	t       *testing.T
	hub     *hub.Hub
	url     string
	git     string // folder that Git repositories are served from
	gitURL  string
	runners atomic.Int32 // that were started
	mute    atomic.Bool  // Step Functions stops nothing at present
	reports sync.RWMutex // held = runners' reports wait
}

const (
	buildMachine = "arn:aws:states:eu-central-1:000000000000:stateMachine:builds"
	sealingKey   = "arn:aws:kms:eu-central-1:000000000000:key/secrets"
	asl          = `{"StartAt": "Prepare", "States": {
		"Prepare": {"Type": "Task", "Resource": "step-prepare", "Parameters": {"build_id.$": "$.build_id"}, "ResultPath": "$.prepared",
			"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Record"}], "Next": "Build"},
		"Build": {"Type": "Task", "Resource": "runner", "Parameters": {"id.$": "$.build_id", "claim.$": "$.prepared.claim"}, "ResultPath": null,
			"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Record"}], "Next": "Record"},
		"Record": {"Type": "Task", "Resource": "step-record", "End": true}}}`
)

func newBuilds(t *testing.T) *builds {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("builds need root, which confines them to namespaces: run the tests of sim as root")
	}
	account := sim.NewAccount(t)
	b := &builds{t: t, git: t.TempDir()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.url = "http://" + l.Addr().String()
	s := cloud.Settings
	account.Settings[s.PublicURL], account.Settings[s.AllowedHosts] = b.url, "127.0.0.1"
	account.Settings[s.KMSKey], account.Settings[s.StateMachine] = sealingKey, buildMachine
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	account.Settings[s.KMS] = serve(kms.New(sealingKey))
	step := func(name string, options ...cloud.Option) states.Task {
		return func(ctx context.Context, parameters any) (any, error) {
			f, err := cloud.NewEventFunction(name, account.Getenv, options...)
			if err != nil {
				return nil, err
			}
			event, err := json.Marshal(parameters)
			if err != nil {
				return nil, err
			}
			answer, err := f(ctx, event)
			if err != nil {
				return nil, &states.Error{Name: "Lambda.Unknown", Cause: err.Error()}
			}
			out, err := json.Marshal(answer)
			return json.RawMessage(out), err
		}
	}
	m, err := states.New(asl, 0, map[string]states.Task{
		"step-prepare": step("step-prepare"), "step-record": step("step-record", machine.WithBuilds),
		"runner": b.runner(sim.Build(t, "berth/cmd/runner")),
	})
	if err != nil {
		t.Fatal(err)
	}
	executions := states.Serve(m, buildMachine, func(states.Description) {})
	t.Cleanup(executions.Close)
	service := executions.Service()
	account.Settings[s.StepFunctions] = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.mute.Load() && awsjson.Target(r) == "StopExecution" {
			awsjson.Refuse(w, &awsjson.Error{Code: "InternalFailure", Message: "out of order", Status: 500})
			return
		}
		service.ServeHTTP(w, r)
	}))
	if b.hub, err = cloud.Open(account.Getenv, sealing.WithKMS, machine.WithBuilds); err != nil {
		t.Fatal(err)
	}
	b.hub.Log = slog.New(slog.DiscardHandler)
	handler := routes.Handler(b.hub, nil)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			b.reports.RLock()
			defer b.reports.RUnlock()
		}
		handler.ServeHTTP(w, r)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	if _, err := b.hub.EnsureAdministrator(t.Context(), func() string { return sim.SeedPassword }); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	b.gitURL = serve(&cgi.Handler{
		Path: program, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + b.git, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1"},
	})
	return b
}

// runner runs the program as CodeBuild does: it fails if that does, and stops it if
// the execution is stopped.
func (b *builds) runner(program string) states.Task {
	return func(ctx context.Context, parameters any) (any, error) {
		b.runners.Add(1)
		p := parameters.(map[string]any)
		cmd := exec.CommandContext(ctx, program)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + b.t.TempDir(),
			hub.HubVariable + "=" + b.url, hub.BuildVariable + "=" + p["id"].(string), hub.ClaimVariable + "=" + p["claim"].(string),
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			b.t.Logf("the runner: %v\n%s", err, out)
			return nil, &states.Error{Name: "States.TaskFailed", Cause: `{"Build": {"BuildStatus": "FAILED"}}`}
		}
		return nil, nil
	}
}

// ask is a request of the administrator's; it wants a status.
func (b *builds) ask(status int, method, path, body string) (answer map[string]any) {
	b.t.Helper()
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.SetBasicAuth(sim.SeedUser, sim.SeedPassword)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(res.Body)
	if res.StatusCode != status {
		b.t.Fatalf("%s %s: %s %s, want %d", method, path, res.Status, said, status)
	}
	json.Unmarshal(said, &answer)
	return answer
}

// repository makes a build repository of a Dockerfile's steps, on busybox.
func (b *builds) repository(name string, steps ...string) {
	b.t.Helper()
	box, err := exec.LookPath("busybox")
	if err != nil {
		b.t.Fatal(err)
	}
	data, err := os.ReadFile(box)
	if err != nil {
		b.t.Fatal(err)
	}
	dir := filepath.Join(b.git, name)
	dockerfile := "FROM scratch\nCOPY busybox /bin/sh\n" + strings.Join(steps, "\n") + "\n"
	err = errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "busybox"), data, 0o755),
		os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q", "-b", "master"}, {"add", "-A"}, {"commit", "-q", "-m", "x"}} {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	b.ask(201, "POST", "/v1/repositories/admin", fmt.Sprintf(
		`{"repo_name": %q, "build_config": {"code_repo_client": "Simple", "code_repo_clone_url": "%s/%s/.git",
			"tag_configs": [{"docker_repo_tag": "latest", "build_secrets": ["TOKEN"]}]}}`, name, b.gitURL, name))
}

func (b *builds) start(name string) string {
	b.t.Helper()
	return b.ask(201, "POST", "/v1/builds", fmt.Sprintf(`{"namespace": "admin", "repo_name": %q, "tag": "latest"}`, name))["build_id"].(string)
}

// until waits for a build to satisfy done.
func (b *builds) until(id string, done func(map[string]any) bool) map[string]any {
	b.t.Helper()
	for range 1200 {
		if shown := b.ask(200, "GET", "/v1/builds/"+id, ""); done(shown) {
			return shown
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.t.Fatalf("the build is %v", b.ask(200, "GET", "/v1/builds/"+id, ""))
	return nil
}

func over(build map[string]any) bool { return build["status"] != "W" && build["status"] != "I" }

func (b *builds) log(id string) string {
	lines, _, err := b.hub.BuildLog(b.t.Context(), id, hub.LogQuery{})
	if err != nil {
		b.t.Fatal(err)
	}
	var text strings.Builder
	for i, l := range lines {
		if l.Seq != int64(i)+1 {
			b.t.Errorf("line %d has the number %d", i+1, l.Seq)
		}
		fmt.Fprintln(&text, l.Message)
	}
	return text.String()
}

// A build on AWS goes all the way: it is started by the state machine, claimed by the
// runner, built, pushed and recorded. One that fails tells why, and one that is
// deleted is stopped and never ends otherwise.
func TestBuilds(t *testing.T) {
	b := newBuilds(t)
	b.ask(201, "PUT", "/v1/namespaces/admin/secrets/TOKEN", `{"value": "not to be seen"}`)
	b.repository("good", "RUN echo hello from the build; echo not to be seen")
	id := b.start("good")
	built := b.until(id, over)
	text := b.log(id)
	if built["status"] != "S" || !strings.Contains(text, "hello from the build") || strings.Contains(text, "not to be seen") {
		t.Fatalf("it ended as %v\n%s", built, text)
	}
	m := b.ask(200, "GET", "/v2/admin/good/manifests/latest", "")
	if config, _ := m["config"].(map[string]any); !strings.HasPrefix(fmt.Sprint(config["digest"]), "sha256:"+built["image_id"].(string)) {
		t.Errorf("the tag shows %v, the build %v", m, built)
	}

	b.repository("bad", "RUN exit 3")
	id = b.start("bad")
	if built := b.until(id, over); built["status"] != "F" || built["step_at"] != 20.0 {
		t.Errorf("it ended as %v\n%s", built, b.log(id))
	}

	b.repository("slow", "RUN while :; do :; done")
	id = b.start("slow")
	b.until(id, func(shown map[string]any) bool {
		return shown["step_at"] == 20.0 && strings.Contains(b.log(id), "while")
	})
	b.ask(204, "DELETE", "/v1/builds/"+id, "")
	next := b.start("good") // it ends after the deleted one's execution is over
	b.until(next, over)
	if built := b.ask(200, "GET", "/v1/builds/"+id, ""); built["status"] != "D" {
		t.Errorf("the deleted build is %v", built)
	}
	if n := b.runners.Load(); n != 4 {
		t.Errorf("%d runners were started for 4 builds", n)
	}
}

// A build that is deleted while Step Functions is out of order has ended, and its
// execution is stopped by the sweep of builds once that works again.
func TestStoppedLater(t *testing.T) {
	b := newBuilds(t)
	b.ask(201, "PUT", "/v1/namespaces/admin/secrets/TOKEN", `{"value": "not to be seen"}`)
	b.repository("slow", "RUN while :; do :; done")
	id := b.start("slow")
	b.until(id, func(shown map[string]any) bool { return shown["step_at"] == 20.0 })
	stands := func() hub.Stand {
		stand, _, err := b.hub.Builder.Look(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return stand
	}
	b.mute.Store(true)
	b.reports.Lock() // a runner that is answered that its build is over ends by itself
	b.ask(204, "DELETE", "/v1/builds/"+id, "")
	if shown := b.ask(200, "GET", "/v1/builds/"+id, ""); shown["status"] != "D" {
		t.Errorf("the deleted build is %v", shown)
	}
	if stands() != hub.UnderWay {
		t.Error("the execution was stopped by nobody")
	}
	b.reports.Unlock()
	b.mute.Store(false)
	if err := b.hub.LookAtBuilds(t.Context()); err != nil {
		t.Error(err)
	}
	b.until(id, func(map[string]any) bool { return stands() == hub.Ended })
}

// A build whose execution is gone without a word ends by the sweep of builds, and one
// that is started twice runs once.
func TestLostExecution(t *testing.T) {
	b := newBuilds(t)
	b.ask(201, "PUT", "/v1/namespaces/admin/secrets/TOKEN", `{"value": "not to be seen"}`)
	b.repository("slow", "RUN while :; do :; done")
	id := b.start("slow")
	b.until(id, func(shown map[string]any) bool { return shown["step_at"] == 20.0 })
	if err := b.hub.Builder.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := b.hub.LookAtBuilds(t.Context()); err != nil {
		t.Fatal(err)
	}
	if shown := b.ask(200, "GET", "/v1/builds/"+id, ""); shown["status"] != "I" || b.runners.Load() != 1 {
		t.Errorf("a build under way is %v, of %d runners", shown, b.runners.Load())
	}
	if err := b.hub.Builder.Stop(t.Context(), id); err != nil { // as somebody may in the console of AWS
		t.Fatal(err)
	}
	b.until(id, func(shown map[string]any) bool {
		if err := b.hub.LookAtBuilds(t.Context()); err != nil {
			t.Error(err)
		}
		return over(shown)
	})
	if shown := b.ask(200, "GET", "/v1/builds/"+id, ""); shown["status"] != "F" {
		t.Errorf("the lost build is %v", shown)
	}
	if err := b.hub.Builder.Start(t.Context(), id); err != nil || b.runners.Load() != 1 {
		t.Errorf("started again: %v, %d runners", err, b.runners.Load())
	}
}
