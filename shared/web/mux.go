package web

import (
	"net/http"
	"slices"
	"strings"

	"berth/shared/hub"
)

// Mux routes requests to the table's entries. One http.ServeMux a surface, chosen
// by prefix: on a single one /v2/{namespace}/{repo}/… and /v2/manage/… collide.
// Paths are never cleaned or redirected, and one trailing slash is as none.
func Mux(h *hub.Hub, table []Route) http.Handler {
	m := &mux{hub: h, methods: make(map[string][]string)}
	for i := range table {
		r := &table[i]
		handler := Handler(h, r)
		s := m.surface(r.Surface)
		for _, pattern := range r.patterns() {
			s.Handle(r.Method+" "+pattern, handler)
		}
		m.methods[r.Pattern] = append(m.methods[r.Pattern], r.Method)
		if r.Method == http.MethodGet { // net/http serves HEAD with GET
			m.methods[r.Pattern] = append(m.methods[r.Pattern], http.MethodHead)
		}
	}
	for _, r := range table { // a known path with another method
		s := m.surface(r.Surface)
		if !slices.Contains(m.bare, r.Pattern) {
			m.bare = append(m.bare, r.Pattern)
			wrong := m.wrongMethod(r.Surface, r.Pattern)
			for _, method := range methods {
				if slices.Contains(m.methods[r.Pattern], method) {
					continue
				}
				for _, pattern := range r.patterns() {
					s.Handle(method+" "+pattern, wrong)
				}
			}
		}
	}
	for s, inner := range m.surfaces {
		if inner != nil { // so that a request is matched once, and never twice to see whether it would be
			inner.Handle("/", NoRoute(h, Surface(s)))
		}
	}
	return m
}

// methods are those that a known path answers with 405 where it has no route for
// them. Each is a pattern of its own: one for all methods would collide with a
// less specific path's routes. HEAD goes with GET, and unknown ones with TRACE.
var methods = []string{
	http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodOptions, http.MethodConnect, http.MethodTrace,
}

type mux struct {
	hub      *hub.Hub
	surfaces [4]*http.ServeMux
	methods  map[string][]string // by pattern
	bare     []string            // patterns that have their 405
}

func (m *mux) surface(s Surface) *http.ServeMux {
	if m.surfaces[s] == nil {
		m.surfaces[s] = http.NewServeMux()
	}
	return m.surfaces[s]
}

// SurfaceOf tells from a path which surface answers, for envelopes too.
func SurfaceOf(path string) Surface {
	switch {
	case path == "/v2/manage" || strings.HasPrefix(path, "/v2/manage/"):
		return Manage
	case path == "/v2" || strings.HasPrefix(path, "/v2/"):
		return Registry
	case path == "/v1" || strings.HasPrefix(path, "/v1/"):
		return HubAPI
	}
	return Operator
}

func (m *mux) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path := trimSlash(req.URL.Path)
	s := SurfaceOf(path)
	unknown := req.Method != http.MethodHead && !slices.Contains(methods, req.Method)
	if path != req.URL.Path || req.URL.RawPath != "" || unknown {
		u := *req.URL
		u.Path, u.RawPath = path, ""
		clone := *req
		clone.URL = &u
		if req = &clone; unknown {
			req.Method = http.MethodTrace
		}
	}
	if inner := m.surfaces[s]; inner != nil && clean(path) {
		inner.ServeHTTP(w, req)
		return
	}
	NoRoute(m.hub, s).ServeHTTP(w, req)
}

// clean reports whether net/http would leave the path alone instead of redirecting.
func clean(p string) bool {
	return strings.HasPrefix(p, "/") && !strings.Contains(p, "//") && !strings.Contains(p, "/./") && !strings.Contains(p, "/../") &&
		!strings.HasSuffix(p, "/.") && !strings.HasSuffix(p, "/..")
}

// NoRoute answers a path that nothing serves.
func NoRoute(h *hub.Hub, s Surface) http.Handler {
	return bare(h, s, func(c *Call) error {
		if name, ok := imageName(c.R.URL.Path); ok && s == Registry {
			return hub.Fail(hub.BadRepository, "%q is no name of a repository: it has two parts, namespace/repository", name)
		}
		return hub.Fail(hub.NotFound, "there is nothing at %s; /openapi.json lists what there is", c.R.URL.Path)
	})
}

// imageName is the name in a path that is the registry's but for a name of more or
// fewer than two parts.
func imageName(path string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/v2/")
	if !ok {
		return "", false
	}
	if name, ok := strings.CutSuffix(rest, "/tags/list"); ok {
		return name, name != ""
	}
	for _, kind := range []string{"/blobs/uploads", "/manifests/", "/blobs/", "/referrers/"} {
		if at := strings.LastIndex(rest, kind); at > 0 {
			return rest[:at], true
		}
	}
	return "", false
}

func (m *mux) wrongMethod(s Surface, pattern string) http.Handler {
	methods := m.methods[pattern]
	slices.Sort(methods)
	allow := strings.Join(slices.Compact(methods), ", ")
	return bare(m.hub, s, func(c *Call) error {
		c.W.Header().Set("Allow", allow)
		return hub.Fail(hub.WrongMethod, "this method does not work here; use %s", allow)
	})
}

// bare serves what is no route of the table.
func bare(h *hub.Hub, s Surface, f func(*Call) error) http.Handler {
	route := &Route{Name: NoOperation, Surface: s}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c := &Call{W: w, R: req, Hub: h, Route: route}
		Tag(w, req, route.Name)
		Fail(c, f(c))
	})
}
