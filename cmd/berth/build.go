package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"berth/shared/client"
	"berth/shared/hub"

	"github.com/spf13/cobra"
)

func buildCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:     "build",
		GroupID: clientGroup,
		Short:   "Build images from Git, and follow builds",
	}, buildStartCommand(), buildListCommand(), buildShowCommand(), buildLogsCommand(), buildCancelCommand())
}

func buildStartCommand() *cobra.Command {
	a, commit, following := &account{}, "", false
	c := &cobra.Command{
		Use:   "start [NAMESPACE/]NAME[:TAG]",
		Short: "Build one tag of a repository",
		Long: `Build one tag of a repository, latest if none is given. With --follow it prints the log
until the build has ended, and ends with status 1 if the build failed.`,
		Example: "  berth build start web --follow\n  berth build start team/web:next --commit 552819d5c903472a36696e8ac620ac250e49829d",
		Args:    arguments(1, 1, "the repository"),
		RunE: func(c *cobra.Command, args []string) error {
			name, tag, ok := strings.Cut(args[0], ":")
			if !ok {
				tag = "latest"
			}
			h, n, err := a.asked(c, name)
			if err != nil {
				return err
			}
			b, err := h.StartBuild(c.Context(), n, tag, commit)
			if err != nil {
				return err
			}
			if following {
				if !a.json {
					fmt.Fprintf(c.ErrOrStderr(), "build %s\n", b.Of.ID)
				}
				return a.follow(c, h, b.Of.ID)
			}
			return a.answer(c, b, func(w io.Writer) {
				fmt.Fprintf(w, "%s\n", b.Of.ID)
				fmt.Fprintf(c.ErrOrStderr(), "Follow it with: berth build logs -f %s\n", b.Of.ID)
			})
		},
	}
	c.Flags().StringVar(&commit, "commit", "", "full id of the commit to build (default: the latest)")
	c.Flags().BoolVarP(&following, "follow", "f", false, "print the log until the build has ended")
	return a.flags(c)
}

func buildListCommand() *cobra.Command {
	a, status, tag, most := &account{}, oneOf{"", []string{"W", "I", "S", "F", "D"}}, "", uint(0)
	var n client.Name
	c := &cobra.Command{
		Use:     "list [[NAMESPACE/]NAME]",
		Aliases: []string{"ls"},
		Short:   "List builds, the newest first: of a repository, of a namespace, or those that you asked for",
		Args:    arguments(0, 1, "at most one repository"),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := a.hub("")
			if len(args) == 1 && n.Namespace != "" {
				err = wrongUse("give a repository or --namespace, not both")
			} else if len(args) == 1 {
				h, n, err = a.asked(c, args[0])
			}
			if err != nil {
				return err
			}
			list, err := h.Builds(c.Context(), n, status.value, tag, int(most))
			if err != nil {
				return err
			}
			return a.answer(c, list, func(w io.Writer) {
				rows := [][]string{{"BUILD", "STATE", "IMAGE", "COMMIT", "ASKED FOR", "TOOK"}}
				for _, b := range list {
					rows = append(rows, []string{b.Of.ID, state(b.Of), b.Of.Path + ":" + b.Of.Tag, fmt.Sprintf("%.12s", text(b.Of.Commit)), ago(b.Of.CreatedAt), took(b.Of)})
				}
				table(w, rows)
			})
		},
	}
	c.Flags().StringVar(&n.Namespace, "namespace", "", "those of this namespace")
	c.Flags().Var(&status, "status", "only waiting (W), running (I), succeeded (S), failed (F) or deleted (D) ones")
	c.Flags().StringVar(&tag, "tag", "", "only those of this tag")
	c.Flags().UintVar(&most, "limit", 20, "at most that many; 0 = all")
	return a.flags(c)
}

// state is a build's in a word.
func state(b client.Build) string {
	switch b.Status {
	case hub.Waiting:
		return "queued"
	case hub.Running:
		return stepName(b.Step)
	case hub.Succeeded:
		return "done"
	case hub.Failed:
		return "failed " + stepName(b.Step)
	case hub.Deleted:
		return "cancelled"
	}
	return string(b.Status)
}

// took is how long a build has run, so far or in all.
func took(b client.Build) string {
	start, end := moment(b.StartedAt), moment(b.EndedAt)
	switch {
	case start.IsZero():
		return "-"
	case end.IsZero():
		end = time.Now()
	}
	return clock(end.Sub(start))
}

func buildShowCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:   "show BUILD",
		Short: "Show a build",
		Args:  arguments(1, 1, "the build's id"),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			b, err := h.Build(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.answer(c, b, func(w io.Writer) { writeBuild(w, b.Of) })
		},
	})
}

func writeBuild(w io.Writer, b client.Build) {
	by := b.CreatedBy
	if b.Auto {
		by += ", by a push"
	}
	table(w, [][]string{
		{"Build:", b.ID},
		{"State:", state(b)},
		{"Detail:", strings.TrimSpace(b.Detail)},
		{"Image:", b.Path + ":" + b.Tag},
		{"Version tag:", text(b.VersionTag)},
		{"Digest:", text(b.Digest)},
		{"Code:", b.CodePath + ", " + b.RefType + " " + b.Ref},
		{"Commit:", text(b.Commit)},
		{"Asked for:", ago(b.CreatedAt) + " by " + by},
		{"Took:", took(b)},
	})
}

func buildLogsCommand() *cobra.Command {
	a, following := &account{}, false
	c := &cobra.Command{
		Use:   "logs BUILD",
		Short: "Print a build's log",
		Long: `Print a build's log. With -f go on until the build has ended, also where the connection
is lost on the way, and end with status 1 if the build failed. With --json each
line is an object of its own.`,
		Args: arguments(1, 1, "the build's id"),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			f := newFollowed(c, a.json, false)
			if following {
				return f.until(c, h, args[0])
			}
			return h.Log(c.Context(), args[0], f.line)
		},
	}
	c.Flags().BoolVarP(&following, "follow", "f", false, "go on until the build has ended")
	return a.flags(c)
}

func buildCancelCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:   "cancel BUILD",
		Short: "End a build that waits or runs",
		Args:  arguments(1, 1, "the build's id"),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			if err := h.CancelBuild(c.Context(), args[0]); err != nil {
				return err
			}
			return a.answer(c, map[string]string{"cancelled": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "Cancelled %s\n", shown(args[0])) })
		},
	})
}

// follow prints a build's log until it has ended, or with --json the build as it
// ended; a build that did not succeed is an error.
func (a *account) follow(c *cobra.Command, h *client.Client, id string) error {
	f := newFollowed(c, a.json, a.json)
	err := f.until(c, h, id)
	if a.json && f.last.Of.ID != "" {
		return firstOf(writeJSON(c.OutOrStdout(), f.last), err)
	}
	return err
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// lineWriter prints log lines as objects.
func lineWriter(w io.Writer) func(client.Answer[client.LogLine]) {
	e := json.NewEncoder(w)
	return func(l client.Answer[client.LogLine]) { e.Encode(l) }
}
