package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"berth/shared/client"

	"github.com/spf13/cobra"
)

func repoCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:     "repo",
		GroupID: clientGroup,
		Short:   "Create, show, change and delete repositories, and say how they are built",
	}, repoCreateCommand(), repoListCommand(), repoShowCommand(), repoSetCommand(), repoUntagCommand(), repoRemoveCommand(), buildConfigCommand())
}

func repoCreateCommand() *cobra.Command {
	a, s, t := &account{}, &codeSource{}, &tagOptions{}
	description, public := "", false
	c := &cobra.Command{
		Use:   "create [NAMESPACE/]NAME",
		Short: "Create a repository, which may be built from Git",
		Long: `Create a repository. With --git, --github, --gitlab, --bitbucket or --gitee its images
are built from that code repository: the answer has the deploy key to enter at the
Git host if the code is private and, with --on-push, the webhook that
starts a build at each push.`,
		Example: `  berth repo create hello --public
  berth repo create team/web --github acme/web --branch main --on-push
  berth repo create tool --git https://git.example.com/tool.git --git-tag '/^v(.*)$/' --tag '{1}' --on-push`,
		Args: arguments(1, 1, "the new repository's name"),
		RunE: func(c *cobra.Command, args []string) error {
			fields := map[string]any{"description": description, "is_public": public}
			config, err := s.config()
			if err != nil {
				return err
			}
			changes, err := t.changes(c)
			switch {
			case err != nil:
				return err
			case config != nil:
				if _, ok := changes["docker_repo_tag"]; !ok {
					changes["docker_repo_tag"] = "latest"
				}
				config["tag_configs"] = []any{changes}
				fields["build_config"] = config
			case len(changes) > 0:
				return wrongUse("say where the code is, with --git or --github: only repositories that are built have the other options")
			}
			h, n, err := a.asked(c, args[0])
			if err != nil {
				return err
			}
			r, err := h.CreateRepository(c.Context(), n, fields)
			if err != nil {
				return err
			}
			return a.answer(c, r, func(w io.Writer) {
				fmt.Fprintf(w, "Created %s; push to %s/%s\n", n, h.URL.Host, n)
				if r.Of.BuildConfig != nil {
					writeConfig(w, *r.Of.BuildConfig)
					if !strings.ContainsAny(r.Of.BuildConfig.Tags[0].Tag, "{") {
						fmt.Fprintf(w, "\nBuild it now:\n\n    berth build start %s:%s --follow\n", n, r.Of.BuildConfig.Tags[0].Tag)
					}
				}
			})
		},
	}
	c.Flags().StringVar(&description, "description", "", "what it is, in a sentence")
	c.Flags().BoolVar(&public, "public", false, "let everybody pull from it")
	s.flags(c)
	t.flags(c)
	return a.flags(c)
}

func repoListCommand() *cobra.Command {
	a, find, most := &account{}, "", uint(0)
	c := &cobra.Command{
		Use:     "list [NAMESPACE]",
		Aliases: []string{"ls"},
		Short:   "List a namespace's repositories; without one, your own",
		Args:    arguments(0, 1, "at most one namespace"),
		RunE: func(c *cobra.Command, args []string) error {
			h, namespace, err := a.namespace(c, strings.Join(args, ""))
			if err != nil {
				return err
			}
			list, err := h.Repositories(c.Context(), namespace, find, int(most))
			if err != nil {
				return err
			}
			return a.answer(c, list, func(w io.Writer) {
				rows := [][]string{{"REPOSITORY", "PUSHED", "PULLS", "", "DESCRIPTION"}}
				for _, r := range list {
					rows = append(rows, []string{r.Of.Path, ago(r.Of.PushedAt), fmt.Sprint(r.Of.Download), kinds(r.Of), r.Of.Description})
				}
				table(w, rows)
			})
		},
	}
	c.Flags().StringVarP(&find, "query", "q", "", "only those with this in their name or description")
	c.Flags().UintVar(&most, "limit", 0, "at most that many; 0 = all")
	return a.flags(c)
}

// kinds are what is special about a repository.
func kinds(r client.Repository) string {
	kind := "private"
	if r.IsPublic {
		kind = "public"
	}
	if r.IsAutomated {
		kind += ", built"
	}
	return kind
}

func repoShowCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:   "show [NAMESPACE/]NAME",
		Short: "Show a repository with its newest tags",
		Args:  arguments(1, 1, "the repository"),
		RunE: func(c *cobra.Command, args []string) error {
			h, n, err := a.asked(c, args[0])
			if err != nil {
				return err
			}
			r, err := h.Repository(c.Context(), n)
			if err != nil {
				return err
			}
			if a.json {
				return writeJSON(c.OutOrStdout(), r)
			}
			tags, err := h.Tags(c.Context(), n)
			if err != nil {
				return err
			}
			return a.answer(c, r, func(w io.Writer) {
				table(w, [][]string{
					{"Repository:", r.Of.Path + " (" + kinds(r.Of) + ")"},
					{"Description:", text(&r.Of.Description)},
					{"Pull:", "docker pull " + h.URL.Host + "/" + r.Of.Path},
					{"Created:", ago(r.Of.CreatedAt) + " by " + r.Of.CreatedBy},
					{"Pushes, pulls:", fmt.Sprintf("%d, %d", r.Of.Upload, r.Of.Download)},
				})
				fmt.Fprintln(w)
				rows := [][]string{{"TAG", "PUSHED", "SIZE", "DIGEST", "PLATFORMS"}}
				for _, t := range tags {
					rows = append(rows, []string{t.Tag, ago(t.PushedAt), bytesOf(t.Size), t.Digest, strings.Join(t.Platforms, ", ")})
				}
				table(w, rows)
			})
		},
	})
}

func repoRemoveCommand() *cobra.Command {
	a, yes := &account{}, false
	c := &cobra.Command{
		Use:   "rm [NAMESPACE/]NAME",
		Short: "Delete a repository with all its images and builds",
		Args:  arguments(1, 1, "the repository"),
		RunE: func(c *cobra.Command, args []string) error {
			h, n, err := a.asked(c, args[0])
			if err != nil {
				return err
			}
			if !yes {
				if err := confirm(fmt.Sprintf("Delete %s on %s with all its images and builds?", n, h.URL.Host)); err != nil {
					return err
				}
			}
			if err := h.DeleteRepository(c.Context(), n); err != nil {
				return err
			}
			return a.answer(c, map[string]string{"deleted": n.String()}, func(w io.Writer) { fmt.Fprintf(w, "Deleted %s\n", n) })
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return a.flags(c)
}

// confirm asks a question that must be answered with yes.
func confirm(question string) error {
	if !isTerminal(os.Stdin) {
		return wrongUse("there is no terminal to ask on; --yes says that you are sure")
	}
	fmt.Fprintf(os.Stderr, "%s [y/N] ", question)
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if s := strings.ToLower(strings.TrimSpace(line)); s != "y" && s != "yes" {
		return errors.New("nothing was deleted")
	}
	return nil
}
