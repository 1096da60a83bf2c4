// Command infra writes the CloudFormation templates of Berth. The CDK's own command
// runs it; by itself (make synth) it takes -c KEY=VALUE for what cdk.json's context
// leaves out, and writes to cdk.out.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"berth/infra/stacks"

	cdk "github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

func main() {
	given := map[string]any{}
	flag.Func("c", "context as `KEY=VALUE`, see cdk.json", func(s string) error {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("it must be KEY=VALUE")
		}
		given[key] = value
		return nil
	})
	flag.Parse()
	if err := run(given); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(given map[string]any) error {
	text, err := os.ReadFile("cdk.json")
	if err != nil {
		return fmt.Errorf("run it in the folder that has cdk.json: %w", err)
	}
	var file struct{ Context map[string]any }
	if err := json.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("cdk.json: %w", err)
	}
	context := file.Context
	for k, v := range given {
		context[k] = v
	}
	out := jsii.String("cdk.out")
	if os.Getenv("CDK_OUTDIR") != "" {
		out = nil // the CDK's command says where
	}
	app := cdk.NewApp(&cdk.AppProps{Context: &context, Outdir: out, AnalyticsReporting: jsii.Bool(false)})
	c, err := stacks.ReadConfig(func(key string) any { return app.Node().TryGetContext(&key) })
	if err != nil {
		return err
	}
	if err := stacks.Build(app, c); err != nil {
		return err
	}
	made := app.Synth(nil)
	fmt.Println("templates are in", *made.Directory())
	return nil
}
