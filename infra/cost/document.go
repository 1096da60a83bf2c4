package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// scene is something that users do, of operations that were counted.
type scene struct {
	name     string
	of       map[string]float64 // how often each operation
	requests float64            // of clients, to CloudFront
	more     func(prices) float64
}

func layersToS3(n float64) func(prices) float64 {
	return func(p prices) float64 { return n * p.Prices["s3.write"] }
}

// scenes are per once; the page tells them per million or per one.
var scenes = []scene{
	{"a pull by a client that has the layers", map[string]float64{
		"get a registry token": 1, "ask for a tag (HEAD), by a registry token": 1, "pull by tag, by a registry token": 1,
	}, 3, nil},
	{"a pull of 10 layers", map[string]float64{
		"get a registry token": 1, "ask for a tag (HEAD), by a registry token": 1, "pull by tag, by a registry token": 1,
		"pull a layer, by a registry token": 11,
	}, 14, func(p prices) float64 { return 11 * p.Prices["s3.read"] }},
	{"a push of 10 layers by `berth push`", map[string]float64{
		"get a registry token": 1, "push a layer of 1 MB directly to S3": 11, "push a manifest of one layer under a new tag": 1,
	}, 24, layersToS3(11)},
	{"a push of 10 layers by docker, through ingest", map[string]float64{
		"get a registry token": 1, "push a layer of 1 MB in one request, by ingest": 11, "push a manifest of one layer under a new tag": 1,
	}, 13, nil},
	{"a push of 10 layers by docker, through functions", map[string]float64{
		"get a registry token": 1, "push a layer of 1 MB in one request, through functions": 11, "push a manifest of one layer under a new tag": 1,
	}, 13, nil},
}

const buildOperation = "build an image of one step"

// price is what a scene costs once, or the operation that was not counted.
func (s scene) price(p prices, direct, after map[string]counted) (sum float64, missing string) {
	for _, name := range slices.Sorted(maps.Keys(s.of)) {
		c, ok := direct[name]
		if !ok {
			return 0, name
		}
		sum += s.of[name] * p.dollars(c, after[name], 0)
	}
	sum += s.requests * p.request()
	if s.more != nil {
		sum += s.more(p)
	}
	return sum, ""
}

const hours = 730 // of a month

// idle is what a month costs in which nobody does anything.
func idle(p prices) (without, ingest float64) {
	runs := 2.0*12*hours + hours + 30 // outbox and builds every five minutes, sweep, retention
	looks := counted{reads: 20, readUnits: 20, functions: 1}
	without = 2*p.Prices["secret.month"] + p.Prices["key.month"] + p.Assumed["alarm.metrics"]*p.Prices["alarm.month"] +
		runs*p.dollars(counted{}, looks, 0)
	ingest = hours * (p.Prices["balancer.hour"] + p.Prices["address.hour"] + 0.25*p.Prices["fargate.cpu-hour"] + 0.5*p.Prices["fargate.gb-hour"])
	return without, ingest
}

// document is docs/cost.md.
func document(counts string) (string, error) {
	p, err := load()
	if err != nil {
		return "", err
	}
	direct, after, err := readCounts(counts)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# What Berth costs on AWS

Written by `+"`make costs`"+` from what the simulation counted ([COUNTS.md](../sim/COUNTS.md)) and the prices of
`+"`infra/cost/prices.json`"+`: %s, %s.
%s

## Each use

| What | A million, $ | Each, $ | The same with ECR and CodeBuild, each, $ |
|---|---|---|---|
`, p.Region, p.Date, p.Source)
	for _, s := range scenes {
		each, missing := s.price(p, direct, after)
		if missing != "" {
			fmt.Fprintf(&b, "| %s | not counted: %s | | 0 |\n", s.name, missing)
			continue
		}
		fmt.Fprintf(&b, "| %s | %.2f | %.7f | 0 |\n", s.name, each*1e6, each)
	}
	machine := p.Assumed["build.minutes"] * p.Prices["codebuild.minute"]
	if c, ok := direct[buildOperation]; ok {
		build := machine + p.Assumed["build.transitions"]*p.Prices["states.transition"] + p.dollars(c, after[buildOperation], c.functions)
		fmt.Fprintf(&b, "| a build of %.0f minutes | %.2f | %.5f | %.5f |\n", p.Assumed["build.minutes"], build*1e6, build, machine)
	} else {
		fmt.Fprintf(&b, "| a build of %.0f minutes | not counted: %s | | %.5f |\n", p.Assumed["build.minutes"], buildOperation, machine)
	}
	without, ingest := idle(p)
	fmt.Fprintf(&b, `
What bytes cost comes to that, and is more than all of it where images are large:

| What | Berth, $ | ECR, $ |
|---|---|---|
| a GB stored, a month (once in the whole hub, however many repositories have the layer; within a repository in ECR) | %.3f | %.3f |
| a GB pulled over the Internet | %.3f | %.3f |
| a GB pulled within the region | 0 | 0 |

## Nobody there

| A month of an idle hub | $ |
|---|---|
| with ingest=off: two secrets, key, alarms (%.0f metrics), schedules | %.2f |
| what ingest=on adds: load balancer, one task, its address | %.2f |
| ECR and CodeBuild | 0 |

Nothing else is paid while nobody calls. Layers that were deleted are kept, and paid, for recoveryDays.

## How it is reckoned

A function takes %.0f ms and %.0f ms more for each call of a service, at %.1f GB; the true figure is in the dashboard, and
processor is a small part of it. Of S3's calls %.0f %% are writes. A function's lines of log are %.0f bytes, and %.0f %% of calls are traced.
A message is paid three times. Ingest's own work is in its month.
`, p.Prices["s3.gb-month"], p.Prices["ecr.gb-month"], p.Prices["internet.gb"], p.Prices["internet.gb"],
		p.Assumed["alarm.metrics"], without, ingest,
		p.Assumed["function.ms"], p.Assumed["call.ms"], p.Assumed["memory.gb"], p.Assumed["s3.write.share"]*100,
		p.Assumed["log.bytes"], p.Assumed["trace.share"]*100)
	return b.String(), nil
}
