package engineio

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// clientAddr returns who sent the request: the peer, or, when the peer is a
// trusted proxy, the last address in X-Forwarded-For that is not one. It is
// the zero Addr when the peer's address is none.
func (c *config) clientAddr(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	addr = addr.Unmap().WithZone("")
	if len(c.TrustedProxies) == 0 {
		return addr
	}
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		for entries := lines[i]; entries != ""; {
			if !c.trusted(addr) {
				return addr
			}
			entry := entries
			if j := strings.LastIndexByte(entries, ','); j >= 0 {
				entries, entry = entries[:j], entries[j+1:]
			} else {
				entries = ""
			}
			next, err := parseForwarded(strings.TrimSpace(entry))
			if err != nil {
				return addr // who wrote this cannot be believed any further
			}
			addr = next
		}
	}
	return addr
}

func (c *config) trusted(a netip.Addr) bool {
	for _, p := range c.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseForwarded reads an address as proxies write it: some add a port.
func parseForwarded(s string) (netip.Addr, error) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), nil
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.Unmap().WithZone(""), err
}
