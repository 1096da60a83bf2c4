package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/random"
)

// A person's way through the console, beside clients of the registry: what is done in
// one is seen by the others.
func TestConsole(t *testing.T) {
	hub := ownHub(t)
	admin := hub.client
	if !strings.Contains(hub.out, hub.base) {
		t.Errorf("the hub prints %q", hub.out)
	}
	chromium := browser(t)
	b := open(t, chromium, hub.base)
	b.visit("/")
	b.see("This hub has no public repositories yet")
	terms := admin.call(t, http.StatusOK, "GET", strings.TrimPrefix(b.eval(`document.querySelector("footer a[href$='.txt']").href`), hub.base), "")
	for _, name := range []string{"preact ", "markdown-it ", "Permission is hereby granted"} {
		if !strings.Contains(string(terms.body), name) {
			t.Errorf("the licences of what the console contains have no %q", name)
		}
	}

	// A wrong password is told in the hub's words, and lets nobody in.
	b.press("Sign in")
	b.fill("User name", admin.user)
	b.fill("Password", "not "+admin.password)
	b.press("Sign in")
	b.see("the user name or password is wrong")
	if b.token() != "" {
		t.Error("a wrong password gives a token")
	}
	b.fill("Password", admin.password)
	b.press("Sign in")
	b.at("/")

	// A repository that is made here is there for crane, and what crane pushes is seen here.
	b.press("Repositories")
	b.see("has no repositories yet", "docker push "+hub.host+"/admin/")
	b.press("New repository")
	b.fill("Name", "Shop")
	b.press("Make the repository")
	b.see("repo_name: ") // what is wrong with it, and the field
	b.fill("Name", "shop")
	b.fill("Description", "All <b>we</b> sell")
	b.press("Make the repository")
	b.at("/repositories/admin/shop")
	b.see("Push a first image", "All <b>we</b> sell")
	with := []crane.Option{crane.WithAuth(admin.auth()), crane.Insecure, crane.WithContext(t.Context())}
	img, err := random.Image(30_000, 3)
	if err != nil {
		t.Fatal(err)
	}
	image := hub.host + "/admin/shop"
	for _, tag := range []string{"v1", "v2"} {
		if err := crane.Push(img, image+":"+tag, with...); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	b.visit("/repositories/admin/shop")
	b.see("docker pull " + image + ":v2") // there is no latest
	b.press("Tags")
	b.see("v1", "v2", digest.Hex[:12])
	b.press("v1")
	b.see("docker pull "+image+":v1", digest.String())
	b.seeLayers(img)
	b.press("Delete the tag")
	b.see("Delete the tag v1?")
	b.press("Cancel")
	b.until(`document.activeElement.innerText === "Delete the tag"`)
	if _, err := crane.Digest(image+":v1", with...); err != nil {
		t.Errorf("a deletion that was called off deletes: %v", err)
	}
	b.press("Delete the tag")
	b.see("Delete the tag v1?")
	b.press("Delete the tag")
	b.at("/repositories/admin/shop/tags")
	b.see("The tag v1 is deleted")
	b.until(`[...document.querySelectorAll("td:first-child")].map((e) => e.innerText.trim()).join() === "v2"`)
	if _, err := crane.Digest(image+":v1", with...); err == nil {
		t.Error("the deleted tag is there")
	}

	consoleTokens(t, hub, b, image, with)
	consoleOffline(hub, b)
	consoleOthers(t, hub, chromium, b)
	consoleAccounts(t, hub, b)

	// Another tab is signed in too, until one of them signs out, which takes the token from the hub.
	second := b.another()
	second.visit("/account")
	second.see("Present password")
	token := b.token()
	bearer := hub.as("", "")
	bearer.call(t, http.StatusOK, "GET", "/v1/auth/profile", "", "Authorization: Bearer "+token)
	b.press("Sign out")
	b.see("Signed out")
	second.at("/sign-in?to=%2Fconsole%2Faccount")
	if second.token() != "" {
		t.Error("the other tab keeps the token")
	}
	if b.token() != "" {
		t.Error("the tab keeps its token")
	}
	bearer.call(t, http.StatusUnauthorized, "GET", "/v1/auth/profile", "", "Authorization: Bearer "+token)
}

// consoleTokens makes an access token, uses it with crane, and revokes it.
func consoleTokens(t *testing.T, hub *server, b *tab, image string, with []crane.Option) {
	b.visit("/account/tokens")
	b.see("this session")
	b.fill("Name", "ci")
	b.choose("It may", "push")
	b.fill("Your password", hub.password)
	b.press("Make the token")
	b.see("it is shown this once")
	secret := b.eval(`document.querySelector(".made pre").textContent`)
	if !strings.HasPrefix(secret, "brt_") {
		t.Fatalf("the page shows %q", secret)
	}
	by := append(with, crane.WithAuth(hub.as("admin", secret).auth()))
	if err := crane.Tag(image+":v2", "v3", by...); err != nil {
		t.Errorf("with the token that the page shows: %v", err)
	}
	b.press("I have it")
	b.until("!document.body.innerText.includes(%q)", secret)
	b.press("Revoke ci")
	b.see("Revoke ci?")
	b.do(chromedp.SendKeys("dialog input[type=password]", hub.password))
	b.press("Revoke the token")
	b.see("ci is revoked")
	b.until(`document.activeElement.tagName === "H1"`) // and not the button, which is gone
	if err := crane.Tag(image+":v2", "v4", by...); err == nil {
		t.Error("a revoked token pushes")
	}
}

// consoleOffline reads a list again without a network: what was there stays.
func consoleOffline(hub *server, b *tab) {
	var hook struct{ ID string }
	if err := json.Unmarshal(hub.call(b.t, 201, "POST", "/v1/namespaces/admin/webhooks", `{"url":"https://hooks.example/"}`).body, &hook); err != nil {
		b.t.Fatal(err)
	}
	const list, lost = "Nothing was sent yet", "The hub does not answer"
	b.visit("/namespaces/admin/webhooks/" + hook.ID)
	b.see(list)
	b.do(network.EmulateNetworkConditions(true, 0, -1, -1))
	b.press("Look again")
	b.see(lost)
	if !b.shows(list) {
		b.t.Error("the list is lost with the network")
	}
	b.do(network.EmulateNetworkConditions(false, 0, -1, -1))
	b.press("Look again")
	b.until("!document.body.innerText.includes(%q)", lost)
	b.see(list)
}

// consoleOthers makes a repository public and another not, looks at both as somebody
// without an account, and ends the session behind the page's back.
func consoleOthers(t *testing.T, hub *server, browser context.Context, b *tab) {
	hub.call(t, 201, "POST", "/v1/repositories/admin", `{"repo_name":"hidden","description":"for us alone"}`)
	b.visit("/repositories/admin/shop/settings")
	b.choose("Public", "")
	b.see("assume that what is in it has been seen")
	b.do(clickNth("Save", 2))
	b.see("Saved")

	stranger := open(t, browser, hub.base)
	stranger.visit("/")
	stranger.see("admin/shop")
	if stranger.shows("hidden") {
		t.Error("everybody sees the private repository")
	}
	stranger.press("admin/shop")
	stranger.press("Tags")
	stranger.see("v2", "v3")
	if stranger.eval(`document.querySelectorAll("main .danger").length`) != "0" {
		t.Error("everybody is offered to delete")
	}
	stranger.visit("/repositories/admin/hidden")
	stranger.see("If it is private, sign in to see it.")
	stranger.visit("/register")
	stranger.see("sign-up is closed here")

	// A session that has ended leads to signing in, and back.
	b.visit("/repositories/admin/hidden/settings")
	b.see("Delete the repository")
	id := b.eval(`JSON.parse(sessionStorage.getItem("berth-session")).id`)
	hub.call(t, http.StatusNoContent, "DELETE", "/v1/tokens/"+id, "")
	b.press("Builds")
	b.see("Sign in")
	b.visit("/builds")
	b.at("/sign-in?to=%2Fconsole%2Fbuilds")
	b.fill("User name", "admin")
	b.fill("Password", adminPassword)
	b.press("Sign in")
	b.at("/builds")
	b.see("You have started no build yet")

	// Deleting a repository wants its name.
	b.visit("/repositories/admin/hidden/settings")
	b.press("Delete the repository")
	b.until(`document.querySelector("dialog button[type=submit]").disabled`)
	b.fill("Type admin/hidden to confirm", "admin/hidden")
	b.press("Delete it for ever")
	b.at("/namespaces/admin")
	b.see("admin/hidden is deleted")
	hub.call(t, http.StatusNotFound, "GET", "/v1/repositories/admin/hidden", "")
}

// consoleAccounts makes an account as an administrator, gives it another password, and
// locks it.
func consoleAccounts(t *testing.T, hub *server, b *tab) {
	b.visit("/admin")
	b.fill("User name", "alice")
	b.fill("Password", "a long password")
	b.press("Make the account")
	b.press("New password for alice")
	b.see("Tell it by a safe way")
	b.fill("New password", "another password")
	b.press("Give it")
	b.see("alice has a new password")
	alice := hub.as("alice", "another password")
	alice.call(t, http.StatusOK, "GET", "/v1/auth/profile", "")
	b.press("Lock alice")
	b.see("Lock alice?")
	b.press("Lock the account")
	b.see("alice is locked")
	alice.call(t, http.StatusUnauthorized, "GET", "/v1/auth/profile", "")
	b.see("Unlock")
}

const evil = `<img src=x onerror=alert(1)><script>alert(2)</script>"'><svg onload=alert(3)>`

// Whatever people write is text, in every place that shows it, and no wider than a phone.
func TestConsoleShowsTextAsText(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	b := open(t, browser(t), hub.base)
	repo := c.repository(t, true)
	c.mustPush(t, repo, "v1", newImage(1, 100))
	org := fresh("o")
	markdown := evil + "\n\n[a](javascript:alert(4)) [b](data:text/html,<script>alert(5)</script>) <javascript:alert(6)> ![c](x\" onerror=\"alert(7))\n\n" +
		"<style>*{display:none}</style>\n\n```html\n" + evil + "\n```\n\n|" + evil + "|\n|-|\n|x|\n\nthe end"
	short := strings.ReplaceAll(evil, `<script>alert(2)</script>`, "")
	for path, body := range map[string]string{
		"PUT /v1/repositories/" + repo:                         fmt.Sprintf(`{"description":%q,"full_description":%q}`, short, markdown),
		"POST /v1/orgs":                                        fmt.Sprintf(`{"name":%q,"company":%q}`, org, short),
		"PUT /v1/auth/profile":                                 fmt.Sprintf(`{"realname":%q}`, short),
		"POST /v1/tokens":                                      fmt.Sprintf(`{"name":%q,"namespace":%q,"permissions":["pull"]}`, evil, c.user),
		"POST /v1/namespaces/" + c.user + "/webhooks":          `{"url":"https://hooks.example/?%3Cscript%3Ealert(1)%3C/script%3E"}`,
		"PUT /v1/namespaces/" + c.user + "/secrets/onerror.-1": `{"value":"x"}`,
	} {
		method, path, _ := strings.Cut(path, " ")
		if a, err := c.try(t.Context(), method, path, strings.NewReader(body)); err != nil || a.status/100 != 2 {
			t.Fatalf("%s %s: %v, %v", method, path, a, err)
		}
	}
	b.signIn(c)
	b.do(chromedp.EmulateViewport(320, 640))
	for _, p := range []struct{ path, shows string }{
		{"/?q=" + c.user, "onload=alert(3)"},
		{"/?q=%3Cscript%3Ealert(1)%3C/script%3E", "<script>alert(1)</script>"},
		{"/namespaces/" + c.user, "onload=alert(3)"},
		{"/repositories/" + repo, "the end"},
		{"/repositories/" + repo + "/settings", "Immutable tags"},
		{"/repositories/" + repo + "/tags", "v1"},
		{"/repositories/" + repo + "/tags/%3Cimg%20src=x%20onerror=alert(1)%3E", "<img src=x onerror=alert(1)>"},
		{"/organisations", "onload=alert(3)"},
		{"/namespaces/" + org + "/members", "Add a member"},
		{"/account", "Present password"},
		{"/account/tokens", "<script>alert(2)</script>"},
		{"/namespaces/" + c.user + "/webhooks", "hooks.example"},
		{"/namespaces/" + c.user + "/secrets", "onerror.-1"},
		{"/namespaces/" + c.user + "/audit", "<script>alert(2)</script>"},
		{"/<script>alert(1)</script>", "There is no such page"},
		{"/sign-in?to=javascript:alert(1)", "Password"},
	} {
		b.visit(p.path)
		b.see(p.shows)
		b.clean()
		if width := b.eval("document.documentElement.scrollWidth"); width != "320" {
			t.Errorf("%s is %s pixels wide where the window has 320", p.path, width)
		}
	}
	b.visit("/repositories/" + repo)
	b.see("the end")
	if n := b.eval(`document.querySelectorAll(".markdown table, .markdown pre").length`); n != "2" {
		t.Errorf("the description has %s tables and blocks, not 2", n)
	}
}
