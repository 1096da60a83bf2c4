// Package routes is the one table of all operations.
package routes

import (
	"net/http"
	"slices"

	"berth/shared/hub"
	"berth/shared/hubapi"
	"berth/shared/manage"
	"berth/shared/registry"
	"berth/shared/web"
)

// Table returns every operation of the hub, in the order of the documentation.
func Table() []web.Route {
	return slices.Concat(hubapi.Routes(), manage.Routes(), registry.Routes(), operator())
}

// Handler serves the whole table. observe may be nil.
func Handler(h *hub.Hub, observe web.Observer) http.Handler {
	return web.Logged(h, web.Mux(h, Table()), observe)
}

// One serves a single operation by its name, for a function of its own; ok is
// false if there is none.
func One(h *hub.Hub, name string) (handler http.Handler, ok bool) {
	table := Table()
	i := slices.IndexFunc(table, func(r web.Route) bool { return r.Name == name })
	if i < 0 {
		return nil, false
	}
	return web.Logged(h, web.Mux(h, table[i:i+1]), nil), true
}

// operator are the routes for whoever runs the hub.
func operator() []web.Route {
	return []web.Route{{
		Name: "healthz", Surface: web.Operator, Method: "GET", Pattern: "/healthz", Rule: web.Open,
		Doc:    web.Doc{Summary: "Whether the process runs"},
		Handle: func(c *web.Call) error { return c.JSON(200, map[string]string{"status": "ok"}) },
	}}
}
