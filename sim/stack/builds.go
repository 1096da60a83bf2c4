package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"berth/sim/codebuild"
	"berth/sim/iam"
	"berth/sim/lambda"
	"berth/sim/states"
)

// speed is the share of its waits that the state machine really waits.
const speed = 0.05

// builds makes CodeBuild with its project, and Step Functions with its state machine.
func (s *Stack) builds() error {
	project, err := s.project()
	if err != nil {
		return err
	}
	s.build = codebuild.New(project, s.options.Builds, func(b codebuild.Build) {
		s.bus.Put("default", "aws.codebuild", "CodeBuild Build State Change", b.Detail(), b.Arn)
	})
	r, err := s.app.One("AWS::StepFunctions::StateMachine")
	if err != nil {
		return err
	}
	var p struct {
		RoleArn, DefinitionString string
		DefinitionSubstitutions   map[string]string
	}
	if err := s.app.Get(r, &p); err != nil {
		return err
	}
	role, err := s.role(p.RoleArn)
	if err != nil {
		return err
	}
	s.door.admit(machine, role)
	definition := p.DefinitionString
	for name, value := range p.DefinitionSubstitutions {
		definition = strings.ReplaceAll(definition, "${"+name+"}", value)
	}
	m, err := states.New(s.own(definition), speed, s.tasks(role, definition, project))
	if err != nil {
		return err
	}
	arn, err := s.app.ARN(r)
	if err != nil {
		return err
	}
	s.machine = states.Serve(m, arn, func(d states.Description) {
		s.bus.Put("default", "aws.states", "Step Functions Execution Status Change", d.Detail(), d.ExecutionArn)
	})
	s.later(s.machine.Close)
	s.door.services["states"] = s.machine.Service()
	return nil
}

// machine is the caller's name of what the state machine does itself.
const machine = "state-machine"

func (s *Stack) project() (codebuild.Project, error) {
	r, err := s.app.One("AWS::CodeBuild::Project")
	if err != nil {
		return codebuild.Project{}, err
	}
	var p struct {
		Source      struct{ Type, BuildSpec string }
		Environment struct {
			EnvironmentVariables []struct{ Name, Value string }
		}
		TimeoutInMinutes int
	}
	if err := s.app.Get(r, &p); err != nil {
		return codebuild.Project{}, err
	}
	name, err := s.app.Name(r)
	if err != nil {
		return codebuild.Project{}, err
	}
	arn, err := s.app.ARN(r)
	if err != nil {
		return codebuild.Project{}, err
	}
	spec, err := codebuild.ParseBuildspec(p.Source.BuildSpec)
	if err != nil {
		return codebuild.Project{}, err
	}
	runner, err := s.program("runner")
	if err != nil {
		return codebuild.Project{}, err
	}
	env := map[string]string{}
	for _, v := range p.Environment.EnvironmentVariables {
		env[v.Name] = s.own(v.Value)
	}
	if p.TimeoutInMinutes == 0 {
		p.TimeoutInMinutes = 60
	}
	return codebuild.Project{
		Name: name, ARN: arn, Buildspec: spec, Env: env, Timeout: time.Duration(p.TimeoutInMinutes) * time.Minute,
		Source: func(dir string) error { return copyFile(runner, filepath.Join(dir, "runner")) },
	}, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// tasks are what the states of a definition ask for, each with the right that the machine's
// role must have.
func (s *Stack) tasks(role *iam.Role, definition string, project codebuild.Project) map[string]states.Task {
	may := func(asks ...iam.Ask) error {
		for _, ask := range asks {
			if !role.Allows(ask, nil) {
				s.door.note(machine + " may not " + ask.String())
				return &states.Error{Name: "States.Permissions", Cause: ask.String()}
			}
		}
		return nil
	}
	all := map[string]states.Task{
		"arn:aws:states:::codebuild:startBuild.sync": func(ctx context.Context, parameters any) (any, error) {
			if err := may(
				iam.Ask{Action: "codebuild:StartBuild", Resource: project.ARN}, iam.Ask{Action: "codebuild:StopBuild", Resource: project.ARN},
				iam.Ask{Action: "codebuild:BatchGetBuilds", Resource: project.ARN},
				iam.Ask{Action: "events:PutRule", Resource: syncRule}, iam.Ask{Action: "events:PutTargets", Resource: syncRule}, iam.Ask{Action: "events:DescribeRule", Resource: syncRule},
			); err != nil {
				return nil, err
			}
			return s.startBuild(ctx, project.Name, parameters)
		},
		"arn:aws:states:::events:putEvents": func(_ context.Context, parameters any) (any, error) {
			return s.putEvents(may, parameters)
		},
	}
	for _, r := range s.app.Of("AWS::Lambda::Function") {
		arn, err := s.app.ARN(r)
		if err != nil || !strings.Contains(definition, `"`+arn+`"`) {
			continue
		}
		all[arn] = func(ctx context.Context, parameters any) (any, error) {
			if err := may(iam.Ask{Action: "lambda:InvokeFunction", Resource: arn}); err != nil {
				return nil, err
			}
			event, err := json.Marshal(parameters)
			if err != nil {
				return nil, err
			}
			answer, err := s.invoke(ctx, functionName(arn), event)
			var failed *lambda.Error
			if errors.As(err, &failed) {
				name := failed.Type
				if name == "Runtime.ExitError" || name == "Sandbox.Timedout" {
					name = "Lambda.Unknown"
				}
				return nil, &states.Error{Name: name, Cause: failed.Message}
			}
			if err != nil {
				return nil, err
			}
			return json.RawMessage(answer), nil
		}
	}
	return all
}

const syncRule = "arn:aws:events:" + here + ":rule/StepFunctionsGetEventForCodeBuildStartBuildRule"

func (s *Stack) startBuild(ctx context.Context, project string, parameters any) (any, error) {
	b, err := json.Marshal(parameters)
	if err != nil {
		return nil, err
	}
	var p struct {
		ProjectName, IdempotencyToken string
		EnvironmentVariablesOverride  []struct{ Name, Value, Type string }
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, err
	}
	if p.ProjectName != project {
		return nil, &states.Error{Name: "CodeBuild.ResourceNotFoundException", Cause: p.ProjectName}
	}
	env := map[string]string{}
	for _, v := range p.EnvironmentVariablesOverride {
		env[v.Name] = v.Value
	}
	build, err := s.build.Run(ctx, env)
	switch {
	case errors.Is(err, codebuild.ErrLimit):
		return nil, &states.Error{Name: "CodeBuild.AccountLimitExceededException", Cause: "Cannot have more builds in queue for the account"}
	case err != nil:
		return nil, &states.Error{Name: "CodeBuild.CodeBuildException", Cause: err.Error()}
	case build.BuildStatus != "SUCCEEDED":
		cause, _ := json.Marshal(map[string]any{"Build": build})
		return nil, &states.Error{Name: "States.TaskFailed", Cause: string(cause)}
	}
	return map[string]any{"Build": build}, nil
}

func (s *Stack) putEvents(may func(...iam.Ask) error, parameters any) (any, error) {
	b, err := json.Marshal(parameters)
	if err != nil {
		return nil, err
	}
	var p struct {
		Entries []struct {
			Source, DetailType, EventBusName string
			Detail                           json.RawMessage
		}
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, err
	}
	for _, e := range p.Entries {
		if err := may(iam.Ask{Action: "events:PutEvents", Resource: busARN(e.EventBusName)}); err != nil {
			return nil, err
		}
		// Step Functions takes the detail as JSON or as text that is JSON.
		var text string
		if json.Unmarshal(e.Detail, &text) == nil {
			e.Detail = json.RawMessage(text)
		}
		if !json.Valid(e.Detail) {
			return nil, &states.Error{Name: "EventBridge.FailedEntry", Cause: fmt.Sprintf("the detail %s", e.Detail)}
		}
		name := e.EventBusName
		if name == "" {
			name = "default"
		}
		s.bus.Put(name[strings.LastIndexByte(name, '/')+1:], e.Source, e.DetailType, e.Detail)
	}
	return map[string]any{"FailedEntryCount": 0}, nil
}
