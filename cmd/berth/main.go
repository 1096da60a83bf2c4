// Berth is a container-image hub of your own: the program that serves it and
// looks after it. `berth --help` tells what it can do.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

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
		fmt.Fprintf(os.Stderr, "berth: %v\n", err)
		return 2
	}
	fmt.Fprintf(os.Stderr, "berth: %v\n", err)
	return 1
}

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func wrongUse(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "berth",
		Short: "A container-image hub of your own",
		Long: `Berth is a container-image hub in one program: a registry that docker, podman,
crane and every other OCI client talk to, with accounts, organisations and two
management APIs over the same repositories.

Start one, with everything it keeps in ./berth-data:

  berth serve

It prints where it listens and, the first time, the password of the account
"admin". Every option of every command can also be given in the environment:
--public-url is BERTH_PUBLIC_URL, and so on. The command line wins.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return wrongUse("%w; `%s --help` lists what there is", err, c.CommandPath())
	})
	root.AddCommand(serveCommand(), gcCommand(), retentionCommand(), verifyCommand(), adminCommand(), versionCommand())
	root.AddCommand(buildWorkCommands()...)
	return root
}
