package hubapi

import (
	"berth/shared/hub"
	"berth/shared/web"
)

// member is how a member of an organisation is shown.
type member struct {
	Username string   `json:"username"`
	Role     string   `json:"role"` // owner, writer or reader
	Since    hub.Time `json:"since"`
}

type newMember struct {
	Username *string `json:"username"`
	Role     *string `json:"role" about:"owner, writer or reader"`
}

type memberChange struct {
	Role *string `json:"role" about:"owner, writer or reader"`
}

func showMember(m hub.Membership) member { return member{m.Account, m.Role.String(), m.Since} }

const (
	membersPath = "/v1/orgs/{namespace}/members"
	memberPath  = membersPath + "/{username}"
)

func memberRoutes() []web.Route {
	return []web.Route{
		{
			Name: "member-list", Method: "GET", Pattern: membersPath, Rule: web.NamespaceReader, Needs: readsAccounts,
			Doc: web.Doc{
				Summary: "List an organisation's members by name",
				Query:   web.PageParams,
				Answers: map[int]any{200: web.Page[member]{}},
			},
			Handle: listMembers,
		},
		{
			Name: "member-add", Method: "POST", Pattern: membersPath, Rule: web.NamespaceOwner, Needs: writesAccounts,
			Doc: web.Doc{
				Summary:  "Make an account a member of an organisation: owner, writer or reader",
				Required: []string{"username", "role"}, Body: newMember{},
				Answers: map[int]any{201: member{}},
			},
			Handle: addMember,
		},
		{
			Name: "member-get", Method: "GET", Pattern: memberPath, Rule: web.NamespaceReader, Needs: readsAccounts,
			Doc:    web.Doc{Summary: "Show a member of an organisation", Answers: map[int]any{200: member{}}},
			Handle: getMember,
		},
		{
			Name: "member-update", Method: "PUT", Pattern: memberPath, Rule: web.NamespaceOwner, Needs: writesAccounts,
			Doc: web.Doc{
				Summary:  "Change a member's role; the last owner stays one",
				Required: []string{"role"}, Body: memberChange{},
				Answers: map[int]any{200: member{}},
			},
			Handle: updateMember,
		},
		{
			Name: "member-remove", Method: "DELETE", Pattern: memberPath, Rule: web.NamespaceOwner, Needs: writesAccounts,
			Doc:    web.Doc{Summary: "Remove a member; the last owner stays", Answers: map[int]any{204: nil}},
			Handle: removeMember,
		},
	}
}

func listMembers(c *web.Call) error {
	if _, err := theOrg(c); err != nil {
		return err
	}
	w, p, err := window(c)
	if err != nil {
		return err
	}
	list, err := c.Hub.Members(c.Context(), c.Grant, w)
	if err != nil {
		return err
	}
	return answerList(c, p, list, showMember)
}

func getMember(c *web.Call) error {
	if _, err := theOrg(c); err != nil {
		return err
	}
	return answerMember(c, 200, c.Var("username"))
}

func answerMember(c *web.Call, status int, name string) error {
	m, err := c.Hub.Member(c.Context(), c.Grant, name)
	if err != nil {
		return err
	}
	return c.JSON(status, showMember(m))
}

func addMember(c *web.Call) error {
	if _, err := theOrg(c); err != nil {
		return err
	}
	var in newMember
	if err := c.Decode(&in); err != nil {
		return err
	}
	name, err := required("username", in.Username)
	if err != nil {
		return err
	}
	return changeMember(c, 201, hub.AddRoles, name, in.Role)
}

func updateMember(c *web.Call) error {
	if _, err := theOrg(c); err != nil {
		return err
	}
	var in memberChange
	if err := c.Decode(&in); err != nil {
		return err
	}
	return changeMember(c, 200, hub.AlterRoles, c.Var("username"), in.Role)
}

func changeMember(c *web.Call, status int, rule hub.RoleRule, name string, role *string) error {
	text, err := required("role", role)
	if err != nil {
		return err
	}
	r, err := hub.ParseRole(text)
	if err != nil {
		return err
	}
	if err := c.Hub.ChangeRoles(c.Context(), c.Grant, rule, hub.RoleChange{Account: name, Role: r}); err != nil {
		return err
	}
	return answerMember(c, status, name)
}

func removeMember(c *web.Call) error {
	if _, err := theOrg(c); err != nil {
		return err
	}
	if err := c.Hub.ChangeRoles(c.Context(), c.Grant, hub.SetRoles, hub.RoleChange{Account: c.Var("username")}); err != nil {
		return err
	}
	return c.Empty(204)
}
