package web

import (
	"crypto/subtle"
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

// Headers that CloudFront adds to each request. It overwrites what the caller sent
// under their names.
const (
	EdgeHeader   = "Berth-Edge"   // the key by which it is known
	ViewerHeader = "Berth-Viewer" // the address of whoever asked it
)

// throughEdge gives the request the address of the viewer that CloudFront took it from.
// Who asks the hub past CloudFront does not know the key, and keeps the address that
// the hub saw. X-Forwarded-For says nothing here: no document tells how the
// gateway behind CloudFront writes it where the caller sent several.
func throughEdge(r *http.Request, key string) {
	given, viewer := r.Header.Values(EdgeHeader), r.Header.Values(ViewerHeader)
	r.Header.Del(EdgeHeader)
	r.Header.Del(ViewerHeader)
	if key == "" || len(given) != 1 || len(viewer) != 1 || subtle.ConstantTimeCompare([]byte(given[0]), []byte(key)) == 0 {
		return
	}
	if ip, err := netip.ParseAddr(viewer[0]); err == nil {
		r.RemoteAddr = netip.AddrPortFrom(ip.Unmap().WithZone(""), 0).String()
	}
}
