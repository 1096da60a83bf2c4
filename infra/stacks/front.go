package stacks

import (
	"strings"

	"berth/infra/cloudfront"
	"berth/shared/web"

	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"
)

// front makes what clients reach: CloudFront, and behind it the HTTP API, and ingest
// if there is one.
func (a *app) front() {
	stack := a.stack("front", "Berth: CloudFront, and behind it the HTTP API and ingest")
	a.edge(stack)
	a.httpAPI(stack)
	if a.Ingest {
		a.enter(stack)
	}
	distribution := a.distribution(stack)
	a.publicURL = "https://" + *distribution.AttrDomainName()
	if a.Domain != "" {
		a.publicURL = "https://" + a.Domain
	}
	if a.Zone != "" {
		a.records(stack, distribution)
	}
	if a.Ingest {
		a.service(stack)
	}
	a.fallback(stack)
	cdk.NewCfnOutput(stack, jsii.String("URL"), &cdk.CfnOutputProps{Value: &a.publicURL, Description: jsii.String("where clients reach the hub")})
	cdk.NewCfnOutput(stack, jsii.String("Target"), &cdk.CfnOutputProps{
		Value: distribution.AttrDomainName(), Description: jsii.String("what the record of the hub's own domain must point to"),
	})
}

// edge makes the key that CloudFront proves itself with. CloudFormation writes it into
// the distribution and into the environment of those who are asked, so that none needs
// a call or a right to learn it. Whoever may read those in the account could choose the
// address that the hub knows them by, and nothing else.
func (a *app) edge(stack cdk.Stack) {
	key := awssecretsmanager.NewCfnSecret(stack, jsii.String("EdgeKey"), &awssecretsmanager.CfnSecretProps{
		Description:          jsii.String("What CloudFront proves to the functions of " + a.Prefix + " that it is"),
		GenerateSecretString: generated(),
	})
	a.edgeKey = "{{resolve:secretsmanager:" + *key.Ref() + ":SecretString:::}}"
}

// accessFormat is a line of the access log. It has the route and not the path,
// because the path of a code hook is a secret.
const accessFormat = `{"time":"$context.requestTime","id":"$context.requestId","ip":"$context.identity.sourceIp",` +
	`"method":"$context.httpMethod","route":"$context.routeKey","status":$context.status,"bytes":$context.responseLength,` +
	`"latency":"$context.responseLatency","function":"$context.integration.integrationStatus","error":"$context.integrationErrorMessage"}`

func (a *app) httpAPI(stack cdk.Stack) {
	a.accessLog = "/aws/vendedlogs/" + a.Prefix + "/access"
	log := a.log(stack, "AccessLog", a.accessLog)
	a.api = awsapigatewayv2.NewCfnApi(stack, jsii.String("Api"), &awsapigatewayv2.CfnApiProps{
		Name: jsii.String(a.Prefix), ProtocolType: jsii.String("HTTP"),
	})
	awsapigatewayv2.NewCfnStage(stack, jsii.String("Stage"), &awsapigatewayv2.CfnStageProps{
		ApiId: a.api.Ref(), StageName: jsii.String("$default"), AutoDeploy: true,
		AccessLogSettings: &awsapigatewayv2.CfnStage_AccessLogSettingsProperty{
			DestinationArn: log.AttrArn(), Format: jsii.String(accessFormat),
		},
		DefaultRouteSettings: &awsapigatewayv2.CfnStage_RouteSettingsProperty{
			ThrottlingRateLimit: jsii.Number(a.Rate), ThrottlingBurstLimit: jsii.Number(a.Burst),
		},
	})
}

// Managed policies of CloudFront, by the ids that AWS documents.
const (
	noCaching         = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" // CachingDisabled
	caching           = "658327ea-f89d-4fab-a63d-7e88639e58f6" // CachingOptimized
	allHeadersButHost = "b689b0a8-53d0-40ab-baf2-68738e2966ac" // AllViewerExceptHostHeader
)

// uploadPaths are what goes to ingest.
const uploadPaths = "/v2/*/*/blobs/uploads*"

// consolePaths are the web console's: its page and its files.
const consolePaths = "/console*"

// distribution makes CloudFront. It stores nothing but the console, errors neither: by
// default it would answer with a HEAD's 404 for ten seconds after the PUT.
func (a *app) distribution(stack cdk.Stack) awscloudfront.CfnDistribution {
	// By default: the hub's routes.
	behaviour := awscloudfront.CfnDistribution_DefaultCacheBehaviorProperty{
		TargetOriginId: jsii.String("api"), ViewerProtocolPolicy: jsii.String("https-only"),
		AllowedMethods: jsii.Strings("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"),
		CachePolicyId:  jsii.String(noCaching), OriginRequestPolicyId: jsii.String(allHeadersButHost),
		Compress: false, FunctionAssociations: atEdge(a.edgeFunction(stack, "Viewer", "Tells the hub who asks", &cloudfront.Viewer)),
	}
	uploads := awscloudfront.CfnDistribution_CacheBehaviorProperty{
		PathPattern: jsii.String(uploadPaths), TargetOriginId: behaviour.TargetOriginId,
		ViewerProtocolPolicy: behaviour.ViewerProtocolPolicy, AllowedMethods: behaviour.AllowedMethods,
		CachePolicyId: behaviour.CachePolicyId, OriginRequestPolicyId: behaviour.OriginRequestPolicyId, Compress: false,
		FunctionAssociations: behaviour.FunctionAssociations,
	}
	// The console is the same for everybody: what callers send of themselves stays here,
	// and its answers, which are packed already, say how long they may be kept.
	console := awscloudfront.CfnDistribution_CacheBehaviorProperty{
		PathPattern: jsii.String(consolePaths), TargetOriginId: behaviour.TargetOriginId,
		ViewerProtocolPolicy: jsii.String("redirect-to-https"), AllowedMethods: jsii.Strings("GET", "HEAD"),
		CachePolicyId: jsii.String(caching), Compress: false,
	}
	origins := []any{&awscloudfront.CfnDistribution_OriginProperty{
		Id: jsii.String("api"), DomainName: jsii.String(*a.api.Ref() + ".execute-api." + region() + "." + suffix()),
		CustomOriginConfig: &awscloudfront.CfnDistribution_CustomOriginConfigProperty{
			OriginProtocolPolicy: jsii.String("https-only"), OriginSslProtocols: jsii.Strings("TLSv1.2"),
			OriginReadTimeout: jsii.Number(35), OriginKeepaliveTimeout: jsii.Number(60),
		},
		OriginCustomHeaders: a.proof(),
	}}
	if a.ingest != nil {
		uploads.TargetOriginId = jsii.String("ingest")
		origins = append(origins, a.ingest.origin)
	} else {
		uploads.FunctionAssociations = atEdge(a.edgeFunction(stack, "Refusal", "Refuses uploads that are too large for a function", &cloudfront.Uploads))
	}
	config := &awscloudfront.CfnDistribution_DistributionConfigProperty{
		Comment: jsii.String("Berth " + a.Prefix), Enabled: true, HttpVersion: jsii.String("http2and3"), Ipv6Enabled: true,
		PriceClass: jsii.String("PriceClass_All"), Origins: origins,
		DefaultCacheBehavior: &behaviour, CacheBehaviors: []any{&uploads, &console}, CustomErrorResponses: freshErrors(),
	}
	if a.Domain != "" {
		config.Aliases = jsii.Strings(a.Domain)
		config.ViewerCertificate = &awscloudfront.CfnDistribution_ViewerCertificateProperty{
			AcmCertificateArn: &a.Certificate, SslSupportMethod: jsii.String("sni-only"), MinimumProtocolVersion: jsii.String("TLSv1.2_2021"),
		}
	}
	return awscloudfront.NewCfnDistribution(stack, jsii.String("Distribution"), &awscloudfront.CfnDistributionProps{DistributionConfig: config})
}

// freshErrors are all errors that CloudFront keeps unless told not to.
func freshErrors() []any {
	var all []any
	for _, status := range []int{400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504} {
		all = append(all, &awscloudfront.CfnDistribution_CustomErrorResponseProperty{
			ErrorCode: jsii.Number(status), ErrorCachingMinTtl: jsii.Number(0),
		})
	}
	return all
}

// proof are the headers by which an origin knows CloudFront.
func (a *app) proof() []any {
	return []any{&awscloudfront.CfnDistribution_OriginCustomHeaderProperty{HeaderName: jsii.String(web.EdgeHeader), HeaderValue: &a.edgeKey}}
}

// edgeFunction makes a function that sees requests before CloudFront hands them on,
// and returns its ARN.
func (a *app) edgeFunction(stack cdk.Stack, id, about string, code *string) *string {
	return awscloudfront.NewCfnFunction(stack, &id, &awscloudfront.CfnFunctionProps{
		Name: jsii.String(a.Prefix + "-" + strings.ToLower(id)), AutoPublish: true, FunctionCode: code,
		FunctionConfig: &awscloudfront.CfnFunction_FunctionConfigProperty{Comment: &about, Runtime: jsii.String("cloudfront-js-2.0")},
	}).AttrFunctionArn()
}

// atEdge has requests of a behaviour meet a function.
func atEdge(function *string) []any {
	return []any{&awscloudfront.CfnDistribution_FunctionAssociationProperty{EventType: jsii.String("viewer-request"), FunctionArn: function}}
}

// cloudfrontZone is the Route 53 zone of all of CloudFront's names.
const cloudfrontZone = "Z2FDTNDATAQYW2"

func (a *app) records(stack cdk.Stack, distribution awscloudfront.CfnDistribution) {
	for _, kind := range []string{"A", "AAAA"} {
		awsroute53.NewCfnRecordSet(stack, jsii.String("Record"+kind), &awsroute53.CfnRecordSetProps{
			HostedZoneId: &a.Zone, Name: &a.Domain, Type: jsii.String(kind),
			AliasTarget: &awsroute53.CfnRecordSet_AliasTargetProperty{
				DnsName: distribution.AttrDomainName(), HostedZoneId: jsii.String(cloudfrontZone),
			},
		})
	}
}
