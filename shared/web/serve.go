package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"berth/shared/hub"
	"berth/shared/store"
)

// Handler serves one route: it names the request, finds out who calls, judges
// them, runs the handler and shows its error in the surface's envelope.
func Handler(h *hub.Hub, r *Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c := &Call{W: w, R: req, Hub: h, Route: r}
		Tag(w, req, r.Name)
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				h.Log.ErrorContext(req.Context(), "panic", "request", RequestID(w), "route", r.Name, "panic", p, "stack", string(debug.Stack()))
				Fail(c, hub.Fail(hub.Internal, "the hub stumbled; the log has request %s", RequestID(w)))
			}
		}()
		if err := serve(c); err != nil {
			Fail(c, err)
		}
	})
}

func serve(c *Call) error {
	ctx := c.Context()
	if c.R.URL.RawQuery != "" {
		if _, err := url.ParseQuery(c.R.URL.RawQuery); err != nil {
			return hub.Fail(hub.BadRequest, "the query is damaged: %v", err)
		}
	}
	credentials, err := credentialsOf(c.R, c.Route.Surface, c.Hub.Options.PublicURL.Host)
	if err != nil {
		return err
	}
	if c.Caller, err = c.Hub.Authenticate(ctx, credentials); err != nil {
		return err
	}
	Note(c.W, c.Caller)
	if err := authorize(ctx, c); err != nil {
		return err
	}
	return audited(c)
}

// authorize holds a call against its route's rule.
func authorize(ctx context.Context, c *Call) (err error) {
	switch c.Route.Rule {
	case Open:
		return nil
	case SignedIn, AsAccount, Administrators:
		switch {
		case !c.Caller.Known():
			return hub.Fail(hub.Unauthenticated, "log in to do this")
		case c.Route.Rule == Administrators && !c.Caller.Admin:
			return hub.Fail(hub.Denied, "only administrators of the hub may do this")
		case c.Route.Rule != SignedIn && !c.Caller.Whole():
			return hub.Fail(hub.Denied, "this needs the account's password or a personal token with all permissions")
		}
		return nil
	}
	switch c.Route.Rule {
	case BuildReader:
		c.Build, c.Grant, err = c.Hub.AuthorizeBuild(ctx, c.Caller, c.Var("build"), hub.Reader)
		return err
	case BuildWriter:
		c.Build, c.Grant, err = c.Hub.AuthorizeBuild(ctx, c.Caller, c.Var("build"), hub.Writer)
		return err
	case Runner:
		return c.Hub.AuthorizeRunner(c.Caller, c.Var("build"))
	}
	in, need := c.Route.Rule.target()
	if in == nowhere {
		return errors.New("route " + c.Route.Name + " has no rule")
	}
	if c.Route.Rule == RepositoryKnown && !c.Caller.Known() {
		return hub.Fail(hub.Unauthenticated, "log in to do this")
	}
	t := hub.Target{Namespace: c.Var("namespace"), Need: need, Make: c.Route.Rule.makes()}
	if in == repository {
		t.Repository = c.Var("repo")
	}
	if err := checkNames(t); err != nil {
		return err
	}
	if c.Route.Items != nil {
		t.Items = func(id string) []store.Key { return c.Route.Items(id, c.R) }
	}
	c.Grant, err = c.Hub.Authorize(ctx, c.Caller, t)
	if err == nil && c.Route.Rule == BuildConfigReader && c.Grant.Member < hub.Writer {
		return hub.Fail(hub.NotFound, "there is no build configuration of %s that you may read", c.Grant.Path())
	}
	return err
}

// checkNames refuses what can be no name before it is looked up.
func checkNames(t hub.Target) error {
	if err := hub.CheckNamespace(t.Namespace); err != nil {
		return err
	}
	if t.Repository != "" {
		return hub.CheckRepository(t.Repository)
	}
	return nil
}

// RequestID is the id that an answer carries in X-Request-Id.
func RequestID(w http.ResponseWriter) string { return w.Header().Get("X-Request-Id") }

// newRequestID is 16 random bytes in hex.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// trimSlash takes one trailing slash off, so that each path works with and
// without it, and no redirect loses a body.
func trimSlash(p string) string {
	if len(p) > 1 {
		return strings.TrimSuffix(p, "/")
	}
	return p
}
