package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"berth/shared/client"

	"github.com/spf13/cobra"
)

func pushCommand() *cobra.Command {
	a, image := &account{}, ""
	c := &cobra.Command{
		Use:     "push FOLDER|FILE.tar [[HUB/]NAMESPACE/]NAME[:TAG]",
		GroupID: clientGroup,
		Short:   "Push an image from a folder or an archive",
		Long: `Push an image from an OCI layout, which may be a folder or a tar archive, or from an
archive that docker save wrote. Several layers move at once; what is cut off
goes on where it was, and what the hub has already is not sent.`,
		Example: `  docker save web -o web.tar && berth push web.tar team/web:v1
  berth push ./layout hub.example.com/team/web:v1 --image v1`,
		Args: arguments(2, 2, "what to push and the image's name on the hub"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			h, to, err := a.image(c, args[1])
			if err != nil {
				return err
			}
			s, err := client.OpenSource(args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			ctx, stop := interruptible(c)
			defer stop()
			t := watchTransfer(a.json)
			p, err := h.Push(ctx, s, image, to, t.event)
			t.end()
			if err != nil {
				return err
			}
			return a.answer(c, p, func(w io.Writer) { fmt.Fprintf(w, "pushed %s %s\n", p.Reference, p.Digest) })
		},
	}
	c.Flags().StringVar(&image, "image", "", "which image of the folder or archive, where it has several")
	return a.flags(c)
}

func pullCommand() *cobra.Command {
	a, platform := &account{}, ""
	c := &cobra.Command{
		Use:     "pull [[HUB/]NAMESPACE/]NAME[:TAG|@DIGEST] FOLDER|FILE.tar",
		GroupID: clientGroup,
		Short:   "Pull an image to a folder or an archive",
		Long: `Pull an image to a folder, as an OCI layout beside the images that are there; or to a tar
archive, which docker load and podman load read. Several layers move at once; a pull
to a folder that was cut off goes on where it was.`,
		Example: "  berth pull team/web:v1 web.tar && docker load -i web.tar",
		Args:    arguments(2, 2, "the image's name and where to write it"),
		RunE: func(c *cobra.Command, args []string) error {
			h, from, err := a.image(c, args[0])
			if err != nil {
				return err
			}
			ctx, stop := interruptible(c)
			defer stop()
			t := watchTransfer(a.json)
			p, err := h.Pull(ctx, from, platform, args[1], t.event)
			t.end()
			if err != nil {
				return err
			}
			return a.answer(c, p, func(w io.Writer) { fmt.Fprintf(w, "pulled %s %s to %s\n", p.Reference, p.Digest, p.Path) })
		},
	}
	c.Flags().StringVar(&platform, "platform", "", "only the image for this platform, such as linux/arm64")
	return a.flags(c)
}

// interruptible is the command's context, which an interrupt ends, so that what was
// made on the way is removed; a second interrupt ends the program.
func interruptible(c *cobra.Command) (ctx context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// image is what an image's name stands for, and its hub. A name without a namespace is
// in the account's own.
func (a *account) image(c *cobra.Command, name string) (*client.Client, client.Reference, error) {
	if !strings.Contains(name, "/") {
		h, err := a.hub("")
		if err == nil {
			name, err = ownName(c, h, name)
		}
		if err != nil {
			return nil, client.Reference{}, err
		}
	}
	r, err := client.ParseReference(name)
	if err != nil {
		return nil, r, wrongUse("%w", err)
	}
	h, err := a.hub(r.Host)
	return h, r, err
}
