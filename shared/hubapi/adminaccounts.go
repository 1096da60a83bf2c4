package hubapi

import (
	"berth/shared/hub"
	"berth/shared/web"
)

// listedAccount is an account as administrators see it.
type listedAccount struct {
	profile
	IsLocked bool `json:"is_locked"`
}

func showAccount(a hub.Account) listedAccount { return listedAccount{profileOf(a), a.Locked} }

type accountChange struct {
	Email    *string `json:"email"`
	RealName *string `json:"realname"`
	Password *string `json:"password" about:"8 to 256 bytes"`
	IsAdmin  *bool   `json:"is_admin"`
	IsLocked *bool   `json:"is_locked" about:"nobody gets in, by password or by the tokens that it made"`
}

func adminAccountRoutes() []web.Route {
	return []web.Route{
		{
			Name: "admin-account-list", Method: "GET", Pattern: "/v1/admin/accounts", Rule: web.Administrators, Needs: readsAccounts,
			Doc: web.Doc{
				Summary: "List all accounts by name, for administrators",
				Query:   web.PageParams,
				Answers: map[int]any{200: web.Page[listedAccount]{}},
			},
			Handle: listAccounts,
		},
		{
			Name: "admin-account-update", Method: "PUT", Pattern: "/v1/admin/accounts/{username}", Rule: web.Administrators, Needs: writesAccounts,
			Doc: web.Doc{
				Summary: "Change an account for its owner: a new password, make it an administrator or none, lock it",
				About: "A locked account lets nobody in, by password or by any token that it made, robots' ones included; what it has stays. " +
					"Administrators change their own role and lock by another one.",
				Body:    accountChange{},
				Answers: map[int]any{200: listedAccount{}},
			},
			Handle: changeAccount,
		},
	}
}

func listAccounts(c *web.Call) error {
	w, p, err := window(c)
	if err != nil {
		return err
	}
	list, err := c.Hub.Accounts(c.Context(), w)
	if err != nil {
		return err
	}
	return answerList(c, p, list, showAccount)
}

func changeAccount(c *web.Call) error {
	var in accountChange
	if err := c.Decode(&in); err != nil {
		return err
	}
	name := c.Var("username")
	if name == c.Caller.Account && (in.IsAdmin != nil || in.IsLocked != nil) {
		return hub.Fail(hub.Conflict, "have another administrator change your own is_admin and is_locked, so that one is always left")
	}
	a, err := c.Hub.ChangeAccount(c.Context(), name, hub.AccountChange{
		Email: in.Email, RealName: in.RealName, Password: in.Password, Admin: in.IsAdmin, Locked: in.IsLocked, By: c.Caller.Account,
	})
	if err != nil {
		return err
	}
	return c.JSON(200, showAccount(a))
}
