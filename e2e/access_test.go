package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestPublicAndPrivate(t *testing.T) {
	hub := theHub(t)
	c, stranger := hub.account(t), hub.account(t)
	nobody := hub.as("", "")
	public, private := c.repository(t, true), c.repository(t, false)
	i := newImage(1, 100)
	c.mustPush(t, public, "v1", i)
	c.mustPush(t, private, "v1", i)

	stranger.mustVerify(t, public, "v1", i)
	token := nobody.registryToken(t, "repository:"+public+":pull", "repository:"+private+":pull")
	bearer := "Authorization: Bearer " + token
	nobody.call(t, 200, "GET", "/v2/"+public+"/manifests/v1", "", bearer)
	nobody.call(t, 401, "GET", "/v2/"+private+"/manifests/v1", "", bearer)
	nobody.call(t, 401, "PUT", "/v2/"+public+"/manifests/v2", string(i.manifest), bearer, "Content-Type: "+imageType)
	stranger.call(t, 404, "GET", "/v2/"+private+"/manifests/v1", "")
	stranger.call(t, 403, "PUT", "/v2/"+public+"/manifests/v2", string(i.manifest), "Content-Type: "+imageType)
	nobody.call(t, 200, "GET", "/v1/repositories/"+public+"/tags", "")
	for _, who := range []client{nobody, stranger} {
		who.call(t, 404, "GET", "/v1/repositories/"+private, "")
		who.call(t, 404, "GET", "/v1/repositories/"+private+"/tags", "")
	}
	// Whoever is refused changes nothing.
	c.call(t, 404, "GET", "/v2/"+public+"/manifests/v2", "")
}

// registryToken asks /v2/token as Docker does.
func (c client) registryToken(t *testing.T, scopes ...string) string {
	t.Helper()
	q := url.Values{"service": {strings.SplitN(c.base, "://", 2)[1]}, "scope": scopes}
	a := c.call(t, 200, "GET", "/v2/token?"+q.Encode(), "")
	var got struct {
		Token string `json:"token"`
		Alias string `json:"access_token"`
		Life  int    `json:"expires_in"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil || got.Token == "" || got.Alias != got.Token || got.Life != 300 {
		t.Fatalf("the token endpoint answers %s (%v)", a, err)
	}
	return got.Token
}

func TestChallengeLeadsToToken(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	repo := c.repository(t, false)
	nobody := hub.as("", "")
	got := nobody.call(t, 401, "GET", "/v2/"+repo+"/manifests/v1", "").header.Get("WWW-Authenticate")
	want := fmt.Sprintf(`Bearer realm="%s/v2/token",service="%s",scope="repository:%s:pull"`, hub.base, hub.host, repo)
	if got != want {
		t.Errorf("the challenge is %s\nnot %s", got, want)
	}
	if got := nobody.call(t, 401, "GET", "/v2/", "").header.Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer realm="`+hub.base+`/v2/token"`) {
		t.Errorf("the challenge of /v2/ is %s", got)
	}
	token := c.registryToken(t, "repository:"+repo+":pull,push")
	nobody.call(t, 200, "GET", "/v2/", "", "Authorization: Bearer "+token)
	nobody.call(t, 404, "GET", "/v2/"+repo+"/manifests/v1", "", "Authorization: Bearer "+token)
	nobody.call(t, 401, "GET", "/v1/auth/profile", "", "Authorization: Bearer "+token)
}

func TestWrongPassword(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	wrong := hub.as(c.user, "not the password")
	wrong.call(t, 401, "GET", "/v2/token?service=x", "")
	wrong.call(t, 401, "GET", "/v2/", "")
	wrong.call(t, 401, "GET", "/v1/repositories/"+c.user+"/", "")
	hub.as("", "").call(t, 401, "POST", "/v1/generate-api-token/", fmt.Sprintf(`{"username":%q,"password":"nope nope"}`, c.user))
}

func TestRobotToken(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	repo, other := c.repository(t, false), c.repository(t, false)
	i := newImage(1, 100)
	c.mustPush(t, repo, "v1", i)
	c.mustPush(t, other, "v1", i)
	a := c.call(t, 201, "POST", "/v1/tokens",
		fmt.Sprintf(`{"name":"puller","namespace":%q,"permissions":["pull"],"repositories":[%q]}`, c.user, repo))
	var made struct {
		ID    string `json:"id"`
		Token string `json:"token"`
	}
	if err := json.Unmarshal(a.body, &made); err != nil || !strings.HasPrefix(made.Token, "brt_") {
		t.Fatalf("the robot's token came as %s (%v)", a, err)
	}
	robot := hub.as("robot", made.Token)
	robot.mustVerify(t, repo, "v1", i)
	robot.call(t, 404, "GET", "/v2/"+other+"/manifests/v1", "")
	robot.call(t, 403, "PUT", "/v2/"+repo+"/manifests/v2", string(i.manifest), "Content-Type: "+imageType)
	bearer := "Authorization: Bearer " + robot.registryToken(t, "repository:"+repo+":pull,push", "repository:"+other+":pull")
	nobody := hub.as("", "")
	nobody.call(t, 200, "GET", "/v2/"+repo+"/manifests/v1", "", bearer)
	nobody.call(t, 401, "GET", "/v2/"+other+"/manifests/v1", "", bearer)
	nobody.call(t, 401, "POST", "/v2/"+repo+"/blobs/uploads/", "", bearer)
	c.call(t, 204, "DELETE", "/v1/tokens/"+made.ID, "")
	robot.call(t, 401, "GET", "/v2/"+repo+"/manifests/v1", "")
}
