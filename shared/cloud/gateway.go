package cloud

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"

	"berth/shared/hub"
	"berth/shared/web"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

// Sizes of an answer, in bytes.
const (
	// maxText leaves a function as text; escaping in JSON may make more of it
	// than the limit allows, base64 makes exactly a third more.
	maxText = 1 << 20
	// maxAnswer is what fits, in base64, into the 6 MB that a function may answer,
	// with room for headers.
	maxAnswer = 4_400_000
)

// Gateway serves events of an HTTP API (payload version 2.0) with a handler, which
// sees what net/http's server would have shown it:
//
//   - The path is the event's, whatever is in it. The gateway sends it decoded, and
//     it may hold %, ? and #.
//   - Headers are as they came. The gateway joins headers of one name by commas;
//     none is split again, for a comma may as well be part of a date.
//   - RemoteAddr has a port, 0.
//   - A handler that writes nothing answers 200. What it writes to its header after
//     the status is not sent, a second status neither.
//   - The answer to HEAD has the length that the handler gave or wrote, and no body.
//   - A handler that panics, with http.ErrAbortHandler too, answers 500.
//
// The handler's context is the invocation's.
func Gateway(h *hub.Hub, handler http.Handler) Function {
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		adapter := httpadapter.NewV2(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			restore(r, event)
			a := answer{hub: h, r: r, header: http.Header{}}
			a.serve(handler)
			a.copyTo(w)
		}))
		out, err := adapter.ProxyWithContext(ctx, plain(event))
		if err != nil {
			return refuse(ctx, h, event, err), nil
		}
		if len(out.Body) > maxText && !out.IsBase64Encoded {
			out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(out.Body)), true
		}
		return out, nil
	}
}

// refuse answers an event that cannot be made a request.
func refuse(ctx context.Context, h *hub.Hub, event events.APIGatewayV2HTTPRequest, err error) events.APIGatewayV2HTTPResponse {
	r := (&http.Request{URL: &url.URL{Path: event.RawPath}, Header: http.Header{}}).WithContext(ctx)
	a := answer{hub: h, r: r, header: http.Header{}}
	h.Log.InfoContext(ctx, "event refused", "error", err)
	a.fail(hub.Fail(hub.BadRequest, "the request cannot be read"))
	return events.APIGatewayV2HTTPResponse{
		StatusCode: a.status,
		Headers:    map[string]string{"Content-Type": a.sent.Get("Content-Type")},
		Body:       a.body.String(),
	}
}

// plain takes from an event what the adapter would read wrongly. The path is
// encoded, so that the adapter can decode it.
func plain(event events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPRequest {
	path := event.RawPath
	if path == "" {
		path = event.RequestContext.HTTP.Path
	}
	event.RawPath = (&url.URL{Path: path}).EscapedPath()
	event.RawQueryString, event.QueryStringParameters = "", nil
	event.Headers, event.Cookies = nil, nil
	return event
}

// restore gives the request what plain took.
func restore(r *http.Request, event events.APIGatewayV2HTTPRequest) {
	r.URL.RawQuery = event.RawQueryString
	if r.URL.RawQuery == "" && len(event.QueryStringParameters) > 0 {
		query := url.Values{}
		for k, v := range event.QueryStringParameters {
			query.Set(k, v)
		}
		r.URL.RawQuery = query.Encode()
	}
	r.URL.Scheme, r.URL.Host = "", "" // as in a request to a server
	r.RequestURI = r.URL.RequestURI()
	r.Header = http.Header{}
	for k, v := range event.Headers {
		if strings.EqualFold(k, "Host") {
			r.Host = v
			continue
		}
		r.Header.Set(k, v)
	}
	if len(event.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(event.Cookies, "; "))
	}
	r.RemoteAddr = net.JoinHostPort(event.RequestContext.HTTP.SourceIP, "0")
}

// answer is what a handler answers, by the rules of net/http's server.
type answer struct {
	hub    *hub.Hub
	r      *http.Request
	header http.Header
	sent   http.Header // header at the time of the status
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < 200 { // there is no way to send 1xx
		return
	}
	a.status, a.sent = status, a.header.Clone()
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		if _, given := a.header["Content-Type"]; !given {
			a.header.Set("Content-Type", http.DetectContentType(b))
		}
		a.WriteHeader(http.StatusOK)
	}
	if a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	return a.body.Write(b)
}

func (a *answer) serve(handler http.Handler) {
	defer a.end()
	handler.ServeHTTP(a, a.r)
}

// end puts right what the handler left.
func (a *answer) end() {
	if p := recover(); p != nil {
		a.fail(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	}
	a.WriteHeader(http.StatusOK)
	if n := a.body.Len(); n > maxAnswer {
		a.fail(fmt.Errorf("an answer of %d bytes, a function can send %d", n, maxAnswer))
	}
	if a.r.Method == http.MethodHead {
		if a.sent.Get("Content-Length") == "" && a.body.Len() > 0 {
			a.sent.Set("Content-Length", strconv.Itoa(a.body.Len()))
		}
		a.body.Reset()
	}
}

// fail replaces the answer by an error's. Only the request's id stays of it.
func (a *answer) fail(err error) {
	fresh := answer{hub: a.hub, r: a.r, header: http.Header{}}
	if id := a.header.Get("X-Request-Id"); id != "" {
		fresh.header.Set("X-Request-Id", id)
	}
	*a = fresh
	route := &web.Route{Name: web.NoOperation, Surface: web.SurfaceOf(a.r.URL.Path)}
	web.Fail(&web.Call{W: a, R: a.r, Hub: a.hub, Route: route}, err)
}

// copyTo hands the answer to the adapter's writer.
func (a *answer) copyTo(w http.ResponseWriter) {
	for k, v := range a.sent {
		w.Header()[k] = v
	}
	w.WriteHeader(a.status)
	if a.body.Len() > 0 {
		w.Write(a.body.Bytes())
	}
}
