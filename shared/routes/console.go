package routes

import (
	"net/http"
	"strings"

	"berth/shared/hub"
	"berth/shared/web"
)

// Site is the web console as a program has it.
type Site interface {
	// Has reports whether there is one.
	Has() bool
	// Serve answers with what is at a path below /console/. It reports false, and
	// answers nothing, where there is nothing.
	Serve(w http.ResponseWriter, r *http.Request, path string) bool
	// Logo answers with the picture of repositories that have none.
	Logo(w http.ResponseWriter, r *http.Request)
}

// Console are the console's routes over a site, to be served in place of the
// table's: those have none, because few programs carry it.
func Console(s Site) []web.Route {
	return []web.Route{{
		Name: "home", Surface: web.Operator, Method: http.MethodGet, Pattern: "/", Rule: web.Open, Needs: web.Needs{Console: true},
		Doc: web.Doc{
			Summary: "Say where what is",
			About:   "Browsers are led to the console.",
			Answers: map[int]any{200: entrance{}, 303: nil},
		},
		Handle: func(c *web.Call) error { return home(c, s) },
	}, {
		Name: "console-get", Surface: web.Operator, Method: http.MethodGet, Pattern: "/console/{path...}", Rule: web.Open, Needs: web.Needs{Console: true},
		Doc: web.Doc{
			Summary:  "Load the web console",
			About:    "Below assets/ are its files, everything else is its page.",
			BytesOut: true, Answers: map[int]any{200: nil, 304: nil},
		},
		Handle: func(c *web.Call) error { return page(c, s) },
	}, {
		Name: "default-logo-get", Surface: web.Operator, Method: http.MethodGet, Pattern: "/static/images/user/default-logo.png", Rule: web.Open,
		Needs: web.Needs{Console: true},
		Doc: web.Doc{
			Summary:  "Load the picture of repositories without a logo",
			BytesOut: true, Answers: map[int]any{200: nil},
		},
		Handle: func(c *web.Call) error { return logo(c, s) },
	}}
}

// entrance is what the hub's address itself answers to programs.
type entrance struct {
	Console string `json:"console"`
	OpenAPI string `json:"openapi"`
}

func none() error {
	return hub.Fail(hub.NotFound, "this hub was compiled without its console; `make build` builds both. /openapi.json lists what there is")
}

func home(c *web.Call, s Site) error {
	if s == nil || !s.Has() {
		return none()
	}
	c.W.Header().Set("Vary", "Accept")
	if strings.Contains(c.R.Header.Get("Accept"), "text/html") {
		c.W.Header().Set("Location", "/console/")
		return c.Empty(http.StatusSeeOther)
	}
	return c.JSON(http.StatusOK, entrance{Console: c.URL("/console/", nil), OpenAPI: c.URL("/openapi.json", nil)})
}

func page(c *web.Call, s Site) error {
	if s == nil || !s.Has() {
		return none()
	}
	if !s.Serve(c.W, c.R, c.Var("path")) {
		return hub.Fail(hub.NotFound, "the console has no file %s; load its page anew", c.R.URL.Path)
	}
	return nil
}

func logo(c *web.Call, s Site) error {
	if s == nil {
		return none()
	}
	s.Logo(c.W, c.R)
	return nil
}
