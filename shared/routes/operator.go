package routes

import (
	"net/http"

	"berth/shared/hub"
	"berth/shared/web"
)

// operator are the routes for whoever runs the hub.
func operator() []web.Route {
	return []web.Route{{
		Name: "healthz", Surface: web.Operator, Method: http.MethodGet, Pattern: "/healthz", Rule: web.Open,
		Doc:    web.Doc{Summary: "Whether the process runs", Answers: map[int]any{200: status{"ok"}}},
		Handle: func(c *web.Call) error { return c.JSON(http.StatusOK, status{"ok"}) },
	}, {
		Name: "readyz", Surface: web.Operator, Method: http.MethodGet, Pattern: "/readyz", Rule: web.Open,
		Doc:    web.Doc{Summary: "Whether the storage answers", Answers: map[int]any{200: status{"ok"}}},
		Handle: ready,
	}, {
		Name: "openapi", Surface: web.Operator, Method: http.MethodGet, Pattern: "/openapi.json", Rule: web.Open,
		Doc:    web.Doc{Summary: "This document", Answers: map[int]any{200: map[string]any{}}},
		Handle: openapi,
	}}
}

type status struct {
	Status string `json:"status"`
}

func ready(c *web.Call) error {
	if err := c.Hub.Ready(c.Context()); err != nil {
		c.Hub.Log.WarnContext(c.Context(), "not ready", "err", err)
		return hub.Fail(hub.Unavailable, "the storage does not answer")
	}
	return c.JSON(http.StatusOK, status{"ok"})
}
