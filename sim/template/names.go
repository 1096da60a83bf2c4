package template

import (
	"fmt"
	"strings"
)

// service is how CloudFormation and ARNs name resources of a type.
type service struct {
	name string // the property that names it, if any
	arn  string // with %s for its name
	ref  string // what Ref gives: "name", "arn" or "url"
}

const prefix = Region + ":" + Account + ":"

// services are the types whose name or ARN somebody asks for.
var services = map[string]service{
	"AWS::DynamoDB::Table":             {"TableName", "arn:aws:dynamodb:" + prefix + "table/%s", "name"},
	"AWS::DynamoDB::GlobalTable":       {"TableName", "arn:aws:dynamodb:" + prefix + "table/%s", "name"},
	"AWS::S3::Bucket":                  {"BucketName", "arn:aws:s3:::%s", "name"},
	"AWS::SQS::Queue":                  {"QueueName", "arn:aws:sqs:" + prefix + "%s", "url"},
	"AWS::SNS::Topic":                  {"TopicName", "arn:aws:sns:" + prefix + "%s", "arn"},
	"AWS::Lambda::Function":            {"FunctionName", "arn:aws:lambda:" + prefix + "function:%s", "name"},
	"AWS::IAM::Role":                   {"RoleName", "arn:aws:iam::" + Account + ":role/%s", "name"},
	"AWS::KMS::Key":                    {"", "arn:aws:kms:" + prefix + "key/%s", "name"},
	"AWS::SecretsManager::Secret":      {"Name", "arn:aws:secretsmanager:" + prefix + "secret:%s-a1b2c3", "arn"},
	"AWS::StepFunctions::StateMachine": {"StateMachineName", "arn:aws:states:" + prefix + "stateMachine:%s", "arn"},
	"AWS::CodeBuild::Project":          {"Name", "arn:aws:codebuild:" + prefix + "project/%s", "name"},
	"AWS::Events::EventBus":            {"Name", "arn:aws:events:" + prefix + "event-bus/%s", "name"},
	"AWS::Events::Rule":                {"Name", "arn:aws:events:" + prefix + "rule/%s", "name"},
	"AWS::Logs::LogGroup":              {"LogGroupName", "arn:aws:logs:" + prefix + "log-group:%s:*", "name"},
	"AWS::SES::EmailIdentity":          {"EmailIdentity", "arn:aws:ses:" + prefix + "identity/%s", "name"},
	"AWS::SES::ConfigurationSet":       {"Name", "arn:aws:ses:" + prefix + "configuration-set/%s", "name"},
}

// Name is the physical name of a resource: the one that its template gives, or one
// made of its stack and id.
func (a *App) Name(r *Resource) (string, error) {
	property := services[r.Type].name
	if v, ok := r.Properties[property]; ok && property != "" {
		return a.text(r.stack, v)
	}
	name := r.stack.name + "-" + r.ID
	if r.Type == "AWS::S3::Bucket" {
		name = strings.ToLower(name) // as buckets' names must be
	}
	return name[max(0, len(name)-63):], nil
}

// ARN is the Amazon resource name of a resource.
func (a *App) ARN(r *Resource) (string, error) {
	name, err := a.Name(r)
	if err != nil {
		return "", err
	}
	if s, ok := services[r.Type]; ok {
		return fmt.Sprintf(s.arn, name), nil
	}
	return "arn:aws:" + strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(r.Type, "AWS::"), "::", ":")) + ":" + prefix + name, nil
}

// QueueURL is the address of a queue by its name. SQS answers wherever the client's
// endpoint is: the address is a name like others.
func QueueURL(name string) string {
	return "https://sqs." + Region + ".amazonaws.com/" + Account + "/" + name
}

// ref is what Ref gives of a resource.
func (a *App) ref(r *Resource) (any, error) {
	switch services[r.Type].ref {
	case "arn":
		return a.ARN(r)
	case "url":
		name, err := a.Name(r)
		return QueueURL(name), err
	}
	return a.Name(r)
}

// attribute is what Fn::GetAtt gives of a resource. What nothing here looks into
// gets a text that tells what it stands for.
func (a *App) attribute(r *Resource, name string) (any, error) {
	switch {
	case name == "Arn" || strings.HasSuffix(r.Type, "::"+strings.TrimSuffix(name, "Arn")):
		return a.ARN(r)
	case r.Type == "AWS::SQS::Queue" && name == "QueueName", r.Type == "AWS::StepFunctions::StateMachine" && name == "Name",
		r.Type == "AWS::Events::EventBus" && name == "Name":
		return a.Name(r)
	case r.Type == "AWS::SQS::Queue" && name == "QueueUrl":
		n, err := a.Name(r)
		return QueueURL(n), err
	case r.Type == "AWS::SecretsManager::Secret" && name == "Id":
		return a.ARN(r)
	}
	n, err := a.Name(r)
	return n + "." + name, err
}

// Ref is what Ref gives of a resource.
func (a *App) Ref(r *Resource) (string, error) {
	v, err := a.ref(r)
	text, _ := v.(string)
	return text, err
}

// Attribute is what Fn::GetAtt gives of a resource.
func (a *App) Attribute(r *Resource, name string) (string, error) {
	v, err := a.attribute(r, name)
	text, _ := v.(string)
	return text, err
}
