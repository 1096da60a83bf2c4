// Command cost writes docs/cost.md: what Berth costs on AWS, from the operations that
// the simulation counted (sim/COUNTS.md, which it is given) and from prices.json.
package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

//go:embed prices.json
var priceList []byte

// prices are dollars by what they are of; assumed is what no count says.
type prices struct {
	Region, Date, Source string
	Prices, Assumed      map[string]float64
}

// counted is what one operation used, a row of sim/COUNTS.md.
type counted struct {
	reads, readUnits, writes, writeUnits, s3, messages, kms, functions, bytes float64
}

func (c counted) plus(d counted) counted {
	return counted{
		c.reads + d.reads, c.readUnits + d.readUnits, c.writes + d.writes, c.writeUnits + d.writeUnits, c.s3 + d.s3,
		c.messages + d.messages, c.kms + d.kms, c.functions + d.functions, c.bytes + d.bytes,
	}
}

// follows, before its name, is how the page tells of what an operation leaves for later.
const follows = "… and what follows: "

// readCounts reads the table; after is what follows operations.
func readCounts(page string) (direct, after map[string]counted, err error) {
	direct, after = map[string]counted{}, map[string]counted{}
	for line := range strings.SplitSeq(page, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		if len(cells) != 10 || strings.HasPrefix(line, "|--") || strings.HasPrefix(line, "| Operation") {
			continue
		}
		var n [9]float64
		for i := range n {
			if n[i], err = strconv.ParseFloat(strings.TrimSpace(cells[i+1]), 64); err != nil {
				return nil, nil, fmt.Errorf("%q: %w", line, err)
			}
		}
		c := counted{n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8]}
		name := strings.TrimSpace(cells[0])
		if of, ok := strings.CutPrefix(name, follows); ok {
			after[of] = c
		} else {
			direct[name] = c
		}
	}
	return direct, after, nil
}

// dollars is the price of what was counted. Requests that pass the gateway are as many
// as the functions that answered them; those that ingest answered were counted at none.
func (p prices) dollars(direct, after counted, requests float64) float64 {
	all := direct.plus(after)
	calls := all.reads + all.writes + all.s3 + all.messages + all.kms
	ms := all.functions*p.Assumed["function.ms"] + calls*p.Assumed["call.ms"]
	if all.functions == 0 {
		ms = 0 // in ingest
	}
	writes := all.s3 * p.Assumed["s3.write.share"]
	return all.readUnits*p.Prices["dynamodb.read"] +
		all.writeUnits*p.Prices["dynamodb.write"] +
		writes*p.Prices["s3.write"] + (all.s3-writes)*p.Prices["s3.read"] +
		3*all.messages*p.Prices["sqs.call"] + // sent, received, deleted
		all.kms*p.Prices["kms.call"] +
		all.functions*p.Prices["lambda.call"] + ms/1000*p.Assumed["memory.gb"]*p.Prices["lambda.gb-second"] +
		direct.functions*p.Prices["api.call"] + requests*p.request() +
		all.functions*p.Assumed["log.bytes"]/1e9*p.Prices["logs.gb"] +
		all.functions*p.Assumed["trace.share"]*p.Prices["xray.trace"]
}

// request is the price of one to CloudFront, which asks its function who sends it.
func (p prices) request() float64 {
	return p.Prices["cloudfront.call"] + p.Prices["cloudfront.function"]
}

func main() {
	counts, err := io.ReadAll(os.Stdin)
	var out string
	if err == nil {
		out, err = document(string(counts))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
	fmt.Print(out)
}

func load() (p prices, err error) {
	err = json.Unmarshal(priceList, &p)
	return p, err
}
