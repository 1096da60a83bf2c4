package stacks

import (
	"berth/shared/cloud"
	"berth/shared/routes"
	"berth/shared/store"
	"berth/shared/web"

	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// data makes what must outlive everything else, and the queues.
func (a *app) data() {
	stack := a.stack("data", "Berth: tables, layers, keys and queues")
	for _, t := range store.Tables {
		a.table(stack, t)
	}
	a.bucket(stack)
	a.keys(stack)
	for _, q := range web.Queues {
		a.queue(stack, q)
	}
}

// keep leaves a resource in the account when its stack is deleted.
func keep(r cdk.CfnResource) { r.ApplyRemovalPolicy(cdk.RemovalPolicy_RETAIN, nil) }

func (a *app) table(stack cdk.Stack, t store.Table) {
	keep(awsdynamodb.NewCfnTable(stack, jsii.String(camel(string(t))), &awsdynamodb.CfnTableProps{
		TableName:   jsii.String(a.tableName(t)),
		BillingMode: jsii.String("PAY_PER_REQUEST"),
		AttributeDefinitions: []any{
			&awsdynamodb.CfnTable_AttributeDefinitionProperty{AttributeName: jsii.String(cloud.PartAttribute), AttributeType: jsii.String("S")},
			&awsdynamodb.CfnTable_AttributeDefinitionProperty{AttributeName: jsii.String(cloud.SortAttribute), AttributeType: jsii.String("S")},
		},
		KeySchema: []any{
			&awsdynamodb.CfnTable_KeySchemaProperty{AttributeName: jsii.String(cloud.PartAttribute), KeyType: jsii.String("HASH")},
			&awsdynamodb.CfnTable_KeySchemaProperty{AttributeName: jsii.String(cloud.SortAttribute), KeyType: jsii.String("RANGE")},
		},
		TimeToLiveSpecification: &awsdynamodb.CfnTable_TimeToLiveSpecificationProperty{
			AttributeName: jsii.String(cloud.ExpiresAttribute), Enabled: true,
		},
		PointInTimeRecoverySpecification: &awsdynamodb.CfnTable_PointInTimeRecoverySpecificationProperty{
			PointInTimeRecoveryEnabled: true, RecoveryPeriodInDays: jsii.Number(a.RecoveryDays),
		},
		SseSpecification:          &awsdynamodb.CfnTable_SSESpecificationProperty{SseEnabled: true},
		DeletionProtectionEnabled: true,
	}))
}

// bucket makes the layers' bucket. Objects are seldom overwritten, so versions serve
// one thing: a layer that was deleted can be brought back for as long as the tables
// can be set back to a time when it was there.
func (a *app) bucket(stack cdk.Stack) {
	bucket := awss3.NewCfnBucket(stack, jsii.String("Layers"), &awss3.CfnBucketProps{
		BucketName: jsii.String(a.bucketName()),
		PublicAccessBlockConfiguration: &awss3.CfnBucket_PublicAccessBlockConfigurationProperty{
			BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true,
		},
		OwnershipControls: &awss3.CfnBucket_OwnershipControlsProperty{
			Rules: []any{&awss3.CfnBucket_OwnershipControlsRuleProperty{ObjectOwnership: jsii.String("BucketOwnerEnforced")}},
		},
		// S3's own keys: a presigned address then needs no right to a key, and a
		// layer no call to KMS.
		BucketEncryption: &awss3.CfnBucket_BucketEncryptionProperty{
			ServerSideEncryptionConfiguration: []any{&awss3.CfnBucket_ServerSideEncryptionRuleProperty{
				ServerSideEncryptionByDefault: &awss3.CfnBucket_ServerSideEncryptionByDefaultProperty{SseAlgorithm: jsii.String("AES256")},
			}},
		},
		VersioningConfiguration: &awss3.CfnBucket_VersioningConfigurationProperty{Status: jsii.String("Enabled")},
		LifecycleConfiguration: &awss3.CfnBucket_LifecycleConfigurationProperty{Rules: []any{
			// An upload that nobody goes on with is void after a day, see shared/hub.
			&awss3.CfnBucket_RuleProperty{
				Id: jsii.String("unfinished-uploads"), Status: jsii.String("Enabled"),
				AbortIncompleteMultipartUpload: &awss3.CfnBucket_AbortIncompleteMultipartUploadProperty{DaysAfterInitiation: jsii.Number(abandonedDays)},
			},
			&awss3.CfnBucket_RuleProperty{
				Id: jsii.String("tails"), Status: jsii.String("Enabled"), Prefix: jsii.String(cloud.TailPrefix),
				ExpirationInDays:            jsii.Number(abandonedDays),
				NoncurrentVersionExpiration: &awss3.CfnBucket_NoncurrentVersionExpirationProperty{NoncurrentDays: jsii.Number(1)},
			},
			&awss3.CfnBucket_RuleProperty{
				Id: jsii.String("deleted-layers"), Status: jsii.String("Enabled"), Prefix: jsii.String(cloud.LayerPrefix),
				NoncurrentVersionExpiration: &awss3.CfnBucket_NoncurrentVersionExpirationProperty{NoncurrentDays: jsii.Number(a.RecoveryDays)},
			},
			&awss3.CfnBucket_RuleProperty{
				Id: jsii.String("markers"), Status: jsii.String("Enabled"), ExpiredObjectDeleteMarker: true,
			},
		}},
	})
	keep(bucket)
	arn := *bucket.AttrArn()
	awss3.NewCfnBucketPolicy(stack, jsii.String("LayersPolicy"), &awss3.CfnBucketPolicyProps{
		Bucket: bucket.Ref(),
		PolicyDocument: policy(map[string]any{
			"Sid": "OnlyTLS", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": []string{arn, arn + "/*"},
			"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
		}),
	})
}

// abandonedDays is after how many days S3 drops what an upload left behind. An
// upload whose last piece is older is of no use.
const abandonedDays = 7

// keys makes the hub's secret, from which it derives its own keys, and the key that
// seals what users entrust to it.
func (a *app) keys(stack cdk.Stack) {
	key := awskms.NewCfnKey(stack, jsii.String("Seal"), &awskms.CfnKeyProps{
		Description:       jsii.String("Seals deploy keys, build secrets and webhook secrets of " + a.Prefix),
		EnableKeyRotation: true,
		KeyPolicy: policy(map[string]any{
			"Sid": "RightsComeFromIAM", "Effect": "Allow", "Action": "kms:*", "Resource": "*",
			"Principal": map[string]any{"AWS": "arn:" + partition() + ":iam::" + account() + ":root"},
		}),
	})
	keep(key)
	awskms.NewCfnAlias(stack, jsii.String("SealAlias"), &awskms.CfnAliasProps{
		AliasName: jsii.String("alias/" + a.Prefix + "-seal"), TargetKeyId: key.Ref(),
	})
	secret := awssecretsmanager.NewCfnSecret(stack, jsii.String("Secret"), &awssecretsmanager.CfnSecretProps{
		Description:          jsii.String("The secret of the hub " + a.Prefix + ": its keys are derived from it"),
		GenerateSecretString: generated(),
	})
	keep(secret)
	a.keyARN, a.secretARN = *key.AttrArn(), *secret.Ref()
}

// generated has Secrets Manager think of 64 letters and digits.
func generated() *awssecretsmanager.CfnSecret_GenerateSecretStringProperty {
	return &awssecretsmanager.CfnSecret_GenerateSecretStringProperty{PasswordLength: jsii.Number(64), ExcludePunctuation: true}
}

// queue makes a queue, and one for what was tried in vain.
func (a *app) queue(stack cdk.Stack, q web.Queue) {
	id := camel(string(q))
	dead := awssqs.NewCfnQueue(stack, jsii.String(id+"Dead"), &awssqs.CfnQueueProps{
		QueueName: jsii.String(a.deadName(q)), SqsManagedSseEnabled: true,
		MessageRetentionPeriod: jsii.Number(14 * 24 * 3600),
	})
	queue := awssqs.NewCfnQueue(stack, jsii.String(id+"Queue"), &awssqs.CfnQueueProps{
		QueueName: jsii.String(a.queueName(q)), SqsManagedSseEnabled: true,
		MessageRetentionPeriod: jsii.Number(4 * 24 * 3600),
		// Six times the consumer's time, as AWS advises.
		VisibilityTimeout: jsii.Number(6 * consumer(q).Timeout.Seconds()),
		RedrivePolicy:     map[string]any{"deadLetterTargetArn": dead.AttrArn(), "maxReceiveCount": 5},
	})
	for _, made := range []awssqs.CfnQueue{dead, queue} {
		awssqs.NewCfnQueuePolicy(stack, jsii.String(*made.Node().Id()+"Policy"), &awssqs.CfnQueuePolicyProps{
			Queues: &[]*string{made.Ref()},
			PolicyDocument: policy(map[string]any{
				"Sid": "OnlyTLS", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": made.AttrArn(),
				"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
			}),
		})
	}
}

// consumer is the function that takes what is in a queue.
func consumer(q web.Queue) routes.Event {
	for _, e := range routes.Events() {
		if e.Trigger.Queue == q {
			return e
		}
	}
	panic("no function takes from the queue " + string(q))
}
