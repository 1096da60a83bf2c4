// Package cloud keeps Berth on AWS: records in DynamoDB, layers in S3, and one
// Lambda function per route. Nothing in it decides anything about images or
// accounts: that is shared/hub's.
package cloud
