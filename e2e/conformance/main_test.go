// Package conformance tries, request by request, what a registry of the OCI
// Distribution Specification 1.1 must do, its optional parts included.
//
// BERTH_E2E_URL names a running hub, and BERTH_ADMIN_PASSWORD its administrator's
// password. Without them the hub is built and started on a folder of its own.
package conformance

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hub is the one under test.
var hub struct{ URL, User, Password string }

func TestMain(m *testing.M) {
	hub.URL = strings.TrimSuffix(os.Getenv("BERTH_E2E_URL"), "/")
	hub.User, hub.Password = "admin", os.Getenv("BERTH_ADMIN_PASSWORD")
	code := 1
	if hub.URL != "" {
		code = m.Run()
	} else if err := withHub(func() { code = m.Run() }); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
	}
	os.Exit(code)
}

// withHub runs f beside a hub of its own.
func withHub(f func()) error {
	dir, err := os.MkdirTemp("", "berth-conformance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "berth")
	build := exec.Command("go", "build", "-o", bin, "./cmd/berth")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the hub: %w\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	l.Close()
	hub.URL, hub.Password = "http://"+addr, rand.Text()
	var log bytes.Buffer
	serve := exec.Command(bin, "serve", "--listen", addr, "--data", filepath.Join(dir, "data"))
	serve.Env = append(os.Environ(), "BERTH_ADMIN_PASSWORD="+hub.Password)
	serve.Stdout, serve.Stderr = &log, &log
	if err := serve.Start(); err != nil {
		return err
	}
	defer func() {
		serve.Process.Signal(syscall.SIGTERM)
		serve.Wait()
	}()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if resp, err := http.Get(hub.URL + "/healthz"); err == nil {
			resp.Body.Close()
			f()
			return nil
		}
		if time.Now().After(deadline) {
			serve.Process.Kill()
			return fmt.Errorf("the hub does not answer; it wrote:\n%s", &log)
		}
	}
}
