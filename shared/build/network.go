package build

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	golog "log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
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
//
// A builder shows the proxy a key, and so reaches also the hosts that the operator
// allows by name, for base images. Steps, which are anybody's code, do not know it.

// proxyPort is where the proxy is inside of the namespace.
const proxyPort = "3128"

// doors are the way out of a build's network.
type doors struct {
	socket string // named from the build's folder, which is where programs are started
	hub    string // host:port
	key    string // that builders show
	server *http.Server
}

// openDoors serves the doors until they are closed.
func (r *run) openDoors(registry *registry) (*doors, error) {
	// The name of a socket has a hundred bytes or so, which the folder's may exceed: it
	// is named from within. The folder is the process's, as the build is.
	if err := os.Chdir(r.dir); err != nil {
		return nil, err
	}
	d := &doors{socket: "net.sock", hub: hostPort(registry.base.Host, registry.base.Scheme), key: rand.Text()}
	l, err := net.Listen("unix", d.socket)
	if err != nil {
		return nil, err
	}
	d.server = &http.Server{Handler: newProxy(d.hub, d.key, r.guard), ReadHeaderTimeout: time.Minute}
	go d.server.Serve(l)
	return d, nil
}

func (d *doors) close() { d.server.Close() }

// steps are the variables that tell a step of the proxy.
func (d *doors) steps() []string { return proxyVariables("http://127.0.0.1:" + proxyPort) }

// builders are the variables that tell a builder of it.
func (d *doors) builders() []string {
	return proxyVariables("http://builder:" + d.key + "@127.0.0.1:" + proxyPort)
}

func proxyVariables(at string) (list []string) {
	for _, name := range []string{"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"} {
		list = append(list, name+"="+at)
	}
	return list
}

// confine makes a command run inside of a network of its own that has the doors.
func (d *doors) confine(cmd *exec.Cmd) error {
	if cmd.Err != nil {
		return cmd.Err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd.Args = append([]string{self}, d.inside(append([]string{cmd.Path}, cmd.Args[1:]...)...)...)
	cmd.Path = self
	cmd.Env = append(cmd.Env, d.builders()...)
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
	return nil
}

// inside are the arguments of this program by which it opens the doors within a
// network, and runs another program there for as long as its own input is open.
func (d *doors) inside(program ...string) []string {
	return append([]string{NetCommand, d.socket, d.hub, "--"}, program...)
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
	steps, builder *http.Transport
	auth           string // value of Proxy-Authorization that a builder sends
}

// newProxy is a proxy that connects to the hub and to public addresses; for who
// shows the key, to what the guard allows.
func newProxy(hub, key string, guard *outbound.Guard) *proxy {
	exit := func(g *outbound.Guard) *http.Transport {
		return &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == hub { // the operator's own address
				return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, address)
			}
			return g.DialContext(ctx, network, address)
		}}
	}
	auth := "Basic " + base64.StdEncoding.EncodeToString([]byte("builder:"+key))
	return &proxy{steps: exit(outbound.New(nil)), builder: exit(guard), auth: auth}
}

// exit is the way out that a request may take.
func (p *proxy) exit(req *http.Request) *http.Transport {
	if subtle.ConstantTimeCompare([]byte(req.Header.Get("Proxy-Authorization")), []byte(p.auth)) == 1 {
		return p.builder
	}
	return p.steps
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodConnect {
		p.forward(w, req)
		return
	}
	there, err := p.exit(req).DialContext(req.Context(), "tcp", req.Host)
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
	(&httputil.ReverseProxy{
		Rewrite:   func(*httputil.ProxyRequest) {}, // the request says itself where it goes
		Transport: p.exit(req),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
		ErrorLog: golog.New(io.Discard, "", 0),
	}).ServeHTTP(w, req)
}
