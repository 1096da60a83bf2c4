package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"berth/shared/client"

	"github.com/spf13/cobra"
)

func secretCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:     "secret",
		GroupID: clientGroup,
		Short:   "Keep secrets for builds",
	}, secretSetCommand(), secretListCommand(), secretRemoveCommand())
}

// maxSecret is more than the hub takes, which says so.
const maxSecret = 1 << 20

func secretSetCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:   "set [NAMESPACE/]NAME",
		Short: "Make or replace a build secret, with the value from standard input",
		Long: `Make or replace a build secret. The value is asked for, or read from standard input, and
never shown again. A tag that is built with --secret NAME then has it where its
Dockerfile says RUN --mount=type=secret,id=NAME: in /run/secrets/NAME.`,
		Example: `  berth secret set team/npm_token < token.txt
  berth repo build-config set team/web --secret npm_token`,
		Args: arguments(1, 1, "the secret's name"),
		RunE: func(c *cobra.Command, args []string) error {
			h, namespace, name, err := a.secret(c, args[0])
			if err != nil {
				return err
			}
			value, err := secretValue(c)
			if err != nil {
				return err
			}
			s, err := h.PutSecret(c.Context(), namespace, name, value)
			if err != nil {
				return err
			}
			return a.answer(c, s, func(w io.Writer) { fmt.Fprintf(w, "Set %s/%s\n", shown(namespace), shown(name)) })
		},
	})
}

// secret is the hub of the command, and the namespace and name of a secret on it.
func (a *account) secret(c *cobra.Command, given string) (h *client.Client, namespace, name string, err error) {
	namespace, name, ok := strings.Cut(given, "/")
	if !ok {
		namespace, name = "", given
	}
	h, namespace, err = a.namespace(c, namespace)
	return h, namespace, name, err
}

// secretValue is read without the end of its last line.
func secretValue(c *cobra.Command) (string, error) {
	if isTerminal(os.Stdin) {
		return askHidden("Value: ")
	}
	b, err := io.ReadAll(io.LimitReader(c.InOrStdin(), maxSecret))
	value := strings.TrimRight(string(b), "\r\n")
	if err == nil && value == "" {
		err = errors.New("standard input has no value")
	}
	return value, err
}

func secretListCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:     "list [NAMESPACE]",
		Aliases: []string{"ls"},
		Short:   "List a namespace's build secrets, without their values; without one, your own",
		Args:    arguments(0, 1, "at most one namespace"),
		RunE: func(c *cobra.Command, args []string) error {
			h, namespace, err := a.namespace(c, strings.Join(args, ""))
			if err != nil {
				return err
			}
			list, err := h.Secrets(c.Context(), namespace)
			if err != nil {
				return err
			}
			return a.answer(c, list, func(w io.Writer) {
				rows := [][]string{{"SECRET", "SET"}}
				for _, s := range list {
					rows = append(rows, []string{s.Of.Name, ago(s.Of.UpdatedAt)})
				}
				table(w, rows)
			})
		},
	})
}

func secretRemoveCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:   "rm [NAMESPACE/]NAME",
		Short: "Delete a build secret",
		Args:  arguments(1, 1, "the secret's name"),
		RunE: func(c *cobra.Command, args []string) error {
			h, namespace, name, err := a.secret(c, args[0])
			if err != nil {
				return err
			}
			if err := h.DeleteSecret(c.Context(), namespace, name); err != nil {
				return err
			}
			return a.answer(c, map[string]string{"deleted": namespace + "/" + name}, func(w io.Writer) {
				fmt.Fprintf(w, "Deleted %s/%s\n", shown(namespace), shown(name))
			})
		},
	})
}
