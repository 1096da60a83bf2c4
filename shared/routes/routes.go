// Package routes is the one table of all operations.
package routes

import (
	"net/http"
	"slices"
	"strings"

	"berth/shared/hub"
	"berth/shared/hubapi"
	"berth/shared/manage"
	"berth/shared/registry"
	"berth/shared/web"
)

// Table returns every operation of the hub, in the order of the documentation.
func Table() []web.Route {
	return documented(slices.Concat(hubapi.Routes(), manage.Routes(), registry.Routes(), operator(), Console(nil)))
}

// Handler serves the whole table and the process's own routes, those in place of the
// table's of the same names. observe may be nil.
func Handler(h *hub.Hub, observe web.Observer, own ...web.Route) http.Handler {
	return web.Logged(h, web.Mux(h, with(own)), observe)
}

// with is the table with a process's own routes.
func with(own []web.Route) []web.Route {
	table := slices.DeleteFunc(Table(), func(r web.Route) bool {
		return slices.ContainsFunc(own, func(o web.Route) bool { return o.Name == r.Name })
	})
	return documented(append(table, own...))
}

// One serves a single operation by its name, for a function of its own, with own
// routes as [Handler] does; ok is false if there is none.
func One(h *hub.Hub, name string, own ...web.Route) (handler http.Handler, ok bool) {
	only := slices.DeleteFunc(with(own), func(r web.Route) bool { return r.Name != name })
	return web.Logged(h, web.Mux(h, only), nil), len(only) == 1
}

// Uploads are the operations by which clients upload layers through the hub, and by
// which a load balancer asks whether it is there.
func Uploads() []web.Route {
	return slices.DeleteFunc(Table(), func(r web.Route) bool {
		return !strings.Contains(r.Pattern, "/blobs/uploads") && r.Name != "healthz"
	})
}
