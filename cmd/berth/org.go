package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func orgCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:     "org",
		GroupID: clientGroup,
		Short:   "Create organisations, and say who is a member",
	}, orgCreateCommand(), orgListCommand(), orgShowCommand(), orgAddCommand(), orgRemoveCommand(), orgDeleteCommand())
}

func orgCreateCommand() *cobra.Command {
	a, company := &account{}, ""
	c := &cobra.Command{
		Use:   "create ORG",
		Short: "Create an organisation: a namespace with members, you its first owner",
		Args:  arguments(1, 1, "the organisation's name"),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			o, err := h.CreateOrg(c.Context(), args[0], company)
			if err != nil {
				return err
			}
			return a.answer(c, o, func(w io.Writer) {
				fmt.Fprintf(w, "Created %s; push to %s/%[1]s/NAME\n", shown(o.Of.Name), h.URL.Host)
			})
		},
	}
	c.Flags().StringVar(&company, "full-name", "", "its name in full")
	return a.flags(c)
}

func orgListCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the organisations that you are a member of",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			list, err := h.Orgs(c.Context())
			if err != nil {
				return err
			}
			return a.answer(c, list, func(w io.Writer) {
				rows := [][]string{{"ORGANISATION", "YOU ARE", "FULL NAME"}}
				for _, o := range list {
					rows = append(rows, []string{o.Of.Name, o.Of.Role, o.Of.Company})
				}
				table(w, rows)
			})
		},
	})
}

func orgShowCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:   "show ORG",
		Short: "List an organisation's members",
		Args:  arguments(1, 1, "the organisation's name"),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			list, err := h.Members(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.answer(c, list, func(w io.Writer) {
				rows := [][]string{{"MEMBER", "ROLE", "SINCE"}}
				for _, m := range list {
					rows = append(rows, []string{m.Of.Username, m.Of.Role, ago(m.Of.Since)})
				}
				table(w, rows)
			})
		},
	})
}

func orgAddCommand() *cobra.Command {
	a, role := &account{}, oneOf{"reader", []string{"reader", "writer", "owner"}}
	c := &cobra.Command{
		Use:   "add ORG ACCOUNT",
		Short: "Make an account a member, or give a member another role",
		Long: `Make an account a member, or give a member another role. A reader pulls; a writer also
pushes, deletes tags and builds; an owner also sees to members, repositories, secrets,
webhooks and the quota.`,
		Example: "  berth org add team alice --role writer",
		Args:    arguments(2, 2, "the organisation and the account"),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			m, err := h.SetMember(c.Context(), args[0], args[1], role.value)
			if err != nil {
				return err
			}
			return a.answer(c, m, func(w io.Writer) {
				fmt.Fprintf(w, "%s is %s of %s\n", shown(m.Of.Username), m.Of.Role, shown(args[0]))
			})
		},
	}
	c.Flags().Var(&role, "role", "what the member may do")
	return a.flags(c)
}

func orgRemoveCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:   "remove ORG ACCOUNT",
		Short: "Remove a member",
		Args:  arguments(2, 2, "the organisation and the account"),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			if err := h.RemoveMember(c.Context(), args[0], args[1]); err != nil {
				return err
			}
			return a.answer(c, map[string]string{"removed": args[1]}, func(w io.Writer) {
				fmt.Fprintf(w, "%s is no member of %s any more\n", shown(args[1]), shown(args[0]))
			})
		},
	})
}

func orgDeleteCommand() *cobra.Command {
	a, yes := &account{}, false
	c := &cobra.Command{
		Use:   "rm ORG",
		Short: "Delete an organisation that has no repositories",
		Args:  arguments(1, 1, "the organisation's name"),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			if !yes {
				if err := confirm(fmt.Sprintf("Delete the organisation %s on %s?", shown(args[0]), h.URL.Host)); err != nil {
					return err
				}
			}
			if err := h.DeleteOrg(c.Context(), args[0]); err != nil {
				return err
			}
			return a.answer(c, map[string]string{"deleted": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "Deleted %s\n", shown(args[0])) })
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return a.flags(c)
}
