package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"berth/shared/hub"
)

// Call is one request on its way through a route.
type Call struct {
	W      http.ResponseWriter
	R      *http.Request
	Hub    *hub.Hub
	Route  *Route
	Caller hub.Caller
	Grant  hub.Grant // with rules about a namespace, repository or build
	Build  hub.Build // with rules about a build
}

// Context is the request's.
func (c *Call) Context() context.Context { return c.R.Context() }

// Var is a part of the path, by its name in the pattern.
func (c *Call) Var(name string) string { return c.R.PathValue(name) }

// Remote is the client's address.
func (c *Call) Remote() string { return remoteHost(c.R) }

// JSON answers with a status and a body.
func (c *Call) JSON(status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := c.W.Header()
	h.Set("Content-Type", "application/json")
	c.W.WriteHeader(status)
	c.W.Write(b)
	return nil
}

// Empty answers with a status and no body.
func (c *Call) Empty(status int) error {
	c.W.WriteHeader(status)
	return nil
}

// URL is an absolute address of the hub: never made from the Host header.
func (c *Call) URL(path string, query url.Values) string {
	u := *c.Hub.Options.PublicURL
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	u.RawQuery = query.Encode()
	return u.String()
}

// PasswordCredentials are those of a user name and a password, or an access token
// in its place, that came in the body.
func (c *Call) PasswordCredentials(user, password string) hub.Credentials {
	return basic(hub.Credentials{Remote: remoteHost(c.R)}, user, password)
}
