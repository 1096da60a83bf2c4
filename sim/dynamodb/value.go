package dynamodb

import (
	"bytes"
	"math/big"
	"sort"
	"strings"
)

// AV is a DynamoDB attribute value in its wire shape.
type AV struct {
	S    *string        `json:"S,omitempty"`
	N    *string        `json:"N,omitempty"`
	B    *[]byte        `json:"B,omitempty"`
	BOOL *bool          `json:"BOOL,omitempty"`
	NULL *bool          `json:"NULL,omitempty"`
	SS   []string       `json:"SS,omitempty"`
	NS   []string       `json:"NS,omitempty"`
	BS   [][]byte       `json:"BS,omitempty"`
	L    *[]*AV         `json:"L,omitempty"`
	M    map[string]*AV `json:"M,omitzero"`
}
type Item = map[string]*AV

func (a *AV) typ() string {
	switch {
	case a.S != nil:
		return "S"
	case a.N != nil:
		return "N"
	case a.B != nil:
		return "B"
	case a.BOOL != nil:
		return "BOOL"
	case a.NULL != nil:
		return "NULL"
	case a.SS != nil:
		return "SS"
	case a.NS != nil:
		return "NS"
	case a.BS != nil:
		return "BS"
	case a.L != nil:
		return "L"
	case a.M != nil:
		return "M"
	}
	return ""
}

// normalize canonicalises numbers and sets in place, validates, and returns the item size in bytes.
func normAV(a *AV, depth int) (int, error) {
	if a == nil {
		return 0, validation("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	if depth > 32 {
		return 0, validation("Nesting Levels have exceeded supported limits")
	}
	switch a.typ() {
	case "S":
		return len(*a.S), nil
	case "N":
		d, err := parseDec(*a.N)
		if err != nil {
			return 0, err
		}
		s := d.String()
		a.N = &s
		return len(new(big.Int).Abs(d.c).String())/2 + 2, nil
	case "B":
		return len(*a.B), nil
	case "BOOL", "NULL":
		return 1, nil
	case "SS":
		n := 0
		seen := map[string]bool{}
		for _, s := range a.SS {
			if seen[s] {
				return 0, validation("One or more parameter values were invalid: Input collection contains duplicates.")
			}
			seen[s] = true
			n += len(s)
		}
		return n, nil
	case "NS":
		n := 0
		seen := map[string]bool{}
		for i, s := range a.NS {
			d, err := parseDec(s)
			if err != nil {
				return 0, err
			}
			a.NS[i] = d.String()
			if seen[a.NS[i]] {
				return 0, validation("Input collection contains duplicates")
			}
			seen[a.NS[i]] = true
			n += len(s)/2 + 2
		}
		return n, nil
	case "BS":
		n := 0
		for _, s := range a.BS {
			n += len(s)
		}
		return n, nil
	case "L":
		n := 3
		for _, x := range *a.L {
			m, err := normAV(x, depth+1)
			if err != nil {
				return 0, err
			}
			n += m + 1
		}
		return n, nil
	case "M":
		n := 3
		for k, x := range a.M {
			m, err := normAV(x, depth+1)
			if err != nil {
				return 0, err
			}
			n += m + len(k) + 1
		}
		return n, nil
	}
	return 0, validation("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
}

func itemSize(it Item) (int, error) {
	n := 0
	for k, a := range it {
		m, err := normAV(a, 0)
		if err != nil {
			return 0, err
		}
		n += len(k) + m
	}
	return n, nil
}

func eqAV(a, b *AV) bool {
	t := a.typ()
	if t != b.typ() {
		return false
	}
	set := func(x, y []string) bool {
		if len(x) != len(y) {
			return false
		}
		x, y = append([]string{}, x...), append([]string{}, y...)
		sort.Strings(x)
		sort.Strings(y)
		for i := range x {
			if x[i] != y[i] {
				return false
			}
		}
		return true
	}
	switch t {
	case "S":
		return *a.S == *b.S
	case "N":
		c, ok := cmpAV(a, b)
		return ok && c == 0
	case "B":
		return bytes.Equal(*a.B, *b.B)
	case "BOOL":
		return *a.BOOL == *b.BOOL
	case "NULL":
		return true
	case "SS":
		return set(a.SS, b.SS)
	case "NS":
		return set(a.NS, b.NS)
	case "BS":
		f := func(v [][]byte) (o []string) {
			for _, x := range v {
				o = append(o, string(x))
			}
			return
		}
		return set(f(a.BS), f(b.BS))
	case "L":
		if len(*a.L) != len(*b.L) {
			return false
		}
		for i := range *a.L {
			if !eqAV((*a.L)[i], (*b.L)[i]) {
				return false
			}
		}
		return true
	case "M":
		if len(a.M) != len(b.M) {
			return false
		}
		for k, v := range a.M {
			if w, ok := b.M[k]; !ok || !eqAV(v, w) {
				return false
			}
		}
		return true
	}
	return false
}

// cmpAV orders two scalars of one comparable type.
func cmpAV(a, b *AV) (int, bool) {
	switch {
	case a.S != nil && b.S != nil:
		return strings.Compare(*a.S, *b.S), true
	case a.B != nil && b.B != nil:
		return bytes.Compare(*a.B, *b.B), true
	case a.N != nil && b.N != nil:
		x, e1 := parseDec(*a.N)
		y, e2 := parseDec(*b.N)
		if e1 != nil || e2 != nil {
			return 0, false
		}
		return cmpDec(x, y), true
	}
	return 0, false
}

func (a *AV) clone() *AV {
	c := *a
	if a.L != nil {
		l := make([]*AV, len(*a.L))
		for i, x := range *a.L {
			l[i] = x.clone()
		}
		c.L = &l
	}
	if a.M != nil {
		c.M = cloneItem(a.M)
	}
	return &c
}
func cloneItem(m Item) Item {
	o := make(Item, len(m))
	for k, v := range m {
		o[k] = v.clone()
	}
	return o
}
