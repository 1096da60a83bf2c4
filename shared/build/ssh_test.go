package build

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"net"
	"strings"
	"testing"

	"berth/shared/hub"

	"golang.org/x/crypto/ssh"
)

// A known host is asked for the key that is known of it, though it has others, and is
// refused with another one; an unknown host is taken, and its key stands in the log.
func TestHostKeys(t *testing.T) {
	good, bad := hostKey(t), hostKey(t)
	hostKeys["known.example"] = strings.Fields(string(ssh.MarshalAuthorizedKey(good.PublicKey())))[1]
	defer delete(hostKeys, "known.example")
	var logged []hub.LogLine
	l := newLog(hub.Job{LogBytes: 1 << 20}, func(e hub.BuildEvent) { logged = append(logged, e.Lines...) }, func() {})
	transport := &sshTransport{&run{log: l}, hostKey(t)}
	for _, c := range []struct {
		host string
		key  ssh.Signer
		ok   bool
	}{{"known.example", good, true}, {"Known.Example", good, true}, {"known.example", bad, false}, {"other.example", bad, true}} {
		client, err := ssh.Dial("tcp", sshServer(t, c.key), transport.config("git", c.host))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.host, err)
		}
		if err == nil {
			client.Close()
		} else if !strings.Contains(err.Error(), "is not its own") {
			t.Errorf("%s: %v does not say what is wrong", c.host, err)
		}
	}
	l.close()
	if len(logged) != 1 || !strings.Contains(logged[0].Message, "the key of other.example is SHA256:") {
		t.Errorf("logged %v", logged)
	}
}

func hostKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sshServer takes connections with the host key, and with an ECDSA one, which clients
// like better.
func sshServer(t *testing.T, key ssh.Signer) (address string) {
	t.Helper()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	better, err := ssh.NewSignerFromKey(other)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(better)
	config.AddHostKey(key)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go ssh.NewServerConn(c, config)
		}
	}()
	return l.Addr().String()
}
