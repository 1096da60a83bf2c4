package dynamodb

import (
	"bytes"
	"strconv"
	"strings"
)

func (n *node) operand(it Item) *AV {
	switch n.op {
	case "val":
		return n.v
	case "path":
		return n.p.get(it)
	case "size":
		a := n.kids[0].operand(it)
		if a == nil {
			return nil
		}
		z := -1
		switch a.typ() {
		case "S":
			z = len([]rune(*a.S))
		case "B":
			z = len(*a.B)
		case "SS":
			z = len(a.SS)
		case "NS":
			z = len(a.NS)
		case "BS":
			z = len(a.BS)
		case "L":
			z = len(*a.L)
		case "M":
			z = len(a.M)
		}
		if z < 0 {
			return nil
		}
		s := strconv.Itoa(z)
		return &AV{N: &s}
	}
	return nil
}

func (n *node) eval(it Item) bool {
	if n == nil {
		return true
	}
	switch n.op {
	case "or":
		return n.kids[0].eval(it) || n.kids[1].eval(it)
	case "and":
		return n.kids[0].eval(it) && n.kids[1].eval(it)
	case "not":
		return !n.kids[0].eval(it)
	case "cmp":
		a, b := n.kids[0].operand(it), n.kids[1].operand(it)
		if n.fn == "<>" {
			return a == nil || b == nil || !eqAV(a, b)
		}
		if a == nil || b == nil {
			return false
		}
		if n.fn == "=" {
			return eqAV(a, b)
		}
		c, ok := cmpAV(a, b)
		return ok && (n.fn == "<" && c < 0 || n.fn == "<=" && c <= 0 || n.fn == ">" && c > 0 || n.fn == ">=" && c >= 0)
	case "between":
		a, b, c := n.kids[0].operand(it), n.kids[1].operand(it), n.kids[2].operand(it)
		if a == nil || b == nil || c == nil {
			return false
		}
		x, ok1 := cmpAV(a, b)
		y, ok2 := cmpAV(a, c)
		return ok1 && ok2 && x >= 0 && y <= 0
	case "in":
		a := n.kids[0].operand(it)
		if a == nil {
			return false
		}
		for _, k := range n.kids[1:] {
			if b := k.operand(it); b != nil && eqAV(a, b) {
				return true
			}
		}
		return false
	case "fn":
		a := n.kids[0].operand(it)
		switch n.fn {
		case "attribute_exists":
			return a != nil
		case "attribute_not_exists":
			return a == nil
		}
		b := n.kids[1].operand(it)
		if a == nil || b == nil {
			return false
		}
		switch n.fn {
		case "attribute_type":
			return b.S != nil && a.typ() == *b.S
		case "begins_with":
			return a.S != nil && b.S != nil && strings.HasPrefix(*a.S, *b.S) || a.B != nil && b.B != nil && bytes.HasPrefix(*a.B, *b.B)
		case "contains":
			switch a.typ() {
			case "S":
				return b.S != nil && strings.Contains(*a.S, *b.S)
			case "B":
				return b.B != nil && bytes.Contains(*a.B, *b.B)
			case "SS":
				return b.S != nil && has(a.SS, *b.S)
			case "NS":
				return b.N != nil && has(a.NS, *b.N)
			case "BS":
				for _, x := range a.BS {
					if b.B != nil && bytes.Equal(x, *b.B) {
						return true
					}
				}
			case "L":
				for _, x := range *a.L {
					if eqAV(x, b) {
						return true
					}
				}
			}
		}
	}
	return false
}
func has(l []string, s string) bool {
	for _, x := range l {
		if x == s {
			return true
		}
	}
	return false
}

func project(it Item, ps []path) Item {
	if ps == nil {
		return it
	}
	out := Item{}
	for _, p := range ps {
		v := p.get(it)
		if v == nil {
			continue
		}
		cur := out
		done := false
		for i, s := range p[:len(p)-1] {
			if s.name == "" || p[i+1].name == "" { // list step: keep it simple, wrap into a one-element list
				l := []*AV{v}
				cur[p[i].name] = &AV{L: &l}
				done = true
				break
			}
			nx := cur[s.name]
			if nx == nil || nx.M == nil {
				nx = &AV{M: map[string]*AV{}}
				cur[s.name] = nx
			}
			cur = nx.M
		}
		if !done {
			cur[p[len(p)-1].name] = v
		}
	}
	return out
}
