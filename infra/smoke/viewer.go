package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
)

// addressService answers with the address that it is asked from.
const addressService = "https://checkip.amazonaws.com/"

// viewer makes a change, claims to have another address meanwhile, and looks at what the
// audit log says of it.
func viewer(p *prober) error {
	token, err := p.api()
	if err != nil {
		return err
	}
	if _, err := p.image("viewer"); err != nil {
		return err
	}
	const claimed = "203.0.113.9"
	h := map[string]string{"Authorization": "Token " + token, "Content-Type": "application/json"}
	for _, name := range []string{"X-Forwarded-For", "Berth-Viewer", "True-Client-Ip"} {
		h[name] = claimed
	}
	var over net.Conn
	seen := *p
	seen.ctx = httptrace.WithClientTrace(p.ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { over = i.Conn }})
	made, err := seen.want(200, "PUT", "/v1/repositories/"+p.repo, h, strings.NewReader(`{"description":"seen"}`))
	if err != nil {
		return err
	}
	list, err := p.want(200, "GET", "/v1/namespaces/"+p.user+"/audit", map[string]string{"Authorization": "Token " + token}, nil)
	if err != nil {
		return err
	}
	var log struct {
		Results []struct{ Request, From string }
	}
	if err := json.Unmarshal(list.body, &log); err != nil {
		return err
	}
	for _, e := range log.Results {
		if e.Request == made.Header.Get("X-Request-Id") {
			return p.own(over, e.From)
		}
	}
	return fmt.Errorf("the audit log does not have the request %s", made.Header.Get("X-Request-Id"))
}

// own holds an address against that of this machine as a hub sees it at the other end of a
// connection: behind a network address translation AWS is asked for it.
func (p *prober) own(over net.Conn, got string) error {
	if over == nil {
		return fmt.Errorf("no connection was seen")
	}
	local, err := netip.ParseAddrPort(over.LocalAddr().String())
	if err != nil {
		return err
	}
	hub, err := netip.ParseAddrPort(over.RemoteAddr().String())
	if err != nil {
		return err
	}
	want := local.Addr().Unmap().WithZone("").String()
	if inside(local.Addr()) && !inside(hub.Addr()) {
		a, err := p.ask(http.MethodGet, addressService, nil, nil)
		if err != nil || a.StatusCode != http.StatusOK {
			return notHere(fmt.Sprintf("the hub takes this machine for %s: compare that yourself, for %s does not answer", got, addressService))
		}
		want = string(bytes.TrimSpace(a.body))
	}
	if got != want {
		return fmt.Errorf("the hub takes %s for %s", want, got)
	}
	return nil
}

// inside reports whether an address is of a network that the Internet does not reach.
func inside(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
}
