package outbound_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"berth/shared/outbound"
)

func TestPublic(t *testing.T) {
	for _, s := range strings.Fields(`1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 192.167.1.1
		223.255.255.255 169.253.1.1 2606:4700::1111 2a00:1450::1 2400::1 ::ffff:8.8.8.8`) {
		if !outbound.Public(netip.MustParseAddr(s)) {
			t.Errorf("%s is public", s)
		}
	}
	for _, s := range strings.Fields(`0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254
		172.16.0.1 172.31.255.255 192.0.0.192 192.168.1.1 198.18.0.1 198.19.255.255 224.0.0.1 240.0.0.1 255.255.255.255 168.63.129.16
		:: ::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1::
		fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 5f00::1 3fff::1`) {
		if outbound.Public(netip.MustParseAddr(s)) {
			t.Errorf("%s is not public", s)
		}
	}
	if outbound.Public(netip.Addr{}) {
		t.Error("no address is not public")
	}
}

func TestCheckURL(t *testing.T) {
	g := outbound.New([]string{"hooks.internal", "10.1.0.0/16", "127.0.0.2", "LOCALHOST."})
	for _, s := range []string{
		"https://example.com/x?y=z", "http://8.8.8.8:8080", "http://10.1.2.3/", "http://127.0.0.2:9", "http://localhost:80/", "https://[2606:4700::1111]/",
	} {
		if _, err := g.CheckURL(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{
		"", "x", "ftp://example.com", "https://", "https:example.com", "https://user:secret@example.com/", "https://user@example.com/",
		"http://127.0.0.1/", "http://10.2.0.1", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest",
		"http://a.localhost/", "https://example.com/" + strings.Repeat("x", 2048), "http://exa mple.com/", "javascript:alert(1)",
	} {
		if u, err := g.CheckURL(s); err == nil {
			t.Errorf("%q is taken as %s", s, u)
		}
	}
}

// A connection is refused by the address that it would lead to, whatever name or
// spelling led there, and also after a redirect.
func TestClientIsStoppedAtConnect(t *testing.T) {
	reached := 0
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached++ }))
	defer inside.Close()
	_, port, _ := net.SplitHostPort(inside.Listener.Addr().String())

	client := outbound.New(nil).Client(5 * time.Second)
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "2130706433", "0x7f.1"} {
		res, err := client.Post("http://"+host+":"+port+"/", "text/plain", nil)
		if err == nil {
			res.Body.Close()
			t.Errorf("%s was reached", host)
		}
		if (host == "127.0.0.1" || host == "localhost") && !errors.Is(err, outbound.ErrForbidden) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if reached != 0 {
		t.Fatalf("%d requests went inside", reached)
	}

	outside := httptest.NewServer(http.RedirectHandler("http://localhost:"+port+"/", http.StatusTemporaryRedirect))
	defer outside.Close()
	client = outbound.New([]string{"127.0.0.1"}).Client(5 * time.Second) // the first hop is allowed by address
	if res, err := client.Post(strings.Replace(outside.URL, "localhost", "127.0.0.1", 1), "text/plain", nil); err == nil {
		res.Body.Close()
		t.Error("the redirect to localhost was followed by name")
	}
	if reached != 0 {
		t.Fatal("the redirect went inside")
	}
}

func TestAllowedByName(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(append([]byte(r.Method+" "), body...))
	}))
	defer server.Close()
	again := httptest.NewServer(http.RedirectHandler(server.URL, http.StatusPermanentRedirect))
	defer again.Close()
	elsewhere := httptest.NewServer(http.RedirectHandler(server.URL, http.StatusFound))
	defer elsewhere.Close()

	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // must not be used
	client := outbound.New([]string{"127.0.0.0/8"}).Client(5 * time.Second)
	for address, want := range map[string]struct {
		status int
		body   string
	}{server.URL: {200, "POST x"}, again.URL: {200, "POST x"}, elsewhere.URL: {302, ""}} {
		res, err := client.Post(address, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != want.status || string(body) != want.body {
			t.Errorf("%s: %d %q, want %d %q", address, res.StatusCode, body, want.status, want.body)
		}
	}
}

// A name is judged by each address that it leads to, and by what it leads to at that
// moment; numbers that other resolvers take for addresses lead nowhere.
func TestNamesThatLeadInside(t *testing.T) {
	reached := 0
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached++ }))
	defer inside.Close()
	_, port, _ := net.SplitHostPort(inside.Listener.Addr().String())
	var asked atomic.Int64
	for _, leads := range [][]string{{"127.0.0.1"}, {"::1"}, {"169.254.169.254"}, {"10.0.0.1", "127.0.0.1"}, {"::ffff:127.0.0.1"}, {"fd00:ec2::254", "0.0.0.0"}} {
		g := outbound.New([]string{"allowed.example"})
		g.Resolver = resolver(t, &asked, leads...)
		for _, name := range []string{"private.example", "sub.allowed.example", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"} {
			res, err := g.Client(5*time.Second).Post("http://"+net.JoinHostPort(name, port)+"/", "text/plain", nil)
			if err == nil {
				res.Body.Close()
			}
			number := name[0] < 'a' // of which some are no names at all
			if err == nil || !number && !errors.Is(err, outbound.ErrForbidden) {
				t.Errorf("%s, which leads to %v: %v", name, leads, err)
			}
		}
	}
	if reached != 0 || asked.Load() == 0 {
		t.Fatalf("%d requests went inside, and %d names were asked for", reached, asked.Load())
	}
	g := outbound.New([]string{"allowed.example"})
	g.Resolver = resolver(t, &asked, "127.0.0.1")
	res, err := g.Client(5*time.Second).Post("http://Allowed.Example:"+port+"/", "text/plain", nil)
	if err != nil || reached != 1 {
		t.Fatalf("the name that is allowed: %v, %d requests", err, reached)
	}
	res.Body.Close()
}

// resolver is one to which every name has these addresses.
func resolver(t *testing.T, asked *atomic.Int64, addresses ...string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		t.Cleanup(func() { there.Close() })
		go func() { // DNS over a stream: RFC 1035, section 4.2.2
			defer there.Close()
			query := make([]byte, 2)
			if _, err := io.ReadFull(there, query); err != nil {
				return
			}
			query = make([]byte, binary.BigEndian.Uint16(query))
			if _, err := io.ReadFull(there, query); err != nil {
				return
			}
			asked.Add(1)
			end := 12
			for query[end] != 0 { // the name, label by label
				end += 1 + int(query[end])
			}
			kind := binary.BigEndian.Uint16(query[end+1:])
			answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end+5]...)
			for _, a := range addresses {
				ip := netip.MustParseAddr(a)
				if ip.Is4() != (kind == 1) || kind != 1 && kind != 28 {
					continue
				}
				answer[7]++
				answer = append(answer, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(ip.BitLen()/8))
				answer = append(answer, ip.AsSlice()...)
			}
			there.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
		}()
		return here, nil
	}}
}
