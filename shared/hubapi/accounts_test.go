package hubapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// with sends a request with headers: name, value, in turn. A body that is no
// url.Values is sent as JSON; a string as it is.
func (a *repoAPI) with(method, path string, body any, header ...string) repoAnswer {
	a.t.Helper()
	var reader io.Reader = http.NoBody
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case url.Values:
		reader, kind = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	case string:
		reader = strings.NewReader(b)
	default:
		j, err := json.Marshal(b)
		if err != nil {
			a.t.Fatal(err)
		}
		reader = strings.NewReader(string(j))
	}
	req := httptest.NewRequest(method, path, reader)
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	a.handler.ServeHTTP(rec, req)
	return repoAnswer{a.t, strings.Join(append(header, method, path), " "), rec.Code, rec.Header(), rec.Body.Bytes()}
}

// by sends a request with an access token.
func (a *repoAPI) by(token, method, path string, body any) repoAnswer {
	a.t.Helper()
	return a.with(method, path, body, "Authorization", "Token "+token)
}

func (a *repoAPI) token(as string, body any) object {
	a.t.Helper()
	var made object
	a.do(as, "POST", "/v1/tokens", body).is(201, &made)
	return made
}

func TestGenerateAPIToken(t *testing.T) {
	a := newRepoAPI(t)
	a.do("madams", "POST", "/v1/orgs", `{"name":"acme"}`).is(201, &object{})
	for name, body := range map[string]any{
		"JSON": map[string]string{"username": "madams", "password": repoPassword},
		"form": url.Values{"username": {"madams"}, "password": {repoPassword}},
	} {
		var got object
		a.with("POST", "/v1/generate-api-token/", body).is(200, &got)
		got.has(t, `{"username":"madams","namespace":"madams","email":"madams@example.com"}`)
		text, _ := got["token"].(string)
		if !strings.HasPrefix(text, "brt_") || len(got) != 4 {
			t.Errorf("%s: %v", name, got)
		}
		for _, header := range [][2]string{
			{"Authorization", "Token " + text}, {"Authorization", "Bearer " + text}, {"X-Auth-Token", text},
			{"Authorization", "Basic " + basic("anybody", text)},
		} {
			var p object
			a.with("GET", "/v1/auth/profile", nil, header[0], header[1]).is(200, &p)
			p.has(t, `{"username":"madams","namespace":"madams","email":"madams@example.com","realname":"","is_admin":false,"created_at":"2014-11-19T05:54:22.741Z"}`)
		}
	}
	var got object
	login := map[string]string{"username": "madams", "password": repoPassword, "organization": "acme"}
	a.with("POST", "/v1/generate-api-token", login).is(200, &got)
	got.has(t, `{"username":"madams","namespace":"acme"}`)

	login["username"] = "stranger"
	a.with("POST", "/v1/generate-api-token", login).fails(403, "permission_denied")
	login["organization"] = "nowhere"
	a.with("POST", "/v1/generate-api-token", login).fails(404, "namespace_not_found")
	login["organization"] = "No"
	a.with("POST", "/v1/generate-api-token", login).fails(400, "invalid_field", "organization")
	a.with("POST", "/v1/generate-api-token", `{"username":"madams"}`).fails(400, "invalid_field", "password")
	a.with("POST", "/v1/generate-api-token", `{"password":"x"}`).fails(400, "invalid_field", "username")
	a.with("POST", "/v1/generate-api-token", `{"username":1,"password":"x"}`).fails(400, "invalid_field", "username")
	a.with("POST", "/v1/generate-api-token", `{"username":"madams","password":"wrong password"}`).fails(401, "unauthenticated")

	var list page
	a.do("madams", "GET", "/v1/tokens", nil).is(200, &list)
	if list.Count != 3 || len(list.Results) != 3 {
		t.Errorf("three were made, the list has %d of %d", len(list.Results), list.Count)
	}
}

func basic(user, password string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}

// An unknown account costs as many runs of argon2id as a known one, and a pair
// that was found right costs none for five minutes, or until the password changes.
func TestLogInWork(t *testing.T) {
	a := newRepoAPI(t)
	runs := func(user, password string, status int) int64 {
		t.Helper()
		before := a.hub.PasswordHashes()
		r := a.with("GET", "/v1/auth/profile", nil, "Authorization", "Basic "+basic(user, password))
		if r.status != status {
			t.Fatalf("%s: %d %s, want %d", user, r.status, r.body, status)
		}
		return a.hub.PasswordHashes() - before
	}
	for _, user := range []string{"madams", "nobody", "", "No Such", "a\xff", strings.Repeat("x", 3000), "token", "-"} {
		if n := runs(user, "wrong password", 401); n != 1 {
			t.Errorf("%q with a wrong password: argon2id ran %d times, want 1", user, n)
		}
	}
	if n := runs("madams", repoPassword, 200); n != 1 {
		t.Errorf("first log-in: %d runs", n)
	}
	a.now = a.now.Add(5*time.Minute - time.Millisecond)
	a.calls.Take()
	if n := runs("madams", repoPassword, 200); n != 0 {
		t.Errorf("remembered log-in: %d runs", n)
	}
	if n := a.calls.Take(); n.Writes != 0 || n.Gets != 2 { // the log-in and the profile
		t.Errorf("remembered log-in: store calls %+v", n)
	}
	a.now = a.now.Add(time.Millisecond)
	if n := runs("madams", repoPassword, 200); n != 1 {
		t.Errorf("after five minutes: %d runs", n)
	}

	change := map[string]string{"old_password": repoPassword, "password": "another horse"}
	a.do("madams", "PUT", "/v1/auth/profile", change).is(200, &object{})
	if n := runs("madams", repoPassword, 401); n != 1 {
		t.Errorf("old password: %d runs", n)
	}
	runs("madams", "another horse", 200)
}

// Log-ins are counted before any work is done, for one name from one address, and
// for one name from everywhere, wherever a password is taken.
func TestFailedLogInsAreLimited(t *testing.T) {
	a := newRepoAPI(t)
	a.do("madams", "GET", "/v1/auth/profile", nil).is(200, &object{}) // remembered, and stopped all the same
	token := a.token("madams", `{"name":"ci","permissions":["pull"]}`)["token"].(string)
	wrong := func(surface int) repoAnswer {
		switch surface % 4 {
		case 0:
			return a.with("GET", "/v1/auth/profile", nil, "Authorization", "Basic "+basic("madams", "wrong password"))
		case 1:
			return a.with("POST", "/v1/generate-api-token", `{"username":"madams","password":"wrong password"}`)
		case 2:
			return a.with("GET", "/v1/repositories/madams", nil, "Authorization", "Basic "+basic("madams", "wrong password"))
		}
		return a.by(token, "GET", "/v1/auth/profile", nil) // never counted
	}
	for n := 0; n < 13; n++ {
		if r := wrong(n); n%4 == 3 && r.status != 200 || n%4 != 3 && r.status != 401 {
			t.Fatalf("attempt %d: %d %s", n, r.status, r.body)
		}
		a.now = a.now.Add(time.Second)
	}
	before := a.hub.PasswordHashes()
	for n := range 3 {
		r := wrong(n)
		r.fails(429, "too_many_requests")
		if got := r.header.Get("Retry-After"); got != "587" { // 600 s after the first of ten, 13 s ago
			t.Errorf("Retry-After %q", got)
		}
	}
	a.do("madams", "GET", "/v1/auth/profile", nil).fails(429, "too_many_requests")
	a.do("stranger", "GET", "/v1/auth/profile", nil).is(200, &object{})
	a.by(token, "GET", "/v1/auth/profile", nil).is(200, &object{})
	if n := a.hub.PasswordHashes() - before; n != 1 { // stranger's
		t.Errorf("argon2id ran %d times, want 1", n)
	}
	a.now = a.now.Add(587 * time.Second)
	wrong(0).fails(401, "unauthenticated")
	wrong(0).fails(429, "too_many_requests")
	a.now = a.now.Add(10 * time.Minute)
	a.do("madams", "GET", "/v1/auth/profile", nil).is(200, &object{})
}

func TestFailedLogInsFromManyAddresses(t *testing.T) {
	a := newRepoAPI(t)
	attempt := func(name string, from int) int {
		req := httptest.NewRequest("GET", "/v1/auth/profile", nil)
		req.RemoteAddr = fmt.Sprintf("198.51.100.%d:4711", from)
		req.SetBasicAuth(name, "wrong password")
		rec := httptest.NewRecorder()
		a.handler.ServeHTTP(rec, req)
		return rec.Code
	}
	for _, name := range []string{"nobody"} {
		for n := range 50 {
			if status := attempt(name, n/5); status != 401 {
				t.Fatalf("%s, attempt %d: %d", name, n, status)
			}
		}
		if status := attempt(name, 99); status != 429 {
			t.Errorf("%s, attempt 51: %d", name, status)
		}
	}
}

// However many try at once, no more than ten wrong passwords are looked at.
func TestFailedLogInsAtOnce(t *testing.T) {
	a := newRepoAPI(t)
	before := a.hub.PasswordHashes()
	var wg sync.WaitGroup
	statuses := make([]int, 40)
	for i := range statuses {
		wg.Go(func() {
			req := httptest.NewRequest("GET", "/v1/auth/profile", nil)
			req.SetBasicAuth("madams", "wrong password")
			rec := httptest.NewRecorder()
			a.handler.ServeHTTP(rec, req)
			statuses[i] = rec.Code
		})
	}
	wg.Wait()
	count := map[int]int{}
	for _, s := range statuses {
		count[s]++
	}
	if count[401] != 10 || count[429] != 30 {
		t.Errorf("answers %v, want 10 of 401 and 30 of 429", count)
	}
	if n := a.hub.PasswordHashes() - before; n != 10 {
		t.Errorf("argon2id ran %d times, want 10", n)
	}
}

func TestRegister(t *testing.T) {
	a := newRepoAPI(t)
	who := map[string]string{"username": "newcomer", "password": "12345678", "email": "n@example.com", "realname": "New Comer"}
	a.do("", "POST", "/v1/auth/register", who).fails(403, "permission_denied")
	a.do("stranger", "POST", "/v1/auth/register", who).fails(403, "permission_denied")
	var got object
	a.do("admin", "POST", "/v1/auth/register", who).is(201, &got)
	got.has(t, `{"username":"newcomer","namespace":"newcomer","email":"n@example.com","realname":"New Comer","is_admin":false}`)
	a.do("admin", "POST", "/v1/auth/register", who).fails(409, "account_exists", "newcomer")
	a.with("POST", "/v1/repositories/newcomer", `{"repo_name":"app"}`, "Authorization", "Basic "+basic("newcomer", "12345678")).is(201, &got)

	a.hub.Options.OpenSignup = true
	a.do("madams", "POST", "/v1/orgs", `{"name":"acme"}`).is(201, &got)
	for name, test := range map[string]struct {
		body   string
		status int
		code   string
		says   string
	}{
		"no name":        {`{"password":"12345678"}`, 400, "invalid_field", "username"},
		"no password":    {`{"username":"x"}`, 400, "invalid_field", "password"},
		"short password": {`{"username":"x","password":"1234567"}`, 400, "invalid_field", "password"},
		"long password":  {`{"username":"x","password":"` + strings.Repeat("x", 257) + `"}`, 400, "invalid_field", "password"},
		"bad name":       {`{"username":"Xy","password":"12345678"}`, 400, "invalid_field", "username"},
		"reserved name":  {`{"username":"manage","password":"12345678"}`, 400, "invalid_field", "username"},
		"bad address":    {`{"username":"x","password":"12345678","email":"x"}`, 400, "invalid_field", "email"},
		"name of an org": {`{"username":"acme","password":"12345678"}`, 409, "account_exists", "acme"},
		"wrong type":     {`{"username":["x"],"password":"12345678"}`, 400, "invalid_field", "username"},
		"no JSON":        {`{"username"`, 400, "bad_request", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			a.do("", "POST", "/v1/auth/register", test.body).fails(test.status, test.code, test.says)
		})
	}
	a.t = t
	a.do("", "POST", "/v1/auth/register/", `{"username":"x","password":"`+strings.Repeat("x", 256)+`"}`).is(201, &got)
	a.do("", "GET", "/v1/repositories/x", nil).is(200, &page{})
}

func TestProfile(t *testing.T) {
	a := newRepoAPI(t)
	a.do("", "GET", "/v1/auth/profile", nil).fails(401, "unauthenticated")
	a.do("", "PUT", "/v1/auth/profile", `{"email":"x@example.com"}`).fails(401, "unauthenticated")
	var got object
	a.do("madams", "PUT", "/v1/auth/profile", `{"email":"x@example.com"}`).is(200, &got)
	a.do("madams", "PUT", "/v1/auth/profile", `{"realname":"M. Adams"}`).is(200, &got)
	got.has(t, `{"email":"x@example.com","realname":"M. Adams"}`)
	a.do("madams", "PUT", "/v1/auth/profile", `{"email":"nonsense"}`).fails(400, "invalid_field", "email")
	a.do("madams", "PUT", "/v1/auth/profile", `{"password":"12345678"}`).fails(400, "invalid_field", "old_password")
	a.do("madams", "PUT", "/v1/auth/profile", `{"password":"1234567","old_password":"correct horse"}`).fails(400, "invalid_field", "password")
	a.do("madams", "PUT", "/v1/auth/profile", `{"password":"12345678","old_password":"wrong password","email":"y@example.com"}`).fails(401, "unauthenticated")
	a.do("madams", "GET", "/v1/auth/profile", nil).is(200, &got)
	got.has(t, `{"email":"x@example.com","realname":"M. Adams"}`)

	full := a.token("madams", `{"name":"all","permissions":["admin"]}`)["token"].(string)
	push := a.token("madams", `{"name":"ci","permissions":["push"]}`)["token"].(string)
	bound := a.token("madams", `{"name":"one","permissions":["admin"],"repositories":["madams/app"]}`)["token"].(string)
	robot := a.token("madams", `{"name":"robot","permissions":["admin"],"namespace":"madams"}`)["token"].(string)
	a.by(full, "PUT", "/v1/auth/profile", `{"realname":"M"}`).is(200, &got)
	for _, text := range []string{push, bound, robot} {
		a.by(text, "PUT", "/v1/auth/profile", `{"realname":"X"}`).fails(403, "permission_denied")
	}
	a.by(robot, "GET", "/v1/auth/profile", nil).is(200, &got)
	got.has(t, `{"username":"robot:madams/robot","namespace":"madams","realname":""}`)
}
