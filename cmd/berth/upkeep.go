package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"berth/shared/client"
	"berth/shared/hub"

	"github.com/spf13/cobra"
)

// place is the hub that a command looks after: one that runs, through its
// interface, or a data folder that no hub has open.
type place struct {
	data, url, password, token string
}

func (p *place) flags(c *cobra.Command) *cobra.Command {
	f := c.Flags()
	f.StringVar(&p.data, "data", "berth-data", "folder that keeps everything; if a hub runs on it, that one is asked")
	f.StringVar(&p.url, "url", "", "address of a running hub (default: the one that has the folder)")
	f.StringVar(&p.token, "token", "", "an administrator's access token, for a running hub")
	f.StringVar(&p.password, "admin-password", "", "the password of admin, for a running hub, instead of a token")
	return withEnv(c)
}

// do does something with the hub: through a running one by a POST, whose body is
// in, or else directly. It prints what came of it as JSON.
func (p *place) do(c *cobra.Command, path string, in any, direct func(context.Context, *hub.Hub) (any, error)) error {
	at := p.url
	if at == "" {
		d, err := openKept(p.data)
		var busy *busyError
		switch {
		case err == nil:
			defer d.Close()
			out, err := direct(c.Context(), d.hub(&url.URL{Scheme: "http", Host: "localhost"}))
			return report(c.OutOrStdout(), out, err)
		case !errors.As(err, &busy):
			return err
		case busy.URL == "":
			return fmt.Errorf("%w; try again when it has started", err)
		}
		at = busy.URL
	}
	out, err := p.post(c.Context(), at, path, in)
	return report(c.OutOrStdout(), out, err)
}

func report(w io.Writer, v any, err error) error {
	var told *hub.Error
	if errors.As(err, &told) {
		return errors.New(told.Message)
	}
	if err != nil {
		return err
	}
	return writeJSON(w, v)
}

// post asks a running hub, as the account of the token, the password or the log-in.
func (p *place) post(ctx context.Context, at, path string, in any) (out json.RawMessage, err error) {
	u, err := client.ParseURL(at)
	if err != nil {
		return nil, wrongUse("--url: %w", err)
	}
	h := &client.Client{URL: u, Username: hub.FirstAdministrator, Secret: p.password}
	if p.token != "" {
		h.Username, h.Secret = tokenUser, p.token
	}
	if h.Secret == "" {
		known, err := readLogins()
		if err != nil {
			return nil, err
		}
		l := known.Hubs[u.String()]
		h.Username, h.Secret = l.Username, l.Token
	}
	if h.Secret == "" {
		return nil, wrongUse("the hub at %s runs; log in to it with `berth login`, or give --token or --admin-password, so that it knows you", at)
	}
	err = h.Do(ctx, http.MethodPost, path, in, &out)
	return out, err
}

func gcCommand() *cobra.Command {
	p := &place{}
	return p.flags(&cobra.Command{
		Use:   "gc",
		Short: "Collect what nothing refers to",
		Long: `Remove what nothing refers to any more: abandoned uploads, layers that lost their
last manifest, what deleted repositories left. Nothing is touched that was used
within a day, and pushes and pulls go on meanwhile. A running hub does this by
itself, every --gc-every.`,
		Example: "  berth gc\n  BERTH_TOKEN=brt_... berth gc --url https://hub.example.com",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.do(c, "/v1/admin/gc", struct{}{}, func(ctx context.Context, h *hub.Hub) (any, error) { return h.Sweep(ctx) })
		},
	})
}

func retentionCommand() *cobra.Command {
	p := &place{}
	return group(&cobra.Command{Use: "retention", Short: "Look after retention policies"}, p.flags(&cobra.Command{
		Use:   "run",
		Short: "Apply every retention policy",
		Long: `Apply every retention policy: delete the tags that it no longer keeps, and note that
in its history. A running hub does this by itself, every --retention-every.`,
		Example: "  berth retention run",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.do(c, "/v1/admin/retention", struct{}{}, func(ctx context.Context, h *hub.Hub) (any, error) { return h.RunRetentions(ctx) })
		},
	}))
}
