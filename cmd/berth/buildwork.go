package main

import (
	"os"

	"github.com/spf13/cobra"

	"berth/shared/build"
)

// buildWorkCommands are those that the hub starts itself as, to run a build.
func buildWorkCommands() []*cobra.Command {
	exiting := func(name string, f func([]string) (int, error)) *cobra.Command {
		return &cobra.Command{
			Use: name, Hidden: true, DisableFlagParsing: true,
			RunE: func(_ *cobra.Command, args []string) error {
				status, err := f(args)
				if err == nil && status != 0 {
					os.Exit(status)
				}
				return err
			},
		}
	}
	return []*cobra.Command{
		exiting(build.InitCommand, build.Init),
		exiting(build.NetCommand, build.Enter),
		exiting(build.RuntimeCommand, build.Runtime),
		{
			Use: build.WorkCommand, Hidden: true, Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return build.Work(args[0], os.Stdin, os.Stdout) },
		},
	}
}
