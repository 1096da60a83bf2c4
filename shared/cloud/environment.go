package cloud

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// Settings are the environment variables of functions. Each function has those that
// its needs imply, and the address, the public one, that all have.
var Settings = struct {
	Tables       map[store.Table]string // names of the tables
	Bucket       string                 // name of the layers' bucket
	PublicURL    string                 // where clients reach the hub
	SecretARN    string                 // of the secret in Secrets Manager from which the hub's keys are derived
	Secret       string                 // the secret itself, at least 32 random characters, instead
	Signup       string                 // "open" lets anybody register an account
	AllowedHosts string                 // private hosts that users' addresses may lead to, with commas between
	KMSKey       string                 // ARN of the key that seals stored secrets
	StateMachine string                 // ARN of the state machine that runs builds
	Queues       map[web.Queue]string   // addresses of the queues
	MailFrom     string                 // sender of the hub's mails
	EdgeKey      string                 // what CloudFront proves itself with, at least 32 random characters

	// Addresses of other services than the region's, for simulations.
	DynamoDB, S3, SecretsManager, KMS, StepFunctions, SQS, SES string
}{
	Tables: map[store.Table]string{
		store.Repositories: "BERTH_TABLE_REPOSITORIES",
		store.Tags:         "BERTH_TABLE_TAGS",
		store.Builds:       "BERTH_TABLE_BUILDS",
	},
	Bucket:       "BERTH_BUCKET",
	PublicURL:    "BERTH_PUBLIC_URL",
	SecretARN:    "BERTH_SECRET_ARN",
	Secret:       "BERTH_SECRET",
	Signup:       "BERTH_SIGNUP",
	AllowedHosts: "BERTH_ALLOWED_HOSTS",
	KMSKey:       "BERTH_KMS_KEY",
	StateMachine: "BERTH_STATE_MACHINE",
	Queues: map[web.Queue]string{
		web.Webhooks: "BERTH_QUEUE_WEBHOOKS",
		web.Mail:     "BERTH_QUEUE_MAIL",
		web.Pulls:    "BERTH_QUEUE_PULLS",
	},
	MailFrom: "BERTH_MAIL_FROM",
	EdgeKey:  "BERTH_EDGE_KEY",

	DynamoDB:       "AWS_ENDPOINT_URL_DYNAMODB",
	S3:             "AWS_ENDPOINT_URL_S3",
	SecretsManager: "AWS_ENDPOINT_URL_SECRETS_MANAGER",
	KMS:            "AWS_ENDPOINT_URL_KMS",
	StepFunctions:  "AWS_ENDPOINT_URL_SFN",
	SQS:            "AWS_ENDPOINT_URL_SQS",
	SES:            "AWS_ENDPOINT_URL_SESV2",
}

// Environment is what a process on AWS is given: settings, a region, credentials.
type Environment struct {
	AWS     aws.Config
	Needs   web.Needs   // of the function that it is for
	Routes  []web.Route // to be served in place of the table's of the same names
	getenv  func(string) string
	missing []error
}

// Get is a setting; "" where there is none.
func (e *Environment) Get(name string) string { return e.getenv(name) }

// Need is a setting that there must be: else the process does not start, and says so.
func (e *Environment) Need(name string) string {
	v := e.getenv(name)
	if v == "" {
		e.Refuse(fmt.Errorf("the environment has no %s", name))
	}
	return v
}

// Refuse keeps the process from starting.
func (e *Environment) Refuse(err error) { e.missing = append(e.missing, err) }

func (e *Environment) refused() error { return errors.Join(e.missing...) }

// For is the configuration of a client whose service answers at the address in a
// setting, or else at the region's.
func (e *Environment) For(endpoint string) aws.Config {
	cfg := e.AWS.Copy()
	if at := e.getenv(endpoint); at != "" {
		cfg.BaseEndpoint = &at
	}
	return cfg
}

// inLambda is the environment of a function: its credentials last as long as the
// process.
func inLambda(getenv func(string) string) *Environment {
	e := &Environment{getenv: getenv}
	given := aws.Credentials{
		AccessKeyID:     e.Need("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: e.Need("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    getenv("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}
	e.AWS = configuration(e.Need("AWS_REGION"), aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return given, nil
	}))
	return e
}

// elsewhere is the environment of a program that is no function.
func elsewhere(getenv func(string) string, region string, credentials aws.CredentialsProvider) *Environment {
	return &Environment{getenv: getenv, AWS: configuration(region, credentials)}
}

func configuration(region string, credentials aws.CredentialsProvider) aws.Config {
	return aws.Config{
		Region:      region,
		HTTPClient:  HTTPClient(5 * time.Second),
		Retryer:     func() aws.Retryer { return retry.NewStandard(patiently) },
		Credentials: credentials,
	}
}

// options are the hub's.
func (e *Environment) options() hub.Options {
	public, err := url.Parse(e.Need(Settings.PublicURL))
	if err == nil && (public.Host == "" || public.Scheme != "https" && public.Scheme != "http") {
		err = errors.New("it must be as https://registry.example.com")
	}
	if err != nil {
		e.Refuse(fmt.Errorf("%s: %w", Settings.PublicURL, err))
	}
	edge := e.getenv(Settings.EdgeKey)
	if edge != "" && len(edge) < 32 { // whoever guesses it chooses the address that they are known by
		e.Refuse(fmt.Errorf("%s has %d characters, at least 32 are needed", Settings.EdgeKey, len(edge)))
	}
	hosts := strings.FieldsFunc(e.getenv(Settings.AllowedHosts), func(r rune) bool { return r == ',' || r == ' ' })
	return hub.Options{PublicURL: public, OpenSignup: e.getenv(Settings.Signup) == "open", AllowedHosts: hosts, EdgeKey: edge}
}
