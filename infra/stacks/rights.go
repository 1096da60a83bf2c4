package stacks

import (
	"slices"

	"berth/shared/cloud"
	"berth/shared/store"
	"berth/shared/web"
)

// statement is one of an IAM policy.
func statement(actions, resources []string) map[string]any {
	return map[string]any{"Effect": "Allow", "Action": actions, "Resource": resources}
}

func policy(statements ...map[string]any) map[string]any {
	return map[string]any{"Version": "2012-10-17", "Statement": statements}
}

// What the storage calls, see shared/cloud. A transaction needs the rights of what
// it is made of.
var (
	readRecords  = []string{"dynamodb:BatchGetItem", "dynamodb:Query"}
	putRecords   = []string{"dynamodb:UpdateItem"}
	writeRecords = slices.Concat(readRecords, putRecords, []string{"dynamodb:ConditionCheckItem", "dynamodb:DeleteItem"})
	readLayers   = []string{"s3:GetObject"}
	writeLayers  = append(slices.Clone(readLayers), "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:PutObject")
)

// rights are the statements that let a function do what its needs say.
func (a *app) rights(n web.Needs) []map[string]any {
	var all []map[string]any
	reads, writes := []string{}, []string{}
	for _, t := range store.Tables {
		switch {
		case slices.Contains(n.Write, t):
			writes = append(writes, a.tableARN(t))
		case slices.Contains(n.Read, t):
			reads = append(reads, a.tableARN(t))
		}
	}
	if len(reads) > 0 {
		all = append(all, statement(readRecords, reads))
	}
	if len(writes) > 0 {
		all = append(all, statement(writeRecords, writes))
	}
	if n.LogIns && !slices.Contains(n.Write, store.Repositories) {
		all = append(all, statement(putRecords, []string{a.tableARN(store.Repositories)}))
	}
	layers, tails := a.bucketARN()+"/"+cloud.LayerPrefix+"*", a.bucketARN()+"/"+cloud.TailPrefix+"*"
	switch n.Layers {
	case web.ReadLayers:
		all = append(all, statement(readLayers, []string{layers}))
	case web.WriteLayers:
		all = append(all, statement(writeLayers, []string{layers, tails}))
	}
	if n.Layers != web.NoLayers {
		// Without it S3 answers 403 where an object is not there, and not 404.
		all = append(all, statement([]string{"s3:ListBucket"}, []string{a.bucketARN()}))
	}
	if n.Secrets {
		all = append(all, statement([]string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{a.keyARN}))
	}
	if n.Builds {
		all = append(all,
			statement([]string{"states:StartExecution"}, []string{a.machineARN()}),
			statement([]string{"states:DescribeExecution", "states:StopExecution"}, []string{a.executionsARN()}))
	}
	for _, q := range n.Sends {
		all = append(all, statement([]string{"sqs:SendMessage"}, []string{a.queueARN(q)}))
	}
	return all
}

// environment is what the needs want of a function's settings.
func (a *app) environment(n web.Needs) map[string]string {
	env := map[string]string{
		cloud.Settings.PublicURL: a.publicURL,
	}
	if a.OpenSignup {
		env[cloud.Settings.Signup] = "open"
	}
	if a.AllowedHosts != "" {
		env[cloud.Settings.AllowedHosts] = a.AllowedHosts
	}
	for _, t := range store.Tables {
		if slices.Contains(n.Read, t) || slices.Contains(n.Write, t) {
			env[cloud.Settings.Tables[t]] = a.tableName(t)
		}
	}
	if n.Layers != web.NoLayers {
		env[cloud.Settings.Bucket] = a.bucketName()
	}
	if n.Secrets {
		env[cloud.Settings.KMSKey] = a.keyARN
	}
	if n.Builds {
		env[cloud.Settings.StateMachine] = a.machineARN()
	}
	for _, q := range n.Sends {
		if q != web.Mail || a.MailFrom != "" { // without it no mails are written down
			env[cloud.Settings.Queues[q]] = a.queueURL(q)
		}
	}
	return env
}
