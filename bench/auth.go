package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// auth answers a registry's challenge: Basic as it is; Bearer with a token for
// each scope from the challenge's realm, kept until shortly before it ends. The
// zero value, for a registry that asks for nothing, sends nothing.
type auth struct {
	hc             *http.Client
	user, password string
	basic          bool   // the registry takes Basic itself
	realm, service string // where it takes Bearer
	mu             sync.Mutex
	tokens         map[string]token // by scope
}

type token struct {
	value string
	until time.Time
}

// renewBefore is how long before its end a token is replaced. It is longer than
// any single load lasts, since a load keeps the header that it began with.
const renewBefore = time.Minute

var challengeParam = regexp.MustCompile(`(\w+)="([^"]*)"`)

// challenged takes note of a WWW-Authenticate header.
func (a *auth) challenged(header string) error {
	scheme, params, _ := strings.Cut(header, " ")
	switch strings.ToLower(scheme) {
	case "basic":
		a.basic = true
		return nil
	case "bearer":
		for _, m := range challengeParam.FindAllStringSubmatch(params, -1) {
			switch m[1] {
			case "realm":
				a.realm = m[2]
			case "service":
				a.service = m[2]
			}
		}
		if a.realm != "" {
			return nil
		}
	}
	return fmt.Errorf("no way to answer the challenge %q", header)
}

// header returns the Authorization for a request within scope, "" for none.
func (a *auth) header(scope string) (string, error) {
	if a.basic {
		return a.plain(), nil
	}
	if a.realm == "" {
		return "", nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if t, ok := a.tokens[scope]; ok && time.Until(t.until) > renewBefore {
		return "Bearer " + t.value, nil
	}
	t, err := a.fetch(scope)
	if err != nil {
		return "", err
	}
	if a.tokens == nil {
		a.tokens = map[string]token{}
	}
	a.tokens[scope] = t
	return "Bearer " + t.value, nil
}

// forget drops the tokens, as a client that begins anew has none.
func (a *auth) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.tokens)
}

// plain is Basic credentials, "" for nobody.
func (a *auth) plain() string {
	if a.user == "" {
		return ""
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.user+":"+a.password))
}

func (a *auth) fetch(scope string) (token, error) {
	q := url.Values{"service": {a.service}}
	if scope != "" {
		q["scope"] = strings.Fields(scope)
	}
	req, err := http.NewRequest("GET", a.realm+"?"+q.Encode(), nil)
	if err != nil {
		return token{}, err
	}
	if a.user != "" {
		req.SetBasicAuth(a.user, a.password)
	}
	asked := time.Now()
	resp, err := a.hc.Do(req)
	if err != nil {
		return token{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return token{}, fmt.Errorf("GET %s for scope %q: status %d", a.realm, scope, resp.StatusCode)
	}
	var doc struct {
		Token       string
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		return token{}, fmt.Errorf("GET %s: %w", a.realm, err)
	}
	if doc.Token == "" {
		doc.Token = doc.AccessToken
	}
	// A missing expires_in means 60 seconds (distribution's token specification).
	lives := max(60, doc.ExpiresIn)
	return token{doc.Token, asked.Add(time.Duration(lives) * time.Second)}, nil
}

// scopeOf names the access that a request needs, as a client must ask for it.
func scopeOf(method string, u *url.URL) string {
	if u.Path == "/v2/_catalog" {
		return "registry:catalog:*"
	}
	repo := strings.TrimPrefix(u.Path, "/v2/")
	for _, s := range []string{"/blobs/", "/manifests/", "/tags/", "/referrers/"} {
		if i := strings.Index(repo, s); i >= 0 {
			repo = repo[:i]
			break
		}
	}
	if repo == "" {
		return ""
	}
	actions := "pull,push"
	switch method {
	case "GET", "HEAD":
		actions = "pull"
	case "DELETE":
		actions = "delete"
	}
	scope := "repository:" + repo + ":" + actions
	if from := u.Query().Get("from"); from != "" {
		scope += " repository:" + from + ":pull"
	}
	return scope
}
