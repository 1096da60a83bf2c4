package templates_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/shared/cloud"
	"berth/shared/store"
)

// has tells what of a resource is not as it should be.
func (a *app) has(t *testing.T, r resource, want map[string]string) {
	t.Helper()
	for path, value := range want {
		if got := a.get(r, path); got != value {
			t.Errorf("%s: %s is %s, want %s", r.name(), path, got, value)
		}
	}
}

// kept reports an error for what would go with its stack.
func kept(t *testing.T, r resource) {
	t.Helper()
	if r.DeletionPolicy != "Retain" || r.UpdateReplacePolicy != "Retain" {
		t.Errorf("%s is not kept: %s, %s", r.name(), r.DeletionPolicy, r.UpdateReplacePolicy)
	}
}

func TestTables(t *testing.T) {
	a := whole()
	var names []string
	for _, r := range a.of("AWS::DynamoDB::Table") {
		names = append(names, a.get(r, "TableName"))
		kept(t, r)
		a.has(t, r, map[string]string{
			"BillingMode":                      "PAY_PER_REQUEST",
			"DeletionProtectionEnabled":        "true",
			"SSESpecification":                 `{"SSEEnabled":true}`,
			"PointInTimeRecoverySpecification": `{"PointInTimeRecoveryEnabled":true,"RecoveryPeriodInDays":35}`,
			"TimeToLiveSpecification":          `{"AttributeName":"` + cloud.ExpiresAttribute + `","Enabled":true}`,
			"KeySchema": `[{"AttributeName":"` + cloud.PartAttribute + `","KeyType":"HASH"},{"AttributeName":"` +
				cloud.SortAttribute + `","KeyType":"RANGE"}]`,
			"AttributeDefinitions": `[{"AttributeName":"` + cloud.PartAttribute + `","AttributeType":"S"},{"AttributeName":"` +
				cloud.SortAttribute + `","AttributeType":"S"}]`,
		})
	}
	var want []string
	for _, table := range store.Tables {
		want = append(want, "berth-"+string(table))
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("tables %v, want %v", names, want)
	}
}

// onlyTLS reports whether a policy refuses whoever comes without TLS.
func onlyTLS(policy any) bool {
	m, _ := policy.(map[string]any)
	return slices.ContainsFunc(list(m["Statement"]), func(s any) bool {
		m := s.(map[string]any)
		condition, _ := json.Marshal(m["Condition"])
		return m["Effect"] == "Deny" && m["Principal"] == "*" && string(condition) == `{"Bool":{"aws:SecureTransport":"false"}}`
	})
}

func TestBucket(t *testing.T) {
	a := whole()
	bucket := a.one(t, "AWS::S3::Bucket")
	kept(t, bucket)
	a.has(t, bucket, map[string]string{
		"BucketName": "berth-layers-<AWS::AccountId>-<AWS::Region>",
		"PublicAccessBlockConfiguration": `{"BlockPublicAcls":true,"BlockPublicPolicy":true,"IgnorePublicAcls":true,` +
			`"RestrictPublicBuckets":true}`,
		"OwnershipControls":       `{"Rules":[{"ObjectOwnership":"BucketOwnerEnforced"}]}`,
		"BucketEncryption":        `{"ServerSideEncryptionConfiguration":[{"ServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}`,
		"VersioningConfiguration": `{"Status":"Enabled"}`,
	})
	policy := a.one(t, "AWS::S3::BucketPolicy")
	if a.get(policy, "Bucket") != "<"+bucket.name()+">" || !onlyTLS(policy.Properties["PolicyDocument"]) {
		t.Errorf("the bucket's policy is %v", policy.Properties)
	}
	// What uploads leave behind goes after a week; what is deleted can be brought
	// back for as long as the tables' past.
	want := map[string]string{
		"unfinished-uploads": `{"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7}}`,
		"tails":              `{"ExpirationInDays":7,"NoncurrentVersionExpiration":{"NoncurrentDays":1},"Prefix":"tails/"}`,
		"deleted-layers":     `{"NoncurrentVersionExpiration":{"NoncurrentDays":35},"Prefix":"layers/"}`,
		"markers":            `{"ExpiredObjectDeleteMarker":true}`,
	}
	rules := list(bucket.Properties["LifecycleConfiguration"].(map[string]any)["Rules"])
	for _, r := range rules {
		rule := r.(map[string]any)
		id, status := rule["Id"].(string), rule["Status"]
		delete(rule, "Id")
		delete(rule, "Status")
		if got, _ := json.Marshal(rule); status != "Enabled" || string(got) != want[id] {
			t.Errorf("rule %s is %s and %s, want %s", id, status, got, want[id])
		}
	}
	if len(rules) != len(want) {
		t.Errorf("there are %d rules, want %d", len(rules), len(want))
	}
}

func TestKeys(t *testing.T) {
	a := whole()
	key, secret := a.one(t, "AWS::KMS::Key"), a.named(t, "AWS::SecretsManager::Secret", "Secret")
	kept(t, key)
	kept(t, secret)
	a.has(t, key, map[string]string{"EnableKeyRotation": "true"})
	for _, secret := range a.of("AWS::SecretsManager::Secret") {
		a.has(t, secret, map[string]string{"GenerateSecretString": `{"ExcludePunctuation":true,"PasswordLength":64}`, "SecretString": ""})
	}
}

// No template is close to what CloudFormation takes.
func TestSizes(t *testing.T) {
	for _, a := range []*app{whole(), slight()} {
		if len(a.stacks) < 9 {
			t.Errorf("there are only %d stacks", len(a.stacks))
		}
		for stack, n := range a.stacks {
			if n > 400 {
				t.Errorf("%s has %d resources, the limit is 500: split it", stack, n)
			}
			text, err := os.ReadFile(filepath.Join(a.dir, stack+".template.json"))
			if n := bytes.Count(text, []byte("{{resolve:")); err != nil || n > 60 {
				t.Errorf("%s has %d dynamic references, the limit is 60: split it (%v)", stack, n, err)
			}
		}
	}
}

// All logs end some day, and there is none that was not said.
func TestLogs(t *testing.T) {
	a := whole()
	groups := map[string]bool{}
	for _, g := range a.of("AWS::Logs::LogGroup") {
		groups[a.get(g, "LogGroupName")] = true
		a.has(t, g, map[string]string{"RetentionInDays": "30"})
		if g.DeletionPolicy != "Delete" {
			t.Errorf("%s stays when its stack goes", g.name())
		}
	}
	for _, name := range []string{"/aws/vendedlogs/berth/access", "/aws/vendedlogs/states/berth-builds", "/aws/codebuild/berth-builds", "/aws/ecs/berth-ingest"} {
		if !groups[name] {
			t.Errorf("there is no log %s", name)
		}
	}
	stage := a.one(t, "AWS::ApiGatewayV2::Stage")
	var line map[string]any
	format := strings.ReplaceAll(strings.ReplaceAll(a.get(stage, "AccessLogSettings.Format"), "$context.status", "1"), "$context.responseLength", "1")
	if err := json.Unmarshal([]byte(format), &line); err != nil || line["route"] == nil || line["status"] == nil {
		t.Errorf("a line of the access log is no JSON, or lacks route and status: %s", format)
	}
	if strings.Contains(format, "path") || strings.Contains(format, "authorizer") {
		t.Errorf("the access log has paths, which may be secrets: %s", format)
	}
	a.has(t, stage, map[string]string{
		"StageName": "$default", "AutoDeploy": "true", "DefaultRouteSettings": `{"ThrottlingBurstLimit":1000,"ThrottlingRateLimit":500}`,
	})
}
