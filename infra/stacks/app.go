// Package stacks describes all that Berth is on AWS. Functions, routes, rights and
// settings are made from the hub's own tables of routes and events.
package stacks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/jsii-runtime-go"
)

// app is a hub as its stacks are made, one after the other. What a later stack
// needs of an earlier one and cannot know by its name is kept here.
type app struct {
	Config
	cdk    cdk.App
	stacks map[string]cdk.Stack // by their names without the prefix
	errs   []error

	keyARN    string // seals what users entrust to the hub
	secretARN string
	edgeKey   string // CloudFront proves itself with it; a dynamic reference
	publicURL string
	api       awsapigatewayv2.CfnApi
	accessLog string // name of the HTTP API's log
	ingest    *entrance
}

// Build adds the stacks of a hub to the CDK's app, root being the folder that has
// infra/ in it.
func Build(to cdk.App, c Config) error {
	if c.Built != NoCode {
		for _, part := range []string{"functions", "runner", "ingest"} {
			if _, err := os.Stat(filepath.Join(c.Built, part)); err != nil {
				return fmt.Errorf("%w: run `make deployables` first, or leave code out with -c built=%s", err, NoCode)
			}
		}
	}
	a := &app{Config: c, cdk: to, stacks: map[string]cdk.Stack{}}
	a.data()
	a.front()
	a.surfaces()
	a.builds()
	a.events()
	a.watch()
	a.judge()
	return errors.Join(a.errs...)
}

// fail notes what makes the templates worthless.
func (a *app) fail(err error) { a.errs = append(a.errs, err) }

func (a *app) stack(name, about string) cdk.Stack {
	stack := cdk.NewStack(a.cdk, jsii.String(a.Prefix+"-"+name), &cdk.StackProps{Description: &about})
	cdk.Tags_Of(stack).Add(jsii.String("hub"), &a.Prefix, nil)
	a.stacks[name] = stack
	return stack
}
