package registry

import (
	"net/http"
	"net/url"
	"strings"

	"berth/shared/hub"
	"berth/shared/web"
)

// ping answers whoever proves who they are, and sends everybody else for a token.
// An anonymous token will do too: its holder has nothing more to prove.
func ping(c *web.Call) error {
	c.W.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	if !c.Caller.Known() && c.Caller.Registry == nil {
		return hub.Fail(hub.Unauthenticated, "log in, or get a token")
	}
	return c.JSON(http.StatusOK, struct{}{})
}

// tokenAnswer is what /v2/token gives. See the Docker Registry v2 authentication
// specification, "Requesting a Token", and for POST "Getting a token".
type tokenAnswer struct {
	Token        string   `json:"token"`
	AccessToken  string   `json:"access_token"`
	ExpiresIn    int      `json:"expires_in"` // seconds
	IssuedAt     hub.Time `json:"issued_at"`
	Scope        string   `json:"scope,omitempty"` // POST: what was granted
	RefreshToken string   `json:"refresh_token,omitempty"`
}

// tokenForm is the body of POST /v2/token.
type tokenForm struct {
	GrantType    string `json:"grant_type"`
	Service      string `json:"service"`
	ClientID     string `json:"client_id"`
	AccessType   string `json:"access_type"`
	Scope        string `json:"scope"`
	Username     string `json:"username"`
	Password     string `json:"password"`
	RefreshToken string `json:"refresh_token"`
}

func token(c *web.Call) error {
	q := c.URLQuery()
	return answerToken(c, c.Caller, q["scope"], q.Get("offline_token") == "true", "")
}

func tokenPost(c *web.Call) error {
	var f tokenForm
	if err := c.Decode(&f); err != nil {
		return err
	}
	caller, err := grantee(c, f)
	if err != nil {
		return err
	}
	return answerToken(c, caller, []string{f.Scope}, f.AccessType == "offline", f.RefreshToken)
}

// grantee is who a POST's grant proves to ask.
func grantee(c *web.Call, f tokenForm) (hub.Caller, error) {
	switch f.GrantType {
	case "password":
		if f.Username == "" || f.Password == "" {
			return hub.Caller{}, hub.FailField("username", "the password grant needs username and password")
		}
		return c.Hub.Authenticate(c.Context(), c.PasswordCredentials(f.Username, f.Password))
	case "refresh_token":
		return c.Hub.Refresh(c.Context(), f.RefreshToken)
	}
	return hub.Caller{}, hub.FailField("grant_type", "must be password or refresh_token, not %q", f.GrantType)
}

func answerToken(c *web.Call, caller hub.Caller, scopes []string, offline bool, refresh string) error {
	if caller.Registry != nil {
		return hub.Fail(hub.Unauthenticated, "a registry token gets no other token; use a password or an access token")
	}
	ctx := c.Context()
	t, err := c.Hub.GrantToken(ctx, caller, hub.ParseScopes(strings.Join(scopes, " ")))
	if err != nil {
		return err
	}
	if offline && refresh == "" {
		if refresh, err = c.Hub.SignRefreshToken(ctx, caller); err != nil {
			return err
		}
	}
	a := tokenAnswer{
		AccessToken: c.Hub.SignRegistryToken(t), ExpiresIn: int(hub.RegistryTokenLife.Seconds()),
		IssuedAt: hub.AtMilli(t.Issued * 1000), Scope: t.Scope(), RefreshToken: refresh,
	}
	a.Token = a.AccessToken
	c.W.Header().Set("Cache-Control", "no-store")
	return c.JSON(http.StatusOK, a)
}

// location sets Location to a place in the repository.
func location(c *web.Call, kind, id string, query url.Values) {
	c.W.Header().Set("Location", c.URL("/v2/"+c.Grant.Path()+"/"+kind+"/"+id, query))
}
