package cloud

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Default names, instead of a route, the function that the HTTP API asks where no
// route of its own fits: it answers what has no path or another method.
const Default = "default"

// Start serves one operation of the hub, by its name in the table of routes, as a
// Lambda function behind an HTTP API. It does not return. What [Settings] wants of
// the environment and does not find ends the process with a line that says so.
func Start(route string) {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(log)
	f, err := NewFunction(route, os.Getenv)
	if err != nil {
		log.Error("berth cannot start", "route", route, "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(f)
}

// Function answers events of an HTTP API.
type Function func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// NewFunction makes what [Start] runs.
func NewFunction(route string, getenv func(string) string) (Function, error) {
	h, err := Open(getenv)
	if err != nil {
		return nil, err
	}
	h.Pulled = func(ctx context.Context, p hub.PullCount) error {
		return countNow(ctx, h, p)
	}
	if route == Default {
		return Gateway(h, routes.Handler(h, nil)), nil
	}
	handler, ok := routes.One(h, route)
	if !ok {
		return nil, fmt.Errorf("there is no route %q", route)
	}
	return Gateway(h, handler), nil
}

// countNow stores a pull before it is answered: between answers a function is
// frozen, and what it gathers may never be stored. A pull that cannot be counted
// is served all the same.
func countNow(ctx context.Context, h *hub.Hub, p hub.PullCount) error {
	if err := h.StorePulls(ctx, p.RepoID, []hub.PullCount{p}); err != nil {
		h.Log.WarnContext(ctx, "a pull was not counted", "repository", p.RepoID, "error", err)
	}
	return nil
}

// Settings are the environment variables of every function.
var Settings = struct {
	Tables    map[store.Table]string // names of the tables
	Bucket    string                 // name of the layers' bucket
	PublicURL string                 // where clients reach the hub
	Secret    string                 // at least 32 random characters, from which the hub's keys are derived
	Signup    string                 // "open" lets anybody register an account
	DynamoDB  string                 // address of another DynamoDB than the region's, for simulations
	S3        string                 // the same of S3, with the bucket in the path
}{
	Tables: map[store.Table]string{
		store.Repositories: "BERTH_TABLE_REPOSITORIES",
		store.Tags:         "BERTH_TABLE_TAGS",
		store.Builds:       "BERTH_TABLE_BUILDS",
	},
	Bucket:    "BERTH_BUCKET",
	PublicURL: "BERTH_PUBLIC_URL",
	Secret:    "BERTH_SECRET",
	Signup:    "BERTH_SIGNUP",
	DynamoDB:  "AWS_ENDPOINT_URL_DYNAMODB",
	S3:        "AWS_ENDPOINT_URL_S3",
}

// Open makes the hub that the environment describes, see [Settings]. It calls nobody.
func Open(getenv func(string) string) (*hub.Hub, error) {
	var missing []error
	need := func(name string) string {
		v := getenv(name)
		if v == "" {
			missing = append(missing, fmt.Errorf("the environment has no %s", name))
		}
		return v
	}
	names := map[store.Table]string{}
	for _, t := range store.Tables {
		names[t] = need(Settings.Tables[t])
	}
	bucket, secret := need(Settings.Bucket), need(Settings.Secret)
	public, err := url.Parse(need(Settings.PublicURL))
	if err == nil && (public.Host == "" || public.Scheme != "https" && public.Scheme != "http") {
		err = errors.New("it must be as https://registry.example.com")
	}
	if err != nil {
		missing = append(missing, fmt.Errorf("%s: %w", Settings.PublicURL, err))
	}
	cfg := config(getenv, need)
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	keys, err := deriveKeys(secret)
	if err != nil {
		return nil, err
	}
	return hub.New(
		NewRecords(dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
			if e := getenv(Settings.DynamoDB); e != "" {
				o.BaseEndpoint = &e
			}
		}), names),
		NewLayers(s3.NewFromConfig(cfg, ForLayers, func(o *s3.Options) {
			if e := getenv(Settings.S3); e != "" {
				o.BaseEndpoint, o.UsePathStyle = &e, true
			}
		}), bucket),
		keys,
		hub.Options{PublicURL: public, OpenSignup: getenv(Settings.Signup) == "open"},
	), nil
}

// config is what Lambda gives every function: a region and credentials that last
// as long as the process.
func config(getenv, need func(string) string) aws.Config {
	credentials := aws.Credentials{
		AccessKeyID:     need("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: need("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    getenv("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}
	return aws.Config{
		Region:     need("AWS_REGION"),
		HTTPClient: HTTPClient(5 * time.Second),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return credentials, nil
		}),
	}
}

// deriveKeys makes the hub's keys of its one secret (HKDF, RFC 5869, SHA-256).
func deriveKeys(secret string) (hub.Keys, error) {
	var k hub.Keys
	if len(secret) < 32 {
		return k, fmt.Errorf("%s has %d characters, at least 32 are needed", Settings.Secret, len(secret))
	}
	for name, key := range map[string]*[]byte{"registry": &k.Registry, "sdk": &k.SDK, "seal": &k.Seal} {
		b, err := hkdf.Key(sha256.New, []byte(strings.TrimSpace(secret)), nil, "berth "+name, 32)
		if err != nil {
			return k, err
		}
		*key = b
	}
	return k, nil
}
