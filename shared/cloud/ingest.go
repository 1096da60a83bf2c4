package cloud

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store"
	"berth/shared/web"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Connect makes a hub over the tables in the environment, for programs that are no
// functions: with a region and credentials of their own.
func Connect(getenv func(string) string, region string, credentials aws.CredentialsProvider, needs web.Needs, options ...Option) (*hub.Hub, error) {
	e := elsewhere(getenv, region, credentials)
	return open(e, hub.Keys{}, needs, options)
}

// drain is how long uploads that run may take to finish when ingest is told to stop:
// Fargate kills it after two minutes.
const drain = 110 * time.Second

// Ingest serves the operations of uploads, with bodies of any size, until ctx ends:
// what no function can take, because an event has 6 MB.
func Ingest(ctx context.Context, l net.Listener, getenv func(string) string, region string, credentials aws.CredentialsProvider, log *slog.Logger) error {
	e := elsewhere(getenv, region, credentials)
	needs := web.Needs{Write: []store.Table{store.Repositories, store.Tags}, Layers: web.WriteLayers}
	h, err := open(e, e.keys(), needs, []Option{WithLayers})
	if err != nil {
		return err
	}
	h.Log = log
	server := &http.Server{
		Handler:           web.Patient(web.Logged(h, web.Mux(h, routes.Uploads()), nil)),
		ReadHeaderTimeout: 20 * time.Second,
		ReadTimeout:       web.Patience,
		WriteTimeout:      web.Patience,
		IdleTimeout:       3 * time.Minute, // more than the load balancer's
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	log.Info("ingest is ready", "listen", l.Addr().String())
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	within, stop := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer stop()
	if err := server.Shutdown(within); err != nil {
		log.Warn("uploads were cut off", "after", drain.String())
		return errors.Join(err, server.Close())
	}
	return nil
}
