package e2e_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// tab is a page of a browser. Whatever it complains of, and whatever opens a dialog of
// the browser's, fails the test.
type tab struct {
	t      *testing.T
	ctx    context.Context
	base   string
	shared cdp.BrowserContextID // what it shares with other tabs
}

// patience is how long a page may take to show what is waited for, on a busy machine.
const patience = 30 * time.Second

// browser starts Chromium for this test: the machine's, or the one that `make browser` got.
func browser(t *testing.T) context.Context {
	t.Helper()
	var at string
	for _, name := range []string{"chromium", "google-chrome", "chromium-browser", "../.make/bin/chromium"} {
		if path, err := exec.LookPath(name); err == nil && at == "" {
			at = path
		}
	}
	if at == "" {
		t.Fatal("there is no Chromium to drive: make browser sees to that")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(at), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("headless", "new"), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	quietly := func(string, ...any) {} // of events that are newer than the library
	ctx, closeAll := chromedp.NewContext(ctx, chromedp.WithErrorf(quietly), chromedp.WithLogf(quietly))
	t.Cleanup(func() {
		chromedp.Cancel(ctx)
		closeAll()
		stop()
		chromedp.FromContext(ctx).Allocator.Wait() // it writes into its folder until then
	})
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// open is a new tab, in which nobody is signed in although others are: it shares
// nothing with them, as if it were another browser's.
func open(t *testing.T, browser context.Context, base string) *tab {
	t.Helper()
	own, err := target.CreateBrowserContext().Do(toBrowser(browser))
	if err != nil {
		t.Fatal(err)
	}
	return openTab(t, browser, base, own)
}

// toBrowser is for commands to the browser rather than to a tab.
func toBrowser(ctx context.Context) context.Context {
	return cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser)
}

// another is one more tab that shares with this one what tabs share.
func (b *tab) another() *tab {
	b.t.Helper()
	return openTab(b.t, b.ctx, b.base, b.shared)
}

func openTab(t *testing.T, browser context.Context, base string, shared cdp.BrowserContextID) *tab {
	t.Helper()
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(shared).WithNewWindow(true).Do(toBrowser(browser))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := chromedp.NewContext(browser, chromedp.WithTargetID(id))
	var mu sync.Mutex
	var complaints []string
	complain := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		complaints = append(complaints, fmt.Sprintf(format, args...))
	}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded: // refusals of the hub, which the page shows, are of the network
			if e.Entry.Source != log.SourceNetwork && (e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning) {
				complain("%s: %s", e.Entry.Source, e.Entry.Text)
			}
		case *runtime.EventConsoleAPICalled:
			complain("the console says %s", e.Type)
		case *runtime.EventExceptionThrown:
			complain("%s", e.ExceptionDetails.Error())
		case *page.EventJavascriptDialogOpening:
			complain("a dialog says %q", e.Message)
		}
	})
	b := &tab{t: t, ctx: ctx, base: base, shared: shared}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the page shows, at %s:\n%s", b.eval("location.href"), b.eval("document.body.innerText"))
		}
		stop()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range complaints {
			t.Errorf("the browser complains: %s", c)
		}
	})
	if err := chromedp.Run(ctx, log.Enable(), runtime.Enable(), page.Enable()); err != nil { // makes the tab, which lives as long as ctx
		t.Fatal(err)
	}
	return b
}

func (b *tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval is what an expression is on the page, as text.
func (b *tab) eval(js string) string {
	var v any
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	if err := chromedp.Run(ctx, chromedp.Evaluate(js, &v)); err != nil {
		return err.Error()
	}
	return fmt.Sprint(v)
}

// visit loads a page of the console anew.
func (b *tab) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + "/console" + path))
}

// until waits for an expression to be true of the page.
func (b *tab) until(js string, args ...any) {
	b.t.Helper()
	js = fmt.Sprintf(js, args...)
	// chromedp.Poll makes functions of text on the page, which the console's policy forbids.
	for begun := time.Now(); b.eval(js) != "true"; time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > patience {
			b.t.Fatalf("the page never comes to %s, it is %s", js, b.eval(js))
		}
	}
}

// see waits for texts on the page.
func (b *tab) see(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		b.until("document.body.innerText.includes(%q)", text)
	}
}

// at waits for a page of the console to be there, by its path.
func (b *tab) at(path string) {
	b.t.Helper()
	b.until("location.pathname + location.search === %q", "/console"+path)
}

// shows reports whether a text is on the page now.
func (b *tab) shows(text string) bool {
	return b.eval(fmt.Sprintf("document.body.innerText.includes(%q)", text)) == "true"
}

// press presses the button or link of that name: one in a dialog if one is open, else
// one of the page rather than of the frame around it.
func (b *tab) press(name string) {
	b.t.Helper()
	named := fmt.Sprintf(`*[self::button or self::a][normalize-space()=%[1]q or @aria-label=%[1]q][not(@disabled)]`, name)
	within := []string{"//main//", "//"}
	if b.eval("document.querySelector('dialog[open]') !== null") == "true" {
		within = []string{"//dialog[@open]//"}
	}
	found := func(path string) string {
		return fmt.Sprintf(`document.evaluate(%q, document, null, XPathResult.BOOLEAN_TYPE).booleanValue`, path)
	}
	b.until(found(within[len(within)-1] + named))
	for _, w := range within {
		if b.eval(found(w+named)) == "true" {
			b.do(chromedp.Click(w+named, chromedp.BySearch, chromedp.NodeVisible))
			return
		}
	}
	b.t.Fatalf("%q went away", name)
}

// fill writes into the field of that label, in place of what is in it.
func (b *tab) fill(label, text string) {
	b.t.Helper()
	field := fmt.Sprintf("//*[self::input or self::textarea][@id=//label[normalize-space()=%q]/@for]", label)
	b.do(
		chromedp.WaitVisible(field, chromedp.BySearch),
		chromedp.Focus(field, chromedp.BySearch),
		chromedp.Evaluate("document.activeElement.select()", nil),
		input.InsertText(text),
	)
}

// choose takes an entry of a field with a list, or ticks a box.
func (b *tab) choose(label, value string) {
	b.t.Helper()
	b.until(`(() => {
		const field = [...document.querySelectorAll("label")].find((l) => l.textContent.trim() === %q)?.control;
		if (!field) return false;
		if (field.type === "checkbox") field.click();
		else { field.value = %q; field.dispatchEvent(new Event("change", { bubbles: true })); }
		return true;
	})()`, label, value)
}

// signIn signs in by the form.
func (b *tab) signIn(c client) {
	b.t.Helper()
	b.visit("/sign-in")
	b.fill("User name", c.user)
	b.fill("Password", c.password)
	b.press("Sign in")
	b.until("document.querySelector('a[href=\"/console/account\"]') !== null")
}

// token is the access token that the tab has kept.
func (b *tab) token() string {
	return b.eval(`JSON.parse(sessionStorage.getItem("berth-session") ?? "{}").token ?? ""`)
}

// clean wants nothing of what others wrote to have become part of the page.
func (b *tab) clean() {
	b.t.Helper()
	got := b.eval(`[...document.querySelectorAll("script, img, iframe, object, embed, [onerror], [onload], [style]")]
		.filter((e) => e !== document.documentElement && !(e.src ?? "").startsWith(location.origin + "/console/assets/")).map((e) => e.outerHTML).join("\n") +
		[...document.querySelectorAll("a[href]")].filter((a) => !/^https?:$|^mailto:$/.test(a.protocol)).map((a) => a.outerHTML).join("\n")`)
	if strings.TrimSpace(got) != "" {
		b.t.Errorf("on %s there is %s", b.eval("location.pathname"), got)
	}
}

// clickNth presses the nth button of that name, from 1.
func clickNth(name string, n int) chromedp.Action {
	return chromedp.Click(fmt.Sprintf("(//button[normalize-space()=%q])[%d]", name, n), chromedp.BySearch, chromedp.NodeVisible)
}
