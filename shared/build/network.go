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
	"time"

	"berth/shared/outbound"
)

// A build's programs and steps run in a network namespace of their own, which has
// nothing but a loopback interface: no way to a metadata address or to the hub's own
// networks. Two doors lead out of it. One is a proxy that every program is told of
// by the usual variables (http_proxy and so on): it connects under the rule about
// addresses. The other is the hub's public address, for a hub on this machine.
// Both are served outside, behind a socket in the build's folder.

// NetCommand is the hidden command that Enter stands behind.
const NetCommand = "build-net"

// proxyPort is where the proxy is inside of the namespace.
const proxyPort = "3128"

// doors serves the way out of a build's network, until the listener is closed.
func (r *run) doors(registry *registry) (socket string, stop func(), err error) {
	// The name of a socket has a hundred bytes or so, which the folder's may exceed: it
	// is named from within. The folder is the process's, as the build is.
	if err := os.Chdir(r.dir); err != nil {
		return "", nil, err
	}
	socket = "net.sock"
	l, err := net.Listen("unix", socket)
	if err != nil {
		return "", nil, err
	}
	host := hostPort(registry.base.Host, registry.base.Scheme)
	// What the operator allows by name is for clones: a build's steps run anybody's code.
	public := outbound.New(nil)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == host { // the operator's own address
			return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, address)
		}
		return public.DialContext(ctx, network, address)
	}
	server := &http.Server{Handler: &proxy{dial: dial, transport: &http.Transport{DialContext: dial}}, ReadHeaderTimeout: time.Minute}
	go server.Serve(l)
	return socket, func() { server.Close() }, nil
}

// hostPort adds the scheme's port where the host has none.
func hostPort(host, scheme string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	if scheme == "http" {
		return net.JoinHostPort(host, "80")
	}
	return net.JoinHostPort(host, "443")
}

// proxy is an HTTP proxy: CONNECT, and http requests with a whole address.
type proxy struct {
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	transport http.RoundTripper
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodConnect {
		p.forward(w, req)
		return
	}
	there, err := p.dial(req.Context(), "tcp", req.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	fmt.Fprint(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	join(&bufferedConn{here, buffered.Reader}, there)
}

// bufferedConn is a connection of which some was read ahead.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func (c *bufferedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}

func (p *proxy) forward(w http.ResponseWriter, req *http.Request) {
	if req.URL.Scheme != "http" || req.URL.Host == "" {
		http.Error(w, "a proxy takes requests with a whole http address", http.StatusBadRequest)
		return
	}
	out := req.Clone(req.Context())
	out.RequestURI = ""
	for _, h := range []string{"Connection", "Proxy-Connection", "Proxy-Authorization", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade"} {
		out.Header.Del(h)
	}
	resp, err := p.transport.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, resp.Body)
}

// confine makes a command run inside of a network of its own that has the doors.
// On AWS, where the build has a machine of its own, nothing is confined.
func (r *run) confine(cmd *exec.Cmd, socket string, registry *registry) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := append([]string{self, NetCommand, socket, hostPort(registry.base.Host, registry.base.Scheme), "--"}, cmd.Args...)
	if cmd.Err != nil {
		return cmd.Err
	}
	args[5] = cmd.Path
	cmd.Path, cmd.Args = self, args
	via := "http://127.0.0.1:" + proxyPort
	for _, name := range []string{"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"} {
		cmd.Env = append(cmd.Env, name+"="+via)
	}
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
	return nil
}

// Enter is the command that runs inside of a build's network: it opens the doors
// there, runs a program, and ends as that does. args are the socket, the hub's
// address, "--", and the program with its arguments.
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
	cmd := exec.Command(args[3], args[4:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
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
