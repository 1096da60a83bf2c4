package templates_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"berth/shared/routes"
	"berth/shared/store"
	"berth/shared/web"
)

// The HTTP API has the routes of the table and no others: each path with its twin
// for a slash at the end, and HEAD where there is GET.
func TestRoutes(t *testing.T) {
	want := map[string]string{"$default": "default"}
	for _, r := range routes.Table() {
		path, open := strings.CutSuffix(r.Pattern, "/{path...}")
		want[r.Method+" "+path] = r.Name
		if r.Method == "GET" {
			want["HEAD "+path] = r.Name
		}
		if path == "/" {
			continue
		}
		want[r.Method+" "+path+"/{proxy+}"] = r.Name
		if r.Method == "GET" && (open || r.Surface == web.Registry) {
			want["HEAD "+path+"/{proxy+}"] = r.Name
		}
	}
	for _, a := range []*app{whole(), slight()} {
		integrations, owners := map[string]string{}, map[string]string{}
		for name, f := range a.functions(t) {
			owners["<"+f.name()+".Arn>"] = name
		}
		for _, i := range a.of("AWS::ApiGatewayV2::Integration") {
			integrations["integrations/<"+i.name()+">"] = owners[a.get(i, "IntegrationUri")]
			if a.get(i, "IntegrationType") != "AWS_PROXY" || a.get(i, "PayloadFormatVersion") != "2.0" {
				t.Errorf("%s is of type %s and payload %s", i.name(), a.get(i, "IntegrationType"), a.get(i, "PayloadFormatVersion"))
			}
		}
		api := "<" + a.one(t, "AWS::ApiGatewayV2::Api").name() + ">"
		got := map[string]string{}
		for _, r := range a.of("AWS::ApiGatewayV2::Route") {
			got[a.get(r, "RouteKey")] = integrations[a.get(r, "Target")]
			if a.get(r, "ApiId") != api {
				t.Errorf("%s belongs to %s, not to %s", r.name(), a.get(r, "ApiId"), api)
			}
		}
		if !maps.Equal(got, want) {
			for _, key := range slices.Sorted(maps.Keys(want)) {
				if got[key] != want[key] {
					t.Errorf("%s leads to %q, want %q", key, got[key], want[key])
				}
			}
			for _, key := range slices.Sorted(maps.Keys(got)) {
				if want[key] == "" {
					t.Errorf("%s leads to %q, and is no route of the table", key, got[key])
				}
			}
		}
		if len(got) >= 300 {
			t.Errorf("the HTTP API has %d routes, its limit is 300", len(got))
		}
		for name := range a.functions(t) {
			if slices.Contains(slices.Collect(maps.Values(want)), name) && !a.invokable(name, "apigateway.amazonaws.com") {
				t.Errorf("the HTTP API may not call %s", name)
			}
		}
	}
}

// invokable reports whether a service may call a function.
func (a *app) invokable(name, service string) bool {
	return slices.ContainsFunc(a.of("AWS::Lambda::Permission"), func(p resource) bool {
		f, _, _ := strings.Cut(strings.TrimPrefix(a.get(p, "FunctionName"), "<"), ".Arn>")
		i := slices.IndexFunc(a.resources, func(r resource) bool { return r.name() == f })
		return i >= 0 && strings.HasSuffix(a.get(a.resources[i], "FunctionName"), "-"+name) &&
			a.get(p, "Principal") == service && a.get(p, "SourceArn") != ""
	})
}

// wanted are the needs of each function, by the tables.
func wanted() (needs map[string]web.Needs, events map[string]routes.Event) {
	needs, events = map[string]web.Needs{"default": {}}, map[string]routes.Event{}
	for _, r := range routes.Table() {
		needs[r.Name] = r.All()
	}
	for _, e := range routes.Events() {
		needs[e.Name], events[e.Name] = e.Needs, e
	}
	return needs, events
}

const (
	here     = "<AWS::Region>:<AWS::AccountId>:"
	ours     = "arn:<AWS::Partition>:"
	traces   = "xray:PutTelemetryRecords on *,xray:PutTraceSegments on *"
	writeLog = "logs:CreateLogStream on %[1]s,logs:PutLogEvents on %[1]s"
)

// granted are the rights of a role, each as "action on resource".
func (a *app) granted(t *testing.T, role resource) []string {
	t.Helper()
	var all []string
	if role.Properties["ManagedPolicyArns"] != nil {
		t.Errorf("%s has managed policies", role.name())
	}
	for _, p := range list(role.Properties["Policies"]) {
		for _, s := range list(p.(map[string]any)["PolicyDocument"].(map[string]any)["Statement"]) {
			s := s.(map[string]any)
			if s["Effect"] != "Allow" || s["NotAction"] != nil || s["NotResource"] != nil {
				t.Errorf("%s: a statement is not a plain Allow: %v", role.name(), s)
			}
			for _, action := range a.texts(role.stack, s["Action"]) {
				for _, on := range a.texts(role.stack, s["Resource"]) {
					all = append(all, action+" on "+on)
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

func list(v any) []any { l, _ := v.([]any); return l }

// wantRights writes what a function may do, from its needs.
func (a *app) wantRights(t *testing.T, prefix, name string, n web.Needs, e routes.Event, mailFrom bool) []string {
	log := ours + "logs:" + here + "log-group:/aws/lambda/" + prefix + "-" + name + ":*"
	all := strings.Split(fmt.Sprintf(writeLog, log)+","+traces, ",")
	add := func(on string, actions ...string) {
		for _, action := range actions {
			all = append(all, action+" on "+on)
		}
	}
	for _, table := range store.Tables {
		on := ours + "dynamodb:" + here + "table/" + prefix + "-" + string(table)
		if slices.Contains(n.Read, table) || slices.Contains(n.Write, table) {
			add(on, "dynamodb:BatchGetItem", "dynamodb:Query")
		}
		if slices.Contains(n.Write, table) {
			add(on, "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem")
		}
	}
	if n.LogIns && !slices.Contains(n.Write, store.Repositories) {
		add(ours+"dynamodb:"+here+"table/"+prefix+"-repositories", "dynamodb:UpdateItem")
	}
	bucket := ours + "s3:::" + prefix + "-layers-<AWS::AccountId>-<AWS::Region>"
	if n.Layers != web.NoLayers {
		add(bucket, "s3:ListBucket")
		add(bucket+"/layers/*", "s3:GetObject")
	}
	if n.Layers == web.WriteLayers {
		add(bucket+"/tails/*", "s3:GetObject")
		for _, part := range []string{"/layers/*", "/tails/*"} {
			add(bucket+part, "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:PutObject")
		}
	}
	if n.Secrets {
		add("<"+a.one(t, "AWS::KMS::Key").name()+".Arn>", "kms:Decrypt", "kms:GenerateDataKey")
	}
	if n.Builds {
		add(ours+"states:"+here+"stateMachine:"+prefix+"-builds", "states:StartExecution")
		add(ours+"states:"+here+"execution:"+prefix+"-builds:*", "states:DescribeExecution", "states:StopExecution")
	}
	for _, q := range n.Sends {
		add(ours+"sqs:"+here+prefix+"-"+string(q), "sqs:SendMessage")
	}
	if q := e.Trigger.Queue; q != "" {
		add(ours+"sqs:"+here+prefix+"-"+string(q), "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
	}
	if e.Sends && mailFrom {
		add(ours+"ses:"+here+"identity/example.com", "ses:SendEmail")
	}
	if e.Name == "" && name != "default" {
		add("<"+a.named(t, "AWS::SecretsManager::Secret", "Secret").name()+">", "secretsmanager:GetSecretValue")
	}
	slices.Sort(all)
	return all
}

// Each function may do what its needs say, and nothing else.
func TestRights(t *testing.T) {
	needs, events := wanted()
	for prefix, a := range map[string]*app{"berth": whole(), "other": slight()} {
		functions := a.functions(t)
		if len(functions) != len(needs) {
			t.Errorf("%s: there are %d functions, want %d", prefix, len(functions), len(needs))
		}
		for name, n := range needs {
			f, ok := functions[name]
			if !ok {
				t.Errorf("%s: %s has no function", prefix, name)
				continue
			}
			roles := slices.DeleteFunc(a.of("AWS::IAM::Role"), func(r resource) bool { return "<"+r.name()+".Arn>" != a.get(f, "Role") })
			if len(roles) != 1 {
				t.Fatalf("%s: role %s is not there", name, a.get(f, "Role"))
			}
			got, want := a.granted(t, roles[0]), a.wantRights(t, prefix, name, n, events[name], prefix == "other")
			if !slices.Equal(got, want) {
				t.Errorf("%s may do\n\t%s\nwant\n\t%s", name, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
		}
	}
}

// unlimited are the rights that AWS knows no resources for.
var unlimited = map[string]string{
	"xray:GetSamplingRules":         "X-Ray",
	"xray:GetSamplingTargets":       "X-Ray",
	"xray:PutTelemetryRecords":      "X-Ray",
	"xray:PutTraceSegments":         "X-Ray",
	"logs:CreateLogDelivery":        "set-up of Step Functions' log",
	"logs:DeleteLogDelivery":        "set-up of Step Functions' log",
	"logs:DescribeLogGroups":        "set-up of Step Functions' log",
	"logs:DescribeResourcePolicies": "set-up of Step Functions' log",
	"logs:GetLogDelivery":           "set-up of Step Functions' log",
	"logs:ListLogDeliveries":        "set-up of Step Functions' log",
	"logs:PutResourcePolicy":        "set-up of Step Functions' log",
	"logs:UpdateLogDelivery":        "set-up of Step Functions' log",
	"ecr:GetAuthorizationToken":     "ECR's tokens are the account's",
}

// No role may do everything of a service, nor anything to all resources.
func TestNoStars(t *testing.T) {
	for _, a := range []*app{whole(), slight()} {
		for _, kind := range []string{"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy"} {
			if len(a.of(kind)) > 0 {
				t.Errorf("there are resources of %s, which this test does not look at", kind)
			}
		}
		for _, role := range a.of("AWS::IAM::Role") {
			rights := a.granted(t, role)
			if len(rights) == 0 {
				t.Errorf("%s may do nothing", role.name())
			}
			for _, right := range rights {
				action, on, _ := strings.Cut(right, " on ")
				if strings.Contains(action, "*") || on == "*" && unlimited[action] == "" {
					t.Errorf("%s: %s", role.name(), right)
				}
			}
		}
	}
}

// A function has the settings that its needs imply, and no others.
func TestEnvironment(t *testing.T) {
	needs, events := wanted()
	for prefix, a := range map[string]*app{"berth": whole(), "other": slight()} {
		for name, f := range a.functions(t) {
			n, e := needs[name], events[name]
			queue := func(q string) string {
				return "https://sqs.<AWS::Region>.<AWS::URLSuffix>/<AWS::AccountId>/" + prefix + "-" + q
			}
			want := map[string]string{"BERTH_PUBLIC_URL": "https://<berth-front.Distribution.DomainName>"}
			if prefix == "other" {
				want = map[string]string{
					"BERTH_PUBLIC_URL": "https://hub.example.com", "BERTH_SIGNUP": "open", "BERTH_ALLOWED_HOSTS": "git.corp",
				}
			}
			for setting, use := range map[string]struct {
				value string
				used  bool
			}{
				"BERTH_TABLE_REPOSITORIES": {prefix + "-repositories", slices.Contains(slices.Concat(n.Read, n.Write), store.Repositories)},
				"BERTH_TABLE_TAGS":         {prefix + "-tags", slices.Contains(slices.Concat(n.Read, n.Write), store.Tags)},
				"BERTH_TABLE_BUILDS":       {prefix + "-builds", slices.Contains(slices.Concat(n.Read, n.Write), store.Builds)},
				"BERTH_BUCKET":             {prefix + "-layers-<AWS::AccountId>-<AWS::Region>", n.Layers != web.NoLayers},
				"BERTH_KMS_KEY":            {"<" + prefix + "-data.Seal.Arn>", n.Secrets},
				"BERTH_STATE_MACHINE":      {ours + "states:" + here + "stateMachine:" + prefix + "-builds", n.Builds},
				"BERTH_QUEUE_WEBHOOKS":     {queue("webhooks"), slices.Contains(n.Sends, web.Webhooks)},
				"BERTH_QUEUE_MAIL":         {queue("mail"), slices.Contains(n.Sends, web.Mail) && prefix == "other"}, // with a sender alone
				"BERTH_QUEUE_PULLS":        {queue("pulls"), slices.Contains(n.Sends, web.Pulls)},
				"BERTH_SECRET_ARN":         {"<" + prefix + "-data.Secret>", e.Name == "" && name != "default"},
				"BERTH_EDGE_KEY":           {a.edgeKey(t), e.Name == ""},
				"BERTH_MAIL_FROM":          {"hub@example.com", e.Sends && prefix == "other"},
			} {
				if use.used {
					want[setting] = use.value
				}
			}
			got := map[string]string{}
			for k, v := range f.Properties["Environment"].(map[string]any)["Variables"].(map[string]any) {
				got[k] = a.text(f.stack, v)
			}
			if !maps.Equal(got, want) {
				t.Errorf("%s has the settings\n\t%v\nwant\n\t%v", name, got, want)
			}
		}
	}
}

// Functions are built for what Lambda runs them on, answer before the HTTP API
// gives up, leave traces, and have each a log that ends some day.
func TestFunctions(t *testing.T) {
	a := whole()
	_, events := wanted()
	for name, f := range a.functions(t) {
		for path, want := range map[string]string{
			"Runtime": "provided.al2023", "Architectures": `["arm64"]`, "Handler": "bootstrap", "TracingConfig.Mode": "Active",
		} {
			if got := a.get(f, path); got != want {
				t.Errorf("%s: %s is %s, want %s", name, path, got, want)
			}
		}
		timeout, _ := strconv.Atoi(a.get(f, "Timeout"))
		if e, ok := events[name]; ok && float64(timeout) != e.Timeout.Seconds() || !ok && timeout != 29 {
			t.Errorf("%s may take %d s", name, timeout)
		}
		i := slices.IndexFunc(a.resources, func(r resource) bool { return "<"+r.name()+">" == a.get(f, "LoggingConfig.LogGroup") })
		if i < 0 || a.get(a.resources[i], "LogGroupName") != "/aws/lambda/berth-"+name {
			t.Errorf("%s does not log to a group of its own, but to %s", name, a.get(f, "LoggingConfig.LogGroup"))
		}
	}
}
