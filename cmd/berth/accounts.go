package main

import (
	"crypto/rand"
	"fmt"
	"io"

	"berth/shared/client"

	"github.com/spf13/cobra"
)

func accountCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:     "account",
		GroupID: clientGroup,
		Short:   "Create and lock accounts, and give new passwords, as an administrator",
	}, accountCreateCommand(), accountListCommand(), accountSetCommand())
}

func accountCreateCommand() *cobra.Command {
	a, email, realName, fromStdin := &account{}, "", "", false
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Create an account and its namespace of the same name",
		Long: `Create an account and its namespace of the same name. The password is made up and printed
once, or read from standard input.`,
		Example: "  berth account create alice --email alice@example.com",
		Args:    arguments(1, 1, "the account's name"),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			password, made, err := newPassword(c, fromStdin)
			if err != nil {
				return err
			}
			created, err := h.CreateAccount(c.Context(), map[string]any{"username": args[0], "password": password, "email": email, "realname": realName})
			if err != nil {
				return err
			}
			return a.answerAccount(c, created, "Created "+created.Of.Username, made)
		},
	}
	c.Flags().StringVar(&email, "email", "", "its e-mail address")
	c.Flags().StringVar(&realName, "realname", "", "its owner's name")
	c.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	return a.flags(c)
}

// newPassword is a password for an account: made says which was made up.
func newPassword(c *cobra.Command, fromStdin bool) (password, made string, err error) {
	if fromStdin {
		password, err = secretValue(c)
		return password, "", err
	}
	made = rand.Text()
	return made, made, nil
}

// answerAccount tells what was done to an account, and the password that was made up
// for it: in JSON too, or nobody would ever know it.
func (a *account) answerAccount(c *cobra.Command, done client.Answer[client.Account], said, made string) error {
	if a.json && made != "" {
		return writeJSON(c.OutOrStdout(), map[string]string{"username": done.Of.Username, "password": made})
	}
	return a.answer(c, done, func(w io.Writer) {
		fmt.Fprintf(w, "%s\n", shown(said))
		if made != "" {
			fmt.Fprintf(w, "The password is shown this once:\n\n    %s\n\n", made)
		}
	})
}

func accountListCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List all accounts of the hub",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			list, err := h.Accounts(c.Context())
			if err != nil {
				return err
			}
			return a.answer(c, list, func(w io.Writer) {
				rows := [][]string{{"ACCOUNT", "KIND", "E-MAIL", "NAME", "CREATED"}}
				for _, n := range list {
					rows = append(rows, []string{n.Of.Username, accountKind(n.Of), text(&n.Of.Email), text(&n.Of.RealName), ago(n.Of.CreatedAt)})
				}
				table(w, rows)
			})
		},
	})
}

func accountKind(n client.Account) string {
	kind := "member"
	if n.IsAdmin {
		kind = "administrator"
	}
	if n.IsLocked {
		kind += ", locked"
	}
	return kind
}

func accountSetCommand() *cobra.Command {
	a, renew, fromStdin, lock, admin := &account{}, false, false, false, false
	c := &cobra.Command{
		Use:   "set NAME",
		Short: "Give an account a new password, lock it, or make it an administrator",
		Long: `Give an account a new password, lock it, or make it an administrator. A locked account lets
nobody in, neither by its password nor by the tokens that it made, robots' included;
what it has stays.`,
		Example: `  berth account set alice --new-password
  berth account set alice --lock
  berth account set alice --lock=false --admin`,
		Args: arguments(1, 1, "the account's name"),
		RunE: func(c *cobra.Command, args []string) error {
			fields, made := map[string]any{}, ""
			if c.Flags().Changed("lock") {
				fields["is_locked"] = lock
			}
			if c.Flags().Changed("admin") {
				fields["is_admin"] = admin
			}
			if renew || fromStdin {
				var err error
				if fields["password"], made, err = newPassword(c, fromStdin); err != nil {
					return err
				}
			}
			if len(fields) == 0 {
				return wrongUse("say what to change: --new-password, --password-stdin, --lock or --admin")
			}
			h, err := a.hub("")
			if err != nil {
				return err
			}
			changed, err := h.UpdateAccount(c.Context(), args[0], fields)
			if err != nil {
				return err
			}
			return a.answerAccount(c, changed, fmt.Sprintf("Changed %s (%s)", changed.Of.Username, accountKind(changed.Of)), made)
		},
	}
	c.Flags().BoolVar(&renew, "new-password", false, "make up a new password, and print it once")
	c.Flags().BoolVar(&fromStdin, "password-stdin", false, "read a new password from standard input")
	c.Flags().BoolVar(&lock, "lock", false, "lock it; --lock=false unlocks it")
	c.Flags().BoolVar(&admin, "admin", false, "make it an administrator; --admin=false makes it none")
	return a.flags(c)
}
