package web

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"berth/shared/hub"
	"berth/shared/store"
)

// Fail answers with an error, in the envelope of the call's surface. Errors that
// are not *hub.Error are the hub's own: they are logged and shown as 500 (503
// where the storage did not answer, 507 where it is full), with the request id and
// nothing else.
func Fail(c *Call, err error) {
	var e *hub.Error
	if !errors.As(err, &e) {
		e = c.hide(err)
	}
	shape := e.Code.Shape()
	h := c.W.Header()
	h.Set("Content-Type", "application/json")
	h.Del("Content-Length")
	if e.Wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.Wait.Seconds()))))
	}
	status := shape.Status
	var body any
	switch c.Route.Surface {
	case Manage:
		if shape.ManageStatus != 0 {
			status = shape.ManageStatus
		}
		if status == http.StatusUnauthorized {
			h.Set("WWW-Authenticate", `Basic realm="berth"`)
		}
		body = ManageErrors{[]ManageError{{manageCode(shape, status), e.Message}}}
	case Registry:
		if shape.OCIStatus != 0 {
			status = shape.OCIStatus
		}
		status = c.challenge(e, status)
		body = OCIErrors{[]OCIError{{e.Code.Shape().OCI, e.Message, e.Detail}}}
	default:
		if status == http.StatusUnauthorized {
			h.Set("WWW-Authenticate", `Basic realm="berth"`)
		}
		body = HubErrors{[]HubError{{string(e.Code), e.Message, "berth"}}}
	}
	c.JSON(status, body)
}

// hide turns an error of the hub's own into one that may be shown.
func (c *Call) hide(err error) *hub.Error {
	id := RequestID(c.W)
	if c.Context().Err() == nil {
		c.Hub.Log.ErrorContext(c.Context(), "request failed", "request", id, "route", c.Route.Name, "err", err)
	}
	if errors.Is(err, store.ErrFull) {
		return &hub.Error{Code: hub.StorageFull, Message: fmt.Sprintf("the hub's storage is full: whoever runs it must make room (request %s)", id)}
	}
	if errors.Is(err, store.ErrUnavailable) {
		return &hub.Error{Code: hub.Unavailable, Message: fmt.Sprintf("the storage did not answer; try again (request %s)", id), Wait: 1e9}
	}
	if errors.Is(err, store.ErrConflict) {
		return &hub.Error{Code: hub.Unavailable, Message: fmt.Sprintf("too many others change this at once; try again (request %s)", id), Wait: 1e9}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &hub.Error{Code: hub.BadSize, Message: "the request's body ended too early"}
	}
	return &hub.Error{Code: hub.Internal, Message: "the hub could not do this; its log has the reason under request " + id}
}

// HubErrors is the error body on /v1 and of the operator's routes.
type HubErrors struct {
	Errors []HubError `json:"errors"`
}

// HubError is one error; Code is a [hub.Code].
type HubError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Source  string `json:"source"`
}

// ManageErrors is the error body on /v2/manage.
type ManageErrors struct {
	Errors []ManageError `json:"errors"`
}

// ManageError is one error; Code is SVCSTG.SWR. and a number.
type ManageError struct {
	Code    string `json:"errorCode"`
	Message string `json:"errorMessage"`
}

func manageCode(s hub.Shape, status int) string {
	if s.Manage != "" {
		return "SVCSTG.SWR." + s.Manage
	}
	return fmt.Sprintf("SVCSTG.SWR.%d0000", status)
}

// OCIErrors is the error body of the OCI Distribution Specification 1.1, "Error Codes".
type OCIErrors struct {
	Errors []OCIError `json:"errors"`
}

// OCIError is one error; Detail is null where there is nothing to add.
type OCIError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  any    `json:"detail"`
}

// challenge turns a missing right on the registry into what clients act on: a 401
// that says where to get a token and for what, whether or not the repository
// exists. Callers with Basic credentials have shown all they have: they may not
// know that it exists, and may not push.
func (c *Call) challenge(e *hub.Error, status int) int {
	in, need := c.Route.Rule.target()
	switch e.Code {
	case hub.Unauthenticated:
	case hub.Denied, hub.RepositoryNotFound, hub.NamespaceNotFound:
		if in != repository || c.Grant.Role >= need {
			return status // the right is there: the handler's own refusal, or the repository is gone
		}
		if c.Caller.Method == hub.ByPassword || c.Caller.Method == hub.ByBasicToken {
			if need > hub.Reader {
				e.Code = hub.Denied
				return http.StatusForbidden
			}
			return status
		}
		e.Code = hub.Unauthenticated
	default:
		return status
	}
	header := c.W.Header()
	if strings.HasPrefix(c.Route.Name, "registry-token") {
		header.Set("WWW-Authenticate", `Basic realm="berth"`)
		return http.StatusUnauthorized
	}
	challenge := fmt.Sprintf(`Bearer realm="%s",service="%s"`, c.URL("/v2/token", nil), c.Hub.Options.PublicURL.Host)
	if scope := c.scope(in, need); scope != "" {
		challenge += fmt.Sprintf(`,scope="%s"`, scope)
	}
	if wrong := c.tokenError(); wrong != "" {
		challenge += fmt.Sprintf(`,error="%s"`, wrong)
	}
	header.Set("WWW-Authenticate", challenge)
	return http.StatusUnauthorized
}

// tokenError says what is wrong with the token that the caller brought, "" if they
// brought none. By it clients know whether another token can help. See RFC 6750,
// section 3.1.
func (c *Call) tokenError() string {
	scheme, _, _ := strings.Cut(c.R.Header.Get("Authorization"), " ")
	switch {
	case !strings.EqualFold(scheme, "bearer"):
		return ""
	case c.Caller.Method == hub.Anonymous:
		return "invalid_token"
	}
	return "insufficient_scope"
}

// scope is what a token must allow for the call's route; "" if that is nothing, or the
// path's names are none.
func (c *Call) scope(in target, need hub.Role) string {
	if in != repository {
		if c.Route.Name == "registry-catalog" {
			return "registry:catalog:*"
		}
		return ""
	}
	if checkNames(hub.Target{Namespace: c.Var("namespace"), Repository: c.Var("repo")}) != nil {
		return ""
	}
	actions := "pull"
	if need > hub.Reader {
		if actions = "pull,push"; c.R.Method == http.MethodDelete {
			actions = "delete"
		}
	}
	return fmt.Sprintf("repository:%s/%s:%s", c.Var("namespace"), c.Var("repo"), actions)
}
