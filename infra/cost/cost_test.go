package main

import (
	"math"
	"os"
	"strings"
	"testing"
)

const page = `| Operation | Reads | Read units | Writes | Write units | S3 calls | Messages | KMS calls | Functions | Bytes through functions |
|---|---|---|---|---|---|---|---|---|---|
| pull | 2 | 3 | 0 | 0 | 0 | 1 | 0 | 1 | 500 |
| … and what follows: pull | 0 | 0 | 1 | 4 | 0 | 0 | 0 | 1 | 0 |
| push | 1 | 1 | 2 | 10 | 10 | 0 | 1 | 0 | 0 |
`

func TestCounts(t *testing.T) {
	direct, after, err := readCounts(page)
	if err != nil || len(direct) != 2 || len(after) != 1 {
		t.Fatal(direct, after, err)
	}
	if want := (counted{2, 3, 0, 0, 0, 1, 0, 1, 500}); direct["pull"] != want {
		t.Errorf("a pull is %+v, want %+v", direct["pull"], want)
	}
	if want := (counted{0, 0, 1, 4, 0, 0, 0, 1, 0}); after["pull"] != want {
		t.Errorf("what follows is %+v, want %+v", after["pull"], want)
	}
}

// Reckoned by hand, with round prices.
func TestDollars(t *testing.T) {
	p := prices{
		Prices: map[string]float64{
			"dynamodb.read": 1, "dynamodb.write": 10, "s3.write": 100, "s3.read": 50, "sqs.call": 2, "kms.call": 7,
			"lambda.call": 1000, "lambda.gb-second": 1e6, "api.call": 20_000, "cloudfront.call": 300_000, "cloudfront.function": 50_000, "logs.gb": 1e9, "xray.trace": 40,
		},
		Assumed: map[string]float64{"function.ms": 5, "call.ms": 10, "memory.gb": 0.5, "log.bytes": 3, "trace.share": 0.5, "s3.write.share": 0.5},
	}
	direct, after, err := readCounts(page)
	if err != nil {
		t.Fatal(err)
	}
	// A pull: 3 read units, 4 write units, a message, two functions of 5 ms each and four
	// calls of 10 ms, one of them behind the gateway, and a request to CloudFront.
	want := 3.0 + 4*10 + 3*2 + 2*1000 + 0.050*0.5*1e6 + 20_000 + 350_000 + 2*3 + 2*0.5*40
	if got := p.dollars(direct["pull"], after["pull"], 1); math.Abs(got-want) > 1e-6 {
		t.Errorf("a pull costs %v, want %v", got, want)
	}
	// A push through ingest: no function.
	want = 1 + 10*10 + 5*100 + 5*50 + 7
	if got := p.dollars(direct["push"], after["push"], 0); math.Abs(got-want) > 1e-6 {
		t.Errorf("a push costs %v, want %v", got, want)
	}
}

// The document is what the command writes of what is counted now.
func TestDocument(t *testing.T) {
	counts, err := os.ReadFile("../../sim/COUNTS.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := document(string(counts))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/cost.md")
	if err != nil || string(got) != want {
		t.Errorf("docs/cost.md is old (%v): make costs", err)
	}
	if strings.Contains(want, "NaN") || strings.Contains(want, "%!") {
		t.Error(want)
	}
}
