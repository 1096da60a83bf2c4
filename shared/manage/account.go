package manage

import (
	"encoding/base64"
	"time"

	"berth/shared/hub"
	"berth/shared/web"
)

func accountRoutes() []web.Route {
	return []web.Route{{
		Name: "manage-overview", Method: "GET", Pattern: "/v2/manage/overview",
		Rule:   web.SignedIn,
		Needs:  web.Needs{Read: repositories},
		Doc:    web.Doc{Summary: "Sum up the namespaces in which the caller has a role", Answers: map[int]any{200: overview{}}},
		Handle: showOverview,
	}, {
		Name: "manage-secret-create", Method: "POST", Pattern: "/v2/manage/utils/secret",
		Rule:  web.SignedIn,
		Needs: web.Needs{Write: repositories},
		Doc: web.Doc{
			Summary: "Make a docker log-in that lasts a day",
			Query:   []web.Param{{Name: "projectname", About: "has no meaning here"}},
			Answers: map[int]any{200: secret{Auths: map[string]secretAuth{"hub.example": {"YWxpY2U6YnJ0X…"}}}},
		},
		Handle: createSecret,
	}}
}

// overview is what the vendor tells of a tenant. It writes namspace_num so.
type overview struct {
	DomainID   string  `json:"domain_id"`
	DomainName string  `json:"domain_name"`
	Namespaces int64   `json:"namspace_num"`
	Repos      int64   `json:"repo_num"`
	Images     int64   `json:"image_num"`   // tags
	Space      float64 `json:"store_space"` // bytes
	Downflow   float64 `json:"downflow_size"`
}

func showOverview(c *web.Call) error {
	o, err := c.Hub.Overview(c.Context(), c.Caller)
	if err != nil {
		return err
	}
	name := c.Caller.Name()
	return c.JSON(200, overview{
		DomainID: name, DomainName: name, Namespaces: o.Namespaces, Repos: o.Repositories, Images: o.Tags, Space: float64(o.Bytes),
	})
}

// secretLife is how long a temporary log-in lasts.
const secretLife = 24 * time.Hour

type secret struct {
	Auths map[string]secretAuth `json:"auths"`
}

type secretAuth struct {
	Auth string `json:"auth"` // base64 of user:password, as docker's configuration has it
}

// createSecret makes an access token that pulls and pushes, with no more rights and
// no longer life than what the caller came with, and writes it as docker's log-in.
func createSecret(c *web.Call) error {
	n := hub.NewToken{
		Name: "temporary docker log-in", Permissions: []string{"pull", "push"}, Temporary: true,
		Expires: c.Hub.Now().Add(secretLife),
	}
	if t := c.Caller.Token; t != nil {
		n.Namespace, n.Repositories = t.Namespace, t.Repositories
		if !t.Allows("push") {
			n.Permissions = []string{"pull"}
		}
		if !t.Expires.IsZero() && t.Expires.Before(n.Expires) {
			n.Expires = t.Expires.Time
		}
	}
	t, text, err := c.Hub.CreateToken(c.Context(), c.Caller, n)
	if err != nil {
		return err
	}
	host := c.Hub.Options.PublicURL.Host
	user := t.Account
	h := c.W.Header()
	h.Set("X-Swr-Dockerlogin", "docker login -u "+user+" -p "+text+" "+host)
	h.Set("X-Swr-Expireat", t.Expires.String())
	h.Set("Cache-Control", "no-store")
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + text))
	return c.JSON(200, secret{map[string]secretAuth{host: {auth}}})
}
