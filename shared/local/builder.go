package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"berth/shared/build"
	"berth/shared/hub"
)

// Builder runs builds on this machine: each as a child of the hub's process, in
// process, mount and network namespaces of its own and a folder of its own. All of
// a build ends with the hub's process, however that ends.
type Builder struct {
	Program string // that builds: one of build.Builders
	Image   string // of BuildKit, for a Docker engine; "" = build.BuildKitImage

	dir  string
	most int
	hub  Hub
	log  *slog.Logger
	// tasks and memory are where builds have the groups that hold these; "" where the
	// machine lets the hub make none.
	tasks, memory string

	mu      sync.Mutex
	running map[string]*worker
	closed  bool
	ended   chan struct{} // gets a value when a build has ended
	follows sync.WaitGroup
}

// Hub is whose builds are run: the one of this process, or another one over HTTP.
type Hub interface {
	TakeJob(ctx context.Context, buildID string) (hub.Job, error)
	// BuildEvent takes what is told of a build. It is repeated until it is taken, or
	// refused with a *hub.Error.
	BuildEvent(ctx context.Context, buildID string, e hub.BuildEvent) error
}

type worker struct {
	cmd    *exec.Cmd
	dir    string
	tasks  *taskGroup    // nil = none
	memory *memoryGroup  // nil = none
	gone   chan struct{} // closed when nothing of the build is left
	died   string        // why it was stopped; "" = it ended by itself
}

// NewBuilder is a Builder that keeps its builds below dir, at most so many at once.
// It removes what builds of an earlier process left there.
func NewBuilder(h Hub, log *slog.Logger, dir string, most int) (*Builder, error) {
	dir, err := filepath.Abs(dir) // workers run in folders of their own
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, folder := range left {
		if err := build.Remove(filepath.Join(dir, folder.Name())); err != nil {
			log.Error("something of a build is left behind", "build", folder.Name(), "err", err)
		}
	}
	b := &Builder{dir: dir, most: most, hub: h, log: log, running: make(map[string]*worker), ended: make(chan struct{}, 1)}
	for controller, at := range map[string]*string{"pids": &b.tasks, "memory": &b.memory} {
		if *at, err = groupsFor(controller); err != nil {
			b.groupless(at, controller, err)
			continue
		}
		groups, _ := filepath.Glob(filepath.Join(*at, groupPrefix(dir)+"*"))
		for _, group := range groups {
			os.Remove(group)
		}
	}
	return b, nil
}

// Running is how many builds run at the moment.
func (b *Builder) Running() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.running)
}

// groupless goes on without the groups of a controller, which are at a place.
func (b *Builder) groupless(at *string, controller string, err error) {
	*at = ""
	b.log.Warn("a build's share is looked at twice a second, and not held by the kernel", "of", controller, "err", err)
}

// Able says why this process can run no builds, if so.
func (b *Builder) Able() error {
	if os.Geteuid() != 0 {
		return errors.New("builds need the hub to run as root, which confines each to namespaces of its own")
	}
	return nil
}

// Start implements hub.Builder.
func (b *Builder) Start(ctx context.Context, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.running) >= b.most {
		return hub.ErrBuilderFull
	}
	if err := b.Able(); err != nil {
		return err
	}
	j, err := b.hub.TakeJob(ctx, id)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, j.BuildID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	w := &worker{dir: dir, gone: make(chan struct{})}
	b.group(j, w)
	if err := b.begin(j, w); err != nil {
		b.clean(w)
		return err
	}
	b.running[j.BuildID] = w
	return nil
}

// group makes the groups that hold a worker. One for memory is made first: in the
// second version it can hold tasks too, and not the other way round.
func (b *Builder) group(j hub.Job, w *worker) {
	name := groupPrefix(b.dir) + j.BuildID
	var err error
	if b.memory != "" && j.Memory > 0 {
		if w.memory, err = newMemoryGroup(b.memory, name, j.Memory); err != nil {
			b.groupless(&b.memory, "memory", err)
		}
	}
	if b.tasks != "" && j.Tasks > 0 {
		if w.tasks, err = newTaskGroup(b.tasks, name, j.Tasks); err != nil {
			b.groupless(&b.tasks, "pids", err)
		}
	}
}

// groups are the folders of the groups that hold the worker.
func (w *worker) groups() (dirs []string) {
	if w.memory != nil {
		dirs = append(dirs, w.memory.dir)
	}
	if w.tasks != nil && !slices.Contains(dirs, w.tasks.dir) {
		dirs = append(dirs, w.tasks.dir)
	}
	return dirs
}

// begin starts a worker, gives it its job, and follows it.
func (b *Builder) begin(j hub.Job, w *worker) (err error) {
	if w.cmd, err = w.command(); err != nil {
		return err
	}
	in, err := w.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := startBound(w.cmd); err != nil {
		return err
	}
	j.Builder, j.BuilderImage = b.Program, b.Image
	go func() {
		json.NewEncoder(in).Encode(j) // a worker that does not read it ends without a result
		in.Close()
	}()
	b.follows.Go(func() { b.follow(j, w, bufio.NewReaderSize(out, 64<<10)) })
	go b.limit(j, w)
	return nil
}

// command is the worker's: this program again, as the first process of its
// namespaces, which then starts itself once more to do the work.
func (w *worker) command() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, build.InitCommand, strings.Join(w.groups(), string(filepath.ListSeparator)), self, build.WorkCommand, w.dir)
	cmd.Dir = w.dir
	cmd.Stderr = os.Stderr
	cmd.Env = []string{"HOME=" + w.dir, "TMPDIR=" + w.dir}
	for _, name := range build.Variables {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		// A session of its own: where the kernel shares processors between sessions, a build
		// with a thousand processes takes no more of them than the hub.
		Setsid:    true,
		Pdeathsig: syscall.SIGKILL,
	}
	return cmd, nil
}

// follow passes on what a worker tells, and cleans up when it has ended.
func (b *Builder) follow(j hub.Job, w *worker, out *bufio.Reader) {
	ctx := context.Background()
	var result *hub.BuildResult
	decoder := json.NewDecoder(out)
	var seq int64
	for {
		var e hub.BuildEvent
		if err := decoder.Decode(&e); err != nil {
			break
		}
		if n := len(e.Lines); n > 0 {
			seq = e.Lines[n-1].Seq
		}
		if e.Result != nil {
			result = e.Result
			continue
		}
		b.tell(ctx, j.BuildID, e)
	}
	err := w.cmd.Wait()
	b.mu.Lock()
	died := w.died
	b.mu.Unlock()
	switch { // before anybody looked
	case died == "" && w.tasks.refused():
		died = tooManyTasks(j)
	case died == "" && w.memory.exceeded():
		died = tooMuchMemory(j)
	}
	b.clean(w)
	why := died
	switch {
	case result == nil && why == "":
		why = fmt.Sprintf("the build's process ended too early (%v); see whether the machine has memory to spare, and start the build again", err)
	case result != nil && (result.Status == hub.Succeeded || why == strings.TrimSpace(result.Detail)):
		why = ""
	}
	if why != "" {
		b.tell(ctx, j.BuildID, hub.BuildEvent{Lines: []hub.LogLine{{Seq: seq + 1, Time: time.Now().Unix(), Level: "ERROR", Message: why}}})
		result = &hub.BuildResult{Status: hub.Failed, Detail: why + "\n"}
	}
	b.mu.Lock()
	delete(b.running, j.BuildID)
	b.mu.Unlock()
	close(w.gone)
	b.tell(ctx, j.BuildID, hub.BuildEvent{Result: result})
	select {
	case b.ended <- struct{}{}:
	default:
	}
}

// clean removes what a worker that has ended leaves.
func (b *Builder) clean(w *worker) {
	err := build.Remove(w.dir)
	for _, dir := range w.groups() {
		err = errors.Join(err, removeGroup(dir))
	}
	if err != nil {
		b.log.Error("something of a build is left behind", "err", err)
	}
}

// tell gives an event to the hub, again and again while the storage fails.
func (b *Builder) tell(ctx context.Context, id string, e hub.BuildEvent) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := b.hub.BuildEvent(ctx, id, e)
		var refused *hub.Error
		if err == nil || errors.As(err, &refused) {
			return
		}
		b.log.Error("what a build tells cannot be kept", "build", id, "err", err)
		b.mu.Lock()
		closed := b.closed
		b.mu.Unlock()
		if closed {
			return
		}
		time.Sleep(wait)
	}
}

// Look implements hub.Builder.
func (b *Builder) Look(_ context.Context, id string) (hub.Stand, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running[id] == nil {
		return hub.NotStarted, "", nil
	}
	return hub.UnderWay, "", nil
}

// stopGrace is how long a build has to end by itself when it is stopped.
const stopGrace = 2 * time.Second

// Stop implements hub.Builder.
func (b *Builder) Stop(ctx context.Context, id string) error {
	b.mu.Lock()
	w := b.running[id]
	b.mu.Unlock()
	if w == nil {
		return nil
	}
	return b.end(ctx, w, "the build was stopped")
}

// end ends a worker: gently, then by force. The death of the first process of a
// namespace takes all others with it.
func (b *Builder) end(ctx context.Context, w *worker, why string) error {
	b.mu.Lock()
	if w.died == "" {
		w.died = why
	}
	b.mu.Unlock()
	w.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-w.gone:
		return nil
	case <-time.After(stopGrace):
	}
	w.cmd.Process.Kill()
	select {
	case <-w.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Wait returns when all builds have ended and their ends were told.
func (b *Builder) Wait() { b.follows.Wait() }

// Run has what may start be started, whenever a build has ended and every few
// seconds, until the context ends. Then it stops all builds.
func (b *Builder) Run(ctx context.Context, dispatch func(context.Context) error) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		if err := dispatch(ctx); err != nil && ctx.Err() == nil {
			b.log.Error("builds cannot be started at present", "err", err)
		}
		select {
		case <-ctx.Done():
			b.Close()
			return
		case <-b.ended:
		case <-tick.C:
		}
	}
}

// Close stops all builds, and returns when nothing of them is left. They end as
// failed when the hub starts again.
func (b *Builder) Close() {
	b.mu.Lock()
	b.closed = true
	var all []*worker
	for _, w := range b.running {
		all = append(all, w)
	}
	b.mu.Unlock()
	var wg sync.WaitGroup
	for _, w := range all {
		wg.Go(func() { b.end(context.Background(), w, "the hub was stopped while the build ran") })
	}
	wg.Wait()
}
