// Package site gives the web console to the functions that serve it.
package site

import (
	"berth/console"
	"berth/shared/cloud"
	"berth/shared/hub"
	"berth/shared/routes"
)

// With lets a function serve the console. One that was compiled without it does not start.
func With(e *cloud.Environment, _ *hub.Hub) {
	built, err := console.Built()
	if err != nil {
		e.Refuse(err)
	}
	e.Routes = append(e.Routes, routes.Console(built)...)
}
