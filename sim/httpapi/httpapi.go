// Package httpapi stands in for an HTTP API of API Gateway, whose routes lead to
// Lambda functions.
//
// It sends what the real one sends as far as that is known: decoded paths, joined
// headers, cookies apart, bodies in base64 unless they are text, and keeps the limits of
// sizes and time. It has no throttling and no authorizers.
package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

const (
	maxRequest = 6 << 20  // bytes of an event, and of an answer
	maxHeaders = 10_240   // bytes of all header lines
	maxBody    = 10 << 20 // bytes that the gateway takes at all
	maxTime    = 30 * time.Second
)

// Invoke calls a function with an event.
type Invoke func(ctx context.Context, function string, event []byte) ([]byte, error)

// API is the gateway. It is an http.Handler.
type API struct {
	domain string
	invoke Invoke
	routes []route
	// Passed, if set, is told of each call how many bytes of bodies went through the function.
	Passed func(function string, in, out int64)
}

type route struct {
	method   string // "ANY" takes all
	key      string
	segments []string // nil for $default
	greedy   bool     // the last segment stands for any number of them
	function string
}

// New makes a gateway that has a domain of its own, with the function for each route key,
// as "GET /path/{variable}/{rest+}" or "$default".
func New(domain string, routes map[string]string, invoke Invoke) (*API, error) {
	a := &API{domain: domain, invoke: invoke}
	for key, function := range routes {
		r := route{key: key, function: function}
		if key != "$default" {
			method, path, ok := strings.Cut(key, " ")
			if !ok || !strings.HasPrefix(path, "/") || path != "/" && strings.HasSuffix(path, "/") {
				return nil, fmt.Errorf("an HTTP API takes no route %q", key)
			}
			r.method, r.segments = method, strings.Split(path, "/")
			r.greedy = strings.HasSuffix(path, "+}")
			if i := strings.Index(path, "+}"); i >= 0 && i != len(path)-2 {
				return nil, fmt.Errorf("route %q: a greedy variable must be the last", key)
			}
		}
		a.routes = append(a.routes, r)
	}
	if len(a.routes) > 300 {
		return nil, fmt.Errorf("an HTTP API takes 300 routes, not %d", len(a.routes))
	}
	slices.SortFunc(a.routes, func(x, y route) int { return strings.Compare(x.key, y.key) })
	return a, nil
}

// ServeHTTP asks the function of the route that fits best.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route := a.find(r)
	if route == nil {
		plain(w, http.StatusNotFound, "Not Found")
		return
	}
	event, body, ok := a.eventOf(w, r, route)
	if !ok {
		return
	}
	b, err := json.Marshal(event)
	if err != nil {
		plain(w, http.StatusBadRequest, "Bad Request")
		return
	}
	if len(b) > maxRequest {
		plain(w, http.StatusRequestEntityTooLarge, "Request Too Long")
		return
	}
	ctx, stop := context.WithTimeout(r.Context(), maxTime)
	defer stop()
	b, err = a.invoke(ctx, route.function, b)
	var out events.APIGatewayV2HTTPResponse
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		plain(w, http.StatusServiceUnavailable, "Service Unavailable")
		return
	case err != nil || len(b) > maxRequest || json.Unmarshal(b, &out) != nil || out.StatusCode == 0:
		plain(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	n := send(w, out)
	if a.Passed != nil {
		a.Passed(route.function, int64(body), int64(n))
	}
}

// find is the most specific route that fits, or the default one, or nil.
func (a *API) find(r *http.Request) *route {
	segments := strings.Split(r.URL.Path, "/")
	var best *route
	for i := range a.routes {
		c := &a.routes[i]
		if c.segments == nil {
			if best == nil {
				best = c
			}
			continue
		}
		if (c.method == r.Method || c.method == "ANY") && c.fits(segments) && (best == nil || c.before(best)) {
			best = c
		}
	}
	return best
}

func (r *route) fits(segments []string) bool {
	n := len(r.segments)
	if r.greedy {
		if len(segments) < n {
			return false
		}
		n--
	} else if len(segments) != n {
		return false
	}
	for i, s := range r.segments[:n] {
		if s != segments[i] && (!variable(s) || segments[i] == "") {
			return false
		}
	}
	return true
}

// before tells whether r, of two routes that fit, is the more specific one: one that is not
// greedy, or that with the first segment that is fixed where the other's is not.
func (r *route) before(o *route) bool {
	if o.segments == nil || r.greedy != o.greedy {
		return o.segments == nil || o.greedy
	}
	if r.greedy && len(r.segments) != len(o.segments) {
		return len(r.segments) > len(o.segments)
	}
	for i, s := range r.segments {
		if variable(s) != variable(o.segments[i]) {
			return !variable(s)
		}
	}
	return r.method != "ANY" && o.method == "ANY"
}

func variable(segment string) bool { return strings.HasPrefix(segment, "{") }

// parameters are the values of the path's variables.
func (r *route) parameters(path string) map[string]string {
	segments := strings.Split(path, "/")
	var values map[string]string
	for i, s := range r.segments {
		if !variable(s) {
			continue
		}
		if values == nil {
			values = map[string]string{}
		}
		name := strings.Trim(s, "{+}")
		values[name] = segments[i]
		if r.greedy && i == len(r.segments)-1 {
			values[name] = strings.Join(segments[i:], "/")
		}
	}
	return values
}

// eventOf is what a function is told of a request, and the length of its body. It answers
// itself what the gateway does not let through.
func (a *API) eventOf(w http.ResponseWriter, r *http.Request, to *route) (events.APIGatewayV2HTTPRequest, int, bool) {
	var e events.APIGatewayV2HTTPRequest
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		plain(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return e, 0, false
	}
	from, _, _ := net.SplitHostPort(r.RemoteAddr)
	now := time.Now()
	e = events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: to.key, RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery,
		Headers:        map[string]string{"host": a.domain, "x-forwarded-proto": "https", "x-forwarded-port": "443", "content-length": fmt.Sprint(len(body))},
		PathParameters: to.parameters(r.URL.Path),
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: to.key, Stage: "$default", DomainName: a.domain, AccountID: "000000000000", APIID: strings.SplitN(a.domain, ".", 2)[0],
			RequestID: fmt.Sprintf("%x=", now.UnixNano()), Time: now.UTC().Format("02/Jan/2006:15:04:05 +0000"), TimeEpoch: now.UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: from, UserAgent: r.UserAgent(),
			},
		},
	}
	if before := r.Header.Get("X-Forwarded-For"); before != "" {
		from = before + ", " + from
	}
	size := 0
	for k, v := range r.Header {
		size += len(k) + len(strings.Join(v, ","))
		if k == "Cookie" {
			e.Cookies = strings.Split(strings.Join(v, "; "), "; ")
			continue
		}
		e.Headers[strings.ToLower(k)] = strings.Join(v, ",")
	}
	e.Headers["x-forwarded-for"] = from
	if size > maxHeaders {
		plain(w, http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large")
		return e, 0, false
	}
	e.Body = string(body)
	if len(body) > 0 && !isText(r.Header.Get("Content-Type")) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e, len(body), true
}

func isText(contentType string) bool {
	t, _, _ := mime.ParseMediaType(contentType)
	return strings.HasPrefix(t, "text/") || t == "application/json" || t == "application/javascript" || t == "application/xml"
}

// send answers as the function said, and tells the length of the body.
func send(w http.ResponseWriter, out events.APIGatewayV2HTTPResponse) int {
	body := []byte(out.Body)
	if out.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(out.Body); err != nil {
			plain(w, http.StatusInternalServerError, "Internal Server Error")
			return 0
		}
	}
	for k, v := range out.Headers {
		w.Header().Set(k, v)
	}
	for _, c := range out.Cookies {
		w.Header().Add("Set-Cookie", c)
	}
	w.WriteHeader(out.StatusCode)
	w.Write(body)
	return len(body)
}

// plain is how the gateway itself answers.
func plain(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"message": message})
}
