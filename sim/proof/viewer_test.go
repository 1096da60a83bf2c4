//go:build proof

package proof

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"berth/sim/stack"
)

// from is a client that calls a hub from an address of this machine.
func from(c client, base, address string) client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return client{base, c.secret, &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}}
}

// forged are headers by which a caller claims to be CloudFront, or behind it.
func forged(n int) http.Header {
	claimed := fmt.Sprintf("203.0.113.%d", n)
	return http.Header{
		"Berth-Edge": {"0123456789abcdefghijklmnopqrstuvwxyz"}, "Berth-Viewer": {claimed, claimed},
		"X-Forwarded-For": {claimed, claimed}, "Forwarded": {"for=" + claimed},
		"Cloudfront-Viewer-Address": {claimed + ":1"}, "True-Client-Ip": {claimed}, "X-Real-Ip": {claimed},
	}
}

// send is one request with forged headers.
func (c client) send(t *testing.T, n int, method, path, body string, login func(*http.Request)) (int, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = forged(n)
	req.Header.Set("Content-Type", "application/json")
	login(req)
	res, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode, res.Header
}

// The hub knows a caller by the address that they have, through CloudFront and past it,
// whatever they claim: the audit log names it, and failed log-ins are counted by it.
func TestViewer(t *testing.T) {
	s := theStack(t)
	admin := clientOf(t, s)
	admin.call(t, 201, "POST", "/v1/repositories/admin", `{"repo_name":"viewed"}`)
	t.Run("audit", func(t *testing.T) { audit(t, s, admin) })
	t.Run("log-ins by functions", func(t *testing.T) {
		guesses(t, from(admin, s.URL, "127.0.0.2"), from(admin, s.URL, "127.0.0.3"), "GET", "/v1/auth/profile")
	})
	t.Run("log-ins by ingest", func(t *testing.T) {
		guesses(t, from(admin, s.URL, "127.0.0.4"), from(admin, s.URL, "127.0.0.5"), "POST", "/v2/admin/viewed/blobs/uploads/")
	})
	t.Run("log-ins past CloudFront", func(t *testing.T) {
		guesses(t, from(admin, s.API, "127.0.0.6"), from(admin, s.API, "127.0.0.7"), "GET", "/v1/auth/profile")
	})
}

func audit(t *testing.T, s *stack.Stack, admin client) {
	for base, address := range map[string]string{s.URL: "127.0.0.2", s.API: "127.0.0.3"} {
		status, header := from(admin, base, address).send(t, 1, "PUT", "/v1/repositories/admin/viewed", `{"description":"seen"}`,
			func(r *http.Request) { r.SetBasicAuth("admin", admin.secret) })
		if status != 200 {
			t.Fatalf("%s: %d", base, status)
		}
		var log struct {
			Results []struct{ Request, From string }
		}
		a := admin.call(t, 200, "GET", "/v1/namespaces/admin/audit", "")
		if err := json.Unmarshal(a.body, &log); err != nil {
			t.Fatal(err)
		}
		found := false
		for _, entry := range log.Results {
			if entry.Request == header.Get("X-Request-Id") {
				found = true
				if entry.From != address {
					t.Errorf("a change from %s is said to be from %s", address, entry.From)
				}
			}
		}
		if !found {
			t.Errorf("the audit log has no request %s: %s", header.Get("X-Request-Id"), a.body)
		}
	}
}

// guesses fails to log in until that is refused, claiming another address each time.
// Another one may then still try.
func guesses(t *testing.T, one, another client, method, path string) {
	name := strings.ToLower(rand.Text()) // of no account
	login := func(r *http.Request) { r.SetBasicAuth(name, "a wrong password") }
	for n := range 10 {
		if status, _ := one.send(t, n, method, path, "", login); status != 401 {
			t.Fatalf("guess %d is answered %d", n+1, status)
		}
	}
	if status, _ := one.send(t, 11, method, path, "", login); status != 429 {
		t.Errorf("the eleventh guess is answered %d: they are not counted by the caller's address", status)
	}
	if status, _ := another.send(t, 12, method, path, "", login); status != 401 {
		t.Errorf("a guess from another address is answered %d: they are counted together", status)
	}
}
