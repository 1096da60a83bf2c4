package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/sim/iam"
	"berth/sim/lambda"
	"berth/sim/runtimeapi"
	"berth/sim/template"
)

// function is a function as its template has it.
type function struct {
	name    string // physical
	arn     string
	code    string // its folder under functions/
	env     map[string]string
	role    string // ARN
	timeout time.Duration
}

func (s *Stack) function(r *template.Resource) (function, error) {
	var p struct {
		FunctionName string
		Handler      string
		Role         string
		Timeout      int
		Code         struct{ S3Key string }
		Environment  struct{ Variables map[string]string }
	}
	if err := s.app.Get(r, &p); err != nil {
		return function{}, err
	}
	arn, err := s.app.ARN(r)
	if err != nil {
		return function{}, err
	}
	f := function{
		name: p.FunctionName, arn: arn, code: strings.TrimSuffix(p.Code.S3Key, ".zip"), role: p.Role, env: map[string]string{},
		timeout: time.Duration(p.Timeout) * time.Second,
	}
	if p.Handler != "bootstrap" || p.FunctionName == "" {
		return f, fmt.Errorf("function %s: it must have a name, and bootstrap as its handler", r.ID)
	}
	for k, v := range p.Environment.Variables {
		if f.env[k] = s.own(v); strings.Contains(f.env[k], "{{resolve:") {
			return f, fmt.Errorf("function %s: %s refers to what is not there: %s", r.ID, k, v)
		}
	}
	return f, nil
}

// functions makes the functions known to Lambda, each with a role of its own.
func (s *Stack) functions() error {
	for _, r := range s.app.Of("AWS::Lambda::Function") {
		f, err := s.function(r)
		if err != nil {
			return err
		}
		program, err := s.program("functions", f.code, "bootstrap")
		if err != nil {
			return err
		}
		role, err := s.role(f.role)
		if err != nil {
			return fmt.Errorf("function %s: %w", f.name, err)
		}
		env := s.credentials(s.door.admit(f.code, role))
		maps.Copy(env, f.env)
		s.codes[f.name] = f.code
		s.programs[f.code] = lambda.Function{Name: f.name, Program: program, Env: list(env), Timeout: f.timeout}
		s.lambda.Add(s.programs[f.code])
	}
	return nil
}

func list(env map[string]string) (all []string) {
	for _, k := range slices.Sorted(maps.Keys(env)) {
		all = append(all, k+"="+env[k])
	}
	return all
}

// role is the role that has an ARN, with all the policies that name it.
func (s *Stack) role(arn string) (*iam.Role, error) {
	for _, r := range s.app.Of("AWS::IAM::Role") {
		own, err := s.app.ARN(r)
		if err != nil {
			return nil, err
		}
		if own != arn {
			continue
		}
		name, err := s.app.Name(r)
		if err != nil {
			return nil, err
		}
		role := &iam.Role{Name: name}
		var p struct {
			Policies []struct{ PolicyDocument any }
		}
		if err := s.app.Get(r, &p); err != nil {
			return nil, err
		}
		for _, policy := range p.Policies {
			if err := role.Allow(policy.PolicyDocument); err != nil {
				return nil, err
			}
		}
		return role, s.attached(role)
	}
	return nil, fmt.Errorf("there is no role %s", arn)
}

// attached adds the policies that are resources of their own.
func (s *Stack) attached(role *iam.Role) error {
	for _, r := range s.app.Of("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy") {
		var p struct {
			PolicyDocument any
			Roles          []string
		}
		if err := s.app.Get(r, &p); err != nil {
			return err
		}
		if slices.Contains(p.Roles, role.Name) {
			if err := role.Allow(p.PolicyDocument); err != nil {
				return err
			}
		}
	}
	return nil
}

// functionName is the name in a function's ARN.
func functionName(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// permits tells whether a permission lets a service call a function on behalf of a resource.
func (s *Stack) permits(service, function, source string) error {
	for _, r := range s.app.Of("AWS::Lambda::Permission") {
		var p struct{ FunctionName, Principal, SourceArn, Action string }
		if err := s.app.Get(r, &p); err != nil {
			return err
		}
		if p.Principal == service && functionName(p.FunctionName) == function && p.Action == "lambda:InvokeFunction" && within(p.SourceArn, source) {
			return nil
		}
	}
	return fmt.Errorf("no permission lets %s call %s for %s", service, function, source)
}

// Lambda is the service under which calls of functions are counted, with the bytes of
// the bodies that came to them and left them.
const Lambda = "lambda"

// invoke calls a function.
func (s *Stack) invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	s.door.count(Counted{s.codes[function], Lambda, "Invoke"}, Tally{Calls: 1})
	return s.lambda.Invoke(ctx, function, event)
}

// Functions are the folders of all functions.
func (s *Stack) Functions() []string { return slices.Sorted(maps.Keys(s.programs)) }

// Cold starts an instance of a function, by its folder, has it answer one event, and ends
// it. It tells how long that took from the start of the process, and the most memory that
// the process had.
func (s *Stack) Cold(ctx context.Context, code string, event []byte) (took time.Duration, resident int64, err error) {
	f := s.programs[code]
	start := time.Now()
	i, err := runtimeapi.Start(f.Program, f.Env...)
	if err != nil {
		return 0, 0, err
	}
	defer i.Close()
	_, err = i.Invoke(ctx, event)
	took = time.Since(start)
	var failed runtimeapi.FailedError
	if errors.As(err, &failed) {
		err = nil // an answer too
	}
	return took, i.Resident(), err
}

// Program is the path of a function's program, by its folder.
func (s *Stack) Program(code string) string { return s.programs[code].Program }
