// Berth is a container-image hub of your own: the program that serves it and
// looks after it. `berth --help` tells what it can do.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"berth/shared/client"
	"berth/shared/hub"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:]))
}

// run is the program without its exit: 0 = done, 1 = failed, 2 = called wrongly.
func run(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var wrong usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "berth: %s\n", told(err))
		return 2
	}
	fmt.Fprintf(os.Stderr, "berth: %s\n", told(err))
	return 1
}

// told is a failure as a person is told of it. What hubs and builds say of theirs moves
// no cursor.
func told(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	text := err.Error()
	if next := advice(err); next != "" {
		text += "; " + next
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = shown(lines[i])
	}
	return strings.Join(lines, "\n")
}

// advice is what to do after a failure whose own words do not say it.
func advice(err error) string {
	var lost *net.OpError
	var refused *client.Error
	switch {
	case errors.As(err, &lost) && lost.Op == "dial":
		return "see that the hub runs, and that its address is right (--url gives another)"
	case !errors.As(err, &refused):
		return ""
	case refused.Code == "":
		return "is its address right, and a hub there?"
	case refused.Status == http.StatusUnauthorized, refused.Status == http.StatusNotFound && refused.Anonymous:
		return "log in with `berth login " + refused.Hub + "`"
	}
	switch refused.Code {
	case string(hub.NamespaceNotFound), string(hub.RepositoryNotFound), hub.RepositoryNotFound.Shape().OCI:
		return "`berth repo list [NAMESPACE]` shows what there is"
	}
	return ""
}

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func wrongUse(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Groups of commands in the help.
const (
	clientGroup = "client"
	hubGroup    = "hub"
)

func rootCommand() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "berth",
		Short: "A container-image hub of your own",
		Long: `Berth is a container-image hub in one program: a registry that docker, podman,
crane and every other OCI client talk to, with accounts, organisations and two
management APIs over the same repositories.

Start one, with everything it keeps in ./berth-data:

  berth serve

It prints where it listens and, the first time, the password of the account
"admin". Then, here or on another machine:

  berth login http://127.0.0.1:8080 -u admin
  berth repo create hello --git https://git.example.com/hello.git
  berth build start hello --follow

Every option of serve and of the commands that look after a hub can also be given
in the environment: --public-url is BERTH_PUBLIC_URL, and so on. BERTH_URL and
BERTH_TOKEN do instead of a log-in. The command line wins.

Commands end with status 0 when they did what they should, 1 when not, and 2
when they were called wrongly.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
	})
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return wrongUse("%w; `%s --help` lists what there is", err, c.CommandPath())
	})
	root.AddGroup(&cobra.Group{ID: clientGroup, Title: "Use a hub:"}, &cobra.Group{ID: hubGroup, Title: "Run a hub:"})
	for _, c := range []*cobra.Command{serveCommand(), gcCommand(), retentionCommand(), verifyCommand(), adminCommand()} {
		c.GroupID = hubGroup
		root.AddCommand(c)
	}
	root.AddCommand(loginCommand(), logoutCommand(), whoamiCommand(), repoCommand(), buildCommand(), pushCommand(), pullCommand(),
		orgCommand(), tokenCommand(), secretCommand(), accountCommand(), versionCommand())
	root.AddCommand(buildWorkCommands()...)
	return root
}
