package stacks

import (
	"encoding/json"
	"fmt"

	"berth/shared/routes"
	"berth/shared/store"
	"berth/shared/web"

	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
)

// watched are the surfaces of the access log, with the pattern of their routes. The
// functions of one are too many for one alarm over their own metrics.
var watched = []struct{ name, routes string }{
	{"hub", `$.route = "* /v1*"`},
	{"manage", `$.route = "* /v2/manage*"`},
	{"registry", `$.route = "* /v2*" && $.route != "* /v2/manage*"`},
	{"other", `$.route != "* /v1*" && $.route != "* /v2*"`},
}

// failures are what is counted of each surface.
var failures = []struct{ name, lines, about string }{
	{"errors", "$.status >= 500", "were answered with an error of the hub's"},
	{"throttles", `$.status = 429 || $.function = "429"`, "were refused, because there were too many at once"},
}

// metric is a metric with what tells it from others of its name.
type metric struct {
	namespace, name, statistic string
	dimensions                 map[string]string
}

// alarm is raised when a metric is at or above least in each of the periods.
type alarm struct {
	id, about     string
	metrics       []metric // their sum
	least         float64
	period, times int // seconds, and how many of them
}

// watcher makes alarms and gathers what they look at for the dashboard.
type watcher struct {
	*app
	stack   cdk.Stack
	topic   awssns.CfnTopic
	widgets []map[string]any
}

// watch makes alarms, who is told of them, and a dashboard.
func (a *app) watch() {
	w := &watcher{app: a, stack: a.stack("watch", "Berth: alarms and dashboard")}
	w.tell()
	w.surfaces()
	w.functions()
	w.queues()
	w.machine()
	w.tables()
	if a.ingest != nil {
		w.ingest()
	}
	body, _ := json.Marshal(map[string]any{"widgets": w.widgets})
	awscloudwatch.NewCfnDashboard(w.stack, jsii.String("Dashboard"), &awscloudwatch.CfnDashboardProps{
		DashboardName: &a.Prefix, DashboardBody: jsii.String(string(body)),
	})
}

// tell makes the topic that alarms go to.
func (w *watcher) tell() {
	w.topic = awssns.NewCfnTopic(w.stack, jsii.String("Alarms"), &awssns.CfnTopicProps{TopicName: jsii.String(w.Prefix + "-alarms")})
	awssns.NewCfnTopicPolicy(w.stack, jsii.String("AlarmsPolicy"), &awssns.CfnTopicPolicyProps{
		Topics: &[]*string{w.topic.Ref()},
		PolicyDocument: policy(
			map[string]any{
				"Sid": "Alarms", "Effect": "Allow", "Principal": map[string]any{"Service": "cloudwatch.amazonaws.com"},
				"Action": "sns:Publish", "Resource": w.topic.Ref(),
				"Condition": map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": account()}},
			},
			map[string]any{
				"Sid": "OnlyTLS", "Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": w.topic.Ref(),
				"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
			}),
	})
	if w.AlarmMail != "" {
		awssns.NewCfnSubscription(w.stack, jsii.String("AlarmMail"), &awssns.CfnSubscriptionProps{
			TopicArn: w.topic.Ref(), Protocol: jsii.String("email"), Endpoint: &w.AlarmMail,
		})
	}
}

func (w *watcher) alarm(a alarm) {
	var queries []any
	sum := ""
	for i, m := range a.metrics {
		id := fmt.Sprintf("m%d", i)
		var dimensions []any
		for _, k := range sorted(m.dimensions) {
			dimensions = append(dimensions, &awscloudwatch.CfnAlarm_DimensionProperty{Name: jsii.String(k), Value: jsii.String(m.dimensions[k])})
		}
		queries = append(queries, &awscloudwatch.CfnAlarm_MetricDataQueryProperty{
			Id: &id, ReturnData: false, MetricStat: &awscloudwatch.CfnAlarm_MetricStatProperty{
				Period: jsii.Number(a.period), Stat: jsii.String(m.statistic),
				Metric: &awscloudwatch.CfnAlarm_MetricProperty{
					Namespace: jsii.String(m.namespace), MetricName: jsii.String(m.name), Dimensions: dimensions,
				},
			},
		})
		if sum != "" {
			sum += " + "
		}
		sum += "FILL(" + id + ", 0)"
	}
	queries = append(queries, &awscloudwatch.CfnAlarm_MetricDataQueryProperty{
		Id: jsii.String("all"), Expression: &sum, Label: &a.about, ReturnData: true,
	})
	awscloudwatch.NewCfnAlarm(w.stack, &a.id, &awscloudwatch.CfnAlarmProps{
		AlarmName: jsii.String(w.Prefix + " " + a.id), AlarmDescription: &a.about, Metrics: queries,
		ComparisonOperator: jsii.String("GreaterThanOrEqualToThreshold"), Threshold: &a.least,
		EvaluationPeriods: jsii.Number(a.times), TreatMissingData: jsii.String("notBreaching"),
		AlarmActions: &[]any{w.topic.Ref()}, OkActions: &[]any{w.topic.Ref()},
	})
	w.show(a)
}

// show adds a graph to the dashboard.
func (w *watcher) show(a alarm) {
	var lines []any
	for _, m := range a.metrics {
		line := []any{m.namespace, m.name}
		for _, k := range sorted(m.dimensions) {
			line = append(line, k, m.dimensions[k])
		}
		lines = append(lines, append(line, map[string]any{"stat": m.statistic}))
	}
	i := len(w.widgets)
	w.widgets = append(w.widgets, map[string]any{
		"type": "metric", "width": 6, "height": 5, "x": i % 4 * 6, "y": i / 4 * 5,
		"properties": map[string]any{
			"title": a.id, "region": region(), "period": a.period, "metrics": lines,
			"annotations": map[string]any{"horizontal": []any{map[string]any{"value": a.least, "label": "alarm"}}},
		},
	})
}

func (w *watcher) surfaces() {
	for _, s := range watched {
		for _, f := range failures {
			m := metric{namespace: "Berth/" + w.Prefix, name: s.name + "-" + f.name, statistic: "Sum"}
			id := camel(s.name + "-" + f.name)
			awslogs.NewCfnMetricFilter(w.stack, jsii.String(id+"Filter"), &awslogs.CfnMetricFilterProps{
				LogGroupName: w.accessLog, FilterPattern: jsii.String("{ (" + f.lines + ") && (" + s.routes + ") }"),
				MetricTransformations: []any{&awslogs.CfnMetricFilter_MetricTransformationProperty{
					MetricNamespace: &m.namespace, MetricName: &m.name, MetricValue: jsii.String("1"), DefaultValue: jsii.Number(0),
				}},
			})
			w.alarm(alarm{
				id: id, about: "Requests of " + s.name + " that " + f.about,
				metrics: []metric{m}, least: 5, period: 300, times: 1,
			})
		}
	}
	w.alarm(alarm{
		id: "ApiErrors", about: "Answers of 5xx by the HTTP API", least: 20, period: 300, times: 1,
		metrics: []metric{{"AWS/ApiGateway", "5xx", "Sum", map[string]string{"ApiId": *w.api.Ref()}}},
	})
}

// functions watches those that no request reaches, for nobody sees them fail.
func (w *watcher) functions() {
	for _, e := range routes.Events() {
		of := map[string]string{"FunctionName": w.functionName(e.Name)}
		w.alarm(alarm{
			id: camel(e.Name), about: "Failed or refused calls of " + e.Name + ", which " + e.About, least: 3, period: 900, times: 1,
			metrics: []metric{{"AWS/Lambda", "Errors", "Sum", of}, {"AWS/Lambda", "Throttles", "Sum", of}},
		})
	}
}

func (w *watcher) queues() {
	for _, q := range web.Queues {
		w.alarm(alarm{
			id: camel(string(q)) + "Age", about: "Seconds that the oldest message of " + string(q) + " has waited", least: 900, period: 300, times: 2,
			metrics: []metric{{"AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", map[string]string{"QueueName": w.queueName(q)}}},
		})
		w.alarm(alarm{
			id: camel(string(q)) + "Dead", about: "Messages of " + string(q) + " that were tried in vain", least: 1, period: 300, times: 1,
			metrics: []metric{{"AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", map[string]string{"QueueName": w.deadName(q)}}},
		})
	}
}

func (w *watcher) machine() {
	of := map[string]string{"StateMachineArn": w.machineARN()}
	w.alarm(alarm{
		id: "Builds", about: "Executions of builds that failed; a build that merely fails does not count", least: 1, period: 300, times: 1,
		metrics: []metric{{"AWS/States", "ExecutionsFailed", "Sum", of}, {"AWS/States", "ExecutionsTimedOut", "Sum", of}},
	})
}

func (w *watcher) tables() {
	for _, t := range store.Tables {
		of := map[string]string{"TableName": w.tableName(t)}
		w.alarm(alarm{
			id: camel(string(t)) + "Throttles", about: "Reads and writes of the table " + string(t) + " that DynamoDB refused", least: 100, period: 300, times: 2,
			metrics: []metric{{"AWS/DynamoDB", "ReadThrottleEvents", "Sum", of}, {"AWS/DynamoDB", "WriteThrottleEvents", "Sum", of}},
		})
	}
}

func (w *watcher) ingest() {
	of := map[string]string{
		"LoadBalancer": "{{resolve:ssm:" + w.balancerName() + "}}",
		"TargetGroup":  "{{resolve:ssm:" + w.targetsName() + "}}",
	}
	w.alarm(alarm{
		id: "IngestErrors", about: "Uploads that ingest answered with an error of the hub's", least: 5, period: 300, times: 1,
		metrics: []metric{{"AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", of}},
	})
	w.alarm(alarm{
		id: "IngestUnhealthy", about: "Tasks of ingest that do not answer", least: 1, period: 60, times: 5,
		metrics: []metric{{"AWS/ApplicationELB", "UnHealthyHostCount", "Maximum", of}},
	})
}
