// Package machine runs a hub's builds as executions of a state machine of AWS Step
// Functions.
package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"berth/shared/cloud"
	"berth/shared/hub"
	"berth/shared/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
)

// WithBuilds makes a hub run its builds by the state machine in the environment.
func WithBuilds(e *cloud.Environment, h *hub.Hub) {
	arn := e.Need(cloud.Settings.StateMachine)
	h.Builder = New(sfn.NewFromConfig(e.For(cloud.Settings.StepFunctions)), arn, h.Log)
}

// Builder starts, stops and looks at executions. Each has its build's id as its name,
// so that starting a build twice is starting it once, and nothing but that id as its
// input. It implements [hub.Builder].
type Builder struct {
	client  *sfn.Client
	machine string // ARN
	log     *slog.Logger
}

// New runs builds by the state machine with an ARN.
func New(client *sfn.Client, machine string, log *slog.Logger) *Builder {
	return &Builder{client, machine, log}
}

// execution is the ARN of a build's execution.
func (b *Builder) execution(id string) string {
	return strings.Replace(b.machine, ":stateMachine:", ":execution:", 1) + ":" + id
}

// Start implements [hub.Builder]. A call that may or may not have been done counts as
// done: whoever looks at the build later finds out, and starts it again.
func (b *Builder) Start(ctx context.Context, id string) error {
	input, err := json.Marshal(cloud.BuildInput{BuildID: id})
	if err != nil {
		return err
	}
	_, err = b.client.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &b.machine, Name: &id, Input: aws.String(string(input)),
	})
	var exists *types.ExecutionAlreadyExists
	var refused smithy.APIError
	switch {
	case err == nil, errors.As(err, &exists):
		return nil
	case !errors.As(err, &refused) || refused.ErrorFault() == smithy.FaultServer:
		b.log.WarnContext(ctx, "it is not known whether a build was started", "build", id, "error", err)
		return nil
	case full[refused.ErrorCode()]:
		return hub.ErrBuilderFull
	}
	return fmt.Errorf("the build is not started: %w", err)
}

// full are the codes of errors that say that nothing was started, and may be later.
var full = map[string]bool{"ExecutionLimitExceeded": true, "ThrottlingException": true, "TooManyRequestsException": true}

// Stop implements [hub.Builder]. The state machine stops what runs the build.
func (b *Builder) Stop(ctx context.Context, id string) error {
	_, err := b.client.StopExecution(ctx, &sfn.StopExecutionInput{
		ExecutionArn: aws.String(b.execution(id)), Error: aws.String("berth.Deleted"), Cause: aws.String("the build was deleted"),
	})
	if absent(err) {
		return nil
	}
	return unavailable("stop", err)
}

// Look implements [hub.Builder].
func (b *Builder) Look(ctx context.Context, id string) (hub.Stand, string, error) {
	out, err := b.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: aws.String(b.execution(id))})
	switch {
	case absent(err):
		return hub.NotStarted, "", nil
	case err != nil:
		return hub.UnderWay, "", unavailable("describe", err)
	case out.Status == types.ExecutionStatusRunning || out.Status == types.ExecutionStatusPendingRedrive:
		return hub.UnderWay, "", nil
	case out.Status == types.ExecutionStatusSucceeded:
		return hub.Ended, "", nil
	}
	return hub.Ended, cloud.WhyEnded(aws.ToString(out.Error), aws.ToString(out.Cause)), nil
}

func absent(err error) bool {
	var none *types.ExecutionDoesNotExist
	return errors.As(err, &none)
}

func unavailable(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: Step Functions does not %s an execution: %w", store.ErrUnavailable, what, err)
}
