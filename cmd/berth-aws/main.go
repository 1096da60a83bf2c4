// Berth-aws looks after a hub on AWS, with the credentials of whoever may do so: it
// makes the first administrator, whom nobody can ask the hub for.
//
//	berth-aws admin create --table berth-repositories NAME
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"berth/shared/cloud"
	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"

	"github.com/aws/aws-sdk-go-v2/config"
)

const usage = `Usage: berth-aws admin create [flags] NAME

Make an administrator's account in a hub on AWS. It writes to the hub's table of
repositories, with the credentials that the AWS command line would use, so it works
before anybody can log in. Without BERTH_ADMIN_PASSWORD in the environment a password
is made up and printed once.

Flags:
`

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "berth-aws:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, help io.Writer) error {
	f := flag.NewFlagSet("berth-aws", flag.ContinueOnError)
	f.SetOutput(help)
	f.Usage = func() {
		fmt.Fprint(help, usage)
		f.PrintDefaults()
	}
	n := hub.NewAccount{Admin: true, Password: os.Getenv("BERTH_ADMIN_PASSWORD")}
	table := f.String("table", os.Getenv(cloud.Settings.Tables[store.Repositories]), "name of the hub's table of repositories")
	region := f.String("region", "", "region of the hub (default: that of the AWS configuration)")
	f.StringVar(&n.Email, "email", "", "the account's e-mail address")
	f.StringVar(&n.RealName, "realname", "", "the account's real name")
	if len(args) < 2 || args[0] != "admin" || args[1] != "create" {
		f.Usage()
		return errors.New("say what to do: admin create")
	}
	if err := f.Parse(args[2:]); err != nil {
		return err
	}
	if f.NArg() != 1 || *table == "" {
		f.Usage()
		return errors.New("give --table and the new account's name, after the flags")
	}
	n.Name = f.Arg(0)
	h, err := connect(ctx, *table, *region)
	if err != nil {
		return err
	}
	return create(ctx, h, n, out)
}

// connect makes a hub that has the one table in which accounts are.
func connect(ctx context.Context, table, region string) (*hub.Hub, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		return nil, errors.New("no region is configured; give --region")
	}
	getenv := func(name string) string {
		switch name {
		case cloud.Settings.Tables[store.Repositories]:
			return table
		case cloud.Settings.PublicURL: // no account needs it
			return cmp.Or(os.Getenv(name), "https://localhost")
		}
		return os.Getenv(name)
	}
	needs := web.Needs{Write: []store.Table{store.Repositories}}
	return cloud.Connect(getenv, cfg.Region, cfg.Credentials, needs)
}

func create(ctx context.Context, h *hub.Hub, n hub.NewAccount, out io.Writer) error {
	made := n.Password == ""
	if made {
		n.Password = rand.Text()
	}
	_, err := h.CreateAccount(ctx, n)
	var told *hub.Error
	if errors.As(err, &told) {
		return errors.New(told.Message)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "The administrator %s is there.\n", n.Name)
	if made {
		fmt.Fprintf(out, "The password is shown this once:\n\n    %s\n\n", n.Password)
	}
	return nil
}
