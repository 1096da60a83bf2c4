package stacks

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"berth/shared/cloud"
	"berth/shared/routes"
	"berth/shared/store"
	"berth/shared/web"

	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapplicationautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecrassets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/jsii-runtime-go"
)

// ingestPort is where ingest listens.
const ingestPort = 8080

// network is what ingest's addresses are of. It is connected to no other.
const network = "10.77.0.0/24"

// entrance is the way from CloudFront to ingest.
type entrance struct {
	vpc      awsec2.Vpc
	balancer awselasticloadbalancingv2.CfnLoadBalancer
	door     awsec2.CfnSecurityGroup // of the load balancer
	targets  awselasticloadbalancingv2.CfnTargetGroup
	listener awselasticloadbalancingv2.CfnListener
	origin   *awscloudfront.CfnDistribution_OriginProperty
}

// subnets of the network, as a list of ids.
func (e *entrance) subnets() []any {
	var ids []any
	for _, s := range *e.vpc.PublicSubnets() {
		ids = append(ids, *s.SubnetId())
	}
	return ids
}

// enter makes the network of ingest and its load balancer, which only CloudFront
// reaches: it has no address on the Internet. Tasks have one, to go out by, since a
// NAT gateway alone would cost more than all the rest; nothing is let in by it.
func (a *app) enter(stack cdk.Stack) {
	e := &entrance{}
	a.ingest = e
	e.vpc = awsec2.NewVpc(stack, jsii.String("Network"), &awsec2.VpcProps{
		IpAddresses: awsec2.IpAddresses_Cidr(jsii.String(network)), MaxAzs: jsii.Number(2), NatGateways: jsii.Number(0),
		SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{Name: jsii.String("ingest"), SubnetType: awsec2.SubnetType_PUBLIC, CidrMask: jsii.Number(26)}},
	})
	for id, service := range map[string]awsec2.GatewayVpcEndpointAwsService{
		"S3": awsec2.GatewayVpcEndpointAwsService_S3(), "DynamoDB": awsec2.GatewayVpcEndpointAwsService_DYNAMODB(),
	} {
		e.vpc.AddGatewayEndpoint(jsii.String(id), &awsec2.GatewayVpcEndpointOptions{Service: service})
	}
	e.door = awsec2.NewCfnSecurityGroup(stack, jsii.String("Door"), &awsec2.CfnSecurityGroupProps{
		GroupDescription: jsii.String("CloudFront, from within the network, to the load balancer"), VpcId: e.vpc.VpcId(),
		SecurityGroupIngress: []any{&awsec2.CfnSecurityGroup_IngressProperty{
			IpProtocol: jsii.String("tcp"), FromPort: jsii.Number(80), ToPort: jsii.Number(80),
			CidrIp: jsii.String(network), Description: jsii.String("CloudFront's interfaces in the network"),
		}},
	})
	e.balance(stack)
	writeDown(stack, "BalancerName", a.balancerName(), e.balancer.AttrLoadBalancerFullName())
	writeDown(stack, "TargetsName", a.targetsName(), e.targets.AttrTargetGroupFullName())
	origin := awscloudfront.NewCfnVpcOrigin(stack, jsii.String("Origin"), &awscloudfront.CfnVpcOriginProps{
		VpcOriginEndpointConfig: &awscloudfront.CfnVpcOrigin_VpcOriginEndpointConfigProperty{
			Name: jsii.String(a.Prefix + "-ingest"), Arn: e.balancer.Ref(), HttpPort: jsii.Number(80),
			OriginProtocolPolicy: jsii.String("http-only"),
		},
	})
	e.origin = &awscloudfront.CfnDistribution_OriginProperty{
		Id: jsii.String("ingest"), DomainName: e.balancer.AttrDnsName(),
		VpcOriginConfig: &awscloudfront.CfnDistribution_VpcOriginConfigProperty{
			VpcOriginId: origin.AttrId(), OriginReadTimeout: jsii.Number(60), OriginKeepaliveTimeout: jsii.Number(60),
		},
		OriginCustomHeaders: a.proof(),
	}
}

// balancerName and targetsName are the parameters that tell the names under which
// CloudWatch knows the load balancer and its targets.
func (c Config) balancerName() string { return "/" + c.Prefix + "/ingest/balancer" }
func (c Config) targetsName() string  { return "/" + c.Prefix + "/ingest/targets" }

// writeDown makes a parameter.
func writeDown(stack cdk.Stack, id, name string, value *string) {
	awsssm.NewCfnParameter(stack, &id, &awsssm.CfnParameterProps{Name: &name, Type: jsii.String("String"), Value: value})
}

// balance makes the load balancer, and the group of tasks that it leads to.
func (e *entrance) balance(stack cdk.Stack) {
	e.balancer = awselasticloadbalancingv2.NewCfnLoadBalancer(stack, jsii.String("Balancer"), &awselasticloadbalancingv2.CfnLoadBalancerProps{
		Type: jsii.String("application"), Scheme: jsii.String("internal"),
		Subnets: ptr(e.subnets()), SecurityGroups: &[]any{e.door.AttrGroupId()},
		LoadBalancerAttributes: []any{
			attribute("routing.http.drop_invalid_header_fields.enabled", "true"),
			attribute("idle_timeout.timeout_seconds", "120"),
		},
	})
	e.targets = awselasticloadbalancingv2.NewCfnTargetGroup(stack, jsii.String("Targets"), &awselasticloadbalancingv2.CfnTargetGroupProps{
		TargetType: jsii.String("ip"), Protocol: jsii.String("HTTP"), Port: jsii.Number(ingestPort), VpcId: e.vpc.VpcId(),
		HealthCheckPath: jsii.String("/healthz"), HealthCheckIntervalSeconds: jsii.Number(15),
		HealthyThresholdCount: jsii.Number(2), UnhealthyThresholdCount: jsii.Number(3),
		TargetGroupAttributes: []any{&awselasticloadbalancingv2.CfnTargetGroup_TargetGroupAttributeProperty{
			Key: jsii.String("deregistration_delay.timeout_seconds"), Value: jsii.String(fmt.Sprint(drainSeconds)),
		}},
	})
	e.listener = awselasticloadbalancingv2.NewCfnListener(stack, jsii.String("Listener"), &awselasticloadbalancingv2.CfnListenerProps{
		LoadBalancerArn: e.balancer.Ref(), Port: jsii.Number(80), Protocol: jsii.String("HTTP"),
		DefaultActions: []any{&awselasticloadbalancingv2.CfnListener_ActionProperty{Type: jsii.String("forward"), TargetGroupArn: e.targets.Ref()}},
	})
}

// drainSeconds is how long a task that is to stop may finish the pieces that it is
// receiving. Clients go on with the next task from where they were cut off.
const drainSeconds = 110

func attribute(key, value string) *awselasticloadbalancingv2.CfnLoadBalancer_LoadBalancerAttributeProperty {
	return &awselasticloadbalancingv2.CfnLoadBalancer_LoadBalancerAttributeProperty{Key: &key, Value: &value}
}

func ptr[T any](v T) *T { return &v }

// uploadNeeds is what all the routes of uploads need together.
func uploadNeeds() web.Needs {
	var n web.Needs
	for _, r := range routes.Table() {
		if !strings.Contains(r.Pattern, "/blobs/uploads") {
			continue
		}
		all := r.All()
		n.Read, n.Write = append(n.Read, all.Read...), append(n.Write, all.Write...)
		n.Layers = max(n.Layers, all.Layers)
		n.Secrets, n.Builds = n.Secrets || all.Secrets, n.Builds || all.Builds
		for _, q := range all.Sends {
			if !slices.Contains(n.Sends, q) {
				n.Sends = append(n.Sends, q)
			}
		}
	}
	slices.Sort(n.Write)
	n.Write = slices.Compact(n.Write)
	n.Read = slices.DeleteFunc(n.Read, func(t store.Table) bool { return slices.Contains(n.Write, t) })
	return n
}

// service makes ingest: the very handlers of the routes of uploads, in a process
// that streams. It is in the stack of its network and CloudFront, so that ingest=off takes
// all of it out in one deployment: a stack of its own would stay, and hold by what it
// imports what it stands on.
func (a *app) service(stack cdk.Stack) {
	cluster := awsecs.NewCfnCluster(stack, jsii.String("Cluster"), &awsecs.CfnClusterProps{ClusterName: jsii.String(a.Prefix)})
	own := awsec2.NewCfnSecurityGroup(stack, jsii.String("TaskDoor"), &awsec2.CfnSecurityGroupProps{
		GroupDescription: jsii.String("The load balancer to ingest"), VpcId: a.ingest.vpc.VpcId(),
		SecurityGroupIngress: []any{&awsec2.CfnSecurityGroup_IngressProperty{
			IpProtocol: jsii.String("tcp"), FromPort: jsii.Number(ingestPort), ToPort: jsii.Number(ingestPort),
			SourceSecurityGroupId: a.ingest.door.AttrGroupId(), Description: jsii.String("the load balancer"),
		}},
	})
	service := awsecs.NewCfnService(stack, jsii.String("Service"), &awsecs.CfnServiceProps{
		ServiceName: jsii.String(a.Prefix + "-ingest"), Cluster: cluster.Ref(), TaskDefinition: a.task(stack).Ref(),
		LaunchType: jsii.String("FARGATE"), DesiredCount: jsii.Number(1), PropagateTags: jsii.String("SERVICE"),
		DeploymentConfiguration: &awsecs.CfnService_DeploymentConfigurationProperty{
			MinimumHealthyPercent: jsii.Number(100), MaximumPercent: jsii.Number(200),
			DeploymentCircuitBreaker: &awsecs.CfnService_DeploymentCircuitBreakerProperty{Enable: true, Rollback: true},
		},
		NetworkConfiguration: &awsecs.CfnService_NetworkConfigurationProperty{AwsvpcConfiguration: &awsecs.CfnService_AwsVpcConfigurationProperty{
			AssignPublicIp: jsii.String("ENABLED"), Subnets: texts(a.ingest.subnets()), SecurityGroups: &[]*string{own.AttrGroupId()},
		}},
		LoadBalancers: []any{&awsecs.CfnService_LoadBalancerProperty{
			ContainerName: jsii.String("ingest"), ContainerPort: jsii.Number(ingestPort), TargetGroupArn: a.ingest.targets.Ref(),
		}},
		HealthCheckGracePeriodSeconds: jsii.Number(30),
	})
	service.AddDependency(a.ingest.listener) // a service takes no targets that no balancer leads to
	a.scale(stack, *cluster.Ref(), *service.AttrName())
}

func texts(values []any) *[]*string {
	var all []*string
	for _, v := range values {
		all = append(all, jsii.String(v.(string)))
	}
	return &all
}

// task describes one task of ingest: a quarter of a processor and 512 MiB, of which
// it uses little, for it holds three parts of 8 MiB for each upload under way.
func (a *app) task(stack cdk.Stack) awsecs.CfnTaskDefinition {
	group := "/aws/ecs/" + a.Prefix + "-ingest"
	log := a.log(stack, "IngestLog", group)
	write := statement([]string{"logs:CreateLogStream", "logs:PutLogEvents"}, []string{a.logsARN(group)})
	image, pull := a.image(stack)
	needs := uploadNeeds()
	env, secret := a.secret()
	env[cloud.Settings.EdgeKey] = a.edgeKey
	for k, v := range a.environment(needs) {
		env[k] = v
	}
	var variables []any
	for _, k := range sorted(env) {
		variables = append(variables, &awsecs.CfnTaskDefinition_KeyValuePairProperty{Name: jsii.String(k), Value: jsii.String(env[k])})
	}
	run := a.role(stack, "TaskRole", "ecs-tasks.amazonaws.com", append(a.rights(needs), secret))
	start := a.role(stack, "StartRole", "ecs-tasks.amazonaws.com", append(pull, write))
	return awsecs.NewCfnTaskDefinition(stack, jsii.String("Task"), &awsecs.CfnTaskDefinitionProps{
		Family: jsii.String(a.Prefix + "-ingest"), Cpu: jsii.String("256"), Memory: jsii.String("512"),
		NetworkMode: jsii.String("awsvpc"), RequiresCompatibilities: jsii.Strings("FARGATE"),
		RuntimePlatform: &awsecs.CfnTaskDefinition_RuntimePlatformProperty{CpuArchitecture: jsii.String("ARM64"), OperatingSystemFamily: jsii.String("LINUX")},
		TaskRoleArn:     run.AttrArn(), ExecutionRoleArn: start.AttrArn(),
		ContainerDefinitions: []any{&awsecs.CfnTaskDefinition_ContainerDefinitionProperty{
			Name: jsii.String("ingest"), Image: &image, Essential: true, ReadonlyRootFilesystem: true, StopTimeout: jsii.Number(drainSeconds),
			PortMappings: []any{&awsecs.CfnTaskDefinition_PortMappingProperty{ContainerPort: jsii.Number(ingestPort), Protocol: jsii.String("tcp")}},
			Environment:  variables,
			LogConfiguration: &awsecs.CfnTaskDefinition_LogConfigurationProperty{
				LogDriver: jsii.String("awslogs"), Options: map[string]*string{
					"awslogs-group": log.Ref(), "awslogs-region": jsii.String(region()), "awslogs-stream-prefix": jsii.String("ingest"),
				},
			},
		}},
	})
}

// image uploads ingest's image, and gives the rights to fetch it.
func (a *app) image(stack cdk.Stack) (uri string, pull []map[string]any) {
	// The token for ECR is not of one repository.
	token := statement([]string{"ecr:GetAuthorizationToken"}, []string{"*"})
	fetch := []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
	if a.Built == NoCode {
		return NoCode, []map[string]any{token, statement(fetch, []string{arn("ecr", "repository/"+NoCode)})}
	}
	made := awsecrassets.NewDockerImageAsset(stack, jsii.String("Image"), &awsecrassets.DockerImageAssetProps{
		Directory: jsii.String(filepath.Join(a.Built, "ingest")), Platform: awsecrassets.Platform_LINUX_ARM64(),
	})
	return *made.ImageUri(), []map[string]any{token, statement(fetch, []string{*made.Repository().RepositoryArn()})}
}

// scale keeps the tasks at about half their processor.
func (a *app) scale(stack cdk.Stack, cluster, service string) {
	target := awsapplicationautoscaling.NewCfnScalableTarget(stack, jsii.String("Tasks"), &awsapplicationautoscaling.CfnScalableTargetProps{
		ServiceNamespace: jsii.String("ecs"), ScalableDimension: jsii.String("ecs:service:DesiredCount"),
		ResourceId: jsii.String("service/" + cluster + "/" + service), MinCapacity: jsii.Number(1), MaxCapacity: jsii.Number(a.IngestTasks),
	})
	awsapplicationautoscaling.NewCfnScalingPolicy(stack, jsii.String("Scaling"), &awsapplicationautoscaling.CfnScalingPolicyProps{
		PolicyName: jsii.String(a.Prefix + "-ingest"), PolicyType: jsii.String("TargetTrackingScaling"), ScalingTargetId: target.Ref(),
		TargetTrackingScalingPolicyConfiguration: &awsapplicationautoscaling.CfnScalingPolicy_TargetTrackingScalingPolicyConfigurationProperty{
			TargetValue: jsii.Number(50), ScaleInCooldown: jsii.Number(300), ScaleOutCooldown: jsii.Number(30),
			PredefinedMetricSpecification: &awsapplicationautoscaling.CfnScalingPolicy_PredefinedMetricSpecificationProperty{
				PredefinedMetricType: jsii.String("ECSServiceAverageCPUUtilization"),
			},
		},
	})
}
