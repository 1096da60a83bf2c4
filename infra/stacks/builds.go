package stacks

import (
	"berth/infra/codebuild"
	"berth/infra/statemachine"
	"berth/shared/hub"
	"berth/shared/routes"
	"path/filepath"
	"strings"
	"time"

	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscodebuild"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"
)

// defaultBus is where AWS's own services send events.
const defaultBus = "default"

// builds makes the state machine that takes a build to its end, its functions, and
// the project that runs builds.
func (a *app) builds() {
	stack := a.stack("builds", "Berth: the state machine of builds, and CodeBuild")
	var steps []string
	for _, e := range routes.Events() {
		if e.Trigger.Machine {
			a.eventFunction(stack, e)
			steps = append(steps, a.functionARN(e.Name))
		}
	}
	a.project(stack)
	a.machine(stack, steps)
}

// project runs one build in a machine of its own, which has no rights to anything
// of the hub's: what it may do comes with the claim that it is given.
func (a *app) project(stack cdk.Stack) {
	group := "/aws/codebuild/" + a.projectName()
	log := a.log(stack, "ProjectLog", group)
	source, sourceARN := a.runner(stack)
	bucketARN, _, _ := strings.Cut(sourceARN, "/")
	role := a.role(stack, "ProjectRole", "codebuild.amazonaws.com", []map[string]any{
		statement([]string{"logs:CreateLogStream", "logs:PutLogEvents"}, []string{a.logsARN(group)}),
		statement([]string{"s3:GetObject", "s3:GetObjectVersion"}, []string{sourceARN}),
		// By which CodeBuild makes sure whose bucket its source is in.
		statement([]string{"s3:GetBucketAcl", "s3:GetBucketLocation"}, []string{bucketARN}),
	})
	awscodebuild.NewCfnProject(stack, jsii.String("Project"), &awscodebuild.CfnProjectProps{
		Name: jsii.String(a.projectName()), ServiceRole: role.AttrArn(),
		Artifacts: &awscodebuild.CfnProject_ArtifactsProperty{Type: jsii.String("NO_ARTIFACTS")},
		Source: &awscodebuild.CfnProject_SourceProperty{
			Type: jsii.String("S3"), Location: &source, BuildSpec: &codebuild.Buildspec,
		},
		// Privileged, because a build has processes, mounts and a network of its own.
		Environment: &awscodebuild.CfnProject_EnvironmentProperty{
			Type: jsii.String("ARM_CONTAINER"), ComputeType: &a.BuildCompute, Image: &a.BuildImage,
			ImagePullCredentialsType: jsii.String("SERVICE_ROLE"), PrivilegedMode: true,
		},
		LogsConfig: &awscodebuild.CfnProject_LogsConfigProperty{
			CloudWatchLogs: &awscodebuild.CfnProject_CloudWatchLogsConfigProperty{Status: jsii.String("ENABLED"), GroupName: log.Ref()},
		},
		// The runner ends a build that takes too long, and says so in its log. This
		// is for one that does not.
		TimeoutInMinutes:       jsii.Number((hub.DefaultBuildLimits.Time + 15*time.Minute).Minutes()),
		QueuedTimeoutInMinutes: jsii.Number(30),
	})
}

// runner uploads the program that builds run, and tells where it is.
func (a *app) runner(stack cdk.Stack) (location, objectARN string) {
	if a.Built == NoCode {
		return NoCode + "/runner.zip", "arn:" + partition() + ":s3:::" + NoCode + "/runner.zip"
	}
	asset := a.asset(stack, "Runner", filepath.Join(a.Built, "runner"), "runner")
	location = *asset.S3BucketName() + "/" + *asset.S3ObjectKey()
	return location, "arn:" + partition() + ":s3:::" + location
}

// syncRule is the rule by which Step Functions learns that a build of CodeBuild is
// over. Step Functions makes it.
const syncRule = "rule/StepFunctionsGetEventForCodeBuildStartBuildRule"

// logDelivery lets Step Functions set up its log; none of it knows resources.
var logDelivery = statement([]string{
	"logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies", "logs:GetLogDelivery",
	"logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
}, []string{"*"})

// sampling lets Step Functions ask X-Ray which executions to trace. Functions are told.
var sampling = statement([]string{"xray:GetSamplingRules", "xray:GetSamplingTargets"}, []string{"*"})

func (a *app) machine(stack cdk.Stack, steps []string) {
	log := a.log(stack, "MachineLog", "/aws/vendedlogs/states/"+a.machineName())
	role := a.role(stack, "MachineRole", "states.amazonaws.com", []map[string]any{
		statement([]string{"lambda:InvokeFunction"}, steps),
		statement([]string{"codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"}, []string{a.projectARN()}),
		statement([]string{"events:DescribeRule", "events:PutRule", "events:PutTargets"}, []string{arn("events", syncRule)}),
		statement([]string{"events:PutEvents"}, []string{arn("events", "event-bus/"+defaultBus)}),
		logDelivery,
		traces,
		sampling,
	})
	awsstepfunctions.NewCfnStateMachine(stack, jsii.String("Machine"), &awsstepfunctions.CfnStateMachineProps{
		StateMachineName: jsii.String(a.machineName()), RoleArn: role.AttrArn(),
		DefinitionString: jsii.String(statemachine.Build),
		DefinitionSubstitutions: map[string]any{
			"PrepareFunction": a.functionARN("step-prepare"),
			"RecordFunction":  a.functionARN("step-record"),
			"Project":         a.projectName(),
			"Hub":             a.publicURL,
			"Bus":             defaultBus,
		},
		// Without the data of executions: it has the code by which a runner claims
		// its build.
		LoggingConfiguration: &awsstepfunctions.CfnStateMachine_LoggingConfigurationProperty{
			Level: jsii.String("ALL"), IncludeExecutionData: false,
			Destinations: []any{&awsstepfunctions.CfnStateMachine_LogDestinationProperty{
				CloudWatchLogsLogGroup: &awsstepfunctions.CfnStateMachine_CloudWatchLogsLogGroupProperty{LogGroupArn: log.AttrArn()},
			}},
		},
		TracingConfiguration: &awsstepfunctions.CfnStateMachine_TracingConfigurationProperty{Enabled: true},
	})
}
