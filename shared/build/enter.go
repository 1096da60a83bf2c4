package build

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// NetCommand is the hidden command that Enter stands behind.
const NetCommand = "build-net"

// Enter is the command that runs inside of a build's network: it opens the doors
// there, runs a program, and ends as that does; also when its own input ends, for
// then whoever started it is gone. args are the socket, the hub's address, "--", and
// the program with its arguments.
func Enter(args []string) (status int, err error) {
	if len(args) < 4 || args[2] != "--" {
		return 2, errors.New(NetCommand + " is the hub's own command, for its builds")
	}
	if err := loopbackUp(); err != nil {
		return 1, fmt.Errorf("the build's network cannot be set up: %w", err)
	}
	open := []struct{ at, to string }{{net.JoinHostPort("127.0.0.1", proxyPort), ""}}
	if host, port, err := net.SplitHostPort(args[1]); err == nil && isLoopback(host) {
		open = append(open, struct{ at, to string }{net.JoinHostPort(host, port), args[1]})
	}
	for _, door := range open {
		l, err := net.Listen("tcp", door.at)
		if err != nil {
			return 1, err
		}
		go pass(l, args[0], door.to)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	cmd := exec.CommandContext(ctx, args[3], args[4:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// pass leads connections to the socket; to is an address that is asked for first,
// "" where the client speaks to the proxy itself.
func pass(l net.Listener, socket, to string) {
	for {
		here, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer here.Close()
			there, err := net.Dial("unix", socket)
			if err != nil {
				return
			}
			defer there.Close()
			if to == "" {
				join(here, there)
				return
			}
			fmt.Fprintf(there, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", to, to)
			r := bufio.NewReader(there)
			resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
			if err != nil || resp.StatusCode != http.StatusOK {
				return
			}
			join(here, &bufferedConn{there, r})
		}()
	}
}
