package manage

import (
	"strconv"

	"berth/shared/hub"
	"berth/shared/web"
)

func accessRoutes() []web.Route {
	const inNamespace = "/v2/manage/namespaces/{namespace}/access"
	const inRepository = "/v2/manage/namespaces/{namespace}/repos/{repo}/access"
	example := []userAuth{{"user01", "user01", 1}}
	routes := []web.Route{{
		Name: "manage-namespace-access-list", Method: "GET", Pattern: inNamespace, Rule: web.NamespaceReader,
		Doc: web.Doc{Summary: "Show who has which role in a namespace", Query: markerParam, Answers: map[int]any{200: namespaceAccess{
			ID: 1422, Name: "test", Creator: "user01", Self: &userAuth{"user", "user", 7}, Others: example}}},
		Handle: showAccess,
	}, {
		Name: "manage-namespace-access-create", Method: "POST", Pattern: inNamespace, Rule: web.NamespaceOwner,
		Doc:    web.Doc{Summary: "Give accounts roles in a namespace", Body: example, Answers: map[int]any{201: nil}},
		Handle: changeAccess(hub.AddRoles),
	}, {
		Name: "manage-namespace-access-update", Method: "PATCH", Pattern: inNamespace, Rule: web.NamespaceOwner,
		Doc:    web.Doc{Summary: "Change accounts' roles in a namespace", Body: example, Answers: map[int]any{201: nil}},
		Handle: changeAccess(hub.AlterRoles),
	}, {
		Name: "manage-namespace-access-delete", Method: "DELETE", Pattern: inNamespace, Rule: web.NamespaceOwner,
		Doc:    web.Doc{Summary: "Take accounts' roles in a namespace away", Body: []string{"user01"}, Answers: map[int]any{204: nil}},
		Handle: deleteAccess,
	}, {
		Name: "manage-repository-access-list", Method: "GET", Pattern: inRepository, Rule: web.RepositoryKnown,
		Doc: web.Doc{Summary: "Show who has which role in a repository, beyond their namespace's", Query: markerParam, Answers: map[int]any{200: repositoryAccess{
			ID: 1422, Name: "group", Self: &userAuth{"user", "user", 7}, Others: example}}},
		Handle: showAccess,
	}, {
		Name: "manage-repository-access-create", Method: "POST", Pattern: inRepository, Rule: web.RepositoryOwner,
		Doc:    web.Doc{Summary: "Give accounts roles in a repository", Body: example, Answers: map[int]any{201: nil}},
		Handle: changeAccess(hub.AddRoles),
	}, {
		Name: "manage-repository-access-update", Method: "PATCH", Pattern: inRepository, Rule: web.RepositoryOwner,
		Doc:    web.Doc{Summary: "Change accounts' roles in a repository", Body: example, Answers: map[int]any{201: nil}},
		Handle: changeAccess(hub.AlterRoles),
	}, {
		Name: "manage-repository-access-delete", Method: "DELETE", Pattern: inRepository, Rule: web.RepositoryOwner,
		Doc:    web.Doc{Summary: "Take accounts' roles in a repository away", Body: []string{"user01"}, Answers: map[int]any{204: nil}},
		Handle: deleteAccess,
	}}
	for i := range routes {
		routes[i].Needs = web.Needs{Write: repositories}
		if routes[i].Method == "GET" {
			routes[i].Needs = web.Needs{Read: repositories}
		}
	}
	return routes
}

// userAuth is an account's role. An account has no other id than its name.
type userAuth struct {
	UserID   string   `json:"user_id"`
	UserName string   `json:"user_name"`
	Auth     hub.Role `json:"auth"` // 7 manage, 3 write, 1 read
}

func auth(account string, r hub.Role) userAuth { return userAuth{account, account, r} }

type namespaceAccess struct {
	ID      int64      `json:"id"`
	Name    string     `json:"name"`
	Creator string     `json:"creator_name"`
	Self    *userAuth  `json:"self_auth"`
	Others  []userAuth `json:"others_auths"`
}

type repositoryAccess struct {
	ID     int64      `json:"id"`
	Name   string     `json:"name"`
	Self   *userAuth  `json:"self_auth"`
	Others []userAuth `json:"others_auths"`
}

// showAccess shows the caller's role and the roles that others were given. Who may
// read a repository only because it is public is told nothing about others.
func showAccess(c *web.Call) error {
	g := c.Grant
	me := auth(c.Caller.Name(), g.Role)
	others := []userAuth{}
	if g.Role > hub.Reader || !g.Public {
		after, err := marker(c)
		if err != nil {
			return err
		}
		list, more, err := c.Hub.Roles(c.Context(), g, after, web.MaxEntries)
		if err != nil {
			return err
		}
		if more {
			linkNext(c, list[len(list)-1].Account)
		}
		for _, m := range list {
			if m.Account != c.Caller.Account {
				others = append(others, auth(m.Account, m.Role))
			}
		}
	}
	if g.Repository != "" {
		return c.JSON(200, repositoryAccess{number31(g.RepoID), g.Repository, &me, others})
	}
	ns, err := c.Hub.Namespace(c.Context(), g.Namespace)
	if err != nil {
		return err
	}
	return c.JSON(200, namespaceAccess{number31(ns.ID), ns.Name, ns.Creator, &me, others})
}

// givenAuth is userAuth as a client sends it.
type givenAuth struct {
	UserID   *string `json:"user_id"`
	UserName *string `json:"user_name"`
	Auth     *int64  `json:"auth"`
}

func changeAccess(rule hub.RoleRule) func(*web.Call) error {
	return func(c *web.Call) error {
		var given []givenAuth
		if err := c.Decode(&given); err != nil {
			return err
		}
		changes := make([]hub.RoleChange, 0, len(given))
		for i, a := range given {
			change, err := a.change(strconv.Itoa(i))
			if err != nil {
				return err
			}
			changes = append(changes, change)
		}
		if err := c.Hub.ChangeRoles(c.Context(), c.Grant, rule, changes...); err != nil {
			return err
		}
		return c.Empty(201)
	}
}

// change reads one entry of the list, the one at the index.
func (a givenAuth) change(index string) (hub.RoleChange, error) {
	change := hub.RoleChange{Account: deref(a.UserID)}
	if change.Account == "" {
		change.Account = deref(a.UserName)
	}
	switch {
	case change.Account == "":
		return change, hub.FailField(index+".user_id", "is required: the account's name")
	case deref(a.UserName) != "" && *a.UserName != change.Account:
		return change, hub.FailField(index+".user_id", "must be the account's name, as user_name; accounts have no other id")
	case a.Auth == nil:
		return change, hub.FailField(index+".auth", "is required: 7 (manage), 3 (write) or 1 (read)")
	}
	switch r := hub.Role(*a.Auth); r {
	case hub.Reader, hub.Writer, hub.Owner:
		change.Role = r
		return change, nil
	}
	return change, hub.FailField(index+".auth", "must be 7 (manage), 3 (write) or 1 (read), not %d", *a.Auth)
}

func deleteAccess(c *web.Call) error {
	var accounts []string
	if err := c.Decode(&accounts); err != nil {
		return err
	}
	changes := make([]hub.RoleChange, 0, len(accounts))
	for _, account := range accounts {
		changes = append(changes, hub.RoleChange{Account: account})
	}
	if err := c.Hub.ChangeRoles(c.Context(), c.Grant, hub.SetRoles, changes...); err != nil {
		return err
	}
	return c.Empty(204)
}
