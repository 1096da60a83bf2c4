package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is the release that this is built from; the changelog has what is in it.
const version = "0.1.0"

// revision is the commit, where the build knew it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which Berth this is",
		Args:  noArgs,
		Run: func(c *cobra.Command, _ []string) {
			text := "berth " + version
			if r := revision(); r != "" {
				text += " " + r
			}
			fmt.Fprintf(c.OutOrStdout(), "%s %s %s/%s\n", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
