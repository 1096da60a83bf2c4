// Package outbound is the one rule about where the hub goes on behalf of its
// users: to public addresses only, unless the operator allows a host by name. The
// rule is held where it cannot be talked around: at connect, after the name was
// resolved, for every connection and so for redirects too. Proxies that the
// environment names are not used, for then the proxy would choose the address.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// ErrForbidden is wrapped by what a connection to a forbidden address fails with.
var ErrForbidden = errors.New("the hub does not connect to loopback, link-local, private or reserved addresses; whoever runs it can allow a host (--allow-host)")

// Guard holds connections against the rule. The zero Guard allows public addresses only.
type Guard struct {
	Resolver *net.Resolver // of names; nil = the machine's

	names    map[string]bool
	networks []netip.Prefix
}

// New is the rule with exceptions: names of hosts (which may then have any
// address), addresses and networks such as 10.1.0.0/16.
func New(allowed []string) *Guard {
	g := &Guard{names: make(map[string]bool)}
	for _, a := range allowed {
		a = strings.Trim(strings.TrimSpace(a), "[]")
		if p, err := netip.ParsePrefix(a); err == nil {
			g.networks = append(g.networks, p.Masked())
		} else if ip, err := netip.ParseAddr(a); err == nil {
			ip = ip.Unmap().WithZone("")
			g.networks = append(g.networks, netip.PrefixFrom(ip, ip.BitLen()))
		} else if a != "" {
			g.names[hostName(a)] = true
		}
	}
	return g
}

func hostName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// Allows reports whether connections to the address are allowed.
func (g *Guard) Allows(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, p := range g.networks {
		if p.Contains(ip) {
			return true
		}
	}
	return Public(ip)
}

// DialContext connects as net.Dialer does, and holds the address that a name led
// to against the rule before a single byte is sent.
func (g *Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Resolver: g.Resolver}
	if !g.names[hostName(host)] {
		d.Control = g.control
	}
	return d.DialContext(ctx, network, address)
}

// control judges an address that is about to be connected to.
func (g *Guard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s is no address: %w", address, ErrForbidden)
	}
	if !g.Allows(to.Addr()) {
		return ErrForbidden // net.OpError names the address
	}
	return nil
}

// CheckURL says whether users may give the address: http or https, with a host,
// without user or password. A host that is a forbidden address is refused at once;
// what a name leads to is only known at connect.
func (g *Guard) CheckURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("must be an address like https://host/path")
	case u.User != nil:
		return nil, errors.New("must not contain a user name or password")
	case len(address) > 2048:
		return nil, errors.New("has at most 2048 characters")
	}
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil && !g.Allows(ip) {
		return nil, ErrForbidden
	}
	if name := hostName(host); (name == "localhost" || strings.HasSuffix(name, ".localhost")) && !g.names[name] {
		return nil, ErrForbidden
	}
	return u, nil
}

// Client is an HTTP client under the rule. Each request, its body included, takes
// at most that long. Redirects are followed only where the method and body stay
// (307, 308), at most five; any other is the answer.
func (g *Guard) Client(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext:            g.DialContext,
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  timeout,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if next.Method != via[0].Method || len(via) > 5 {
				return http.ErrUseLastResponse
			}
			if _, err := g.CheckURL(next.URL.String()); err != nil {
				return err
			}
			return nil
		},
	}
}
