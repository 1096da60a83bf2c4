package manage_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestOverview(t *testing.T) {
	a := newAPI(t, "alice", "bob")
	a.do("alice", "POST", "/v2/manage/namespaces", `{"namespace":"group"}`).empty(201)
	a.create("alice", "busybox", "-secret")
	a.create("group", "-app")
	a.create("bob", "other")
	a.push("alice/busybox", "v1", "v2")
	a.push("group/app", "latest")
	bytes := int64(0)
	for _, repo := range []string{"alice/repos/busybox", "alice/repos/secret", "group/repos/app"} {
		var r struct{ Size int64 }
		a.do("alice", "GET", "/v2/manage/namespaces/"+repo, nil).into(200, &r)
		bytes += r.Size
	}
	if bytes == 0 {
		t.Fatal("no bytes are counted")
	}
	a.do("alice", "GET", "/v2/manage/overview", nil).is(200, fmt.Sprintf(`{"domain_id":"alice","domain_name":"alice","namspace_num":2,
		"repo_num":3,"image_num":3,"store_space":%d,"downflow_size":0}`, bytes))
	a.do("", "GET", "/v2/manage/overview", nil).fails(401, "4010000")
}

// login makes a temporary log-in, and returns its user, password and end.
func (a *api) login(as string, header ...string) (user, password, ends string) {
	a.t.Helper()
	var body struct {
		Auths map[string]struct{ Auth string }
	}
	r := a.do(as, "POST", "/v2/manage/utils/secret?projectname=cn-north-1", nil, header...)
	r.into(200, &body)
	command := strings.Fields(r.header.Get("X-Swr-Dockerlogin"))
	if len(command) != 7 || command[0] != "docker" || command[1] != "login" || command[2] != "-u" || command[4] != "-p" || command[6] != "hub.example:8443" {
		a.t.Fatalf("X-Swr-Dockerlogin is %q", command)
	}
	auth, err := base64.StdEncoding.DecodeString(body.Auths["hub.example:8443"].Auth)
	if err != nil || len(body.Auths) != 1 || string(auth) != command[3]+":"+command[5] {
		a.t.Errorf("auths are %v, the command is %q", body.Auths, command)
	}
	return command[3], command[5], r.header.Get("X-Swr-Expireat")
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestSecret(t *testing.T) {
	a := newAPI(t, "alice", "bob")
	a.create("alice", "-secret")
	user, password, ends := a.login("alice")
	if user != "alice" || ends != a.now.Add(24*time.Hour).Format("2006-01-02T15:04:05.000Z") {
		t.Errorf("the log-in is %s's until %s", user, ends)
	}
	token := func() int {
		return a.do("", "GET", "/v2/token?service=hub.example:8443&scope=repository:alice/secret:pull,push", nil, "Authorization", basic(user, password)).status
	}
	if got := token(); got != 200 {
		t.Errorf("docker login gets %d", got)
	}
	a.do("", "GET", aliceRepos+"/secret", nil, "Authorization", basic(user, password)).says(`"name":"secret"`)
	a.do("", "DELETE", aliceRepos+"/secret", nil, "Authorization", basic(user, password)).fails(403, "4039002")

	// a log-in made with a log-in lasts no longer
	a.now = a.now.Add(time.Hour)
	if _, _, again := a.login("", "X-Auth-Token", password); again != ends {
		t.Errorf("a log-in made with one that ends at %s ends at %s", ends, again)
	}
	a.now = a.now.Add(23 * time.Hour)
	if got := token(); got != 401 {
		t.Errorf("after a day docker login gets %d", got)
	}
	r := a.do("", "POST", "/v2/manage/utils/secret", nil).fails(401, "4010000")
	if got := r.header.Get("WWW-Authenticate"); got != `Basic realm="berth"` {
		t.Errorf("WWW-Authenticate is %q", got)
	}
}

// A log-in made by a robot, or with a token for some repositories, can do no more.
func TestSecretIsNoStronger(t *testing.T) {
	a := newAPI(t, "alice")
	a.create("alice", "-secret", "-other")
	for body, sees := range map[string][2]int{
		`{"name":"ci","namespace":"alice","permissions":["pull"]}`:                           {200, 200},
		`{"name":"k","permissions":["pull"],"repositories":["alice/secret"]}`:                {200, 404},
		`{"name":"ci2","namespace":"alice","permissions":["pull"],"repositories":["other"]}`: {404, 200},
	} {
		var made struct{ Token string }
		a.do("alice", "POST", "/v1/tokens", body).into(201, &made)
		user, password, _ := a.login("", "X-Auth-Token", made.Token)
		as := basic(user, password)
		for i, repo := range []string{"/secret", "/other"} {
			if r := a.do("", "GET", aliceRepos+repo, nil, "Authorization", as); r.status != sees[i] {
				t.Errorf("%s: %s is answered %d", body, repo, r.status)
			}
		}
		a.do("", "POST", aliceRepos, fields{"repository", "new", "is_public", "false"}, "Authorization", as).fails(403, "4039002")
	}
}

// A log-in is in no list and cannot be revoked by itself: it ends with the access
// token or password that it was made with, also where another log-in stands between.
func TestSecretEndsWithItsMaker(t *testing.T) {
	a := newAPI(t, "alice")
	a.create("alice", "-secret")
	var made struct{ ID, Token string }
	a.do("alice", "POST", "/v1/tokens", `{"name":"ci","permissions":["push"]}`).into(201, &made)
	_, byToken, _ := a.login("", "X-Auth-Token", made.Token)
	_, byTokens, _ := a.login("", "X-Auth-Token", byToken)
	_, byPassword, _ := a.login("", "Authorization", basic("alice", password))
	_, byPasswords, _ := a.login("", "X-Auth-Token", byPassword)
	var refresh struct {
		Token string `json:"refresh_token"`
	}
	a.do("", "GET", "/v2/token?offline_token=true", nil, "Authorization", basic("alice", byToken)).into(200, &refresh)

	works := func(when string, want int, secrets ...string) {
		t.Helper()
		for _, s := range secrets {
			if r := a.do("", "GET", aliceRepos+"/secret", nil, "X-Auth-Token", s); r.status != want {
				t.Errorf("%s: a log-in is answered %d, not %d", when, r.status, want)
			}
		}
	}
	works("at first", 200, byToken, byTokens, byPassword, byPasswords)
	a.do("alice", "DELETE", "/v1/tokens/"+made.ID, nil).empty(204)
	works("with its token revoked", 401, byToken, byTokens)
	works("with another's token revoked", 200, byPassword, byPasswords)
	refreshed := a.do("", "POST", "/v2/token", map[string]string{"grant_type": "refresh_token", "refresh_token": refresh.Token})
	if refreshed.status != 401 {
		t.Errorf("a refresh token of a log-in that ended gets %d", refreshed.status)
	}

	a.do("alice", "PUT", "/v1/auth/profile", map[string]string{"old_password": password, "password": "another " + password})
	works("with its password changed", 401, byPassword, byPasswords)
}
