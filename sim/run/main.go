// Command run runs all of Berth as on AWS on this machine, for any client to talk to,
// until it is interrupted. Its data is gone then, unless -data names a folder.
//
//	go run ./run -templates ../.make/sim/cdk.out -programs ../.make/sim
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"berth/sim/dynamodb"
	"berth/sim/stack"
)

func main() {
	o := stack.Options{Schedules: true}
	flag.StringVar(&o.Templates, "templates", "../.make/sim/cdk.out", "folder of the synthesized templates")
	flag.StringVar(&o.Programs, "programs", "../.make/sim", "folder of the programs, built for this machine")
	flag.StringVar(&o.Listen, "listen", "127.0.0.1:8090", "loopback address to listen on")
	flag.StringVar(&o.Data, "data", "", "folder to keep data in")
	faults := flag.Float64("faults", 0, "share of DynamoDB's and S3's calls that faults befall")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, *faults); err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o stack.Options, share float64) error {
	if o.Data == "" {
		dir, err := os.MkdirTemp("", "berth-sim-data-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.Data = dir
	}
	s, err := stack.Start(o)
	if err != nil {
		return err
	}
	defer s.Close()
	password, err := s.Administrator(ctx, os.Getenv("BERTH_ADMIN_PASSWORD"))
	if err != nil {
		return err
	}
	s.DynamoDB().Inject(dynamodb.Faults{Throttle: share, Conflict: share})
	s.Inject(stack.Faults{S3: share})
	fmt.Printf("Berth, as on AWS, answers at %s\nlog in as admin with the password %s\n", s.URL, password)
	<-ctx.Done()
	for _, refused := range s.Refusals() {
		fmt.Println("refused:", refused)
	}
	return nil
}
