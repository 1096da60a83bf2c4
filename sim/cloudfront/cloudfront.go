// Package cloudfront stands in for a CloudFront distribution that caches nothing: a
// request goes to the origin of the first behaviour whose pattern its path fits,
// after the function of that behaviour, if it has one, has seen it.
package cloudfront

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"berth/sim/glob"

	"github.com/dop251/goja"
)

// Behaviour is what is done with requests for some paths.
type Behaviour struct {
	Pattern  string            // of the path; "" or "*" fits all
	Origin   http.Handler      // it finds the viewer's address in X-Forwarded-For
	Headers  map[string]string // that the origin gets in place of the viewer's
	Function *Function         // sees each request before; may be nil
}

// Distribution is an http.Handler. The last behaviour should fit all.
type Distribution []Behaviour

// EdgeIP is where requests come from that CloudFront sends.
const EdgeIP = "130.176.0.9"

func (d Distribution) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, b := range d {
		if b.Pattern != "" && !glob.Match(b.Pattern, r.URL.EscapedPath()) {
			continue
		}
		viewer, _, _ := net.SplitHostPort(r.RemoteAddr)
		if b.Function != nil {
			answered, err := b.Function.answers(w, r, viewer)
			if err != nil {
				http.Error(w, "The CloudFront function failed: "+err.Error(), http.StatusServiceUnavailable)
				return
			}
			if answered {
				return
			}
		}
		// What the origin does goes on when the viewer has gone.
		r = r.WithContext(context.WithoutCancel(r.Context()))
		if before := r.Header.Values("X-Forwarded-For"); len(before) > 0 {
			viewer = strings.Join(before, ", ") + ", " + viewer
		}
		r.Header.Set("X-Forwarded-For", viewer)
		r.Header.Set("Via", "1.1 edge.cloudfront.net (CloudFront)")
		r.Header.Set("X-Amz-Cf-Id", "simulated")
		for k, v := range b.Headers {
			r.Header.Set(k, v)
		}
		r.RemoteAddr = net.JoinHostPort(EdgeIP, "443")
		b.Origin.ServeHTTP(w, r)
		return
	}
}

// Function is a CloudFront function for viewer requests.
type Function struct {
	mu      sync.Mutex
	vm      *goja.Runtime
	handler goja.Callable
}

// NewFunction reads a function's code.
func NewFunction(code string) (*Function, error) {
	vm := goja.New()
	if _, err := vm.RunString(code); err != nil {
		return nil, err
	}
	handler, ok := goja.AssertFunction(vm.Get("handler"))
	if !ok {
		return nil, fmt.Errorf("the code has no function handler")
	}
	return &Function{vm: vm, handler: handler}, nil
}

// headers are as functions write them, in small letters.
type headers map[string]struct {
	Value string `json:"value"`
}

// answer is what a function may return instead of the request.
type answer struct {
	StatusCode int     `json:"statusCode"`
	Headers    headers `json:"headers"`
	Body       any     `json:"body"`
}

// answers shows a function the request, and reports whether it has answered. If not,
// the request has the headers that the function left it.
func (f *Function) answers(w http.ResponseWriter, r *http.Request, viewer string) (bool, error) {
	sent := map[string]any{"host": map[string]any{"value": r.Host}}
	for k, v := range r.Header {
		sent[strings.ToLower(k)] = map[string]any{"value": strings.Join(v, ",")}
	}
	if r.ContentLength >= 0 && r.Body != http.NoBody {
		sent["content-length"] = map[string]any{"value": fmt.Sprint(r.ContentLength)}
	}
	event := map[string]any{"version": "1.0", "viewer": map[string]any{"ip": viewer}, "request": map[string]any{
		"method": r.Method, "uri": r.URL.EscapedPath(), "headers": sent, "querystring": map[string]any{}, "cookies": map[string]any{},
	}}
	f.mu.Lock()
	defer f.mu.Unlock()
	out, err := f.handler(goja.Undefined(), f.vm.ToValue(event))
	if err != nil {
		return false, err
	}
	f.vm.SetFieldNameMapper(goja.TagFieldNameMapper("json", true))
	if out.ToObject(f.vm).Get("statusCode") == nil {
		var left headers
		if err := f.vm.ExportTo(out.ToObject(f.vm).Get("headers"), &left); err != nil {
			return false, err
		}
		for k := range r.Header {
			if _, ok := left[strings.ToLower(k)]; !ok {
				r.Header.Del(k)
			}
		}
		for k, v := range left {
			if k != "host" && k != "content-length" && v.Value != strings.Join(r.Header.Values(k), ",") {
				r.Header.Set(k, v.Value)
			}
		}
		return false, nil
	}
	var a answer
	if err := f.vm.ExportTo(out, &a); err != nil {
		return false, err
	}
	for k, h := range a.Headers {
		w.Header().Set(k, h.Value)
	}
	w.WriteHeader(a.StatusCode)
	switch body := a.Body.(type) {
	case string:
		fmt.Fprint(w, body)
	case map[string]any:
		fmt.Fprint(w, body["data"])
	}
	return true, nil
}
