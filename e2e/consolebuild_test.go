package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
)

// manyLines is a log as long as the page keeps one.
const manyLines = 100_000

// A repository is made to be built from Git, built, watched to its end, and its image
// pulled by crane; another build is cancelled; what a build prints and says of its end
// is text, whatever it is.
func TestConsoleBuild(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	s := ownHub(t, "--allow-host", "127.0.0.1")
	c, g := s.account(t), newGitHost(t)
	clone := g.repository("shop", busyboxFiles(t,
		fmt.Sprintf(`RUN ["/bin/sh", "-c", "i=0; while [ $i -lt %d ]; do i=$((i+1)); echo line $i; done"]`, manyLines),
		`RUN ["/bin/sh", "-c", "echo '`+strings.ReplaceAll(evil, `"'`, "")+`'"]`))
	b := open(t, browser(t), s.base)
	b.signIn(c)

	b.visit("/new")
	b.fill("Name", "shop")
	b.choose("Built from Git", "")
	b.choose("Git host", "Simple")
	b.fill("Clone address", clone)
	b.fill("Its name", "master")
	b.press("Make the repository")
	b.at("/repositories/" + c.user + "/shop/build-config")
	b.see("ssh-rsa AAAA", "/v1/hooks/code/")
	b.press("Builds")
	b.see("Nothing was built yet")
	b.press("Start a build")
	b.see("Log")
	id := strings.TrimPrefix(b.eval("location.pathname"), "/console/builds/")
	b.until(`document.querySelector(".standing .badge").innerText === "succeeded"`)
	b.until(`document.querySelector(".lines").textContent.includes("pushed %s/shop:latest")`, c.user)

	// The log is there to its end, as far back as a page goes, without an element a line.
	if total := strings.Count(c.buildLog(t, id), "\n"); total <= manyLines {
		t.Fatalf("the log has only %d lines", total)
	}
	for _, of := range []struct{ what, js string }{
		{"lines", `[99_000, document.querySelector(".lines").textContent.split("\n").length - 1, 100_000]`},
		{"elements", `[200, document.querySelectorAll(".lines *").length, 1000]`},
		{"the order of its lines", `[1, (document.querySelector(".lines").textContent.match(/line 50000\nline 50001\n/g) ?? []).length, 1]`},
	} {
		if b.eval(`(([least, n, most]) => least <= n && n <= most)(`+of.js+`)`) != "true" {
			t.Errorf("of the log the page shows, in %s: %s", of.what, b.eval(of.js))
		}
	}
	b.see("are not shown here. Download the log to see all.")
	b.until(`document.querySelector(".lines").textContent.includes("<script>alert(2)</script>")`)
	b.clean()
	image := s.host + "/" + c.user + "/shop:latest"
	if _, err := crane.Pull(image, crane.WithAuth(c.auth()), crane.Insecure); err != nil {
		t.Error(err)
	}
	b.press("latest")
	b.see("docker pull "+image, "while [ $i -lt 100000 ]")
	b.clean()

	cancelled(t, c, g, b)
	failed(c, g, b)
}

// cancelled stops a build that would never end.
func cancelled(t *testing.T, c client, g *gitHost, b *tab) {
	loop := c.buildRepository(t, g.repository("loop", busyboxFiles(t, `RUN ["/bin/sh", "-c", "echo begun; while :; do :; done"]`)), "")
	b.visit("/repositories/" + c.user + "/" + loop + "/builds")
	b.press("Start a build")
	b.until(`document.querySelector(".lines")?.textContent.includes("begun\n")`)
	b.press("Cancel the build")
	b.see("Cancel this build?")
	b.press("Cancel the build")
	b.until(`document.querySelector(".standing .badge").innerText === "cancelled"`)
	b.see("Build again")
	c.until(t, strings.TrimPrefix(b.eval("location.pathname"), "/console/builds/"), "D")
}

// failed shows why a build failed, in words that come from its code.
func failed(c client, g *gitHost, b *tab) {
	name := c.buildRepository(b.t, g.repository("bad", map[string]string{"Dockerfile": "FROM scratch\nCOPY <img/src=x/onerror=alert(1)> /\n"}), "")
	built := c.build(b.t, name, "")
	c.until(b.t, built.ID, "F")
	b.visit("/builds/" + built.ID)
	b.until(`document.querySelector(".standing .badge")?.innerText === "failed"`)
	b.until(`document.querySelector(".lines").textContent.includes("onerror=alert(1)")`)
	b.clean()
	b.visit("/builds")
	b.see(c.user + "/" + name + ":latest")
	b.clean()
}
