// Package httpapi stands in for an HTTP API of API Gateway with the routes of
// Berth, one function each, and for ingest, the service beside it that takes uploads.
//
// It sends what the real one sends as far as that is known: decoded paths, joined
// headers, cookies apart, bodies in base64 unless they are text, events and answers
// through JSON, and the limits of their sizes. It has no time limit, no throttling
// and no authorizers.
package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"

	"berth/shared/cloud"
	"berth/shared/routes"
	"berth/shared/web"

	"github.com/aws/aws-lambda-go/events"
)

const (
	maxRequest = 6 << 20  // bytes of an event, and of an answer
	maxHeaders = 10_240   // bytes of all header lines
	maxBody    = 10 << 20 // bytes that the gateway takes at all
)

// API is the stack's front. It is an http.Handler.
type API struct {
	routes []route
	other  cloud.Function
	ingest http.Handler
}

type route struct {
	method   string
	key      string
	segments []string
	function cloud.Function
}

// New makes a front whose functions are made with an environment, each with a hub
// of its own.
func New(getenv func(string) string) (*API, error) {
	a := &API{}
	for _, r := range routes.Table() {
		f, err := cloud.NewFunction(r.Name, getenv, cloud.WithLayers)
		if err != nil {
			return nil, err
		}
		a.routes = append(a.routes, route{r.Method, r.Method + " " + r.Pattern, strings.Split(r.Pattern, "/"), f})
	}
	var err error
	if a.other, err = cloud.NewFunction(cloud.Default, getenv); err != nil {
		return nil, err
	}
	h, err := cloud.Open(getenv)
	if err != nil {
		return nil, err
	}
	a.ingest = routes.Handler(h, nil)
	return a, nil
}

// ServeHTTP asks ingest for uploads, and else the function of the route that fits best.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if web.SurfaceOf(r.URL.Path) == web.Registry && strings.Contains(r.URL.Path, "/blobs/uploads/") {
		a.ingest.ServeHTTP(w, r)
		return
	}
	f, key := a.find(r)
	event, ok := eventOf(w, r, key)
	if !ok {
		return
	}
	var in events.APIGatewayV2HTTPRequest
	b, err := json.Marshal(event)
	if err == nil && len(b) > maxRequest {
		plain(w, http.StatusRequestEntityTooLarge, "Request Too Long")
		return
	}
	if err == nil {
		err = json.Unmarshal(b, &in)
	}
	var out events.APIGatewayV2HTTPResponse
	if err == nil {
		out, err = f(r.Context(), in)
	}
	if err == nil {
		b, err = json.Marshal(out)
	}
	if err != nil || len(b) > maxRequest {
		plain(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	send(w, out)
}

// find is the function of the most specific route, or the default one.
func (a *API) find(r *http.Request) (cloud.Function, string) {
	path := r.URL.Path
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	segments := strings.Split(path, "/")
	var best *route
	for i := range a.routes {
		c := &a.routes[i]
		method := c.method == r.Method || c.method == http.MethodGet && r.Method == http.MethodHead
		if method && c.fits(segments) && (best == nil || c.before(best)) {
			best = c
		}
	}
	if best == nil {
		return a.other, "$default"
	}
	return best.function, best.key
}

func (r *route) fits(segments []string) bool {
	if len(segments) != len(r.segments) {
		return false
	}
	for i, s := range r.segments {
		if s != segments[i] && (!variable(s) || segments[i] == "") {
			return false
		}
	}
	return true
}

// before tells which of two routes that fit is the more specific one: that with
// the first segment that is fixed where the other's is not.
func (r *route) before(o *route) bool {
	for i, s := range r.segments {
		if variable(s) != variable(o.segments[i]) {
			return !variable(s)
		}
	}
	return false
}

func variable(segment string) bool { return strings.HasPrefix(segment, "{") }

// eventOf is what a function is told of a request. It answers itself what the
// gateway does not let through.
func eventOf(w http.ResponseWriter, r *http.Request, key string) (events.APIGatewayV2HTTPRequest, bool) {
	var e events.APIGatewayV2HTTPRequest
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		plain(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return e, false
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	e = events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: key, RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{"host": r.Host, "x-forwarded-for": host, "x-forwarded-proto": "https"},
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: key, Stage: "$default", DomainName: r.Host,
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: host, UserAgent: r.UserAgent(),
			},
		},
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
	if size > maxHeaders {
		plain(w, http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large")
		return e, false
	}
	e.Body = string(body)
	if len(body) > 0 && !isText(r.Header.Get("Content-Type")) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e, true
}

func isText(contentType string) bool {
	t, _, _ := mime.ParseMediaType(contentType)
	return strings.HasPrefix(t, "text/") || t == "application/json" || t == "application/javascript" || t == "application/xml"
}

// send answers as the function said.
func send(w http.ResponseWriter, out events.APIGatewayV2HTTPResponse) {
	body := []byte(out.Body)
	if out.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(out.Body); err != nil {
			plain(w, http.StatusInternalServerError, "Internal Server Error")
			return
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
}

// plain is how the gateway itself answers.
func plain(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"message": message})
}
