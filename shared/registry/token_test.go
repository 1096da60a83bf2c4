package registry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
)

type tokens struct {
	Token        string `json:"token"`
	AccessToken  string `json:"access_token"`
	ExpiresIn    int    `json:"expires_in"`
	IssuedAt     string `json:"issued_at"`
	Scope        string `json:"scope"`
	RefreshToken string `json:"refresh_token"`
}

func (r *registry) accessToken(account string, permissions []string, repositories ...string) string {
	r.t.Helper()
	body := fmt.Sprintf(`{"name":"t","permissions":["%s"]`, strings.Join(permissions, `","`))
	if len(repositories) > 0 {
		body += fmt.Sprintf(`,"repositories":["%s"]`, strings.Join(repositories, `","`))
	}
	var t struct{ Token string }
	r.do(basic(account), "POST", "/v1/tokens", body+"}", "Content-Type", "application/json").is(201).decode(&t)
	if t.Token == "" {
		r.t.Fatal("no token")
	}
	return t.Token
}

// What a caller is granted of the scopes they ask for.
func TestTokenScopes(t *testing.T) {
	r := start(t)
	r.repository("alice", "alice/open", public)
	r.repository("alice", "alice/closed", nil)
	limited := auth("Bearer " + r.accessToken("alice", []string{"pull"}, "alice/closed"))
	pushing := auth("Bearer " + r.accessToken("alice", []string{"pull", "push"}))
	alice, bob, admin := basic("alice"), basic("bob"), basic("admin")
	for _, c := range []struct {
		name  string
		as    auth
		scope []string
		want  string
	}{
		{"nothing asked", alice, nil, ""},
		{"owner pulls and pushes", alice, []string{"repository:alice/closed:pull,push"}, "repository:alice/closed:pull,push,delete"},
		{"owner pulls", alice, []string{"repository:alice/closed:pull"}, "repository:alice/closed:pull"},
		{"owner deletes", alice, []string{"repository:alice/closed:delete"}, "repository:alice/closed:pull,push,delete"},
		{"owner does all", alice, []string{"repository:alice/closed:*"}, "repository:alice/closed:pull,push,delete"},
		{"owner of one not made yet", alice, []string{"repository:alice/new:pull,push"}, "repository:alice/new:pull,push,delete"},
		{"several parameters", alice, []string{"repository:alice/closed:pull", "repository:alice/open:push,pull"}, "repository:alice/closed:pull repository:alice/open:pull,push,delete"},
		{"several in one", alice, []string{"repository:alice/closed:pull repository:alice/open:pull"}, "repository:alice/closed:pull repository:alice/open:pull"},
		{"one twice", alice, []string{"repository:alice/closed:pull", "repository:alice/closed:push"}, "repository:alice/closed:pull,push,delete"},
		{"some not granted", alice, []string{"repository:bob/x:pull", "repository:alice/closed:pull"}, "repository:alice/closed:pull"},
		{"with a class", alice, []string{"repository(plugin):alice/closed:pull"}, "repository:alice/closed:pull"},
		{"catalogue", alice, []string{"registry:catalog:*"}, "registry:catalog:*"},
		{"unknown types and actions", alice, []string{"repository:alice/closed:frobnicate", "sandwich:alice/closed:pull", "registry:else:*", "registry:catalog:pull"}, ""},
		{"no scopes at all", alice, []string{"repository", ":", "::", "repository:alice/closed", "repository::pull", "repository:alice/closed/more:pull", "repository:Alice/closed:pull", "x y z"}, ""},
		{"stranger pulls public", bob, []string{"repository:alice/open:pull"}, "repository:alice/open:pull"},
		{"stranger pushes to public", bob, []string{"repository:alice/open:pull,push"}, "repository:alice/open:pull"},
		{"stranger pushes alone", bob, []string{"repository:alice/open:push"}, ""},
		{"stranger and private", bob, []string{"repository:alice/closed:pull", "repository:alice/new:pull,push", "repository:nobody/x:pull"}, ""},
		{"anonymous and public", "", []string{"repository:alice/open:pull,push"}, "repository:alice/open:pull"},
		{"anonymous and private", "", []string{"repository:alice/closed:pull"}, ""},
		{"administrator", admin, []string{"repository:alice/closed:push"}, "repository:alice/closed:pull,push,delete"},
		{"access token that pulls one", limited, []string{"repository:alice/closed:pull,push", "repository:alice/new:pull"}, "repository:alice/closed:pull"},
		{"access token that pushes", pushing, []string{"repository:alice/closed:pull,push"}, "repository:alice/closed:pull,push,delete"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := url.Values{"service": {"x"}, "scope": c.scope}
			var got tokens
			r.do(c.as, "GET", "/v2/token?"+q.Encode(), nil).is(200, "Cache-Control", "no-store", "Content-Type", "application/json").decode(&got)
			if got.Scope != c.want {
				t.Errorf("granted %q, want %q", got.Scope, c.want)
			}
			if got.Token == "" || got.Token != got.AccessToken || got.ExpiresIn != 300 || got.IssuedAt != "2026-03-04T05:06:07.000Z" || got.RefreshToken != "" {
				t.Errorf("answer %+v", got)
			}
		})
	}
	var many []string
	for i := range 33 {
		many = append(many, fmt.Sprintf("repository:alice/r%d:pull", i))
	}
	r.do(alice, "GET", "/v2/token?"+url.Values{"scope": many}.Encode(), nil).fails(400, "UNSUPPORTED")
}

func TestTokenWrongCredentials(t *testing.T) {
	r := start(t)
	r.repository("alice", "alice/open", public)
	wrong, _ := http.NewRequest("GET", "/", nil)
	wrong.SetBasicAuth("alice", "wrong password")
	unknown, _ := http.NewRequest("GET", "/", nil)
	unknown.SetBasicAuth("nobody", password)
	registryToken := r.token("alice", "repository:alice/open:pull")
	for _, as := range []auth{auth(wrong.Header.Get("Authorization")), auth(unknown.Header.Get("Authorization")), "Bearer nonsense", "Bearer brr_x.y", registryToken, "Basic !", "Digest x"} {
		a := r.do(as, "GET", "/v2/token?scope=repository:alice/open:pull", nil).fails(401, "UNAUTHORIZED")
		if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Basic ") {
			t.Errorf("%s: WWW-Authenticate %q", as, got)
		}
	}
	for _, form := range []url.Values{
		{"grant_type": {"password"}, "username": {"alice"}, "password": {"wrong password"}},
		{"grant_type": {"refresh_token"}, "refresh_token": {"brf_x.y"}},
		{"grant_type": {"refresh_token"}, "refresh_token": {strings.TrimPrefix(string(registryToken), "Bearer ")}},
		{"grant_type": {"refresh_token"}},
	} {
		r.do("", "POST", "/v2/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded").fails(401, "UNAUTHORIZED")
	}
	for _, form := range []url.Values{
		{"grant_type": {"password"}, "username": {"alice"}}, {"grant_type": {"other"}}, {},
	} {
		r.do("", "POST", "/v2/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded").fails(400, "UNSUPPORTED")
	}
}

func TestTokenPost(t *testing.T) {
	r := start(t)
	post := func(form url.Values) tokens {
		t.Helper()
		form.Set("service", "x")
		form.Set("client_id", "test")
		form.Set("scope", "repository:alice/app:pull,push")
		var got tokens
		r.do("", "POST", "/v2/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded").is(200, "Cache-Control", "no-store").decode(&got)
		if got.Scope != "repository:alice/app:pull,push,delete" || got.AccessToken == "" {
			t.Errorf("answer %+v", got)
		}
		return got
	}
	byPassword := url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {password}}
	if got := post(byPassword); got.RefreshToken != "" {
		t.Error("a refresh token although none was asked for")
	}
	byPassword.Set("access_type", "offline")
	got := post(byPassword)
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}}
	if again := post(refresh); again.RefreshToken != got.RefreshToken {
		t.Errorf("refresh token %q, want the same one", again.RefreshToken)
	}
	access := r.accessToken("alice", []string{"pull", "push"})
	byToken := url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {access}, "access_type": {"offline"}}
	tokenRefresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {post(byToken).RefreshToken}}
	post(tokenRefresh)
	var offline tokens
	r.do(basic("alice"), "GET", "/v2/token?offline_token=true", nil).is(200).decode(&offline)
	if offline.RefreshToken == "" {
		t.Error("no refresh token for offline_token")
	}
	var anonymous tokens
	r.do("", "GET", "/v2/token?offline_token=true", nil).is(200).decode(&anonymous)
	if anonymous.RefreshToken != "" {
		t.Error("a refresh token for nobody")
	}

	fails := func(form url.Values) {
		t.Helper()
		r.do("", "POST", "/v2/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded").fails(401, "UNAUTHORIZED")
	}
	r.do(basic("alice"), "PUT", "/v1/auth/profile", `{"old_password":"`+password+`","password":"another password"}`, "Content-Type", "application/json").is(200)
	fails(refresh)
	post(tokenRefresh)
	r.later(91 * 24 * time.Hour)
	fails(tokenRefresh)
}

// A locked account gets no registry token by a refresh token from before, whether that
// was given for its password or for an access token or robot of its making.
func TestLockedRefresh(t *testing.T) {
	r := start(t)
	form := func(values ...string) string {
		f := url.Values{}
		for i := 0; i < len(values); i += 2 {
			f.Set(values[i], values[i+1])
		}
		return f.Encode()
	}
	post := func(body string) answer {
		t.Helper()
		return r.do("", "POST", "/v2/token", body, "Content-Type", "application/x-www-form-urlencoded")
	}
	var robot struct{ Token string }
	r.do(basic("alice"), "POST", "/v1/tokens", `{"name":"r","namespace":"alice","permissions":["pull"]}`, "Content-Type", "application/json").is(201).decode(&robot)
	var refreshes []string
	for _, secret := range []string{password, r.accessToken("alice", []string{"pull"}), robot.Token} {
		var got tokens
		post(form("grant_type", "password", "username", "alice", "password", secret, "access_type", "offline")).is(200).decode(&got)
		refreshes = append(refreshes, form("grant_type", "refresh_token", "refresh_token", got.RefreshToken))
	}
	lock := func(locked string) {
		t.Helper()
		r.do(basic("admin"), "PUT", "/v1/admin/accounts/alice", `{"is_locked":`+locked+`}`, "Content-Type", "application/json").is(200)
	}
	as := r.token("alice", "registry:catalog:*")
	lock("true")
	for _, refresh := range refreshes {
		post(refresh).fails(401, "UNAUTHORIZED")
	}
	r.do(as, "GET", "/v2/_catalog", nil).fails(401, "UNAUTHORIZED")
	lock("false")
	for _, refresh := range refreshes {
		post(refresh).is(200)
	}
}

// What the registry answers to those who may not do what they want.
func TestChallenges(t *testing.T) {
	r := start(t)
	r.repository("alice", "alice/open", public)
	r.repository("alice", "alice/closed", nil)
	r.pushImage(r.pusher("alice", "alice/closed"), "alice/closed", "v1", "x")
	r.pushImage(r.pusher("alice", "alice/open"), "alice/open", "v1", "x")
	d := digestOf("x")
	reader := auth("Bearer " + r.accessToken("alice", []string{"pull"}))
	const pull, push, remove = "pull", "pull,push", "delete"
	for _, c := range []struct {
		as           auth
		method, path string
		status       int
		code, scope  string // scope "": no challenge
	}{
		{"", "GET", "/v2/", 401, "UNAUTHORIZED", "-"},
		{"", "GET", "/v2", 401, "UNAUTHORIZED", "-"},
		{"", "GET", "/v2/_catalog", 401, "UNAUTHORIZED", "registry:catalog:*"},
		{r.token("alice"), "GET", "/v2/_catalog", 401, "UNAUTHORIZED", "registry:catalog:*"},

		{"", "GET", "/v2/alice/closed/manifests/v1", 401, "UNAUTHORIZED", pull},
		{"", "HEAD", "/v2/alice/closed/blobs/" + d, 401, "", pull},
		{"", "GET", "/v2/alice/none/manifests/v1", 401, "UNAUTHORIZED", pull},
		{"", "GET", "/v2/nobody/none/manifests/v1", 401, "UNAUTHORIZED", pull},
		{"", "GET", "/v2/alice/closed/tags/list", 401, "UNAUTHORIZED", pull},
		{"", "GET", "/v2/alice/none/referrers/" + d, 401, "UNAUTHORIZED", pull},
		{"", "PUT", "/v2/alice/open/manifests/v1", 401, "UNAUTHORIZED", push},
		{"", "POST", "/v2/alice/none/blobs/uploads/", 401, "UNAUTHORIZED", push},
		{"", "POST", "/v2/nobody/none/blobs/uploads/", 401, "UNAUTHORIZED", push},
		{"", "GET", "/v2/alice/open/blobs/uploads/aaaaaaaaaaaaaaaaaaaa", 401, "UNAUTHORIZED", push},
		{"", "DELETE", "/v2/alice/open/manifests/v1", 401, "UNAUTHORIZED", remove},
		{"", "DELETE", "/v2/alice/none/blobs/" + d, 401, "UNAUTHORIZED", remove},
		{"", "GET", "/v2/alice/open/manifests/v2", 404, "MANIFEST_UNKNOWN", ""},

		{r.token("bob"), "GET", "/v2/alice/closed/manifests/v1", 401, "UNAUTHORIZED", pull},
		{r.token("bob"), "GET", "/v2/alice/none/manifests/v1", 401, "UNAUTHORIZED", pull},
		{r.token("bob", "repository:alice/open:pull"), "GET", "/v2/alice/closed/manifests/v1", 401, "UNAUTHORIZED", pull},
		{r.token("bob", "repository:alice/open:pull"), "PUT", "/v2/alice/open/manifests/v1", 401, "UNAUTHORIZED", push},
		{r.token("alice", "repository:alice/closed:pull"), "DELETE", "/v2/alice/closed/manifests/v1", 401, "UNAUTHORIZED", remove},
		{r.token("alice", "repository:alice/closed:pull"), "GET", "/v2/alice/closed/manifests/v2", 404, "MANIFEST_UNKNOWN", ""},
		{r.token("alice", "repository:alice/none:pull"), "GET", "/v2/alice/none/manifests/v2", 404, "NAME_UNKNOWN", ""},
		{reader, "PUT", "/v2/alice/closed/manifests/v1", 401, "UNAUTHORIZED", push},
		{reader, "GET", "/v2/alice/none/manifests/v1", 404, "NAME_UNKNOWN", ""},
		{"Bearer brr_nonsense.x", "GET", "/v2/alice/open/manifests/v1", 401, "UNAUTHORIZED", pull},
		{"Bearer brt_nonsense", "GET", "/v2/alice/open/manifests/v1", 401, "UNAUTHORIZED", pull},
		{"Bearer brr_nonsense.x", "GET", "/v2/a%22b/open/manifests/v1", 401, "UNAUTHORIZED", "-"},
		{"Basic nonsense", "GET", "/v2/alice/open/manifests/v1", 401, "UNAUTHORIZED", pull},

		{basic("bob"), "GET", "/v2/alice/closed/manifests/v1", 404, "NAME_UNKNOWN", ""},
		{basic("bob"), "GET", "/v2/alice/none/manifests/v1", 404, "NAME_UNKNOWN", ""},
		{basic("bob"), "GET", "/v2/nobody/none/manifests/v1", 404, "NAME_UNKNOWN", ""},
		{basic("bob"), "PUT", "/v2/alice/closed/manifests/v1", 403, "DENIED", ""},
		{basic("bob"), "PUT", "/v2/alice/open/manifests/v1", 403, "DENIED", ""},
		{basic("bob"), "POST", "/v2/alice/none/blobs/uploads/", 403, "DENIED", ""},
		{basic("bob"), "POST", "/v2/nobody/none/blobs/uploads/", 403, "DENIED", ""},
		{basic("bob"), "DELETE", "/v2/alice/closed/blobs/" + d, 403, "DENIED", ""},
		{basic("alice"), "GET", "/v2/alice/none/manifests/v1", 404, "NAME_UNKNOWN", ""},
		{basic("alice"), "DELETE", "/v2/alice/none/manifests/v1", 404, "NAME_UNKNOWN", ""},
		{basic("alice"), "GET", "/v2/", 200, "", ""},
		{r.token(""), "GET", "/v2/", 200, "", ""},
		{reader, "GET", "/v2/", 200, "", ""},
	} {
		what := fmt.Sprintf("%.20s %s %s", c.as, c.method, c.path)
		a := r.do(c.as, c.method, c.path, nil)
		if c.code != "" {
			a.fails(c.status, c.code)
		} else {
			a.is(c.status)
		}
		want := ""
		if c.scope != "" {
			host := strings.TrimPrefix(r.server.URL, "http://")
			want = fmt.Sprintf(`Bearer realm="%s/v2/token",service="%s"`, r.server.URL, host)
			switch {
			case c.scope == "-":
			case strings.Contains(c.scope, ":"):
				want += fmt.Sprintf(`,scope="%s"`, c.scope)
			default:
				parts := strings.Split(c.path, "/")
				want += fmt.Sprintf(`,scope="repository:%s/%s:%s"`, parts[2], parts[3], c.scope)
			}
			if bearer := strings.HasPrefix(string(c.as), "Bearer "); bearer && strings.Contains(string(c.as), "nonsense") {
				want += `,error="invalid_token"`
			} else if bearer {
				want += `,error="insufficient_scope"`
			}
		}
		if got := a.header.Get("WWW-Authenticate"); got != want {
			t.Errorf("%s: WWW-Authenticate %s, want %s", what, got, want)
		}
	}
}

// A registry token lives 300 seconds, and works on the registry alone.
func TestTokenLife(t *testing.T) {
	r := start(t)
	as := r.pusher("alice", "alice/app")
	r.pushImage(as, "alice/app", "v1", "x")
	r.do(as, "GET", "/v1/auth/profile", nil).is(401)
	r.do(as, "GET", "/v2/manage/namespaces", nil).is(401)
	r.later(299 * time.Second)
	r.do(as, "GET", "/v2/alice/app/manifests/v1", nil).is(200)
	r.later(time.Second)
	r.do(as, "GET", "/v2/alice/app/manifests/v1", nil).fails(401, "UNAUTHORIZED")

	// A token for a repository does not open its namesake.
	as = r.pusher("alice", "alice/app")
	r.do(basic("alice"), "DELETE", "/v1/repositories/alice/app/", nil).is(204)
	r.do(as, "GET", "/v2/alice/app/manifests/v1", nil).fails(404, "NAME_UNKNOWN")
	r.do(as, "POST", "/v2/alice/app/blobs/uploads/", nil).fails(401, "UNAUTHORIZED")
	fresh := r.pusher("alice", "alice/app")
	r.pushBlob(fresh, "alice/app", "y")
	r.do(fresh, "GET", "/v2/alice/app/manifests/v1", nil).fails(404, "MANIFEST_UNKNOWN")
	r.do(fresh, "GET", "/v2/alice/app/blobs/"+digestOf("layer x"), nil).fails(404, "BLOB_UNKNOWN")
}

func FuzzScopes(f *testing.F) {
	for _, s := range []string{"repository:a/b:pull,push", "repository(plugin):a/b:*", "registry:catalog:*", "repository:host:5000/a:pull x:y:z", "::", "a(b:c:d", "():0:"} {
		f.Add(s)
	}
	h := hub.New(nil, nil, hub.Keys{}, hub.Options{})
	f.Fuzz(func(t *testing.T, s string) {
		for _, scope := range hub.ParseScopes(s) {
			if scope.Type == "" || scope.Name == "" || len(scope.Actions) == 0 || strings.ContainsAny(scope.Type+scope.Name, " \t\n") {
				t.Fatalf("%q gives %+v", s, scope)
			}
			if strings.HasPrefix(scope.Type, "registry") {
				if _, err := h.GrantToken(context.Background(), hub.Caller{}, []hub.Scope{scope}); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
