package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"syscall"
	"time"

	"berth/sim/runtimeapi"
	"berth/sim/tail"
)

// Ingest is the caller's name of ingest.
const Ingest = "ingest"

// ingest runs the container of ingest's task, and leads to it as its load balancer does.
func (s *Stack) ingest() (http.Handler, error) {
	r, err := s.app.One("AWS::ECS::TaskDefinition")
	if err != nil {
		return nil, err
	}
	var p struct {
		TaskRoleArn          string
		ContainerDefinitions []struct {
			Environment []struct{ Name, Value string }
		}
	}
	if err := s.app.Get(r, &p); err != nil {
		return nil, err
	}
	if len(p.ContainerDefinitions) != 1 {
		return nil, errors.New("ingest's task has not one container")
	}
	role, err := s.role(p.TaskRoleArn)
	if err != nil {
		return nil, err
	}
	program, err := s.program("ingest")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	env := s.credentials(s.door.admit(Ingest, role))
	for _, v := range p.ContainerDefinitions[0].Environment {
		env[v.Name] = s.own(v.Value)
	}
	maps.Copy(env, map[string]string{"BERTH_LISTEN": address})
	said := &tail.Buffer{}
	process := exec.Command(program)
	process.Env, process.Stdout, process.Stderr = list(env), said, said
	if err := process.Start(); err != nil {
		return nil, err
	}
	s.ingestPID = process.Process.Pid
	s.later(func() {
		process.Process.Signal(syscall.SIGTERM)
		time.AfterFunc(5*time.Second, func() { process.Process.Kill() })
		process.Wait()
	})
	target := &url.URL{Scheme: "http", Host: address}
	if err := healthy(target.String()+"/healthz", 20*time.Second); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded(); r.Out.Host = address },
		FlushInterval: -1, ErrorLog: quiet,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
	}, nil
}

// IngestMemory is the most memory that ingest has had, in bytes.
func (s *Stack) IngestMemory() int64 { return runtimeapi.Resident(s.ingestPID) }

// healthy waits until an address answers 200.
func healthy(url string, patience time.Duration) error {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	for {
		if res, err := http.Get(url); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer", url)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// freeAddress is a loopback address that nobody listens on, a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
