package stacks

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"berth/shared/web"

	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"
)

// function is one Lambda function.
type function struct {
	name    string // its folder under functions/
	about   string
	needs   web.Needs
	env     map[string]string // beside what its needs imply
	rights  []map[string]any  // likewise
	timeout time.Duration
}

// function makes a function with its role and its log, and returns its ARN.
func (a *app) function(stack cdk.Stack, f function) *string {
	id := camel(f.name)
	group := "/aws/lambda/" + a.functionName(f.name)
	log := a.log(stack, id+"Log", group)
	statements := slices.Concat([]map[string]any{
		statement([]string{"logs:CreateLogStream", "logs:PutLogEvents"}, []string{a.logsARN(group)}),
		traces,
	}, a.rights(f.needs), f.rights)
	role := a.role(stack, id+"Role", "lambda.amazonaws.com", statements)
	env := map[string]*string{}
	for k, v := range a.environment(f.needs) {
		env[k] = &v
	}
	for k, v := range f.env {
		env[k] = &v
	}
	made := awslambda.NewCfnFunction(stack, jsii.String(id+"Function"), &awslambda.CfnFunctionProps{
		FunctionName:  jsii.String(a.functionName(f.name)),
		Description:   &f.about,
		Runtime:       jsii.String("provided.al2023"),
		Architectures: jsii.Strings("arm64"),
		Handler:       jsii.String("bootstrap"),
		Code:          a.code(stack, id, f.name),
		Role:          role.AttrArn(),
		MemorySize:    jsii.Number(a.Memory),
		Timeout:       jsii.Number(f.timeout.Seconds()),
		Environment:   &awslambda.CfnFunction_EnvironmentProperty{Variables: env},
		LoggingConfig: &awslambda.CfnFunction_LoggingConfigProperty{LogGroup: log.Ref()},
		TracingConfig: &awslambda.CfnFunction_TracingConfigProperty{Mode: jsii.String("Active")},
	})
	return made.AttrArn()
}

// log is a group of logs that goes when its stack goes.
func (a *app) log(stack cdk.Stack, id, name string) awslogs.CfnLogGroup {
	log := awslogs.NewCfnLogGroup(stack, &id, &awslogs.CfnLogGroupProps{LogGroupName: name, RetentionInDays: jsii.Number(a.LogDays)})
	log.ApplyRemovalPolicy(cdk.RemovalPolicy_DESTROY, nil)
	return log
}

// traces lets a function send traces to X-Ray, which knows no resources.
var traces = statement([]string{"xray:PutTelemetryRecords", "xray:PutTraceSegments"}, []string{"*"})

// role is one that a service may take.
func (a *app) role(stack cdk.Stack, id, service string, statements []map[string]any) awsiam.CfnRole {
	return awsiam.NewCfnRole(stack, &id, &awsiam.CfnRoleProps{
		AssumeRolePolicyDocument: policy(map[string]any{
			"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]any{"Service": service},
		}),
		Policies: []any{&awsiam.CfnRole_PolicyProperty{
			PolicyName: jsii.String("needs"), PolicyDocument: policy(statements...),
		}},
	})
}

// code is the function's binary as make functions left it.
func (a *app) code(stack cdk.Stack, id, name string) *awslambda.CfnFunction_CodeProperty {
	if a.Built == NoCode {
		return &awslambda.CfnFunction_CodeProperty{S3Bucket: jsii.String(NoCode), S3Key: jsii.String(name + ".zip")}
	}
	dir := filepath.Join(a.Built, "functions", name)
	asset := a.asset(stack, id+"Code", dir, "bootstrap")
	return &awslambda.CfnFunction_CodeProperty{S3Bucket: asset.S3BucketName(), S3Key: asset.S3ObjectKey()}
}

// asset uploads a folder. Its hash is that of the one file that matters in it.
func (a *app) asset(stack cdk.Stack, id, dir, file string) awss3assets.Asset {
	hash := "missing" // its error ends the synthesis
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		a.fail(fmt.Errorf("%w: run `make deployables` first, or leave code out with -c built=%s", err, NoCode))
		dir = "."
	} else {
		sum := sha256.Sum256(data)
		hash = hex.EncodeToString(sum[:])
	}
	return awss3assets.NewAsset(stack, &id, &awss3assets.AssetProps{
		Path: &dir, AssetHash: jsii.String(hash), AssetHashType: cdk.AssetHashType_CUSTOM,
	})
}

// invoke lets a service call a function, on behalf of one resource.
func invoke(stack cdk.Stack, id, service string, function, source *string) {
	awslambda.NewCfnPermission(stack, jsii.String(id+"Permission"), &awslambda.CfnPermissionProps{
		Action: jsii.String("lambda:InvokeFunction"), FunctionName: function,
		Principal: &service, SourceArn: source,
	})
}

// camel makes a logical id of a name in kebab case.
func camel(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "-") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// sorted are the keys of a map, so that templates are the same each time.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
