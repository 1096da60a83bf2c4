// Ingest takes uploads of layers on AWS: the service beside the functions that
// streams what is too large for them. Its settings are those of functions; it listens
// at BERTH_LISTEN, or on port 8080.
package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"berth/shared/cloud"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := run(log); err != nil {
		log.Error("ingest ended", "error", err.Error())
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	region, given := os.Getenv("AWS_REGION"), provider(os.Getenv)
	if region == "" || given == nil {
		return errors.New("the environment has no AWS_REGION or no credentials of AWS")
	}
	l, err := net.Listen("tcp", cmp.Or(os.Getenv("BERTH_LISTEN"), ":8080"))
	if err != nil {
		return err
	}
	return cloud.Ingest(ctx, l, os.Getenv, region, given, log)
}

// provider gives the credentials of the task, which change every few hours, or those
// in the environment; nil where there are none.
func provider(getenv func(string) string) aws.CredentialsProvider {
	if at := getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); at != "" {
		return aws.NewCredentialsCache(endpointcreds.New("http://169.254.170.2" + at))
	}
	if id := getenv("AWS_ACCESS_KEY_ID"); id != "" {
		return credentials.NewStaticCredentialsProvider(id, getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN"))
	}
	return nil
}
