package main

import (
	"context"
	"errors"
	"net/url"

	"github.com/spf13/cobra"
)

func verifyCommand() *cobra.Command {
	var path string
	var content bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Hold a data folder against the rules that keep it whole",
		Long: `Read everything that a data folder keeps, and say what is not as it must be: a tag
without its manifest, a manifest without its blobs, a count that a recount does not
find. It changes nothing. Stop the hub first, or verify a copy of its folder.
It ends with status 1 if it found a problem.`,
		Example: "  berth verify --content --data /backup/berth",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			problems, err := verify(c.Context(), c, path, content)
			if err == nil && problems > 0 {
				err = errors.New("the data folder is not whole")
			}
			return err
		},
	}
	c.Flags().StringVar(&path, "data", "berth-data", "folder to verify")
	c.Flags().BoolVar(&content, "content", false, "also read every layer and manifest and compare its digest")
	return withEnv(c)
}

func verify(ctx context.Context, c *cobra.Command, path string, content bool) (problems int, err error) {
	d, err := openKept(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	r, err := d.hub(&url.URL{Scheme: "http", Host: "localhost"}).Verify(ctx, content)
	return len(r.Problems), report(c.OutOrStdout(), r, err)
}
