package web

import (
	"net"
	"net/http"
	"strings"

	"berth/shared/hub"
)

// credentialsOf reads who the request claims to be from. A request that brings
// several has the first of X-Auth-Token and Authorization judged. Registry tokens
// count on the registry alone.
func credentialsOf(r *http.Request, s Surface, host string) (hub.Credentials, error) {
	c := hub.Credentials{Remote: remoteHost(r)}
	if t := r.Header.Get("X-Auth-Token"); t != "" && s != Registry {
		c.Method, c.Secret = hub.ByToken, t
		return c, nil
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		return c, nil
	}
	scheme, rest, _ := strings.Cut(header, " ")
	switch strings.ToLower(scheme) {
	case "basic":
		user, password, ok := r.BasicAuth()
		if !ok {
			return c, hub.Fail(hub.Unauthenticated, "the Authorization header is no valid Basic credentials")
		}
		return basic(c, user, password), nil
	case "bearer":
		c.Secret = strings.TrimSpace(rest)
		c.Method = hub.ByToken
		if hub.IsRegistryToken(c.Secret) {
			if s != Registry {
				return c, hub.Fail(hub.Unauthenticated, "a registry token works on the registry alone; use an access token here")
			}
			c.Method = hub.ByRegistryToken
		}
		return c, nil
	case "token":
		if s != Registry {
			c.Method, c.Secret = hub.ByToken, strings.TrimSpace(rest)
			return c, nil
		}
	case "sdk-hmac-sha256":
		if s == Manage {
			return signed(c, r, host)
		}
	}
	return c, hub.Fail(hub.Unauthenticated, "the hub does not know this kind of Authorization header here")
}

// basic tells a password from an access token given as one.
func basic(c hub.Credentials, user, password string) hub.Credentials {
	c.Method, c.User, c.Secret = hub.ByPassword, user, password
	if hub.IsAccessToken(password) {
		c.Method = hub.ByBasicToken
	}
	return c
}

func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
