package hubapi

import (
	"strconv"

	"berth/shared/hub"
	"berth/shared/web"
)

// webhook is how a webhook is shown: never its secret.
type webhook struct {
	ID        string   `json:"id"`
	URL       string   `json:"url"`
	Events    []string `json:"events"`
	IsActive  bool     `json:"is_active"`
	CreatedAt hub.Time `json:"created_at"`
	UpdatedAt hub.Time `json:"updated_at"`
}

// madeWebhook is a webhook with the secret that the hub made for it, which signs
// its deliveries and is shown this once.
type madeWebhook struct {
	webhook
	Secret string `json:"secret,omitempty"`
}

type webhookChange struct {
	URL      *string   `json:"url" about:"a private host must be allowed by whoever runs the hub"`
	Events   *[]string `json:"events" about:"image:push, build:complete; both if not given"`
	Secret   *string   `json:"secret" about:"signs deliveries (X-Berth-Signature-256); if not given the hub makes one"`
	IsActive *bool     `json:"is_active"`
}

func showHook(k hub.Hook) webhook {
	return webhook{k.ID, k.URL, k.Events, k.Active, k.Created, k.Updated}
}

// delivery is an event on its way to a webhook. id is what X-Berth-Delivery says.
type delivery struct {
	ID          string   `json:"id"`
	Event       string   `json:"event"`
	Status      string   `json:"status" about:"pending, delivered or failed"`
	Attempts    int      `json:"attempts"`
	StatusCode  *int     `json:"status_code" about:"of the last answer; null = none came"`
	Error       string   `json:"error"`
	CreatedAt   hub.Time `json:"created_at"`
	AttemptedAt hub.Time `json:"attempted_at"`
	NextAt      hub.Time `json:"next_at"`
}

func showDelivery(d hub.Delivery) delivery {
	v := delivery{
		ID: d.ID, Event: d.Event, Status: d.Status, Attempts: d.Attempts, Error: d.Error,
		CreatedAt: d.At, AttemptedAt: d.Last, NextAt: d.Next,
	}
	if d.Code != 0 {
		v.StatusCode = &d.Code
	}
	return v
}

const hookPath = spacePath + "/webhooks"

func webhookRoutes() []web.Route {
	return []web.Route{
		{
			Name: "webhook-list", Method: "GET", Pattern: hookPath, Rule: web.NamespaceOwner, Needs: readsAccounts,
			Doc: web.Doc{
				Summary: "List a namespace's outgoing webhooks",
				Query:   web.PageParams,
				Answers: map[int]any{200: web.Page[webhook]{}},
			},
			Handle: listHooks,
		},
		{
			Name: "webhook-create", Method: "POST", Pattern: hookPath, Rule: web.NamespaceOwner, Needs: sealsAccounts,
			Doc: web.Doc{
				Summary:  "Make a webhook for image:push and build:complete; without a secret the hub makes one and shows it this once",
				Required: []string{"url"}, Body: webhookChange{},
				Answers: map[int]any{201: madeWebhook{}},
			},
			Handle: saveHook,
		},
		{
			Name: "webhook-get", Method: "GET", Pattern: hookPath + "/{id}", Rule: web.NamespaceOwner, Needs: readsAccounts,
			Doc:    web.Doc{Summary: "Show a webhook", Answers: map[int]any{200: webhook{}}},
			Handle: getHook,
		},
		{
			Name: "webhook-put", Method: "PUT", Pattern: hookPath + "/{id}", Rule: web.NamespaceOwner, Needs: sealsAccounts,
			Doc: web.Doc{
				Summary: "Change a webhook, or make one of that id",
				Body:    webhookChange{},
				Answers: map[int]any{200: webhook{}, 201: madeWebhook{}},
			},
			Handle: saveHook,
		},
		{
			Name: "webhook-delete", Method: "DELETE", Pattern: hookPath + "/{id}", Rule: web.NamespaceOwner, Needs: writesAccounts,
			Doc:    web.Doc{Summary: "Delete a webhook; what was still to be sent to it is dropped", Answers: map[int]any{204: nil}},
			Handle: deleteHook,
		},
		{
			Name: "webhook-delivery-list", Method: "GET", Pattern: hookPath + "/{id}/deliveries", Rule: web.NamespaceOwner, Needs: readsAccounts,
			Doc: web.Doc{
				Summary: "List a webhook's latest 100 deliveries, newest first",
				Query:   web.PageParams,
				Answers: map[int]any{200: web.Page[delivery]{}},
			},
			Handle: listDeliveries,
		},
	}
}

func listHooks(c *web.Call) error {
	all, err := c.Hub.Hooks(c.Context(), c.Grant)
	if err != nil {
		return err
	}
	return answerAll(c, all, showHook)
}

func getHook(c *web.Call) error {
	k, err := c.Hub.Hook(c.Context(), c.Grant, c.Var("id"))
	if err != nil {
		return err
	}
	return c.JSON(200, showHook(k))
}

// saveHook serves POST (no id) and PUT.
func saveHook(c *web.Call) error {
	var in webhookChange
	if err := c.Decode(&in); err != nil {
		return err
	}
	change := hub.HookChange{URL: in.URL, Events: in.Events, Secret: in.Secret, Active: in.IsActive}
	k, made, isNew, err := c.Hub.SaveHook(c.Context(), c.Grant, c.Var("id"), change)
	if err != nil {
		return err
	}
	return shownOnce(c, madeStatus(isNew), madeWebhook{showHook(k), made})
}

func deleteHook(c *web.Call) error {
	if err := c.Hub.DeleteHook(c.Context(), c.Grant, c.Var("id")); err != nil {
		return err
	}
	return c.Empty(204)
}

func listDeliveries(c *web.Call) error {
	all, err := c.Hub.Deliveries(c.Context(), c.Grant, c.Var("id"))
	if err != nil {
		return err
	}
	return answerAll(c, all, showDelivery)
}

// answerAll answers with a page of a list that was read whole, because it is short.
func answerAll[T, V any](c *web.Call, all []T, show func(T) V) error {
	w, p, err := window(c)
	if err != nil {
		return err
	}
	from := w.Skip
	if w.After != "" {
		if from, err = strconv.Atoi(w.After); err != nil || from < 0 {
			return hub.FailField("cursor", "is not one that the hub gave")
		}
	}
	from = min(from, len(all))
	to := min(from+w.Size, len(all))
	l := hub.Listing[T]{Entries: all[from:to], Count: int64(len(all))}
	if to < len(all) {
		l.Next = strconv.Itoa(to)
	}
	return answerList(c, p, l, show)
}
