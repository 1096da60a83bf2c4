package main

import (
	"context"
	"crypto/rand"
	"fmt"

	"berth/shared/hub"

	"github.com/spf13/cobra"
)

func adminCommand() *cobra.Command {
	p, n := &place{}, hub.NewAccount{Admin: true}
	create := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an administrator's account",
		Long:  `Make an administrator's account. Without --password one is made up and printed once.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return wrongUse("give the new account's name; `%s --help` tells more", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			n.Name = args[0]
			return createAdmin(c, p, n)
		},
	}
	create.Flags().StringVar(&n.Password, "password", "", "the new account's password")
	create.Flags().StringVar(&n.Email, "email", "", "the new account's e-mail address")
	create.Flags().StringVar(&n.RealName, "realname", "", "the new account's real name")
	return group(&cobra.Command{Use: "admin", Short: "Look after administrators"}, p.flags(create))
}

func createAdmin(c *cobra.Command, p *place, n hub.NewAccount) error {
	made := ""
	if n.Password == "" {
		made = rand.Text()
		n.Password = made
	}
	in := map[string]string{"username": n.Name, "password": n.Password, "email": n.Email, "realname": n.RealName}
	err := p.do(c, "/v1/admin/accounts", in, func(ctx context.Context, h *hub.Hub) (any, error) {
		_, err := h.CreateAccount(ctx, n)
		return map[string]string{"username": n.Name}, err
	})
	if err == nil && made != "" {
		fmt.Fprintf(c.OutOrStdout(), "The password is shown this once:\n\n    %s\n\n", made)
	}
	return err
}
