package dynamodb

import (
	"sort"
	"strings"
)

type action struct {
	verb string
	p    path
	v    *node
}

func parseUpdate(s string, e *env) ([]action, error) {
	if s == "" {
		return nil, nil
	}
	t, err := lex(s)
	if err != nil {
		return nil, err
	}
	p := &parser{t: t, e: e}
	var out []action
	seen := map[string]bool{}
	for p.peek().k != "eof" {
		v := p.next()
		verb := strings.ToUpper(v.v)
		if v.k != "id" || verb != "SET" && verb != "REMOVE" && verb != "ADD" && verb != "DELETE" {
			p.i--
			return nil, p.syn()
		}
		if seen[verb] {
			return nil, validation("Invalid UpdateExpression: The %q section can only be used once in an update expression;", verb)
		}
		seen[verb] = true
		for {
			q, err := p.path()
			if err != nil {
				return nil, err
			}
			a := action{verb: verb, p: q}
			switch verb {
			case "SET":
				if err := p.want("="); err != nil {
					return nil, err
				}
				x, err := p.operand(true)
				if err != nil {
					return nil, err
				}
				if p.is("+") || p.is("-") {
					op := p.next().v
					y, err := p.operand(true)
					if err != nil {
						return nil, err
					}
					x = &node{op: op, kids: []*node{x, y}}
				}
				a.v = x
			case "ADD", "DELETE":
				if p.peek().k != ":" {
					return nil, p.syn()
				}
				x, err := p.value()
				if err != nil {
					return nil, err
				}
				a.v = x
			}
			out = append(out, a)
			if p.is(",") {
				p.i++
				continue
			}
			break
		}
	}
	for i := range out {
		for j := range out {
			if i != j && overlaps(out[i].p, out[j].p) {
				return nil, validation("Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [%s], path two: [%s]", out[i].p, out[j].p)
			}
		}
	}
	return out, nil
}
func overlaps(a, b path) bool {
	if len(a) > len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

var errPath = validation("The document path provided in the update expression is invalid for update")

func (n *node) updVal(it Item) (*AV, error) {
	switch n.op {
	case "val":
		return n.v, nil
	case "path":
		a := n.p.get(it)
		if a == nil {
			return nil, validation("The provided expression refers to an attribute that does not exist in the item")
		}
		return a, nil
	case "if_not_exists":
		if n.kids[0].op != "path" {
			return nil, validation("Invalid UpdateExpression: Operator or function requires a document path; operator or function: if_not_exists")
		}
		if a := n.kids[0].p.get(it); a != nil {
			return a, nil
		}
		return n.kids[1].updVal(it)
	}
	a, err := n.kids[0].updVal(it)
	if err != nil {
		return nil, err
	}
	b, err := n.kids[1].updVal(it)
	if err != nil {
		return nil, err
	}
	if n.op == "list_append" {
		if a.L == nil || b.L == nil {
			return nil, validation("An operand in the update expression has an incorrect data type")
		}
		l := append(append([]*AV{}, *a.L...), *b.L...)
		return &AV{L: &l}, nil
	}
	if a.N == nil || b.N == nil {
		return nil, validation("An operand in the update expression has an incorrect data type")
	}
	return addN(a, b, n.op == "-")
}
func addN(a, b *AV, sub bool) (*AV, error) {
	x, err := parseDec(*a.N)
	if err != nil {
		return nil, err
	}
	y, err := parseDec(*b.N)
	if err != nil {
		return nil, err
	}
	z, err := addDec(x, y, sub)
	if err != nil {
		return nil, err
	}
	s := z.String()
	return &AV{N: &s}, nil
}

// apply mutates it; values are computed against the original.
func applyUpdate(it Item, acts []action) error {
	vals := make([]*AV, len(acts))
	for i, a := range acts {
		switch a.verb {
		case "SET":
			v, err := a.v.updVal(it)
			if err != nil {
				return err
			}
			vals[i] = v.clone()
		case "ADD", "DELETE":
			old := a.p.get(it)
			v := a.v.v
			if a.verb == "ADD" {
				switch {
				case old == nil:
					if t := v.typ(); t != "N" && t != "SS" && t != "NS" && t != "BS" {
						return validation("Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: %s", t)
					}
					vals[i] = v.clone()
				case old.N != nil && v.N != nil:
					x, err := addN(old, v, false)
					if err != nil {
						return err
					}
					vals[i] = x
				case old.SS != nil && v.SS != nil:
					vals[i] = &AV{SS: union(old.SS, v.SS)}
				case old.NS != nil && v.NS != nil:
					vals[i] = &AV{NS: union(old.NS, v.NS)}
				default:
					return validation("An operand in the update expression has an incorrect data type")
				}
			} else if old != nil {
				switch {
				case old.SS != nil && v.SS != nil:
					if s := minus(old.SS, v.SS); len(s) > 0 {
						vals[i] = &AV{SS: s}
					}
				case old.NS != nil && v.NS != nil:
					if s := minus(old.NS, v.NS); len(s) > 0 {
						vals[i] = &AV{NS: s}
					}
				default:
					return validation("An operand in the update expression has an incorrect data type")
				}
			}
		}
	}
	var removes []path
	for i, a := range acts {
		if a.verb == "REMOVE" || vals[i] == nil {
			removes = append(removes, a.p)
			continue
		}
		if err := setPath(it, a.p, vals[i]); err != nil {
			return err
		}
	}
	sort.SliceStable(removes, func(i, j int) bool { return removes[i][len(removes[i])-1].idx > removes[j][len(removes[j])-1].idx })
	for _, p := range removes {
		parent := (&node{op: "path", p: p[:len(p)-1]}).operand(it)
		if len(p) == 1 {
			delete(it, p[0].name)
			continue
		}
		if parent == nil {
			return errPath
		}
		s := p[len(p)-1]
		if s.name != "" {
			if parent.M == nil {
				return errPath
			}
			delete(parent.M, s.name)
		} else if parent.L != nil && s.idx < len(*parent.L) {
			l := *parent.L
			l = append(append([]*AV{}, l[:s.idx]...), l[s.idx+1:]...)
			parent.L = &l
		}
	}
	return nil
}
func union(a, b []string) []string {
	o := append([]string{}, a...)
	for _, x := range b {
		if !has(o, x) {
			o = append(o, x)
		}
	}
	return o
}
func minus(a, b []string) (o []string) {
	for _, x := range a {
		if !has(b, x) {
			o = append(o, x)
		}
	}
	return
}
func setPath(it Item, p path, v *AV) error {
	if len(p) == 1 {
		it[p[0].name] = v
		return nil
	}
	parent := p[:len(p)-1].get(it)
	if parent == nil {
		return errPath
	}
	s := p[len(p)-1]
	if s.name != "" {
		if parent.M == nil {
			return errPath
		}
		parent.M[s.name] = v
		return nil
	}
	if parent.L == nil {
		return errPath
	}
	l := append([]*AV{}, *parent.L...)
	if s.idx < len(l) {
		l[s.idx] = v
	} else {
		l = append(l, v)
	}
	parent.L = &l
	return nil
}
