package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// server is a registry's process that we start and stop.
type server struct {
	name, base string
	command    []string
	env        []string        // besides our own
	log        string          // file that its output is appended to
	until      context.Context // its end stops the server; nil = none
	cmd        *exec.Cmd
	exited     chan error
}

// start returns how long it took until the server answered /v2/.
func (s *server) start() (time.Duration, error) {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	cmd := exec.CommandContext(cmp.Or(s.until, context.Background()), s.command[0], s.command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd = cmd
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return 0, err
	}
	s.exited = make(chan error, 1)
	go func() { s.exited <- s.cmd.Wait() }()
	hc := &http.Client{Timeout: time.Second}
	for {
		resp, err := hc.Get(s.base + "/v2/")
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == 200 || resp.StatusCode == 401 {
				return time.Since(begin), nil
			}
		}
		select {
		case err := <-s.exited:
			return 0, fmt.Errorf("%s stopped before it answered (%v); its output is in %s", s.name, err, s.log)
		default:
		}
		if time.Since(begin) > time.Minute {
			s.stop()
			return 0, fmt.Errorf("%s: no answer within a minute", s.name)
		}
		time.Sleep(time.Millisecond)
	}
}

// stop asks the server to end, and kills it when it does not within 30 seconds.
func (s *server) stop() (took time.Duration, killed bool) {
	if s.cmd == nil || s.cmd.Process == nil {
		return 0, false
	}
	begin := time.Now()
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(30 * time.Second):
		s.cmd.Process.Kill()
		<-s.exited
		killed = true
	}
	s.cmd = nil
	return time.Since(begin), killed
}

// starts measures some starts, each until the server answers and has then sat idle.
func (s *server) starts(res *results, rounds int, idle time.Duration) error {
	for range rounds {
		took, err := s.start()
		if err != nil {
			return err
		}
		res.add(s.name, "start_to_answer", "ms", ms(took))
		time.Sleep(idle)
		rss, _ := memMiB(s.cmd.Process.Pid)
		res.add(s.name, "idle_rss", "MiB", rss)
		took, killed := s.stop()
		res.add(s.name, "stop", "ms", ms(took))
		if killed {
			res.add(s.name, "stop_KILLED", "", 1)
		}
	}
	return nil
}

func startCmd(args []string) error {
	fs := flag.NewFlagSet("start", flag.ExitOnError)
	base := fs.String("url", "", "base URL the server will answer at")
	name := fs.String("name", "server", "name to print")
	rounds := fs.Int("rounds", 5, "starts")
	idle := fs.Duration("idle", 2*time.Second, "how long to sit idle before reading the memory")
	logTo := fs.String("log", os.DevNull, "file for the server's output")
	fs.Parse(args)
	if fs.NArg() == 0 || *base == "" {
		return errors.New("start needs -url and a command")
	}
	u, err := url.Parse(*base)
	if err != nil {
		return err
	}
	if c, err := net.Dial("tcp", u.Host); err == nil {
		c.Close()
		return fmt.Errorf("something already listens at %s", u.Host)
	}
	res := results{out: os.Stdout}
	if bin, err := exec.LookPath(fs.Arg(0)); err == nil {
		if st, err := os.Stat(bin); err == nil {
			res.add(*name, "binary", "MiB", float64(st.Size())/(1<<20))
		}
	}
	s := &server{name: *name, base: *base, command: fs.Args(), log: *logTo}
	if err := s.starts(&res, *rounds, *idle); err != nil {
		return err
	}
	res.flush()
	return nil
}
