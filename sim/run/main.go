// Command stack runs Berth as on AWS, on one machine: the functions behind an HTTP
// API, ingest, DynamoDB and S3, all of them simulated, until it is interrupted. Its
// data is gone then. The administrator's password is BERTH_ADMIN_PASSWORD's.
//
//	BERTH_ADMIN_PASSWORD='correct horse' go run ./stack -listen 127.0.0.1:8090
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"berth/shared/cloud"
	"berth/sim"
	"berth/sim/dynamodb"
	"berth/sim/httpapi"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8090", "loopback address to listen on")
	faults := flag.Float64("faults", 0, "share of DynamoDB's calls that each kind of fault befalls")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *faults); err != nil {
		fmt.Fprintln(os.Stderr, "stack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen string, share float64) error {
	password := os.Getenv("BERTH_ADMIN_PASSWORD")
	if password == "" {
		return errors.New("the environment has no BERTH_ADMIN_PASSWORD")
	}
	dir, err := os.MkdirTemp("", "berth-stack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	defer sim.Clean()
	account, stop, err := sim.StartAccount(dir)
	if err != nil {
		return err
	}
	defer stop()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	defer l.Close()
	account.Settings[cloud.Settings.PublicURL] = "http://" + l.Addr().String()
	api, err := httpapi.New(account.Getenv)
	if err != nil {
		return err
	}
	h, err := cloud.Open(account.Getenv)
	if err != nil {
		return err
	}
	if _, err := h.EnsureAdministrator(ctx, func() string { return password }); err != nil {
		return err
	}
	account.DB.Inject(dynamodb.Faults{Throttle: share, Conflict: share, Unprocessed: share, LostRequest: share, LostAnswer: share})
	fmt.Printf("Berth's stack answers at http://%s\n", l.Addr())
	server := &http.Server{Handler: api}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
