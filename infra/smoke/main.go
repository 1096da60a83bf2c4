// Command smoke checks on a deployed hub what Berth assumes of AWS and only a
// deployed one can show. docs/aws-live-checks.md tells what each check is about.
//
//	BERTH_USER=admin BERTH_PASSWORD=… smoke https://hub.example.com
//
// Without a password it checks what anybody may see. It pushes to a repository of its
// own in the user's namespace and deletes that in the end.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	only := flag.String("only", "", "run only the checks with these ids, by commas")
	flag.Parse()
	if flag.NArg() != 1 || !strings.HasPrefix(flag.Arg(0), "http") {
		fmt.Fprintln(os.Stderr, "wanted is the hub's address: make smoke URL=https://hub.example.com")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p := newProber(ctx, strings.TrimSuffix(flag.Arg(0), "/"), cmp.Or(os.Getenv("BERTH_USER"), "admin"), os.Getenv("BERTH_PASSWORD"))
	failed := run(p, os.Stdout, *only)
	if failed > 0 {
		os.Exit(1)
	}
}

// notHere is why a check says nothing about this hub.
type notHere string

func (n notHere) Error() string { return string(n) }

// run runs the checks, tells of each, and returns how many failed.
func run(p *prober, out io.Writer, only string) (failed int) {
	defer p.tidy()
	good, passed := 0, 0
	for _, c := range checks {
		if only != "" && !strings.Contains(","+only+",", ","+c.id+",") {
			continue
		}
		err := c.run(p)
		var not notHere
		switch {
		case err == nil:
			good++
			fmt.Fprintf(out, "ok          %s %s\n", c.id, c.about)
		case errors.As(err, &not):
			passed++
			fmt.Fprintf(out, "not checked %s %s: %v\n", c.id, c.about, err)
		default:
			failed++
			fmt.Fprintf(out, "FAILED      %s %s: %v\n            %s\n", c.id, c.about, err, c.means)
		}
	}
	fmt.Fprintf(out, "%d ok, %d failed, %d not checked\n", good, failed, passed)
	return failed
}

// client follows no redirect: where they lead is looked at.
func client() *http.Client {
	return &http.Client{
		Timeout:       90 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
