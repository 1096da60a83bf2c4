package stacks

import (
	"fmt"
	"strings"
	"time"

	"berth/shared/cloud"
	"berth/shared/routes"
	"berth/shared/web"

	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/jsii-runtime-go"
)

// answerTime is how long an HTTP API waits for a function, less what it takes to
// say that it took too long.
const answerTime = 29 * time.Second

// surfaces makes a function for each route, in a stack for each surface; the hub
// API has two, so that each stays far below the 500 resources of a stack.
func (a *app) surfaces() {
	made := map[string]cdk.Stack{}
	for _, r := range routes.Table() {
		name := stackOf(r)
		if made[name] == nil {
			made[name] = a.stack(name, "Berth: functions of "+name)
		}
		a.serve(made[name], r)
	}
}

func stackOf(r web.Route) string {
	switch r.Surface {
	case web.Manage:
		return "manage"
	case web.Registry, web.Operator:
		return "registry"
	}
	for _, prefix := range []string{"/v1/repositories", "/v1/builds", "/v1/hooks", "/v1/search"} {
		if strings.HasPrefix(r.Pattern, prefix) {
			return "hub-repositories"
		}
	}
	return "hub-accounts"
}

// serve makes a route's function and leads the HTTP API to it.
func (a *app) serve(stack cdk.Stack, r web.Route) {
	env, right := a.secret()
	env[cloud.Settings.EdgeKey] = a.edgeKey
	arn := a.function(stack, function{
		name: r.Name, about: r.Doc.Summary, needs: r.All(), timeout: answerTime, env: env, rights: []map[string]any{right},
	})
	a.route(stack, camel(r.Name), arn, routeKeys(r))
}

// secret lets a function know the hub's secret, of which come the keys that
// callers are recognised by.
func (a *app) secret() (env map[string]string, right map[string]any) {
	return map[string]string{cloud.Settings.SecretARN: a.secretARN},
		statement([]string{"secretsmanager:GetSecretValue"}, []string{a.secretARN})
}

// fallback answers what has no route.
func (a *app) fallback(stack cdk.Stack) {
	arn := a.function(stack, function{name: cloud.Default, about: "answers what has no route", timeout: answerTime,
		env: map[string]string{cloud.Settings.EdgeKey: a.edgeKey}})
	a.route(stack, camel(cloud.Default), arn, []string{"$default"})
}

// routeKeys are what the HTTP API is to lead to a route's function. A key may not
// end in a slash and only a greedy variable matches one, so each path has a twin;
// the function answers 404 where there is more than the slash. GET does not match
// HEAD as it does in net/http. Nobody asks the management APIs by HEAD with a slash
// at the end, and an HTTP API has 300 routes at most.
func routeKeys(r web.Route) []string {
	base, open := r.Base()
	paths := []string{base, base + "/{proxy+}"} // of a path that is open the twin is the rest
	if base == "/" {
		paths = paths[:1]
	}
	var keys []string
	for i, path := range paths {
		keys = append(keys, r.Method+" "+path)
		if r.Method == "GET" && (i == 0 || open || r.Surface == web.Registry) {
			keys = append(keys, "HEAD "+path)
		}
	}
	return keys
}

// route leads keys of the HTTP API to a function.
func (a *app) route(stack cdk.Stack, id string, function *string, keys []string) {
	integration := awsapigatewayv2.NewCfnIntegration(stack, jsii.String(id+"Integration"), &awsapigatewayv2.CfnIntegrationProps{
		ApiId: a.api.Ref(), IntegrationType: jsii.String("AWS_PROXY"), IntegrationUri: function,
		PayloadFormatVersion: jsii.String("2.0"),
	})
	for i, key := range keys {
		awsapigatewayv2.NewCfnRoute(stack, jsii.String(fmt.Sprintf("%sRoute%d", id, i)), &awsapigatewayv2.CfnRouteProps{
			ApiId: a.api.Ref(), RouteKey: jsii.String(key), AuthorizationType: jsii.String("NONE"),
			Target: jsii.String("integrations/" + *integration.Ref()),
		})
	}
	invoke(stack, id, "apigateway.amazonaws.com", function, jsii.String(arn("execute-api", *a.api.Ref()+"/*")))
}
