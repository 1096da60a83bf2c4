// Command check holds an endpoint that speaks AWS's protocols against what Berth
// relies on, through the SDK. It tests emulators, and could test AWS itself, were
// it not for the loopback address it insists on.
//
//	go run ./serve & go run ./check -endpoint http://127.0.0.1:4620 -suite ddb
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
)

// Check is one thing that must hold. Those of a suite run in order: later ones
// build on what earlier ones left.
type Check struct {
	Name string
	Fn   func(ctx context.Context) error
}

var suites = map[string]func() []Check{
	"ddb":   ddbChecks,
	"ddbw":  ddbPersistWrite, // before the server is killed
	"ddbr":  ddbPersistRead,  // and after
	"s3":    s3Checks,
	"s3big": s3BigChecks,
	"s3w":   s3PersistWrite,
	"s3r":   s3PersistRead,
	"sqs":   sqsChecks,
}

var (
	endpoint = flag.String("endpoint", "http://127.0.0.1:4620", "endpoint (loopback only)")
	suite    = flag.String("suite", "ddb", "comma list: ddb, ddbw, ddbr, s3, s3big, s3w, s3r, sqs")
	srvPid   = flag.Int("pid", 0, "the server's process id, to watch its memory in s3big")
	bigMiB   = flag.Int("big", 256, "MiB for s3big")
	only     = flag.String("only", "", "substring of the names of checks to run")
	ak       = flag.String("ak", "test", "access key")
	sk       = flag.String("sk", "testtest", "secret key")
)

func main() {
	flag.Parse()
	if !strings.Contains(*endpoint, "127.0.0.1") && !strings.Contains(*endpoint, "localhost") {
		fmt.Fprintln(os.Stderr, "check: the endpoint must be a loopback address")
		os.Exit(2)
	}
	failed := 0
	for _, s := range strings.Split(*suite, ",") {
		checks, ok := suites[s]
		if !ok {
			fmt.Fprintln(os.Stderr, "check: no suite", s)
			os.Exit(2)
		}
		for _, c := range checks() {
			if strings.Contains(c.Name, *only) && !report(s, c) {
				failed++
			}
		}
	}
	if failed > 0 {
		fmt.Println(failed, "failed")
		os.Exit(1)
	}
}

func report(suite string, c Check) bool {
	begin := time.Now()
	err := run(context.Background(), c)
	verdict, why := "PASS", ""
	if err != nil {
		verdict, why = "FAIL", short(err)
	}
	fmt.Printf("%s  %-52s %8.1fms  %s\n", verdict, suite+"/"+c.Name, float64(time.Since(begin).Microseconds())/1000, why)
	return err == nil
}

// run does one check. A panic, where an answer lacks what the check reads, is a failure.
func run(ctx context.Context, c Check) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 120*time.Second)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return c.Fn(ctx)
}

// awsCfg never retries: a check wants to see each answer.
func awsCfg() aws.Config {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.MaxIdleConnsPerHost = 128
	return aws.Config{
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider(*ak, *sk, ""),
		BaseEndpoint: endpoint,
		HTTPClient:   &http.Client{Transport: tr, Timeout: 300 * time.Second},
		Retryer: func() aws.Retryer {
			return retry.AddWithMaxAttempts(retry.NewStandard(), 1)
		},
	}
}

func errCode(err error) string {
	var ae smithy.APIError
	if errors.As(err, &ae) {
		return ae.ErrorCode()
	}
	return ""
}

func wantCode(err error, codes ...string) error {
	if err == nil {
		return fmt.Errorf("no error, want %s", strings.Join(codes, "|"))
	}
	c := errCode(err)
	for _, w := range codes {
		if c == w {
			return nil
		}
	}
	return fmt.Errorf("code %q want %s: %s", c, strings.Join(codes, "|"), short(err))
}

func short(err error) string {
	s := err.Error()
	if len(s) > 260 {
		s = s[:260] + "…"
	}
	return strings.ReplaceAll(s, "\n", " ")
}
