package hubapi

import (
	"time"

	"berth/shared/hub"
	"berth/shared/web"
)

// token is how an access token is shown: never its secret.
type token struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Namespace    *string  `json:"namespace"` // of a robot; null for a personal token
	CreatedBy    string   `json:"created_by"`
	Permissions  []string `json:"permissions"`
	Repositories []string `json:"repositories"` // empty = all
	CreatedAt    hub.Time `json:"created_at"`
	ExpiresAt    hub.Time `json:"expires_at"`
}

// madeToken is a token with what is shown once: the token itself, and the pair of
// keys by which the vendor's SDK signs requests with it.
type madeToken struct {
	token
	Token     string `json:"token"`
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

type newToken struct {
	Name         *string  `json:"name" about:"what it is for, at most 100 characters"`
	Namespace    string   `json:"namespace" about:"makes it a robot of this namespace, in which the caller may do what permissions say"`
	Permissions  []string `json:"permissions" about:"pull, push, admin: each has those before it"`
	Repositories []string `json:"repositories" about:"only these; empty = all. A robot may leave its namespace out"`
	ExpiresAt    *string  `json:"expires_at" about:"a time like 2030-01-31T12:00:00.000Z; null = never"`
}

func showToken(t hub.AccessToken) token {
	v := token{
		ID: t.ID, Name: t.Name, CreatedBy: t.Account, Permissions: t.Permissions, Repositories: t.Repositories,
		CreatedAt: t.Created, ExpiresAt: t.Expires,
	}
	if t.Robot {
		v.Namespace = &t.Namespace
	}
	if v.Repositories == nil {
		v.Repositories = []string{}
	}
	return v
}

func tokenRoutes() []web.Route {
	return []web.Route{
		{
			Name: "token-create", Method: "POST", Pattern: "/v1/tokens", Rule: web.SignedIn, Needs: writesAccounts,
			Doc: web.Doc{
				Summary:  "Make an access token: a personal one, or a robot's of a namespace; its secrets are shown this once",
				Required: []string{"name", "permissions"}, Body: newToken{},
				Answers: map[int]any{201: madeToken{}},
			},
			Handle: createToken,
		},
		{
			Name: "token-list", Method: "GET", Pattern: "/v1/tokens", Rule: web.AsAccount, Needs: readsAccounts,
			Doc: web.Doc{
				Summary: "List the tokens that the caller made; with a namespace, for its owners, the robots' of that one",
				Query:   append([]web.Param{{Name: "namespace", About: "list the robots of this namespace"}}, web.PageParams...),
				Answers: map[int]any{200: web.Page[token]{}},
			},
			Handle: listTokens,
		},
		{
			Name: "token-delete", Method: "DELETE", Pattern: "/v1/tokens/{id}", Rule: web.SignedIn, Needs: writesAccounts,
			Doc:    web.Doc{Summary: "Revoke a token", Answers: map[int]any{204: nil}},
			Handle: deleteToken,
		},
	}
}

func createToken(c *web.Call) error {
	var in newToken
	if err := c.Decode(&in); err != nil {
		return err
	}
	name, err := required("name", in.Name)
	if err != nil {
		return err
	}
	n := hub.NewToken{Name: name, Namespace: in.Namespace, Permissions: in.Permissions, Repositories: in.Repositories}
	if in.ExpiresAt != nil {
		if n.Expires, err = expiry(*in.ExpiresAt); err != nil {
			return err
		}
	}
	t, text, err := c.Hub.CreateToken(c.Context(), c.Caller, n)
	if err != nil {
		return err
	}
	return shownOnce(c, 201, madeToken{showToken(t), text, t.ID, c.Hub.SecretKey(t.ID)})
}

// expiry reads expires_at. The zero time would stand for never, and RFC 3339 has no
// year beyond 9999, which a zone west of Greenwich reaches.
func expiry(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.IsZero() || t.UTC().Year() > 9999 {
		return t, hub.FailField("expires_at", "must be a time to come, like 2030-01-31T12:00:00.000Z, not %q", s)
	}
	return t, nil
}

func listTokens(c *web.Call) error {
	w, p, err := window(c)
	if err != nil {
		return err
	}
	var list hub.Listing[hub.AccessToken]
	if ns := c.URLQuery().Get("namespace"); ns != "" {
		if err := hub.CheckNamespace(ns); err != nil {
			return err
		}
		g, err := c.Hub.Authorize(c.Context(), c.Caller, hub.Target{Namespace: ns, Need: hub.Owner})
		if err != nil {
			return err
		}
		list, err = c.Hub.RobotTokens(c.Context(), g, w)
		if err != nil {
			return err
		}
	} else if list, err = c.Hub.AccountTokens(c.Context(), c.Caller.Account, w); err != nil {
		return err
	}
	return answerList(c, p, list, showToken)
}

func deleteToken(c *web.Call) error {
	if err := c.Hub.DeleteToken(c.Context(), c.Caller, c.Var("id")); err != nil {
		return err
	}
	return c.Empty(204)
}

// window reads which part of a list is wanted.
func window(c *web.Call) (hub.Window, web.PageQuery, error) {
	p, err := c.PageQuery()
	return hub.Window{Size: p.Size, Skip: p.Skip(), After: p.Cursor}, p, err
}

// answerList answers with one page of a list.
func answerList[T, V any](c *web.Call, p web.PageQuery, l hub.Listing[T], show func(T) V) error {
	views := make([]V, len(l.Entries))
	for i, e := range l.Entries {
		views[i] = show(e)
	}
	return web.Paged(c, p, l.Count, views, l.Next)
}
