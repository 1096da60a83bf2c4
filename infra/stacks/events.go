package stacks

import (
	"fmt"
	"strings"
	"time"

	"berth/shared/cloud"
	"berth/shared/routes"
	"berth/shared/web"

	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsses"
	"github.com/aws/jsii-runtime-go"
)

// events makes the functions that no request reaches, and what calls them.
func (a *app) events() {
	stack := a.stack("events", "Berth: functions behind queues, schedules and events")
	a.identity(stack)
	for _, e := range routes.Events() {
		if e.Trigger.Machine {
			continue // see builds
		}
		function := a.eventFunction(stack, e)
		switch t := e.Trigger; {
		case t.Queue != "":
			a.take(stack, e, function)
		case t.Every > 0:
			a.rule(stack, e, "", function, &awsevents.CfnRuleProps{ScheduleExpression: jsii.String(rate(t.Every))})
		case t.Builds:
			patterns := a.ofBuilds()
			for _, of := range sorted(patterns) {
				a.rule(stack, e, of, function, &awsevents.CfnRuleProps{EventPattern: patterns[of]})
			}
		}
	}
}

func (a *app) eventFunction(stack cdk.Stack, e routes.Event) *string {
	f := function{name: e.Name, about: e.About, needs: e.Needs, timeout: e.Timeout, env: map[string]string{}}
	if q := e.Trigger.Queue; q != "" {
		f.rights = append(f.rights, statement(
			[]string{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}, []string{a.queueARN(q)}))
	}
	if e.Sends && a.MailFrom != "" {
		f.env[cloud.Settings.MailFrom] = a.MailFrom
		send := statement([]string{"ses:SendEmail"}, []string{arn("ses", "identity/"+a.mailIdentity())})
		send["Condition"] = map[string]any{"StringEquals": map[string]any{"ses:FromAddress": a.MailFrom}}
		f.rights = append(f.rights, send)
	}
	return a.function(stack, f)
}

// batches are how a queue's messages reach its function: pulls wait for company,
// for they are counted in one write each repository; the rest does not.
var batches = map[web.Queue]struct{ size, seconds, functions int }{
	web.Webhooks: {10, 0, 10},
	web.Mail:     {10, 0, 2},
	web.Pulls:    {100, 20, 2},
}

// take lets a function take from its queue. What it says it could not do comes
// again by itself, the rest of the batch does not.
func (a *app) take(stack cdk.Stack, e routes.Event, function *string) {
	b := batches[e.Trigger.Queue]
	awslambda.NewCfnEventSourceMapping(stack, jsii.String(camel(e.Name)+"Source"), &awslambda.CfnEventSourceMappingProps{
		FunctionName: function, EventSourceArn: jsii.String(a.queueARN(e.Trigger.Queue)),
		BatchSize: jsii.Number(b.size), MaximumBatchingWindowInSeconds: jsii.Number(b.seconds),
		FunctionResponseTypes: jsii.Strings("ReportBatchItemFailures"),
		ScalingConfig:         &awslambda.CfnEventSourceMapping_ScalingConfigProperty{MaximumConcurrency: jsii.Number(b.functions)},
	})
}

// rule calls a function by a schedule or an event. of tells the rules of one
// function apart.
func (a *app) rule(stack cdk.Stack, e routes.Event, of string, function *string, props *awsevents.CfnRuleProps) {
	name := strings.TrimSuffix(e.Name+"-"+of, "-")
	props.Name, props.Description, props.State = jsii.String(a.functionName(name)), &e.About, jsii.String("ENABLED")
	props.Targets = []any{&awsevents.CfnRule_TargetProperty{Arn: function, Id: jsii.String("function")}}
	made := awsevents.NewCfnRule(stack, jsii.String(camel(name)+"Rule"), props)
	invoke(stack, camel(name), "events.amazonaws.com", function, made.AttrArn())
}

// rate writes an interval as EventBridge wants it.
func rate(every time.Duration) string {
	for unit, d := range map[string]time.Duration{"day": 24 * time.Hour, "hour": time.Hour} {
		if every == d {
			return "rate(1 " + unit + ")"
		}
	}
	return fmt.Sprintf("rate(%d minutes)", int(every.Minutes()))
}

// ofBuilds matches what may be news of a build: CodeBuild's and Step Functions'
// events of this hub's project and state machine, and the state machine's own.
func (a *app) ofBuilds() map[string]any {
	return map[string]any{
		"codebuild": map[string]any{
			"source": []string{"aws.codebuild"}, "detail-type": []string{"CodeBuild Build State Change"},
			"detail": map[string]any{
				"project-name": []string{a.projectName()},
				"build-status": []string{"SUCCEEDED", "FAILED", "FAULT", "STOPPED", "TIMED_OUT"},
			},
		},
		"states": map[string]any{
			"source": []string{"aws.states"}, "detail-type": []string{"Step Functions Execution Status Change"},
			"detail": map[string]any{
				"stateMachineArn": []string{a.machineARN()},
				"status":          []string{"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"},
			},
		},
		"berth": map[string]any{"source": []string{"berth"}, "detail-type": []string{"build:ended"}},
	}
}

// mailIdentity is what SES must have verified for mails to leave.
func (a *app) mailIdentity() string {
	if a.MailIdentity != "" {
		return a.MailIdentity
	}
	return domainOf(a.MailFrom)
}

// identity makes the sender's domain known to SES, unless one is there already.
// SES takes it for verified once the records that it names are in the domain.
func (a *app) identity(stack cdk.Stack) {
	if a.MailFrom == "" || a.MailIdentity != "" {
		return
	}
	identity := awsses.NewCfnEmailIdentity(stack, jsii.String("Sender"), &awsses.CfnEmailIdentityProps{
		EmailIdentity:  jsii.String(domainOf(a.MailFrom)),
		DkimAttributes: &awsses.CfnEmailIdentity_DkimAttributesProperty{SigningEnabled: true},
	})
	for i, record := range [][2]*string{
		{identity.AttrDkimDnsTokenName1(), identity.AttrDkimDnsTokenValue1()},
		{identity.AttrDkimDnsTokenName2(), identity.AttrDkimDnsTokenValue2()},
		{identity.AttrDkimDnsTokenName3(), identity.AttrDkimDnsTokenValue3()},
	} {
		cdk.NewCfnOutput(stack, jsii.String(fmt.Sprintf("MailRecord%d", i+1)), &cdk.CfnOutputProps{
			Value: jsii.String(*record[0] + " CNAME " + *record[1]), Description: jsii.String("a record that SES wants in the sender's domain"),
		})
	}
}
