package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sshHost is OpenSSH's server, on a port of 127.0.0.1, where keys of its own may read
// the Git repositories of a folder and do nothing else.
type sshHost struct {
	address string
	dir     string // of its files; authorized_keys says who may come
	log     string
}

func newSSHHost(t *testing.T, repositories string) *sshHost {
	t.Helper()
	program := func(name string) string {
		for _, at := range []string{name, "/usr/sbin/" + name} {
			if found, err := exec.LookPath(at); err == nil {
				return found
			}
		}
		t.Fatalf("%s is not installed", name)
		return ""
	}
	h := &sshHost{dir: t.TempDir()}
	place := func(name string) string { return filepath.Join(h.dir, name) }
	h.log = place("log")
	for _, kind := range []string{"ed25519", "ecdsa"} {
		if out, err := exec.Command(program("ssh-keygen"), "-q", "-t", kind, "-N", "", "-f", place(kind)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.address = l.Addr().String()
	_, port, _ := net.SplitHostPort(h.address)
	l.Close()
	config := fmt.Sprintf("ListenAddress 127.0.0.1\nPort %s\nHostKey %s\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\n"+
		"PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nLogLevel VERBOSE\n"+
		"ForceCommand cd %s && exec git-shell -c \"$SSH_ORIGINAL_COMMAND\"\n", port, place("ed25519"), place("ecdsa"), place("authorized_keys"), repositories)
	h.allow(t)
	if err := os.WriteFile(place("config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // which its package makes at a start of the service
		t.Fatal(err)
	}
	cmd := exec.Command(program("sshd"), "-D", "-f", place("config"), "-E", h.log)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(h.log)
			t.Logf("sshd's log:\n%s", log)
		}
	})
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", h.address)
		if err == nil {
			c.Close()
			return h
		}
		if time.Since(begun) > 20*time.Second {
			t.Fatal(err)
		}
	}
}

// allow lets only these keys in.
func (h *sshHost) allow(t *testing.T, keys ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, "authorized_keys"), []byte(strings.Join(keys, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBuildBySSH clones with the deploy key of the build configuration from a real
// SSH server.
func TestBuildBySSH(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	s := ownHub(t, "--allow-host", "127.0.0.1")
	c, g := s.account(t), newGitHost(t)
	g.repository("code", map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	first := g.git("code", "rev-parse", "HEAD")
	h := newSSHHost(t, g.dir)
	address := "ssh://root@" + h.address + "/" + filepath.Join(g.dir, "code")[1:]
	key := func(repo string) string {
		var got struct {
			Config struct {
				Key string `json:"code_repo_public_key"`
			} `json:"build_config"`
		}
		if err := json.Unmarshal(c.call(t, 200, "GET", "/v1/repositories/"+c.user+"/"+repo, "").body, &got); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got.Config.Key, "ssh-rsa ") {
			t.Fatalf("the deploy key is %q", got.Config.Key)
		}
		return got.Config.Key
	}

	repo, other := c.buildRepository(t, address, ""), c.buildRepository(t, address, "")
	c.fails(t, repo, "", "the Git host refuses the deploy key")
	h.allow(t, key(other))
	c.fails(t, repo, "", "the Git host refuses the deploy key")

	h.allow(t, key(other), key(repo))
	b := c.until(t, c.build(t, repo, "").ID, "S")
	log := c.buildLog(t, b.ID)
	fingerprint, err := exec.Command("ssh-keygen", "-l", "-f", filepath.Join(h.dir, "ecdsa.pub")).Output()
	if err != nil {
		t.Fatal(err)
	}
	if print := strings.Fields(string(fingerprint))[1]; b.Commit != first || !strings.Contains(log, "the key of 127.0.0.1 is "+print) {
		t.Errorf("the commit is %s, want %s; the log, which should have the host's key %s:\n%s", b.Commit, first, print, log)
	}
	if strings.Contains(log, "PRIVATE KEY") {
		t.Errorf("the log has a key:\n%s", log)
	}

	// A given commit, the branch's present one or not.
	second := g.commit("code", map[string]string{"more": "x"})
	for _, commit := range []string{first, second} {
		if b := c.until(t, c.build(t, repo, commit).ID, "S"); b.Commit != commit {
			t.Errorf("the commit is %s, want %s", b.Commit, commit)
		}
	}
	c.fails(t, other, strings.Repeat("5", 40), "the code repository does not have the commit")
	c.fails(t, c.buildRepository(t, address+"x", ""), "", "the Git host refuses the deploy key") // another key

	// It is by its address that the operator allows a host.
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.again(); err != nil {
		t.Fatal(err)
	}
	c.fails(t, other, "", "does not connect to loopback")
	s.nothingLeft(t)
}
