package stack

import (
	"maps"
)

// Client is who calls S3 with an address that was signed for it.
const Client = "client"

// Counted is what calls are counted by.
type Counted struct {
	Caller    string // a function, "ingest", [Client] …
	Service   string // as signatures name it: "dynamodb", "s3" …
	Operation string
}

// Tally is what was counted. Reads and Writes are DynamoDB's units.
type Tally struct {
	Calls, BytesIn, BytesOut, Reads, Writes int64
}

// Add is the sum.
func (t Tally) Add(o Tally) Tally {
	return Tally{t.Calls + o.Calls, t.BytesIn + o.BytesIn, t.BytesOut + o.BytesOut, t.Reads + o.Reads, t.Writes + o.Writes}
}

// Counts are tallies.
type Counts map[Counted]Tally

// Since is what has been counted since an earlier time.
func (c Counts) Since(before Counts) Counts {
	out := Counts{}
	for k, t := range c {
		b := before[k]
		if d := (Tally{t.Calls - b.Calls, t.BytesIn - b.BytesIn, t.BytesOut - b.BytesOut, t.Reads - b.Reads, t.Writes - b.Writes}); d != (Tally{}) {
			out[k] = d
		}
	}
	return out
}

// Sum adds up what wanted chooses.
func (c Counts) Sum(wanted func(Counted) bool) (sum Tally) {
	for k, t := range c {
		if wanted(k) {
			sum = sum.Add(t)
		}
	}
	return sum
}

func (d *door) count(k Counted, t Tally) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[k] = d.counts[k].Add(t)
}

func (d *door) counted() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.counts)
}
