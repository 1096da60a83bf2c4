package stacks

import (
	"fmt"
	"sync"

	"berth/shared/store"
	"berth/shared/web"

	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
)

// Where a stack is deployed is known to CloudFormation only.
var (
	partition = sync.OnceValue(func() string { return *cdk.Aws_PARTITION() })
	region    = sync.OnceValue(func() string { return *cdk.Aws_REGION() })
	account   = sync.OnceValue(func() string { return *cdk.Aws_ACCOUNT_ID() })
	suffix    = sync.OnceValue(func() string { return *cdk.Aws_URL_SUFFIX() })
)

// Names of what other stacks refer to are fixed, so that they can be written down
// without an export that would chain the stacks to each other, and so that they
// are found again after a stack was deleted and its data kept.

func (c Config) tableName(t store.Table) string  { return c.Prefix + "-" + string(t) }
func (c Config) queueName(q web.Queue) string    { return c.Prefix + "-" + string(q) }
func (c Config) deadName(q web.Queue) string     { return c.queueName(q) + "-dead" }
func (c Config) functionName(name string) string { return c.Prefix + "-" + name }
func (c Config) machineName() string             { return c.Prefix + "-builds" }
func (c Config) projectName() string             { return c.Prefix + "-builds" }

// Buckets share one name space among all accounts.
func (c Config) bucketName() string {
	return fmt.Sprintf("%s-layers-%s-%s", c.Prefix, account(), region())
}

// arn is the ARN of a resource of this account and region.
func arn(service, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", partition(), service, region(), account(), resource)
}

func (c Config) tableARN(t store.Table) string { return arn("dynamodb", "table/"+c.tableName(t)) }
func (c Config) queueARN(q web.Queue) string   { return arn("sqs", c.queueName(q)) }
func (c Config) functionARN(name string) string {
	return arn("lambda", "function:"+c.functionName(name))
}
func (c Config) machineARN() string          { return arn("states", "stateMachine:"+c.machineName()) }
func (c Config) executionsARN() string       { return arn("states", "execution:"+c.machineName()+":*") }
func (c Config) projectARN() string          { return arn("codebuild", "project/"+c.projectName()) }
func (c Config) logsARN(group string) string { return arn("logs", "log-group:"+group+":*") }

func (c Config) bucketARN() string {
	return fmt.Sprintf("arn:%s:s3:::%s", partition(), c.bucketName())
}

func (c Config) queueURL(q web.Queue) string {
	return fmt.Sprintf("https://sqs.%s.%s/%s/%s", region(), suffix(), account(), c.queueName(q))
}
