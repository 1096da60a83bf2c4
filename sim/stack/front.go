package stack

import (
	"fmt"
	"net/http"
	"strings"

	"berth/sim/cloudfront"
	"berth/sim/glob"
	"berth/sim/httpapi"
)

// within tells whether an ARN fits a pattern; "" fits all.
func within(pattern, arn string) bool { return pattern == "" || glob.Match(pattern, arn) }

// front is what clients reach: CloudFront, and behind it the HTTP API and ingest.
func (s *Stack) front() (http.Handler, error) {
	r, err := s.app.One("AWS::CloudFront::Distribution")
	if err != nil {
		return nil, err
	}
	type behaviour struct {
		PathPattern, TargetOriginId string
		FunctionAssociations        []struct{ EventType, FunctionARN string }
	}
	var p struct {
		DistributionConfig struct {
			CacheBehaviors       []behaviour
			DefaultCacheBehavior behaviour
			Origins              []struct {
				Id, DomainName      string
				OriginCustomHeaders []struct{ HeaderName, HeaderValue string }
			}
		}
	}
	if err := s.app.Get(r, &p); err != nil {
		return nil, err
	}
	origins, headers := map[string]http.Handler{}, map[string]map[string]string{}
	for _, o := range p.DistributionConfig.Origins {
		if strings.Contains(o.DomainName, ".execute-api.") {
			origins[o.Id], err = s.api(o.DomainName)
		} else {
			origins[o.Id], err = s.ingest()
		}
		if err != nil {
			return nil, err
		}
		headers[o.Id] = map[string]string{}
		for _, h := range o.OriginCustomHeaders {
			headers[o.Id][h.HeaderName] = s.own(h.HeaderValue)
		}
	}
	var d cloudfront.Distribution
	for _, b := range append(p.DistributionConfig.CacheBehaviors, p.DistributionConfig.DefaultCacheBehavior) {
		made := cloudfront.Behaviour{Pattern: b.PathPattern, Origin: origins[b.TargetOriginId], Headers: headers[b.TargetOriginId]}
		if made.Origin == nil {
			return nil, fmt.Errorf("CloudFront has no origin %q", b.TargetOriginId)
		}
		for _, f := range b.FunctionAssociations {
			if made.Function, err = s.edge(f.FunctionARN, f.EventType); err != nil {
				return nil, err
			}
		}
		d = append(d, made)
	}
	return d, nil
}

// edge is a CloudFront function by its ARN.
func (s *Stack) edge(arn, when string) (*cloudfront.Function, error) {
	for _, r := range s.app.Of("AWS::CloudFront::Function") {
		own, err := s.app.Attribute(r, "FunctionARN")
		if err != nil {
			return nil, err
		}
		if own != arn || when != "viewer-request" {
			continue
		}
		var p struct{ FunctionCode string }
		if err := s.app.Get(r, &p); err != nil {
			return nil, err
		}
		return cloudfront.NewFunction(p.FunctionCode)
	}
	return nil, fmt.Errorf("there is no CloudFront function %s for %s", arn, when)
}

// api is the HTTP API, with the routes of the templates. It has an address of its own too,
// which on AWS is open to everybody.
func (s *Stack) api(domain string) (http.Handler, error) {
	integrations := map[string]string{} // functions by integration
	for _, r := range s.app.Of("AWS::ApiGatewayV2::Integration") {
		var p struct{ ApiId, IntegrationType, IntegrationUri, PayloadFormatVersion string }
		if err := s.app.Get(r, &p); err != nil {
			return nil, err
		}
		if p.IntegrationType != "AWS_PROXY" || p.PayloadFormatVersion != "2.0" {
			return nil, fmt.Errorf("integration %s is no Lambda function's with payload 2.0", r.ID)
		}
		function := functionName(p.IntegrationUri)
		if err := s.permits("apigateway.amazonaws.com", function, "arn:aws:execute-api:"+here+":"+p.ApiId+"/$default/GET/"); err != nil {
			return nil, err
		}
		ref, err := s.app.Ref(r)
		if err != nil {
			return nil, err
		}
		integrations["integrations/"+ref] = function
	}
	routes := map[string]string{}
	for _, r := range s.app.Of("AWS::ApiGatewayV2::Route") {
		var p struct{ RouteKey, Target string }
		if err := s.app.Get(r, &p); err != nil {
			return nil, err
		}
		if routes[p.RouteKey] = integrations[p.Target]; routes[p.RouteKey] == "" {
			return nil, fmt.Errorf("route %q leads to no function", p.RouteKey)
		}
	}
	api, err := httpapi.New(domain, routes, s.invoke)
	if err != nil {
		return nil, err
	}
	api.Passed = func(function string, in, out int64) {
		s.door.count(Counted{s.codes[function], Lambda, "Invoke"}, Tally{BytesIn: in, BytesOut: out})
	}
	own, err := s.listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.API = "http://" + own.Addr().String()
	s.serve(own, api)
	return api, nil
}
