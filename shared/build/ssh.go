package build

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
)

// hostKeys are the ed25519 keys of known Git hosts, as they publish them. A host
// that stands here is held to its key; another's is written into the log.
var hostKeys = map[string]string{
	"github.com":    "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
	"gitlab.com":    "AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf",
	"bitbucket.org": "AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO",
	"gitee.com":     "AAAAC3NzaC1lZDI1NTE5AAAAIEKxHSJ7084RmkJ4YdEi5tngynE8aZe2uEoVVsB/OvYN",
}

// sshTransport is Git over SSH with the build's deploy key. The connection itself is
// made by the guard: the Git library is given an address on this machine that leads
// there.
type sshTransport struct {
	run *run
	key ssh.Signer
}

func newSSH(r *run) (transport.Transport, error) {
	if r.DeployKey == "" {
		return nil, nil
	}
	key, err := ssh.ParsePrivateKey([]byte(r.DeployKey))
	if err != nil {
		return nil, fmt.Errorf("the deploy key cannot be read: %w", err)
	}
	return &sshTransport{r, key}, nil
}

func (t *sshTransport) NewUploadPackSession(ep *transport.Endpoint, _ transport.AuthMethod) (transport.UploadPackSession, error) {
	port := ep.Port
	if port == 0 {
		port = 22
	}
	address := net.JoinHostPort(ep.Host, strconv.Itoa(port))
	here, err := t.relay(address)
	if err != nil {
		return nil, err
	}
	user := ep.User
	if user == "" {
		user = "git"
	}
	auth := deployAuth{&gitssh.PublicKeys{User: user, Signer: t.key}, t.config(user, ep.Host)}
	local := *ep
	local.Host, local.Port = "127.0.0.1", here
	return gitssh.DefaultClient.NewUploadPackSession(&local, auth)
}

func (t *sshTransport) NewReceivePackSession(*transport.Endpoint, transport.AuthMethod) (transport.ReceivePackSession, error) {
	return nil, fmt.Errorf("a build pushes to no code repository")
}

// deployAuth logs in with the deploy key, to a host that shows the right key.
type deployAuth struct {
	*gitssh.PublicKeys
	config *ssh.ClientConfig
}

func (a deployAuth) ClientConfig() (*ssh.ClientConfig, error) { return a.config, nil }

// config is how a host is connected to. A known one is asked for the kind of key that
// is known of it: it has others too.
func (t *sshTransport) config(user, host string) *ssh.ClientConfig {
	c := &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(t.key)}, HostKeyCallback: t.check(host), Timeout: 30 * time.Second,
	}
	if _, known := hostKeys[strings.ToLower(host)]; known {
		c.HostKeyAlgorithms = []string{ssh.KeyAlgoED25519}
	}
	return c
}

// check holds a known host to its key.
func (t *sshTransport) check(host string) ssh.HostKeyCallback {
	return func(_ string, _ net.Addr, key ssh.PublicKey) error {
		want, known := hostKeys[strings.ToLower(host)]
		if !known {
			t.run.log.warn("the key of %s is %s; Berth knows none to compare it with", host, ssh.FingerprintSHA256(key))
			return nil
		}
		if line := strings.Fields(string(ssh.MarshalAuthorizedKey(key))); len(line) < 2 || line[1] != want {
			return fmt.Errorf("%s shows the key %s, which is not its own: somebody may stand in between", host, ssh.FingerprintSHA256(key))
		}
		return nil
	}
}

// relay takes one connection on this machine and passes it on to the address, by
// the guard.
func (t *sshTransport) relay(address string) (port int, err error) {
	there, err := t.run.guard.DialContext(context.Background(), "tcp", address)
	if err != nil {
		return 0, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		there.Close()
		return 0, err
	}
	go func() {
		defer there.Close()
		here, err := l.Accept()
		l.Close()
		if err != nil {
			return
		}
		defer here.Close()
		join(here, there)
	}()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// join passes bytes both ways until one side ends.
func join(a, b io.ReadWriteCloser) {
	done := make(chan struct{}, 2)
	for _, way := range [][2]io.ReadWriteCloser{{a, b}, {b, a}} {
		go func() {
			io.Copy(way[0], way[1])
			if c, ok := way[0].(interface{ CloseWrite() error }); ok {
				c.CloseWrite()
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}
