package manage

import (
	"net/url"
	"strings"

	"berth/shared/hub"
	"berth/shared/web"
)

func namespaceRoutes() []web.Route {
	return []web.Route{{
		Name: "manage-namespace-create", Method: "POST", Pattern: "/v2/manage/namespaces",
		Rule:   web.SignedIn,
		Needs:  web.Needs{Write: repositories},
		Doc:    web.Doc{Summary: "Create an organisation", Required: []string{"namespace"}, Body: namespaceBody{Namespace: ptr("group")}, Answers: map[int]any{201: nil}},
		Handle: createNamespace,
	}, {
		Name: "manage-namespace-list", Method: "GET", Pattern: "/v2/manage/namespaces",
		Rule:  web.SignedIn,
		Needs: web.Needs{Read: repositories},
		Doc: web.Doc{
			Summary: "List the namespaces in which the caller has a role",
			Query: append([]web.Param{
				{Name: "namespace", About: "only this one"},
				{Name: "filter", About: "namespace::NAME|mode::visible; visible lists also those in which the caller has roles in repositories only"},
			}, markerParam...),
			Answers: map[int]any{200: namespaceList{Namespaces: []namespaceView{{1422, "group", "username", 7}}}},
		},
		Handle: listNamespaces,
	}, {
		Name: "manage-namespace-get", Method: "GET", Pattern: "/v2/manage/namespaces/{namespace}",
		Rule:   web.VisibleNamespace,
		Needs:  web.Needs{Read: repositories},
		Doc:    web.Doc{Summary: "Show a namespace", Answers: map[int]any{200: namespaceView{1422, "demo", "lgp", 7}}},
		Handle: showNamespace,
	}, {
		Name: "manage-namespace-delete", Method: "DELETE", Pattern: "/v2/manage/namespaces/{namespace}",
		Rule:   web.NamespaceOwner,
		Needs:  web.Needs{Write: tags}, // with the note for the sweep
		Doc:    web.Doc{Summary: "Delete an organisation that has no repositories", Answers: map[int]any{204: nil}},
		Handle: deleteNamespace,
	}}
}

type namespaceBody struct {
	Namespace *string `json:"namespace"`
}

// namespaceView is a namespace as the Manage API shows it. Auth is the caller's
// role: 7, 3 or 1; 0 where they have roles in some of its repositories only.
type namespaceView struct {
	ID      int64    `json:"id"`
	Name    string   `json:"name"`
	Creator string   `json:"creator_name"`
	Auth    hub.Role `json:"auth"`
}

type namespaceList struct {
	Namespaces []namespaceView `json:"namespaces"`
}

func viewNamespace(n hub.NamespaceRole) namespaceView {
	return namespaceView{number31(n.ID), n.Name, n.Creator, n.Role}
}

func createNamespace(c *web.Call) error {
	var b namespaceBody
	if err := c.Decode(&b); err != nil {
		return recode(err, "namespace", hub.BadNamespace)
	}
	if _, err := c.Hub.CreateOrg(c.Context(), c.Caller, hub.NewOrg{Name: deref(b.Namespace)}); err != nil {
		return err
	}
	return c.Empty(201)
}

func listNamespaces(c *web.Call) error {
	q := c.URLQuery()
	filter, err := parseFilter(q)
	if err != nil {
		return err
	}
	mode := filter["mode"]
	if mode != "" && mode != "visible" {
		return hub.FailField("filter", "mode can only be visible, not %q", mode)
	}
	after, err := marker(c)
	if err != nil {
		return err
	}
	list, more, err := c.Hub.ListNamespaces(c.Context(), c.Caller, hub.NamespaceQuery{
		Name: filter["namespace"], Visible: mode == "visible", After: after, Limit: web.MaxEntries,
	})
	if err != nil {
		return err
	}
	answer := namespaceList{Namespaces: make([]namespaceView, 0, len(list))}
	for _, n := range list {
		answer.Namespaces = append(answer.Namespaces, viewNamespace(n))
	}
	if more {
		linkNext(c, list[len(list)-1].Name)
	}
	return c.JSON(200, answer)
}

// parseFilter reads filter=name::value|name::value. What a filter does not name is
// taken from the plain query parameter of that name.
func parseFilter(q url.Values) (map[string]string, error) {
	values := make(map[string]string)
	for name := range q {
		values[name] = q.Get(name)
	}
	if q.Get("filter") == "" {
		return values, nil
	}
	for pair := range strings.SplitSeq(q.Get("filter"), "|") {
		name, value, ok := strings.Cut(pair, "::")
		if !ok || name == "" {
			return nil, hub.FailField("filter", "must be name::value pairs with | between them; %q is none", pair)
		}
		values[name] = value
	}
	return values, nil
}

// showNamespace shows a namespace to whoever has a role in it or in one of its
// repositories.
func showNamespace(c *web.Call) error {
	list, _, err := c.Hub.ListNamespaces(c.Context(), c.Caller, hub.NamespaceQuery{Name: c.Var("namespace"), Visible: true, Limit: 1})
	switch {
	case err != nil:
		return err
	case len(list) == 1:
		return c.JSON(200, viewNamespace(list[0]))
	case !c.Caller.Known():
		return hub.Fail(hub.Unauthenticated, "log in to do this")
	}
	return hub.Fail(hub.Denied, "you have no role in %s", c.Var("namespace"))
}

func deleteNamespace(c *web.Call) error {
	if err := c.Hub.DeleteOrg(c.Context(), c.Grant); err != nil {
		return err
	}
	return c.Empty(204)
}
