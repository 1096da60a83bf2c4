package hubapi

import (
	"slices"
	"time"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

// What account routes use.
var (
	readsAccounts  = web.Needs{Read: []store.Table{store.Repositories}}
	writesAccounts = web.Needs{Write: []store.Table{store.Repositories}}
	sealsAccounts  = web.Needs{Write: []store.Table{store.Repositories}, Secrets: true}
)

// profile is how an account is shown. A robot sees itself as its name and
// namespace, without the rest.
type profile struct {
	Username  string   `json:"username"`
	Namespace string   `json:"namespace"`
	Email     string   `json:"email"`
	RealName  string   `json:"realname"`
	IsAdmin   bool     `json:"is_admin"`
	CreatedAt hub.Time `json:"created_at"`
}

func profileOf(a hub.Account) profile {
	return profile{a.Name, a.Name, a.Email, a.RealName, a.Admin, a.Created}
}

type newAccount struct {
	Username *string `json:"username"`
	Password *string `json:"password" about:"8 to 256 bytes"`
	Email    string  `json:"email"`
	RealName string  `json:"realname"`
}

type profileChange struct {
	OldPassword *string `json:"old_password"`
	Password    *string `json:"password" about:"8 to 256 bytes; wants old_password"`
	Email       *string `json:"email"`
	RealName    *string `json:"realname"`
}

type apiTokenRequest struct {
	Username     *string `json:"username"`
	Password     *string `json:"password"`
	Organization string  `json:"organization"`
}

type apiToken struct {
	Token     string `json:"token"`
	Username  string `json:"username"`
	Namespace string `json:"namespace"`
	Email     string `json:"email"`
}

// accountRoutes are accounts, tokens, organisations and what hangs on a namespace.
func accountRoutes() []web.Route {
	return slices.Concat(profileRoutes(), adminAccountRoutes(), tokenRoutes(), orgRoutes(), memberRoutes(), spaceRoutes(), webhookRoutes())
}

func profileRoutes() []web.Route {
	return []web.Route{
		{
			Name: "generate-api-token", Method: "POST", Pattern: "/v1/generate-api-token", Rule: web.Open, Needs: writesAccounts,
			Doc: web.Doc{
				Summary:  "Give an access token for an account's password",
				Required: []string{"username", "password"}, Body: apiTokenRequest{}, Form: true,
				Answers: map[int]any{200: apiToken{}},
			},
			Handle: generateAPIToken,
		},
		{
			Name: "account-register", Method: "POST", Pattern: "/v1/auth/register", Rule: web.Open, Needs: writesAccounts,
			Doc: web.Doc{
				Summary:  "Make an account and its namespace of the same name: for everybody where sign-up is open, else for administrators",
				Required: []string{"username", "password"}, Body: newAccount{}, Form: true,
				Answers: map[int]any{201: profile{}},
			},
			Handle: register,
		},
		{
			Name: "profile-get", Method: "GET", Pattern: "/v1/auth/profile", Rule: web.SignedIn, Needs: readsAccounts,
			Doc:    web.Doc{Summary: "Show who calls", Answers: map[int]any{200: profile{}}},
			Handle: getProfile,
		},
		{
			Name: "profile-update", Method: "PUT", Pattern: "/v1/auth/profile", Rule: web.AsAccount, Needs: writesAccounts,
			Doc: web.Doc{
				Summary: "Change e-mail address, real name or, with old_password, the password",
				Body:    profileChange{},
				Answers: map[int]any{200: profile{}},
			},
			Handle: updateProfile,
		},
	}
}

// requiredPair is required for a user name and password.
func requiredPair(username, password *string) (name, secret string, err error) {
	if name, err = required("username", username); err != nil {
		return "", "", err
	}
	secret, err = required("password", password)
	return name, secret, err
}

// required answers BadField where a field was not given or is empty.
func required(name string, value *string) (string, error) {
	if value == nil || *value == "" {
		return "", hub.FailField(name, "is required")
	}
	return *value, nil
}

// shownOnce answers with a secret, which no cache shall keep.
func shownOnce(c *web.Call, status int, v any) error {
	c.W.Header().Set("Cache-Control", "no-store")
	return c.JSON(status, v)
}

// generateAPIToken gives a personal token with all permissions and no end.
func generateAPIToken(c *web.Call) error {
	var in apiTokenRequest
	if err := c.Decode(&in); err != nil {
		return err
	}
	name, password, err := requiredPair(in.Username, in.Password)
	if err != nil {
		return err
	}
	a, err := c.Hub.LogIn(c.Context(), name, password, c.Remote())
	if err != nil {
		return err
	}
	caller := hub.Caller{Account: a.Name, Admin: a.Admin, Method: hub.ByPassword}
	hub.AuditedBy(c.Context(), a.Name)
	namespace := a.Name
	if in.Organization != "" {
		if err := hub.CheckNamespace(in.Organization); err != nil {
			return hub.FailField("organization", "%q is no name of an organisation", in.Organization)
		}
		g, err := c.Hub.Authorize(c.Context(), caller, hub.Target{Namespace: in.Organization, Need: hub.Reader})
		if err != nil {
			return err
		}
		namespace = g.Namespace
	}
	_, text, err := c.Hub.CreateToken(c.Context(), caller, hub.NewToken{
		Name: "api token of " + c.Hub.Now().Format(time.DateTime), Permissions: []string{"pull", "push", "admin"},
	})
	if err != nil {
		return err
	}
	return shownOnce(c, 200, apiToken{text, a.Name, namespace, a.Email})
}

func register(c *web.Call) error {
	admin := c.Caller.Admin && c.Caller.Whole()
	if !c.Hub.Options.OpenSignup && !admin {
		return hub.Fail(hub.Denied, "sign-up is closed here; ask an administrator for an account")
	}
	var in newAccount
	if err := c.Decode(&in); err != nil {
		return err
	}
	name, password, err := requiredPair(in.Username, in.Password)
	if err != nil {
		return err
	}
	a, err := c.Hub.CreateAccount(c.Context(), hub.NewAccount{Name: name, Password: password, Email: in.Email, RealName: in.RealName})
	if err != nil {
		return err
	}
	return c.JSON(201, profileOf(a))
}

func getProfile(c *web.Call) error {
	if c.Caller.Account == "" {
		t := c.Caller.Token
		if t == nil {
			return hub.Fail(hub.Unauthenticated, "log in with an account to see its profile")
		}
		return c.JSON(200, profile{Username: c.Caller.Name(), Namespace: t.Namespace, CreatedAt: t.Created})
	}
	a, err := c.Hub.Account(c.Context(), c.Caller.Account)
	if err != nil {
		return err
	}
	return c.JSON(200, profileOf(a))
}

func updateProfile(c *web.Call) error {
	var in profileChange
	if err := c.Decode(&in); err != nil {
		return err
	}
	change := hub.AccountChange{Email: in.Email, RealName: in.RealName, Password: in.Password}
	if in.Password != nil {
		if err := hub.CheckPassword(*in.Password); err != nil {
			return err
		}
		old, err := required("old_password", in.OldPassword)
		if err != nil {
			return err
		}
		was, err := c.Hub.LogIn(c.Context(), c.Caller.Account, old, c.Remote())
		if err != nil {
			return err
		}
		change.Was = &was
	}
	a, err := c.Hub.ChangeAccount(c.Context(), c.Caller.Account, change)
	if err != nil {
		return err
	}
	return c.JSON(200, profileOf(a))
}
