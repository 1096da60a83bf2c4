package outbound

import "net/netip"

// reserved are the networks that are no part of the public internet, or lead out
// of it: the IANA special-purpose registries of IPv4 and IPv6, and the addresses at
// which clouds serve their machines' credentials. Of IPv6 only 2000::/3 is public
// at all.
var reserved = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"168.63.129.16/32",           // Azure's own services
	"2001::/23", "2001:db8::/32", // protocol assignments with Teredo, documentation
	"2002::/16", // 6to4: holds any IPv4 address
	"2620:4f:8000::/48", "3fff::/20",
)

var global6 = netip.MustParsePrefix("2000::/3")

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(list))
	for i, s := range list {
		all[i] = netip.MustParsePrefix(s)
	}
	return all
}

// Public reports whether an address is of the public internet. An IPv4 address in
// IPv6 clothes is judged as what it is.
func Public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() || ip.Is6() && !global6.Contains(ip) {
		return false
	}
	for _, p := range reserved {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
