package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// version is the release that this is built from; the changelog has what is in it.
const version = "0.1.0"

// commit is what it was built from, where the build says so.
var commit string

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which Berth this is",
		Args:  noArgs,
		Run: func(c *cobra.Command, _ []string) {
			text := "berth " + version
			if commit != "" {
				text += " (" + commit + ")"
			}
			fmt.Fprintf(c.OutOrStdout(), "%s %s %s/%s\n", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
