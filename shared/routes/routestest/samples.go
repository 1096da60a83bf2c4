// Package routestest has a hub in which there is something of everything, and one
// realistic request of each route to ask it with.
package routestest

import (
	"strings"

	"berth/shared/web"
)

// Sample is a realistic request of a route. What stands in braces in its vars, query
// and body is taken from the world; {repo} is open or closed.
type Sample struct {
	vars  map[string]string // of the pattern, where they are not the world's
	query string
	body  string
	kind  string // of the body; "" = JSON
	// Want says who is answered differently than the route's rule says, and with
	// what status; 0 = as the route answers when all is well. A name may have
	// " public" or " private" behind it.
	Want map[string]int
}

// Where a request goes that wants something without contents.
var bare = map[string]string{"namespace": "bare"}
var emptyRepo = map[string]string{"repo": "bare-{repo}"}

var hook = map[string]string{"id": "{webhook}"}
var running = map[string]string{"build": "{running build}"}
var aBuild = map[string]string{"build": "{build {repo}}"}
var aCommit = strings.Repeat("5e", 20)
var aReader = map[string]string{"username": "reader"}

const Policy = `{"algorithm": "or", "rules": [{"template": "tag_rule", "params": {"num": "7"}, "tag_selectors": []}]}`

const role = `[{"user_id": "stranger", "user_name": "stranger", "auth": 1}]`

// Samples has a request for every route of the table.
var Samples = map[string]Sample{
	// accounts
	"generate-api-token": {body: `{"username": "stranger", "password": "correct horse"}`},
	"account-register": {
		body: `{"username": "somebody", "password": "a long password", "email": "somebody@example.com", "realname": "Some Body"}`,
		Want: refused(403, 403, "stranger", "reader", "writer", "owner", "robot"),
	},
	"profile-get":    {},
	"profile-update": {body: `{"email": "new@example.com", "realname": "New"}`},
	"token-create":   {body: `{"name": "mine", "permissions": ["pull"]}`, Want: map[string]int{"robot": 403}},
	"token-list":     {},
	"token-delete": {
		vars: map[string]string{"id": "{other robot}"},
		Want: map[string]int{"stranger": 404, "reader": 404, "writer": 404, "robot": 404},
	},
	"org-create":  {body: `{"name": "fresh", "company": "Fresh Ltd"}`},
	"org-list":    {},
	"org-get":     {},
	"org-update":  {body: `{"company": "Team Ltd"}`},
	"org-delete":  {vars: bare, Want: map[string]int{"robot": 403}},
	"member-list": {}, "member-get": {vars: aReader}, "member-remove": {vars: aReader},
	"member-add":    {body: `{"username": "stranger", "role": "reader"}`},
	"member-update": {vars: aReader, body: `{"role": "writer"}`},
	"secret-list":   {}, "secret-get": {vars: map[string]string{"name": "TOKEN"}},
	"secret-put":     {vars: map[string]string{"name": "TOKEN"}, body: `{"value": "new"}`},
	"secret-delete":  {vars: map[string]string{"name": "TOKEN"}},
	"quota-get":      {},
	"quota-put":      {body: `{"limit": 1000000}`},
	"audit-list":     {query: "page_size=1"},
	"hub-audit-list": {query: "page_size=1"},
	"webhook-list":   {}, "webhook-get": {vars: hook}, "webhook-delete": {vars: hook}, "webhook-delivery-list": {vars: hook},
	"webhook-create": {body: `{"url": "https://1.1.1.1/hook", "events": ["image:push"]}`},
	"webhook-put":    {vars: hook, body: `{"url": "https://1.1.1.1/other", "events": ["build:complete"], "is_active": false}`},

	// repositories
	"repository-create": {body: `{"repo_name": "fresh", "description": "new", "is_public": true}`},
	"repository-list":   {query: "page_size=1&q=o"},
	"repository-get":    {},
	"repository-update": {body: `{"description": "changed", "full_description": "long", "category": "lang"}`},
	"repository-delete": {},
	"repository-star":   {Want: map[string]int{"robot": 403}},
	"repository-unstar": {Want: map[string]int{"robot": 403}},
	"tag-list":          {query: "page_size=1"},
	"tag-get":           {vars: map[string]string{"tag": "v1"}},
	"tag-delete":        {vars: map[string]string{"tag": "v1"}},
	"search":            {query: "q=o&n=1"},

	// builds
	"build-config-get":    {},
	"build-config-update": {body: `{"build_node": "cn", "email_enabled": true}`},
	"build-create": {
		body: `{"namespace": "team", "repo_name": "{repo}", "tag": "latest"}`,
		Want: map[string]int{"reader": 403, "robot": 403, "stranger public": 403, "stranger private": 404},
	},
	"build-list": {
		query: "namespace=team&repo_name={repo}&page_size=1",
		Want:  map[string]int{"anonymous": 404, "stranger": 404},
	},
	"build-get":    {vars: aBuild},
	"build-log":    {vars: aBuild},
	"build-delete": {vars: aBuild},
	"build-claim":  {vars: running, body: `{"claim": "{claim}"}`},
	"build-report": {
		vars: running,
		body: `{"step": 20, "lines": [{"seq": 1, "time": 1767322000, "level": "INFO", "message": "starting to build"}]}`,
	},
	"code-hook": { // no account is a Git host: see TestCodeHook
		vars: map[string]string{"code": "{hook {repo}}"}, body: `{"ref": "refs/heads/master", "after": "` + aCommit + `"}`,
		Want: refused(401, 401, "stranger", "reader", "writer", "owner", "administrator", "robot"),
	},

	// the Manage API
	"manage-namespace-create":         {body: `{"namespace": "fresh"}`, Want: map[string]int{"robot": 403}},
	"manage-namespace-list":           {query: "filter=mode::visible"},
	"manage-namespace-get":            {Want: refused(401, 403, "stranger")},
	"manage-namespace-delete":         {vars: bare, Want: map[string]int{"robot": 403}},
	"manage-namespace-access-list":    {},
	"manage-namespace-access-create":  {body: role},
	"manage-namespace-access-update":  {body: strings.ReplaceAll(role, "stranger", "reader")},
	"manage-namespace-access-delete":  {body: `["reader"]`},
	"manage-repository-access-list":   {},
	"manage-repository-access-create": {body: role},
	"manage-repository-access-update": {body: strings.ReplaceAll(role, "stranger", "guest")},
	"manage-repository-access-delete": {body: `["guest"]`},
	"manage-repository-create":        {body: `{"repository": "fresh", "is_public": "true", "category": "linux"}`},
	"manage-repository-list":          {query: "limit=1"},
	"manage-repository-get":           {},
	"manage-repository-update":        {body: `{"description": "changed"}`},
	"manage-repository-delete":        {vars: emptyRepo},
	"manage-overview":                 {},
	"manage-secret-create":            {query: "projectname=cn-north-1"},
	"manage-tag-list":                 {query: "limit=1"},
	"manage-tag-get":                  {vars: map[string]string{"tag": "v1"}},
	"manage-tag-create":               {body: `{"source_tag": "v1", "destination_tag": "v2"}`},
	"manage-tag-delete":               {vars: map[string]string{"tag": "v1"}},
	"manage-retention-create":         {body: Policy},
	"manage-retention-list":           {},
	"manage-retention-history":        {query: "limit=1"},
	"manage-retention-get":            {vars: map[string]string{"retention": "1"}},
	"manage-retention-update":         {vars: map[string]string{"retention": "1"}, body: Policy},
	"manage-retention-delete":         {vars: map[string]string{"retention": "1"}},

	// the registry
	"registry-ping":            {Want: map[string]int{"anonymous": 401}},
	"registry-token":           {query: "scope=repository:team/{repo}:pull"},
	"registry-token-post":      {body: "grant_type=password&username=stranger&password=correct+horse&service=hub.example", kind: "application/x-www-form-urlencoded"},
	"registry-upload-start":    {},
	"registry-upload-get":      {},
	"registry-upload-patch":    {body: "a chunk", kind: "application/octet-stream"},
	"registry-upload-put":      {query: "digest=" + Digest("a blob"), body: "a blob", kind: "application/octet-stream"},
	"registry-upload-delete":   {},
	"registry-blob-get":        {vars: map[string]string{"digest": "{blob}"}},
	"registry-blob-delete":     {vars: map[string]string{"digest": "{blob}"}},
	"registry-manifest-get":    {vars: map[string]string{"reference": "v1"}},
	"registry-manifest-put":    {vars: map[string]string{"reference": "v2"}, body: "{manifest-body}", kind: OCIManifest},
	"registry-manifest-delete": {vars: map[string]string{"reference": "v1"}},
	"registry-catalog":         {query: "n=1", Want: map[string]int{"anonymous": 401}},
	"registry-tag-list":        {query: "n=1"},
	"registry-referrer-list":   {vars: map[string]string{"digest": "{manifest}"}},

	// the operator's
	"healthz": {}, "readyz": {}, "openapi": {}, "home": {}, "default-logo-get": {},
	"console-get": {vars: map[string]string{"path...": "assets/console-7.js"}},
	"gc-run":      {}, "retention-run": {},
	"admin-account-list":   {query: "page_size=1"},
	"admin-account-update": {vars: map[string]string{"username": "stranger"}, body: `{"email": "new@example.com"}`},
	"admin-create":         {body: `{"username": "second", "password": "a long password"}`},
}

// refused is what the anonymous and some others are answered.
func refused(anonymous, others int, who ...string) map[string]int {
	want := map[string]int{"anonymous": anonymous}
	for _, name := range who {
		want[name] = others
	}
	return want
}

// Whole is who may do all that a route does.
func Whole(r web.Route) string {
	if r.Rule == web.Runner {
		return "runner"
	}
	return "administrator"
}

// Request is the sample of a route, asked of a repository: the path with its query,
// and the body with its type.
func (w *World) Request(r web.Route, repo string) (path, kind, body string) {
	s := Samples[r.Name]
	fill := func(text string) string {
		text = strings.ReplaceAll(text, "{repo}", repo)
		for name, value := range w.Known {
			text = strings.ReplaceAll(text, "{"+name+"}", value)
		}
		return text
	}
	path = r.Pattern
	for name, value := range s.vars {
		path = strings.ReplaceAll(path, "{"+name+"}", fill(fill(value)))
	}
	path = strings.ReplaceAll(path, "{upload}", w.Known["upload "+repo])
	path = fill(path)
	if s.query != "" {
		path += "?" + fill(s.query)
	}
	kind = s.kind
	if kind == "" && s.body != "" {
		kind = "application/json"
	}
	return path, kind, fill(s.body)
}
