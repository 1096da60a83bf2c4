package templates_test

import (
	"encoding/csv"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"berth/infra/cloudfront"
	"berth/shared/routes"
	"berth/shared/store"
	"berth/shared/web"
)

// CloudFront hands on all that it gets, keeps nothing but the console, and leads uploads
// to ingest.
func TestDistribution(t *testing.T) {
	for _, test := range []struct {
		a       *app
		uploads string // where they go
		origins int
	}{{whole(), "ingest", 2}, {slight(), "api", 1}} {
		a := test.a
		d := a.one(t, "AWS::CloudFront::Distribution")
		config := d.Properties["DistributionConfig"].(map[string]any)
		if n := len(list(config["Origins"])); n != test.origins {
			t.Errorf("there are %d origins, want %d", n, test.origins)
		}
		behaviours := list(config["CacheBehaviors"])
		if len(behaviours) != 2 {
			t.Fatalf("there are %d behaviours beside the default", len(behaviours))
		}
		uploads := behaviours[0].(map[string]any)
		if uploads["PathPattern"] != "/v2/*/*/blobs/uploads*" || uploads["TargetOriginId"] != test.uploads {
			t.Errorf("%v goes to %v", uploads["PathPattern"], uploads["TargetOriginId"])
		}
		console := behaviours[1].(map[string]any)
		if console["PathPattern"] != "/console*" || console["TargetOriginId"] != "api" || console["CachePolicyId"] != "658327ea-f89d-4fab-a63d-7e88639e58f6" ||
			console["OriginRequestPolicyId"] != nil || console["Compress"] != false || len(list(console["AllowedMethods"])) != 2 {
			t.Errorf("the console is behind %v", console)
		}
		first := config["DefaultCacheBehavior"].(map[string]any)
		if first["TargetOriginId"] != "api" {
			t.Errorf("the default is %v", first["TargetOriginId"])
		}
		for _, b := range []map[string]any{first, uploads} {
			if b["CachePolicyId"] != "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" || b["OriginRequestPolicyId"] != "b689b0a8-53d0-40ab-baf2-68738e2966ac" ||
				b["ViewerProtocolPolicy"] != "https-only" || b["Compress"] != false || len(list(b["AllowedMethods"])) != 7 {
				t.Errorf("%v keeps something, leaves something out or lets something in", b)
			}
		}
		fresh := map[float64]bool{}
		for _, e := range list(config["CustomErrorResponses"]) {
			e := e.(map[string]any)
			fresh[e["ErrorCode"].(float64)] = e["ErrorCachingMinTTL"] == float64(0) && e["ResponseCode"] == nil
		}
		for _, status := range []float64{400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504} {
			if !fresh[status] {
				t.Errorf("CloudFront would keep a %v", status)
			}
		}
	}
}

// edgeKey is the reference by which CloudFormation writes what CloudFront proves itself with.
func (a *app) edgeKey(t *testing.T) string {
	t.Helper()
	return "{{resolve:secretsmanager:<" + a.named(t, "AWS::SecretsManager::Secret", "EdgeKey").name() + ">:SecretString:::}}"
}

// CloudFront says who asks, and proves to whoever it asks that it is CloudFront.
func TestWhoAsks(t *testing.T) {
	for _, a := range []*app{whole(), slight()} {
		d := a.one(t, "AWS::CloudFront::Distribution")
		config := d.Properties["DistributionConfig"].(map[string]any)
		for _, o := range list(config["Origins"]) {
			o := o.(map[string]any)
			got := ""
			for _, h := range list(o["OriginCustomHeaders"]) {
				h := h.(map[string]any)
				got += a.text(d.stack, h["HeaderName"]) + ": " + a.text(d.stack, h["HeaderValue"])
			}
			if want := web.EdgeHeader + ": " + a.edgeKey(t); got != want {
				t.Errorf("the origin %v gets %q, want %q", o["Id"], got, want)
			}
		}
		for _, b := range append(list(config["CacheBehaviors"]), config["DefaultCacheBehavior"]) {
			functions := list(b.(map[string]any)["FunctionAssociations"])
			if len(functions) == 0 && b.(map[string]any)["OriginRequestPolicyId"] == nil {
				continue // of what nothing of the viewer's goes on, no header either
			}
			if len(functions) != 1 {
				t.Errorf("%v meets %d functions", b, len(functions))
				continue
			}
			f := functions[0].(map[string]any)
			arn, _ := f["FunctionARN"].(map[string]any)["Fn::GetAtt"].([]any)
			code := a.get(a.named(t, "AWS::CloudFront::Function", arn[0].(string)), "FunctionCode")
			if f["EventType"] != "viewer-request" || code != cloudfront.Viewer && code != cloudfront.Uploads {
				t.Errorf("%v meets another function: %v", b, f)
			}
		}
	}
}

// Without ingest, what is too large is refused at the edge, by the code of the file.
func TestWithoutIngest(t *testing.T) {
	a := slight()
	for _, kind := range []string{"AWS::EC2::VPC", "AWS::ECS::Service", "AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::CloudFront::VpcOrigin"} {
		if n := len(a.of(kind)); n != 0 {
			t.Errorf("there are %d of %s", n, kind)
		}
		if len(whole().of(kind)) != 1 {
			t.Errorf("with ingest there is not one of %s", kind)
		}
	}
	refusal := a.named(t, "AWS::CloudFront::Function", "Refusal")
	if refusal.Properties["FunctionCode"] != cloudfront.Uploads {
		t.Error("CloudFront's function is not uploads.js")
	}
	config := a.one(t, "AWS::CloudFront::Distribution").Properties["DistributionConfig"].(map[string]any)
	got, _ := json.Marshal(list(config["CacheBehaviors"])[0].(map[string]any)["FunctionAssociations"])
	if want := `[{"EventType":"viewer-request","FunctionARN":{"Fn::GetAtt":["Refusal","FunctionARN"]}}]`; string(got) != want {
		t.Errorf("uploads meet %s, want %s", got, want)
	}
	if n := len(whole().of("AWS::CloudFront::Function")); n != 1 {
		t.Errorf("with ingest there are %d functions at the edge, want the one that says who asks", n)
	}
}

// Ingest is turned off, and on again, by deploying: no stack is left behind, and nothing
// that one stack exports, which another may be using meanwhile, is gone or another.
func TestTurnIngestOff(t *testing.T) {
	on, off := whole(), synthesize(map[string]any{"ingest": "off"})
	if !maps.Equal(on.exports, off.exports) || len(on.exports) == 0 {
		t.Errorf("exported are\n\t%v\nwith ingest, and without\n\t%v", on.exports, off.exports)
	}
	names := func(a *app) []string { return slices.Sorted(maps.Keys(a.stacks)) }
	if !slices.Equal(names(on), names(off)) {
		t.Errorf("the stacks are %v with ingest, and without %v", names(on), names(off))
	}
	// What alarms look at is known by parameters of the stack that makes it.
	var written []string
	for _, p := range on.of("AWS::SSM::Parameter") {
		if p.stack == "berth-front" {
			written = append(written, "{{resolve:ssm:"+on.get(p, "Name")+"}}")
		}
	}
	var used []string
	for _, alarm := range on.of("AWS::CloudWatch::Alarm") {
		text, _ := json.Marshal(alarm.Properties)
		used = append(used, regexp.MustCompile(`\{\{resolve:ssm:[^}]*\}\}`).FindAllString(string(text), -1)...)
	}
	slices.Sort(written)
	slices.Sort(used)
	if used = slices.Compact(used); len(used) != 2 || !slices.Equal(used, written) {
		t.Errorf("alarms look at %v, written down are %v", used, written)
	}
	service := on.one(t, "AWS::ECS::Service")
	if !slices.Contains(service.DependsOn, on.one(t, "AWS::ElasticLoadBalancingV2::Listener").id) {
		t.Errorf("the service may be made before the balancer leads to its targets: it waits for %v", service.DependsOn)
	}
}

// Ingest does what the routes of uploads do, and nobody but CloudFront reaches it.
func TestIngest(t *testing.T) {
	a := whole()
	balancer, task := a.one(t, "AWS::ElasticLoadBalancingV2::LoadBalancer"), a.one(t, "AWS::ECS::TaskDefinition")
	a.has(t, balancer, map[string]string{"Scheme": "internal"})
	a.has(t, task, map[string]string{"RuntimePlatform.CpuArchitecture": "ARM64"})
	for _, group := range a.of("AWS::EC2::SecurityGroup") {
		for _, in := range list(group.Properties["SecurityGroupIngress"]) {
			in := in.(map[string]any)
			if in["CidrIp"] != nil && in["CidrIp"] != "10.77.0.0/24" || in["CidrIpv6"] != nil {
				t.Errorf("%s lets in %v", group.name(), in)
			}
		}
	}
	needs := web.Needs{Write: []store.Table{store.Repositories, store.Tags}, Layers: web.WriteLayers}
	want := slices.DeleteFunc(a.wantRights(t, "berth", "registry-upload-put", needs, routes.Event{}, false), func(right string) bool {
		return strings.HasPrefix(right, "logs:") || strings.HasPrefix(right, "xray:")
	})
	if got := a.rightsOf(t, task, "TaskRoleArn"); !slices.Equal(got, want) {
		t.Errorf("ingest may do\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	var got []string
	for _, v := range list(list(task.Properties["ContainerDefinitions"])[0].(map[string]any)["Environment"]) {
		got = append(got, v.(map[string]any)["Name"].(string))
	}
	settings := []string{"BERTH_BUCKET", "BERTH_EDGE_KEY", "BERTH_PUBLIC_URL", "BERTH_SECRET_ARN", "BERTH_TABLE_REPOSITORIES", "BERTH_TABLE_TAGS"}
	if !slices.Equal(got, settings) {
		t.Errorf("ingest has the settings %q, want %q", got, settings)
	}
	endpoints := len(a.of("AWS::EC2::VPCEndpoint"))
	if endpoints != 2 || len(a.of("AWS::EC2::NatGateway")) != 0 {
		t.Errorf("the network has %d endpoints and %d NAT gateways", endpoints, len(a.of("AWS::EC2::NatGateway")))
	}
}

// A domain of one's own gets its certificate and its records.
func TestDomain(t *testing.T) {
	a := slight()
	d := a.one(t, "AWS::CloudFront::Distribution")
	a.has(t, d, map[string]string{
		"DistributionConfig.Aliases": `["hub.example.com"]`,
		"DistributionConfig.ViewerCertificate": `{"AcmCertificateArn":"arn:aws:acm:us-east-1:111111111111:certificate/1",` +
			`"MinimumProtocolVersion":"TLSv1.2_2021","SslSupportMethod":"sni-only"}`,
	})
	var kinds []string
	for _, r := range a.of("AWS::Route53::RecordSet") {
		kinds = append(kinds, a.get(r, "Type"))
		a.has(t, r, map[string]string{"Name": "hub.example.com", "HostedZoneId": "Z1", "AliasTarget.DNSName": "<" + d.name() + ".DomainName>"})
	}
	if !slices.Equal(kinds, []string{"A", "AAAA"}) {
		t.Errorf("there are records %v", kinds)
	}
	a.has(t, a.one(t, "AWS::SES::EmailIdentity"), map[string]string{"EmailIdentity": "example.com"})
	a.has(t, a.one(t, "AWS::SNS::Subscription"), map[string]string{"Endpoint": "ops@example.com", "Protocol": "email"})
	if n := len(whole().of("AWS::SES::EmailIdentity")); n != 0 {
		t.Errorf("without a sender there are %d identities", n)
	}
}

// finding is what an exception of a report is limited to.
var finding = regexp.MustCompile(`^\[[^\]]*\] `)

// cdk-nag finds nothing, and each exception excepts something.
func TestNag(t *testing.T) {
	used, rules := map[string]bool{}, 0
	for _, a := range []*app{whole(), slight()} {
		paths, _ := filepath.Glob(filepath.Join(a.dir, "AwsSolutions-*.csv"))
		if len(paths) != len(a.stacks) {
			t.Errorf("there are %d reports of %d stacks", len(paths), len(a.stacks))
		}
		for _, path := range paths {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := csv.NewReader(f).ReadAll()
			f.Close()
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows[1:] {
				rules++
				switch row[2] {
				case "Compliant":
				case "Suppressed":
					used[row[0]+": "+finding.ReplaceAllString(row[3], "")] = true
				default:
					t.Errorf("%s: %s is %s: %s", row[1], row[0], row[2], row[5])
				}
			}
		}
	}
	if rules < 1000 {
		t.Errorf("only %d rules were applied", rules)
	}
	for _, exception := range exceptions(whole()) {
		if !used[exception] {
			t.Errorf("nothing needs the exception %q", exception)
		}
	}
}

// exceptions are all those that the templates say, as the reports write them.
func exceptions(a *app) []string {
	var all []string
	for stack := range a.stacks {
		text, _ := os.ReadFile(filepath.Join(a.dir, stack+".template.json"))
		var template struct {
			Metadata struct {
				CdkNag struct {
					Rules []struct{ ID, Reason string } `json:"rules_to_suppress"`
				} `json:"cdk_nag"`
			}
		}
		json.Unmarshal(text, &template)
		for _, r := range template.Metadata.CdkNag.Rules {
			all = append(all, r.ID+": "+r.Reason)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
