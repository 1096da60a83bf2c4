package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"berth/shared/client"

	"github.com/spf13/cobra"
)

func tokenCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:     "token",
		GroupID: clientGroup,
		Short:   "Make and revoke access tokens, for yourself and for robots such as CI",
	}, tokenCreateCommand(), tokenListCommand(), tokenRemoveCommand())
}

func tokenCreateCommand() *cobra.Command {
	a, namespace, repos := &account{}, "", []string(nil)
	permission, life := oneOf{"pull", []string{"pull", "push", "admin"}}, time.Duration(0)
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an access token, and print it this once",
		Long: `Make an access token, and print it this once: it is good wherever a password is. With
--namespace it is a robot's, which acts for the namespace and not as you, and stays
when others become its owners; --repository lets it into these repositories alone.
It may never do more than you may.`,
		Example: `  berth token create ci --namespace team --permission push --repository web
  berth token create laptop --expires 2160h`,
		Args: arguments(1, 1, "the token's name"),
		RunE: func(c *cobra.Command, args []string) error {
			fields := map[string]any{"name": args[0], "permissions": []string{permission.value}}
			if namespace != "" {
				fields["namespace"] = namespace
			}
			if len(repos) > 0 {
				fields["repositories"] = repos
			}
			if life != 0 {
				fields["expires_at"] = time.Now().Add(life).UTC().Format("2006-01-02T15:04:05.000Z")
			}
			h, err := a.hub("")
			if err != nil {
				return err
			}
			t, err := h.CreateToken(c.Context(), fields)
			if err != nil {
				return err
			}
			return a.answer(c, t, func(w io.Writer) {
				fmt.Fprintln(w, t.Of.Token)
				fmt.Fprintf(c.ErrOrStderr(), "This is shown this once. Use it as the password of any user name: docker login %s -u token --password-stdin\n", h.URL.Host)
			})
		},
	}
	c.Flags().StringVar(&namespace, "namespace", "", "make it a robot of this namespace")
	c.Flags().Var(&permission, "permission", "what it may do, each with those before it")
	c.Flags().StringSliceVar(&repos, "repository", nil, "repository that it may use, instead of all; may be repeated")
	c.Flags().DurationVar(&life, "expires", 0, "how long it is good; 0 = until it is revoked")
	return a.flags(c)
}

func tokenListCommand() *cobra.Command {
	a, namespace := &account{}, ""
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the access tokens that you made; with --namespace its robots', for its owners",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			list, err := h.Tokens(c.Context(), namespace)
			if err != nil {
				return err
			}
			return a.answer(c, list, func(w io.Writer) {
				rows := [][]string{{"TOKEN", "NAME", "ROBOT OF", "MAY", "REPOSITORIES", "EXPIRES", "MADE"}}
				for _, t := range list {
					rows = append(rows, tokenRow(t.Of))
				}
				table(w, rows)
			})
		},
	}
	c.Flags().StringVar(&namespace, "namespace", "", "robots of this namespace")
	return a.flags(c)
}

func tokenRow(t client.AccessToken) []string {
	repos, expires := "all", "never"
	if len(t.Repositories) > 0 {
		repos = strings.Join(t.Repositories, ", ")
	}
	if t.ExpiresAt != nil {
		expires = *t.ExpiresAt
	}
	return []string{t.ID, t.Name, text(t.Namespace), strings.Join(t.Permissions, ", "), repos, expires, ago(t.CreatedAt) + " by " + t.CreatedBy}
}

func tokenRemoveCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:   "rm TOKEN",
		Short: "Revoke an access token, by its id",
		Args:  arguments(1, 1, "the token's id, which `berth token list` shows"),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			if err := h.DeleteToken(c.Context(), args[0]); err != nil {
				return err
			}
			return a.answer(c, map[string]string{"revoked": args[0]}, func(w io.Writer) {
				fmt.Fprintf(w, "Revoked %s; registry log-ins that it made end within five minutes\n", shown(args[0]))
			})
		},
	})
}
