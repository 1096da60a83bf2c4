package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func repoSetCommand() *cobra.Command {
	a, description, public, immutable := &account{}, "", false, false
	c := &cobra.Command{
		Use:   "set [NAMESPACE/]NAME",
		Short: "Change a repository's description, who may pull from it, and whether its tags may move",
		Example: `  berth repo set web --public=false
  berth repo set team/web --immutable --description "What we serve"`,
		Args: arguments(1, 1, "the repository"),
		RunE: func(c *cobra.Command, args []string) error {
			fields := map[string]any{}
			for flag, field := range map[string]struct {
				name  string
				value any
			}{"description": {"description", description}, "public": {"is_public", public}, "immutable": {"immutable_tags", immutable}} {
				if c.Flags().Changed(flag) {
					fields[field.name] = field.value
				}
			}
			if len(fields) == 0 {
				return wrongUse("say what to change: --description, --public or --immutable")
			}
			h, n, err := a.asked(c, args[0])
			if err != nil {
				return err
			}
			r, err := h.UpdateRepository(c.Context(), n, fields)
			if err != nil {
				return err
			}
			return a.answer(c, r, func(w io.Writer) { fmt.Fprintf(w, "Changed %s (%s)\n", n, kinds(r.Of)) })
		},
	}
	c.Flags().StringVar(&description, "description", "", "what it is, in a sentence")
	c.Flags().BoolVar(&public, "public", false, "let everybody pull from it; --public=false ends that")
	c.Flags().BoolVar(&immutable, "immutable", false, "let no tag move or be deleted; --immutable=false ends that")
	return a.flags(c)
}

func repoUntagCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:     "untag [NAMESPACE/]NAME:TAG",
		Short:   "Delete a tag; other tags of its image stay",
		Example: "  berth repo untag team/web:v1",
		Args:    arguments(1, 1, "the repository with the tag"),
		RunE: func(c *cobra.Command, args []string) error {
			name, tag, ok := strings.Cut(args[0], ":")
			if !ok || tag == "" {
				return wrongUse("say which tag: %s:TAG", name)
			}
			h, n, err := a.asked(c, name)
			if err != nil {
				return err
			}
			if err := h.DeleteTag(c.Context(), n, tag); err != nil {
				return err
			}
			return a.answer(c, map[string]string{"deleted": n.String() + ":" + tag}, func(w io.Writer) { fmt.Fprintf(w, "Deleted %s:%s\n", n, shown(tag)) })
		},
	})
}
