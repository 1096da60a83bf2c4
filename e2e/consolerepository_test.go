package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"
	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// A repository of many tags, one of them for two platforms, as its owner and as
// somebody with a role in it alone sees it.
func TestConsoleRepository(t *testing.T) {
	hub := theHub(t)
	c, chromium := hub.account(t), browser(t)
	repo := c.repository(t, true)
	arm := c.pushIndex(t, hub.host+"/"+repo+":multi")
	for _, tag := range []string{"v1.0", "v1.1", "v2.0"} {
		if err := crane.Tag(hub.host+"/"+repo+":multi", tag, crane.WithAuth(c.auth()), crane.Insecure); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, chromium, hub.base)
	b.signIn(c)
	b.do(chromedp.EmulateViewport(320, 640))

	// Tags are found by how they begin, and coming back finds the list as it was.
	const tags = `[...document.querySelectorAll("td:first-child")].map((e) => e.innerText.trim()).join()`
	b.visit("/repositories/" + repo + "/tags")
	b.until(tags + ` === "v2.0,v1.1,v1.0,multi"`)
	b.search("Tags that begin with", "v1")
	b.until(tags + ` === "v1.0,v1.1"`)
	b.at("/repositories/" + repo + "/tags?prefix=v1")
	b.narrow()
	b.press("v1.1")
	b.see("docker pull " + hub.host + "/" + repo + ":v1.1")
	b.do(chromedp.NavigateBack())
	b.until(tags + ` === "v1.0,v1.1"`)
	b.search("Tags that begin with", "V")
	b.see("No tag begins with V.")
	b.search("Tags that begin with", "-")
	b.see("prefix: must be how a tag can begin")

	// Of an index, each platform's image is shown.
	layers := `[...document.querySelectorAll("main section section tbody tr")].length`
	b.visit("/repositories/" + repo + "/tags/multi")
	b.until(layers + " === 2")
	b.choose("Platform", digestOf(t, arm))
	b.until(layers + " === 3")
	b.seeLayers(arm)
	b.narrow()
	b.clean()
	image := b.eval("location.search")
	b.visit("/repositories/" + repo + "/tags/multi" + image) // the address says which
	b.until(layers + " === 3")

	consoleGuest(t, hub, chromium, c, repo)
	consoleLate(t, c, b)
}

// pushIndex pushes an index of an image of two layers for amd64 and one of three for
// arm64, which it returns.
func (c client) pushIndex(t *testing.T, at string) v1.Image {
	t.Helper()
	index, last := v1.ImageIndex(empty.Index), v1.Image(nil)
	for n, architecture := range []string{"amd64", "arm64"} {
		img, err := random.Image(1000, int64(2+n))
		if err != nil {
			t.Fatal(err)
		}
		index, last = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		}), img
	}
	ref, err := name.ParseReference(at, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index, remote.WithAuth(c.auth())); err != nil {
		t.Fatal(err)
	}
	return last
}

// seeLayers waits for the page to show each of an image's layers.
func (b *tab) seeLayers(img v1.Image) {
	b.t.Helper()
	layers, err := img.Layers()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, l := range layers {
		d, err := l.Digest()
		if err != nil {
			b.t.Fatal(err)
		}
		b.see(d.Hex[:12])
	}
}

func digestOf(t *testing.T, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// consoleGuest looks at a repository as an account with a role in it and nowhere else.
func consoleGuest(t *testing.T, hub *server, chromium context.Context, c client, repo string) {
	guest := hub.account(t)
	namespace, short, _ := strings.Cut(repo, "/")
	access := "/v2/manage/namespaces/" + namespace + "/repos/" + short + "/access"
	role := func(method string, auth int) {
		c.call(t, http.StatusCreated, method, access, fmt.Sprintf(`[{"user_id":%q,"user_name":%[1]q,"auth":%d}]`, guest.user, auth))
	}
	b := open(t, chromium, hub.base)
	b.signIn(guest)
	const offers = `[...document.querySelectorAll("main .tabs a, main .danger")].map((e) => e.innerText).join()`
	b.visit("/repositories/" + repo + "/tags/v2.0")
	b.see("docker pull")
	b.until(`performance.getEntriesByType("resource").some((e) => e.name.endsWith("/access") && e.responseEnd > 0)`)
	if got := b.eval(offers); got != "" {
		t.Errorf("with no role %s is offered", got)
	}
	role("POST", 3)
	b.visit("/repositories/" + repo + "/tags/v2.0")
	b.press("Delete the tag")
	b.see("Delete the tag v2.0?")
	b.press("Delete the tag")
	b.see("The tag v2.0 is deleted")
	b.at("/repositories/" + repo + "/tags")
	b.press("Settings")
	b.see("In one line")
	b.until(offers + ` === "Overview,Tags,Builds,Settings"`)
	role("PATCH", 7)
	b.visit("/repositories/" + repo + "/settings")
	b.see("Immutable tags", "Delete the repository")
	b.visit("/namespaces/" + namespace)
	b.see(short)
	if b.shows("New repository") {
		t.Error("a role in one repository offers to make others")
	}
	c.call(t, http.StatusOK, "PUT", "/v1/repositories/"+repo, `{"is_public":false}`)
	role("PATCH", 1)
	b.visit("/repositories/" + repo)
	b.until(offers + ` === "Overview,Tags,Builds"`)
}

// consoleLate has the hub answer when the page that asked is left: it stays left.
func consoleLate(t *testing.T, c client, b *tab) {
	b.visit("/new")
	b.fill("Name", "late")
	release := b.hold("*/v1/repositories/" + c.user)
	b.press("Make the repository")
	b.press("Builds")
	b.at("/builds")
	release()
	b.see(c.user + "/late is made")
	b.at("/builds")
}

// search writes into a search field and presses Enter.
func (b *tab) search(label, text string) {
	b.t.Helper()
	field := fmt.Sprintf("main input[aria-label=%q]", label)
	b.do(chromedp.WaitVisible(field), chromedp.Focus(field), chromedp.Evaluate("document.activeElement.select()", nil), chromedp.SendKeys(field, text+"\r"))
}

// narrow wants the page to be no wider than its window.
func (b *tab) narrow() {
	b.t.Helper()
	if b.eval("document.documentElement.scrollWidth <= innerWidth") != "true" {
		b.t.Errorf("%s is wider than the window", b.eval("location.pathname"))
	}
}

// hold keeps the next request to an address from the hub until what it returns is called.
func (b *tab) hold(address string) (release func()) {
	b.t.Helper()
	held := make(chan fetch.RequestID, 1)
	ctx, stop := context.WithCancel(b.ctx)
	chromedp.ListenTarget(ctx, func(event any) {
		if e, ok := event.(*fetch.EventRequestPaused); ok {
			held <- e.RequestID
		}
	})
	b.do(fetch.Enable().WithPatterns([]*fetch.RequestPattern{{URLPattern: address}}))
	return func() {
		b.t.Helper()
		defer stop()
		select {
		case id := <-held:
			b.do(fetch.ContinueRequest(id), fetch.Disable())
		case <-time.After(patience):
			b.t.Fatalf("nothing is asked of %s", address)
		}
	}
}
