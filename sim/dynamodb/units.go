package dynamodb

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// What a call has used is told in headers of its answer, which DynamoDB does not have.
const (
	ReadUnits  = "X-Sim-Read-Units"
	WriteUnits = "X-Sim-Write-Units"
)

// units are what an on-demand table charges a call for: a strongly consistent read
// of 4 KB, and a write of 1 KB. In a transaction each item counts twice.
type units struct{ read, write int }

// metered is an answer and what it has used.
type metered struct {
	answer any
	units
}

func (m metered) MarshalJSON() ([]byte, error) { return json.Marshal(m.answer) }

// tell writes the headers.
func (u units) tell(h http.Header) {
	h.Set(ReadUnits, strconv.Itoa(u.read))
	h.Set(WriteUnits, strconv.Itoa(u.write))
}

// readUnits is what reading some bytes uses, at least one.
func readUnits(bytes int) int { return max(1, (bytes+4<<10-1)/(4<<10)) }

// readItem adds what reading an item uses. As JSON it is longer than DynamoDB
// counts it, so that a short one need not be looked into.
func (u *units) readItem(raw []byte) error {
	n := len(raw)
	if n > 4<<10 {
		it, err := decode(raw)
		if err != nil {
			return err
		}
		if n, err = itemSize(it); err != nil {
			return err
		}
	}
	u.read += readUnits(n)
	return nil
}

// written is what a transaction has used: of each item the greater of its sizes before
// and after counts, and a check as a write.
func written(plans []*plan) (u units, err error) {
	for _, p := range plans {
		size := 0
		if p != nil {
			old, err := itemSize(p.old)
			if err != nil {
				return u, err
			}
			size = max(old, p.size)
		}
		u.write += 2 * max(1, (size+1<<10-1)/(1<<10))
	}
	return u, nil
}
