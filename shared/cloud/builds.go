package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"berth/shared/hub"
)

// BuildInput is what an execution of the state machine begins with.
type BuildInput struct {
	BuildID string `json:"build_id"`
}

// prepared is what the first state answers: the runner claims its build with it.
type prepared struct {
	BuildID string `json:"build_id"`
	Claim   string `json:"claim"`
}

// prepare is the state machine's first state: it makes the code that CodeBuild is
// given.
func prepare(ctx context.Context, h *hub.Hub, event json.RawMessage) (any, error) {
	in, err := readEvent[BuildInput](event)
	if err != nil {
		return nil, err
	}
	claim, err := h.PrepareBuild(ctx, in.BuildID)
	return prepared{in.BuildID, claim}, err
}

// recorded is what the state machine knows at a build's end. Failure is what a state
// before ended with, if it failed.
type recorded struct {
	BuildID string `json:"build_id"`
	Failure *struct {
		Error string
		Cause string
	} `json:"failure"`
}

// record is the state machine's last state but one: it ends the build and starts
// those that may follow.
func record(ctx context.Context, h *hub.Hub, event json.RawMessage) (any, error) {
	in, err := readEvent[recorded](event)
	if err != nil {
		return nil, err
	}
	why := ""
	if in.Failure != nil {
		why = WhyEnded(in.Failure.Error, in.Failure.Cause)
	}
	if err := h.RecordBuild(ctx, in.BuildID, why); err != nil && hub.CodeOf(err) != hub.NotFound {
		return nil, err
	}
	return BuildInput{in.BuildID}, h.Dispatch(ctx)
}

// WhyEnded puts an error of the state machine into words for a build's log. What
// AWS says of its own insides is not in them.
func WhyEnded(code, cause string) string {
	var of struct{ Build struct{ BuildStatus string } }
	json.Unmarshal([]byte(cause), &of) // of another cause nothing is known
	status := of.Build.BuildStatus
	switch {
	case code == "States.Timeout" || status == "TIMED_OUT":
		return "the build took longer than its machine may run"
	case status == "STOPPED":
		return "the build's machine was stopped"
	case status != "":
		return "the build's machine ended with the status " + status
	case strings.HasPrefix(code, "CodeBuild."):
		return "no machine could be had for the build: " + code
	case code == "":
		return "the build's machine was stopped"
	}
	return "the build could not be run: " + code
}

// lookAtBuild follows a hint that something happened to a build: it ends the build if
// its execution is over, and starts what may start.
func lookAtBuild(ctx context.Context, h *hub.Hub, event json.RawMessage) (any, error) {
	id, err := hintedBuild(event)
	if err != nil {
		return nil, err
	}
	if id != "" {
		if err := h.LookAtBuild(ctx, id); err != nil && hub.CodeOf(err) != hub.NotFound {
			return nil, err
		}
	}
	return BuildInput{id}, h.Dispatch(ctx)
}

// hintedBuild is the build that an event of EventBridge is about: of Step Functions,
// of CodeBuild, or the hub's own; "" where it is about none.
func hintedBuild(event json.RawMessage) (string, error) {
	type variable struct{ Name, Value string }
	hint, err := readEvent[struct {
		Detail struct {
			Name    string `json:"name"`     // of the execution
			BuildID string `json:"build_id"` // of the hub's own events
			More    struct {
				Environment struct {
					Variables []variable `json:"environment-variables"`
				} `json:"environment"`
			} `json:"additional-information"`
		} `json:"detail"`
		Source string `json:"source"`
	}](event)
	if err != nil {
		return "", err
	}
	switch hint.Source {
	case "aws.states":
		return hint.Detail.Name, nil
	case "berth":
		return hint.Detail.BuildID, nil
	case "aws.codebuild":
		for _, v := range hint.Detail.More.Environment.Variables {
			if v.Name == hub.BuildVariable {
				return v.Value, nil
			}
		}
	}
	return "", nil
}

// lookAtBuilds ends builds that were lost sight of, and starts what may start.
func lookAtBuilds(ctx context.Context, h *hub.Hub, _ json.RawMessage) (any, error) {
	return nil, errors.Join(h.LookAtBuilds(ctx), h.Dispatch(ctx))
}

func readEvent[T any](event json.RawMessage) (T, error) {
	var v T
	if err := json.Unmarshal(event, &v); err != nil {
		return v, fmt.Errorf("the event cannot be read: %w", err)
	}
	return v, nil
}
