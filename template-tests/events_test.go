package templates_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/infra/statemachine"
	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store"
	"berth/shared/web"
)

// Each queue gives back what was not done, and puts aside what was tried in vain.
func TestQueues(t *testing.T) {
	a := whole()
	queues := map[string]resource{}
	for _, q := range a.of("AWS::SQS::Queue") {
		queues[a.get(q, "QueueName")] = q
		a.has(t, q, map[string]string{"SqsManagedSseEnabled": "true"})
		i := slices.IndexFunc(a.resources, func(p resource) bool {
			return p.Type == "AWS::SQS::QueuePolicy" && slices.Equal(a.texts(p.stack, p.Properties["Queues"]), []string{"<" + q.name() + ">"})
		})
		if i < 0 || !onlyTLS(a.resources[i].Properties["PolicyDocument"]) {
			t.Errorf("%s may be used without TLS", q.name())
		}
	}
	if len(queues) != 2*len(web.Queues) {
		t.Errorf("there are %d queues, want %d", len(queues), 2*len(web.Queues))
	}
	sources := a.of("AWS::Lambda::EventSourceMapping")
	if len(sources) != len(web.Queues) {
		t.Errorf("%d queues are taken from, want %d", len(sources), len(web.Queues))
	}
	for _, e := range routes.Events() {
		q := e.Trigger.Queue
		if q == "" {
			continue
		}
		queue, dead := queues["berth-"+string(q)], queues["berth-"+string(q)+"-dead"]
		a.has(t, queue, map[string]string{
			"RedrivePolicy.deadLetterTargetArn": "<" + dead.name() + ".Arn>", "RedrivePolicy.maxReceiveCount": "5",
			"VisibilityTimeout": fmt.Sprint(6 * e.Timeout.Seconds()),
		})
		f := a.functions(t)[e.Name]
		i := slices.IndexFunc(sources, func(s resource) bool { return a.get(s, "FunctionName") == "<"+f.name()+".Arn>" })
		if i < 0 {
			t.Errorf("%s takes from no queue", e.Name)
			continue
		}
		a.has(t, sources[i], map[string]string{
			"EventSourceArn":        ours + "sqs:" + here + "berth-" + string(q),
			"FunctionResponseTypes": `["ReportBatchItemFailures"]`,
		})
	}
}

// Schedules and events call what the table of events says, and nothing else does.
func TestRules(t *testing.T) {
	a := whole()
	got := map[string][]string{}
	for _, r := range a.of("AWS::Events::Rule") {
		targets := list(r.Properties["Targets"])
		if len(targets) != 1 || a.get(r, "State") != "ENABLED" {
			t.Errorf("%s has %d targets and is %s", r.name(), len(targets), a.get(r, "State"))
		}
		to := a.text(r.stack, targets[0].(map[string]any)["Arn"])
		for name, f := range a.functions(t) {
			if to == "<"+f.name()+".Arn>" {
				got[name] = append(got[name], a.get(r, "ScheduleExpression")+a.get(r, "EventPattern.source")+a.get(r, "EventPattern.detail-type"))
				if !a.invokable(name, "events.amazonaws.com") {
					t.Errorf("EventBridge may not call %s", name)
				}
			}
		}
	}
	rates := map[time.Duration]string{5 * time.Minute: "rate(5 minutes)", time.Hour: "rate(1 hour)", 24 * time.Hour: "rate(1 day)"}
	for _, e := range routes.Events() {
		var want []string
		switch {
		case e.Trigger.Every > 0:
			want = []string{rates[e.Trigger.Every]}
		case e.Trigger.Builds:
			want = []string{
				`["aws.codebuild"]["CodeBuild Build State Change"]`, `["aws.states"]["Step Functions Execution Status Change"]`, `["berth"]["build:ended"]`,
			}
		}
		slices.Sort(got[e.Name])
		if !slices.Equal(got[e.Name], want) {
			t.Errorf("%s is called by %q, want %q", e.Name, got[e.Name], want)
		}
		delete(got, e.Name)
	}
	if len(got) > 0 {
		t.Errorf("other functions are called too: %v", got)
	}
}

// The state machine is the file, with a name for everything that it leaves open,
// and may call just that.
func TestMachine(t *testing.T) {
	a := whole()
	machine := a.one(t, "AWS::StepFunctions::StateMachine")
	if machine.Properties["DefinitionString"] != statemachine.Build {
		t.Error("the state machine is not statemachine/build.asl.json")
	}
	text := statemachine.Build
	for name, v := range machine.Properties["DefinitionSubstitutions"].(map[string]any) {
		if !strings.Contains(text, "${"+name+"}") {
			t.Errorf("%s stands nowhere in the definition", name)
		}
		text = strings.ReplaceAll(text, "${"+name+"}", a.text(machine.stack, v))
	}
	if i := strings.Index(text, "${"); i >= 0 {
		t.Errorf("%.30s is left open", text[i:])
	}
	var definition struct {
		States map[string]struct{ TimeoutSeconds float64 }
	}
	if err := json.Unmarshal([]byte(text), &definition); err != nil {
		t.Fatal(err)
	}
	project := a.one(t, "AWS::CodeBuild::Project")
	limit := hub.DefaultBuildLimits.Time.Seconds()
	run, queued := project.Properties["TimeoutInMinutes"].(float64)*60, project.Properties["QueuedTimeoutInMinutes"].(float64)*60
	if run <= limit || definition.States["Build"].TimeoutSeconds < run+queued {
		t.Errorf("a build has %v s, CodeBuild gives it %v s after at most %v s, the state machine %v s",
			limit, run, queued, definition.States["Build"].TimeoutSeconds)
	}
	a.has(t, machine, map[string]string{
		"StateMachineName": "berth-builds", "TracingConfiguration.Enabled": "true",
		"LoggingConfiguration.Level": "ALL", "LoggingConfiguration.IncludeExecutionData": "false",
	})
	rights := a.rightsOf(t, machine, "RoleArn")
	for _, want := range []string{
		"lambda:InvokeFunction on " + ours + "lambda:" + here + "function:berth-step-prepare",
		"lambda:InvokeFunction on " + ours + "lambda:" + here + "function:berth-step-record",
		"codebuild:StartBuild on " + ours + "codebuild:" + here + "project/berth-builds",
		"codebuild:StopBuild on " + ours + "codebuild:" + here + "project/berth-builds",
		"codebuild:BatchGetBuilds on " + ours + "codebuild:" + here + "project/berth-builds",
		"events:PutRule on " + ours + "events:" + here + "rule/StepFunctionsGetEventForCodeBuildStartBuildRule",
		"events:PutTargets on " + ours + "events:" + here + "rule/StepFunctionsGetEventForCodeBuildStartBuildRule",
		"events:DescribeRule on " + ours + "events:" + here + "rule/StepFunctionsGetEventForCodeBuildStartBuildRule",
		"events:PutEvents on " + ours + "events:" + here + "event-bus/default",
		"xray:GetSamplingRules on *", "xray:GetSamplingTargets on *", "xray:PutTelemetryRecords on *", "xray:PutTraceSegments on *",
	} {
		if !slices.Contains(rights, want) {
			t.Errorf("the state machine lacks %s", want)
		}
	}
}

// rightsOf are those of the role that a property names.
func (a *app) rightsOf(t *testing.T, r resource, property string) []string {
	t.Helper()
	for _, role := range a.of("AWS::IAM::Role") {
		if "<"+role.name()+".Arn>" == a.get(r, property) {
			return a.granted(t, role)
		}
	}
	t.Fatalf("%s: no role is %s", r.name(), a.get(r, property))
	return nil
}

// Builds run on a machine of their own, with no right to anything of the hub's.
func TestProject(t *testing.T) {
	a := whole()
	project := a.one(t, "AWS::CodeBuild::Project")
	a.has(t, project, map[string]string{
		"Name": "berth-builds", "Environment.Type": "ARM_CONTAINER", "Environment.PrivilegedMode": "true", "Source.Type": "S3",
		"Environment.EnvironmentVariables": "", "Artifacts.Type": "NO_ARTIFACTS",
	})
	log := ours + "logs:" + here + "log-group:/aws/codebuild/berth-builds:*"
	want := append(strings.Split(fmt.Sprintf(writeLog, log), ","),
		"s3:GetBucketAcl on "+ours+"s3:::none", "s3:GetBucketLocation on "+ours+"s3:::none",
		"s3:GetObject on "+ours+"s3:::none/runner.zip", "s3:GetObjectVersion on "+ours+"s3:::none/runner.zip")
	if got := a.rightsOf(t, project, "ServiceRole"); !slices.Equal(got, want) {
		t.Errorf("CodeBuild may do %q, want %q", got, want)
	}
	var spec struct {
		Version string
		Phases  map[string]struct{ Commands []string }
	}
	if err := json.Unmarshal([]byte(a.get(project, "Source.BuildSpec")), &spec); err != nil || spec.Version != "0.2" {
		t.Fatalf("the buildspec is not one: %v", err)
	}
	if last := spec.Phases["build"].Commands; len(last) == 0 || last[len(last)-1] != "./runner" {
		t.Errorf("the build does not start the runner: %q", last)
	}
}

// What nobody would see otherwise raises an alarm, and each alarm tells somebody.
func TestAlarms(t *testing.T) {
	a := whole()
	filters := map[string]bool{}
	for _, f := range a.of("AWS::Logs::MetricFilter") {
		a.has(t, f, map[string]string{"LogGroupName": "/aws/vendedlogs/berth/access"})
		m := list(f.Properties["MetricTransformations"])[0].(map[string]any)
		filters[m["MetricNamespace"].(string)+" "+m["MetricName"].(string)] = true
	}
	topic := "<" + a.one(t, "AWS::SNS::Topic").name() + ">"
	watched, metrics := map[string]bool{}, 0
	for _, alarm := range a.of("AWS::CloudWatch::Alarm") {
		if got := a.texts(alarm.stack, alarm.Properties["AlarmActions"]); !slices.Equal(got, []string{topic}) {
			t.Errorf("%s tells %v", alarm.name(), got)
		}
		for _, m := range list(alarm.Properties["Metrics"]) {
			metric, _ := m.(map[string]any)["MetricStat"].(map[string]any)
			if metric == nil {
				continue
			}
			metric = metric["Metric"].(map[string]any)
			metrics++
			name := fmt.Sprint(metric["Namespace"], " ", metric["MetricName"])
			if strings.HasPrefix(name, "Berth/") && !filters[name] {
				t.Errorf("%s looks at %s, which no filter counts", alarm.name(), name)
			}
			for _, d := range list(metric["Dimensions"]) {
				name += " " + a.text(alarm.stack, d.(map[string]any)["Value"])
			}
			watched[name] = true
		}
	}
	want := []string{
		"AWS/ApiGateway 5xx <berth-front.Api>",
		"AWS/States ExecutionsFailed " + ours + "states:" + here + "stateMachine:berth-builds",
		"AWS/States ExecutionsTimedOut " + ours + "states:" + here + "stateMachine:berth-builds",
	}
	for _, surface := range []string{"hub", "manage", "registry", "other"} {
		want = append(want, "Berth/berth "+surface+"-errors", "Berth/berth "+surface+"-throttles")
	}
	for _, e := range routes.Events() {
		want = append(want, "AWS/Lambda Errors berth-"+e.Name, "AWS/Lambda Throttles berth-"+e.Name)
	}
	for _, q := range web.Queues {
		want = append(want, "AWS/SQS ApproximateAgeOfOldestMessage berth-"+string(q), "AWS/SQS ApproximateNumberOfMessagesVisible berth-"+string(q)+"-dead")
	}
	for _, table := range store.Tables {
		want = append(want, "AWS/DynamoDB ReadThrottleEvents berth-"+string(table), "AWS/DynamoDB WriteThrottleEvents berth-"+string(table))
	}
	for _, name := range want {
		if !watched[name] {
			t.Errorf("nobody watches %s", name)
		}
	}
	// CloudWatch charges for each metric of an alarm.
	text, err := os.ReadFile("../infra/cost/prices.json")
	if err != nil {
		t.Fatal(err)
	}
	var prices struct{ Assumed map[string]float64 }
	if err := json.Unmarshal(text, &prices); err != nil {
		t.Fatal(err)
	}
	if got := float64(metrics - 2); prices.Assumed["alarm.metrics"] != got { // two are ingest's
		t.Errorf("without ingest alarms have %v metrics, prices.json says %v", got, prices.Assumed["alarm.metrics"])
	}
	var body struct{ Widgets []any }
	dashboard := a.one(t, "AWS::CloudWatch::Dashboard")
	if err := json.Unmarshal([]byte(a.get(dashboard, "DashboardBody")), &body); err != nil {
		t.Fatal(err)
	}
	if got, want := len(body.Widgets), len(a.of("AWS::CloudWatch::Alarm")); got != want {
		t.Errorf("the dashboard shows %d of %d", got, want)
	}
}
