package web

import (
	"context"
	"net/http"

	"berth/shared/hub"
)

// audited runs the handler of a call. If the route changes something, the call's
// line of the audit log is durable before an answer of success leaves; of an
// Unaudited route there is a line only if the hub made one with a change on the way,
// such as a repository that the first push makes.
func audited(c *Call) error {
	if m := c.R.Method; m == http.MethodGet || m == http.MethodHead {
		return c.Route.Handle(c)
	}
	c.R = c.R.WithContext(c.Hub.Audited(c.Context(), c.Grant.NamespaceID, hub.AuditEntry{
		Who: c.Caller.Name(), What: c.Route.Name, On: c.R.URL.Path, From: remoteHost(c.R), Request: RequestID(c.W),
	}))
	if c.Route.Unaudited {
		return c.Route.Handle(c)
	}
	w := &auditWriter{ResponseWriter: c.W, call: c}
	c.W = w
	err := c.Route.Handle(c)
	c.W = w.ResponseWriter
	if err == nil {
		err = w.failed
	}
	return err
}

// auditWriter holds a successful answer back until the audit log has it.
type auditWriter struct {
	http.ResponseWriter
	call   *Call
	begun  bool
	failed error // the log could not be written: the answer is dropped
}

func (w *auditWriter) WriteHeader(status int) {
	if !w.begun && status >= 200 {
		w.begun = true
		if status < 300 {
			// The change is made: a client that leaves now does not keep it out of the log.
			w.failed = w.call.Hub.FinishAudit(context.WithoutCancel(w.call.Context()))
		}
	}
	if w.failed == nil {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *auditWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.failed != nil {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

func (w *auditWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
