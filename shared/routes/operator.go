package routes

import (
	"context"
	"net/http"
	"time"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

// operator are the routes for whoever runs the hub; openapi has its handler from [documented].
func operator() []web.Route {
	return []web.Route{{
		Name: "healthz", Surface: web.Operator, Method: http.MethodGet, Pattern: "/healthz", Rule: web.Open,
		Doc:    web.Doc{Summary: "Whether the process runs", Answers: map[int]any{200: status{"ok"}}},
		Handle: func(c *web.Call) error { return c.JSON(http.StatusOK, status{"ok"}) },
	}, {
		Name: "readyz", Surface: web.Operator, Method: http.MethodGet, Pattern: "/readyz", Rule: web.Open,
		Needs:  web.Needs{Write: []store.Table{store.Repositories}},
		Doc:    web.Doc{Summary: "Whether the storage answers", Answers: map[int]any{200: status{"ok"}}},
		Handle: ready,
	}, {
		Name: "openapi", Surface: web.Operator, Method: http.MethodGet, Pattern: "/openapi.json", Rule: web.Open,
		Doc: web.Doc{Summary: "This document", Answers: map[int]any{200: map[string]any{}}},
	}, {
		Name: "gc-run", Surface: web.HubAPI, Method: http.MethodPost, Pattern: "/v1/admin/gc", Rule: web.Administrators,
		Needs:  web.Needs{Write: store.Tables, Layers: web.WriteLayers},
		Doc:    web.Doc{Summary: "Collect what nothing refers to, now", Answers: map[int]any{200: hub.SweepReport{}}},
		Handle: upkeep((*hub.Hub).Sweep),
	}, {
		Name: "retention-run", Surface: web.HubAPI, Method: http.MethodPost, Pattern: "/v1/admin/retention", Rule: web.Administrators,
		Needs:  web.Needs{Write: []store.Table{store.Repositories, store.Tags}},
		Doc:    web.Doc{Summary: "Apply every retention policy, now", Answers: map[int]any{200: hub.RetentionReport{}}},
		Handle: upkeep((*hub.Hub).RunRetentions),
	}, {
		Name: "admin-create", Surface: web.HubAPI, Method: http.MethodPost, Pattern: "/v1/admin/accounts", Rule: web.Administrators,
		Needs: web.Needs{Write: []store.Table{store.Repositories}},
		Doc: web.Doc{Summary: "Make an administrator's account", Required: []string{"username", "password"}, Body: newAdministrator{},
			Answers: map[int]any{201: administrator{}}},
		Handle: createAdministrator,
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

// upkeep does a work of the whole hub and answers when it is done, however long
// that takes: nothing is read or written meanwhile that would move the connection's
// deadlines, and one for reading that passes ends the request.
func upkeep[Report any](do func(*hub.Hub, context.Context) (Report, error)) func(*web.Call) error {
	return func(c *web.Call) error {
		deadlines := http.NewResponseController(c.W)
		deadlines.SetReadDeadline(time.Time{})
		deadlines.SetWriteDeadline(time.Time{})
		report, err := do(c.Hub, c.Context())
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, report)
	}
}

type newAdministrator struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Email    string `json:"email"`
	RealName string `json:"realname"`
}

type administrator struct {
	Username string `json:"username"`
}

func createAdministrator(c *web.Call) error {
	var in newAdministrator
	if err := c.Decode(&in); err != nil {
		return err
	}
	a, err := c.Hub.CreateAccount(c.Context(), hub.NewAccount{
		Name: in.Username, Password: in.Password, Email: in.Email, RealName: in.RealName, Admin: true,
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, administrator{a.Name})
}
