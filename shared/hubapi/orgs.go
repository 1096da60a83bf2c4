package hubapi

import (
	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

// org is how an organisation is shown; role is the caller's.
type org struct {
	Name      string   `json:"name"`
	Company   string   `json:"company"`
	CreatedBy string   `json:"created_by"`
	CreatedAt hub.Time `json:"created_at"`
	Role      string   `json:"role"`
}

type newOrg struct {
	Name    *string `json:"name"`
	Company string  `json:"company" about:"its name in full; may be empty"`
}

type orgChange struct {
	Company *string `json:"company"`
}

func showOrg(o hub.OrgMembership) org {
	return org{o.Name, o.Company, o.Creator, o.Created, o.Role.String()}
}

func orgRoutes() []web.Route {
	return []web.Route{
		{
			Name: "org-create", Method: "POST", Pattern: "/v1/orgs", Rule: web.AsAccount, Needs: writesAccounts,
			Doc: web.Doc{
				Summary:  "Make an organisation: a namespace with members, the caller its first owner",
				Required: []string{"name"}, Body: newOrg{},
				Answers: map[int]any{201: org{}},
			},
			Handle: createOrg,
		},
		{
			Name: "org-list", Method: "GET", Pattern: "/v1/orgs", Rule: web.SignedIn, Needs: readsAccounts,
			Doc: web.Doc{
				Summary: "List the organisations that the caller is a member of, by name",
				Query:   web.PageParams,
				Answers: map[int]any{200: web.Page[org]{}},
			},
			Handle: listOrgs,
		},
		{
			Name: "org-get", Method: "GET", Pattern: "/v1/orgs/{namespace}", Rule: web.NamespaceReader, Needs: readsAccounts,
			Doc:    web.Doc{Summary: "Show an organisation", Answers: map[int]any{200: org{}}},
			Handle: getOrg,
		},
		{
			Name: "org-update", Method: "PUT", Pattern: "/v1/orgs/{namespace}", Rule: web.NamespaceOwner, Needs: writesAccounts,
			Doc: web.Doc{
				Summary: "Change an organisation's full name",
				Body:    orgChange{},
				Answers: map[int]any{200: org{}},
			},
			Handle: updateOrg,
		},
		{
			Name: "org-delete", Method: "DELETE", Pattern: "/v1/orgs/{namespace}", Rule: web.NamespaceOwner,
			Needs:  web.Needs{Write: []store.Table{store.Repositories, store.Tags}},
			Doc:    web.Doc{Summary: "Delete an organisation that has no repositories", Answers: map[int]any{204: nil}},
			Handle: deleteOrg,
		},
	}
}

func createOrg(c *web.Call) error {
	var in newOrg
	if err := c.Decode(&in); err != nil {
		return err
	}
	name, err := required("name", in.Name)
	if err != nil {
		return err
	}
	ns, err := c.Hub.CreateOrg(c.Context(), c.Caller, hub.NewOrg{Name: name, Company: in.Company})
	if err != nil {
		return hub.Named("name", err)
	}
	return c.JSON(201, showOrg(hub.OrgMembership{Namespace: ns, Role: hub.Owner}))
}

// listOrgs lists none for a robot, which is a member of nothing.
func listOrgs(c *web.Call) error {
	w, p, err := window(c)
	if err != nil {
		return err
	}
	if c.Caller.Account == "" {
		return answerList(c, p, hub.Listing[hub.OrgMembership]{}, showOrg)
	}
	list, err := c.Hub.AccountOrgs(c.Context(), c.Caller.Account, w)
	if err != nil {
		return err
	}
	return answerList(c, p, list, showOrg)
}

// theOrg is the granted organisation: NamespaceNotFound for an account's own namespace.
func theOrg(c *web.Call) (hub.Namespace, error) {
	ns, err := c.Grant.Space()
	if err == nil && !ns.Org {
		err = hub.Fail(hub.NamespaceNotFound, "%s is no organisation but an account's own namespace", ns.Name)
	}
	return ns, err
}

func getOrg(c *web.Call) error {
	ns, err := theOrg(c)
	if err != nil {
		return err
	}
	return c.JSON(200, showOrg(hub.OrgMembership{Namespace: ns, Role: c.Grant.Role}))
}

func updateOrg(c *web.Call) error {
	ns, err := theOrg(c)
	if err != nil {
		return err
	}
	var in orgChange
	if err := c.Decode(&in); err != nil {
		return err
	}
	if in.Company != nil {
		if ns, err = c.Hub.ChangeOrg(c.Context(), c.Grant, *in.Company); err != nil {
			return err
		}
	}
	return c.JSON(200, showOrg(hub.OrgMembership{Namespace: ns, Role: c.Grant.Role}))
}

func deleteOrg(c *web.Call) error {
	if _, err := theOrg(c); err != nil {
		return err
	}
	if err := c.Hub.DeleteOrg(c.Context(), c.Grant); err != nil {
		return err
	}
	return c.Empty(204)
}
