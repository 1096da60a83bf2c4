package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store"
	"berth/shared/web"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Default names, instead of a route, the function that the HTTP API asks where no
// route of its own fits: it answers what has no path or another method.
const Default = "default"

// Option gives a hub a service beyond its records. A function names those that its
// needs imply, and so links their clients and no others.
type Option func(*Environment, *hub.Hub)

// Start serves one operation of the hub, by its name in the table of routes, as a
// Lambda function behind an HTTP API. It does not return. What [Settings] wants of
// the environment and does not find ends the process with a line that says so.
func Start(route string, options ...Option) {
	f, err := NewFunction(route, os.Getenv, options...)
	begin(route, f, err)
}

// StartEvent serves one of [routes.Events] as a Lambda function.
func StartEvent(name string, options ...Option) {
	f, err := NewEventFunction(name, os.Getenv, options...)
	begin(name, f, err)
}

func begin(name string, function any, err error) {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(log)
	if err != nil {
		log.Error("berth cannot start", "function", name, "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(function)
}

// Function answers events of an HTTP API.
type Function func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// NewFunction makes what [Start] runs.
func NewFunction(route string, getenv func(string) string, options ...Option) (Function, error) {
	e := inLambda(getenv)
	if route == Default { // it knows no caller and reads nothing
		h, err := open(e, hub.Keys{}, web.Needs{}, options)
		if err != nil {
			return nil, err
		}
		return Gateway(h, routes.Handler(h, nil)), nil
	}
	table := routes.Table()
	i := slices.IndexFunc(table, func(r web.Route) bool { return r.Name == route })
	if i < 0 {
		return nil, fmt.Errorf("there is no route %q", route)
	}
	h, err := open(e, e.keys(), table[i].All(), options)
	if err != nil {
		return nil, err
	}
	handler, _ := routes.One(h, route, e.Routes...)
	return Gateway(h, handler), nil
}

// EventFunction takes the events of a trigger. What it answers is JSON.
type EventFunction func(context.Context, json.RawMessage) (any, error)

// NewEventFunction makes what [StartEvent] runs.
func NewEventFunction(name string, getenv func(string) string, options ...Option) (EventFunction, error) {
	all := routes.Events()
	i := slices.IndexFunc(all, func(e routes.Event) bool { return e.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no event %q", name)
	}
	h, err := open(inLambda(getenv), hub.Keys{}, all[i].Needs, options)
	if err != nil {
		return nil, err
	}
	return On(h, name)
}

// On is what the function of an event does on a hub.
func On(h *hub.Hub, name string) (EventFunction, error) {
	handle, ok := handlers[name]
	if !ok {
		return nil, fmt.Errorf("there is no event %q", name)
	}
	return func(ctx context.Context, event json.RawMessage) (any, error) { return handle(ctx, h, event) }, nil
}

// Open makes a hub over all tables and the bucket of the environment.
func Open(getenv func(string) string, options ...Option) (*hub.Hub, error) {
	e := inLambda(getenv)
	return open(e, e.keys(), web.Needs{Write: store.Tables}, append([]Option{WithLayers}, options...))
}

// open makes a hub that has the tables that it needs. Calls of others fail.
func open(e *Environment, keys hub.Keys, needs web.Needs, options []Option) (*hub.Hub, error) {
	e.Needs = needs
	names := map[store.Table]string{}
	for _, t := range slices.Concat(needs.Read, needs.Write) {
		names[t] = e.Need(Settings.Tables[t])
	}
	h := hub.New(NewRecords(dynamodb.NewFromConfig(e.For(Settings.DynamoDB)), names), nil, keys, e.options())
	h.Pulled = func(ctx context.Context, p hub.PullCount) error { return countNow(ctx, h, p) }
	for _, give := range options {
		give(e, h)
	}
	return h, e.refused()
}

// WithLayers gives a hub the layers in the bucket.
func WithLayers(e *Environment, h *hub.Hub) {
	h.Layers = NewLayers(s3.NewFromConfig(e.For(Settings.S3), ForLayers, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil
	}), e.Need(Settings.Bucket))
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
