package stacks

import (
	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// exception is a rule of cdk-nag that does not apply to a stack. to limits it to
// some of the rule's findings, as cdk-nag writes them or by a pattern between slashes.
type exception struct {
	rule, reason string
	to           []any
}

func pattern(p string) any { return &cdknag.RegexAppliesTo{Regex: &p} }

// everywhere are the exceptions of all stacks.
var everywhere = []exception{
	{"AwsSolutions-IAM5", "X-Ray, the delivery of Step Functions' logs and ECR's tokens know no resources", []any{"Resource::*"}},
	{"AwsSolutions-IAM5", "The streams of one log group, whose names are made by the service", []any{pattern(`/^Resource::.*:log-group:.*:\*$/`)}},
	{"AwsSolutions-IAM5", "The objects of one prefix: their names are made as uploads begin", []any{pattern(`/^Resource::.*\/(layers|tails)\/\*$/`)}},
	{"AwsSolutions-IAM5", "The executions of one state machine are named after builds", []any{pattern(`/^Resource::.*:execution:.*:\*$/`)}},
	{"AwsSolutions-APIG4", "Each handler judges its caller itself; an authorizer of the gateway would hide the challenge by which docker logs in", nil},
}

// exceptions are those of single stacks.
var exceptions = map[string][]exception{
	"data": {
		{"AwsSolutions-S1", "Whoever reads a layer was given its address by the hub, which logs that", nil},
		{"AwsSolutions-SMG4", "The hub's keys are derived from this secret: a new one would make all tokens and signatures void. docs/aws.md tells how to change it", nil},
	},
	"front": {
		{"AwsSolutions-SMG4", "CloudFront and the functions learn this key when they are deployed, and only then. docs/aws.md tells how to change it", nil},
		{"AwsSolutions-VPC7", "One service behind a balancer that only CloudFront reaches; its own log tells of each request", nil},
		{"AwsSolutions-ELB2", "Ingest logs each request itself", nil},
		{"AwsSolutions-ECS4", "Container Insights costs more than the task; the balancer's metrics and the service's own tell of one container enough", nil},
		{"AwsSolutions-ECS2", "The variables are names, addresses, and what CloudFront proves itself with; secrets come from Secrets Manager when the service starts", nil},
		{"AwsSolutions-CFR1", "Where its clients are is for the hub's owner to say", nil},
		{"AwsSolutions-CFR2", "A firewall costs more than an idle hub; requests are throttled and each caller is judged. docs/aws.md tells how to add one", nil},
		{"AwsSolutions-CFR3", "The HTTP API and ingest log each request; paths, which can be secrets, would be in this log", nil},
		{"AwsSolutions-CFR4", "CloudFront's own certificate knows no policy; with a domain, it is TLS 1.2 of 2021", nil},
	},
	"builds": {
		{"AwsSolutions-CB4", "The project has no artifacts that a key would encrypt", nil},
		{"AwsSolutions-CB5", "Builds need buildah, which CodeBuild's images do not have; Debian's has nothing else", nil},
	},
}

// judge holds all stacks against the rules of cdk-nag's AwsSolutions pack. What
// does not apply is said above, with its reason.
func (a *app) judge() {
	for name, stack := range a.stacks {
		var all []*cdknag.NagPackSuppression
		for _, list := range [][]exception{everywhere, exceptions[name]} {
			for _, e := range list {
				s := &cdknag.NagPackSuppression{Id: jsii.String(e.rule), Reason: jsii.String(e.reason)}
				if e.to != nil {
					s.AppliesTo = &e.to
				}
				all = append(all, s)
			}
		}
		cdknag.NagSuppressions_AddStackSuppressions(stack, &all, nil)
	}
	cdk.Aspects_Of(a.cdk).Add(cdknag.NewAwsSolutionsChecks(nil), nil)
}
