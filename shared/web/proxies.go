package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// throughProxies gives the request the address of the client that a trusted proxy
// took it from: failed log-ins are counted by it, and the logs name it. Anybody may
// send X-Forwarded-For, so it is read from its end, where the nearest proxy wrote,
// and only as far as trusted proxies wrote it.
func throughProxies(r *http.Request, trusted []netip.Prefix) {
	if len(trusted) == 0 {
		return
	}
	is := func(ip netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(ip) })
	}
	at, err := netip.ParseAddr(remoteHost(r))
	if err != nil || !is(at.Unmap()) {
		return
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		ip, err := netip.ParseAddr(strings.Trim(strings.TrimSpace(hop), "[]"))
		if err != nil {
			return
		}
		at = ip.Unmap().WithZone("")
		r.RemoteAddr = netip.AddrPortFrom(at, 0).String()
		if !is(at) {
			return
		}
	}
}
