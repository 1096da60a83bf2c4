// Runner runs one build that it claims from a hub elsewhere: the program that
// CodeBuild starts. Its environment tells which: BERTH_HUB, BERTH_BUILD_ID and
// BERTH_CLAIM.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"berth/shared/build"
	"berth/shared/runner"
)

func main() {
	if status, err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "runner:", err)
		os.Exit(max(status, 1))
	} else {
		os.Exit(status)
	}
}

// run is the program without its exit. Its arguments are those that it starts itself
// with.
func run(args []string) (status int, err error) {
	switch {
	case len(args) == 0:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return 0, runner.Run(ctx, os.Getenv, slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	case args[0] == build.InitCommand:
		return build.Init(args[1:])
	case args[0] == build.NetCommand:
		return build.Enter(args[1:])
	case args[0] == build.RuntimeCommand:
		return build.Runtime(args[1:])
	case args[0] == build.WorkCommand && len(args) == 2:
		return 0, build.Work(args[1], os.Stdin, os.Stdout)
	}
	return 2, fmt.Errorf("it takes no arguments, and no %q", args[0])
}
