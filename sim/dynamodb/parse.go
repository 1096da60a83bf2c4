package dynamodb

import (
	"bytes"
	"strconv"
	"strings"
)

// names/values used, shared by all expressions of one request
type env struct {
	names  map[string]string
	values map[string]*AV
	usedN  map[string]bool
	usedV  map[string]bool
}

func newEnv(n map[string]string, v map[string]*AV) (*env, error) {
	for k, a := range v {
		if _, err := normAV(a, 0); err != nil {
			return nil, err
		}
		_ = k
	}
	return &env{n, v, map[string]bool{}, map[string]bool{}}, nil
}
func (e *env) checkUnused() error {
	for k := range e.names {
		if !e.usedN[k] {
			return validation("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", k)
		}
	}
	for k := range e.values {
		if !e.usedV[k] {
			return validation("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", k)
		}
	}
	return nil
}

type seg struct {
	name string
	idx  int
}
type path []seg

func (p path) String() string {
	var b bytes.Buffer
	for i, s := range p {
		if s.name != "" {
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.name)
		} else {
			b.WriteString("[" + strconv.Itoa(s.idx) + "]")
		}
	}
	return b.String()
}

func (p path) get(it Item) *AV {
	cur := &AV{M: it}
	for _, s := range p {
		if s.name != "" {
			if cur.M == nil {
				return nil
			}
			cur = cur.M[s.name]
		} else {
			if cur.L == nil || s.idx >= len(*cur.L) {
				return nil
			}
			cur = (*cur.L)[s.idx]
		}
		if cur == nil {
			return nil
		}
	}
	return cur
}

type node struct {
	op   string // or and not cmp between in fn path val size if_not_exists list_append + -
	kids []*node
	p    path
	v    *AV
	fn   string
}

type parser struct {
	t []tok
	i int
	e *env
}

func (p *parser) peek() tok        { return p.t[p.i] }
func (p *parser) next() tok        { t := p.t[p.i]; p.i++; return t }
func (p *parser) is(v string) bool { t := p.peek(); return t.k == "p" && t.v == v }
func (p *parser) kw(v string) bool {
	t := p.peek()
	return t.k == "id" && strings.EqualFold(t.v, v)
}
func (p *parser) want(v string) error {
	if !p.is(v) {
		return p.syn()
	}
	p.i++
	return nil
}
func (p *parser) syn() error {
	return validation("Invalid expression: Syntax error; token: %q", p.peek().v)
}

func (p *parser) path() (path, error) {
	var out path
	for {
		t := p.next()
		switch t.k {
		case "id":
			if reserved[strings.ToUpper(t.v)] {
				return nil, validation("Invalid expression: Attribute name is a reserved keyword; reserved keyword: %s", t.v)
			}
			out = append(out, seg{name: t.v})
		case "#":
			n, ok := p.e.names[t.v]
			if !ok {
				return nil, validation("An expression attribute name used in the document path is not defined; attribute name: %s", t.v)
			}
			p.e.usedN[t.v] = true
			out = append(out, seg{name: n})
		default:
			p.i--
			return nil, p.syn()
		}
		for p.is("[") {
			p.i++
			t := p.next()
			if t.k != "num" {
				return nil, p.syn()
			}
			n, err := strconv.Atoi(t.v)
			if err != nil {
				return nil, p.syn()
			}
			out = append(out, seg{idx: n})
			if err := p.want("]"); err != nil {
				return nil, err
			}
		}
		if !p.is(".") {
			return out, nil
		}
		p.i++
	}
}

func (p *parser) value() (*node, error) {
	t := p.next()
	v, ok := p.e.values[t.v]
	if !ok {
		return nil, validation("An expression attribute value used in expression is not defined; attribute value: %s", t.v)
	}
	p.e.usedV[t.v] = true
	return &node{op: "val", v: v}, nil
}

func (p *parser) operand(update bool) (*node, error) {
	t := p.peek()
	if t.k == ":" {
		return p.value()
	}
	if t.k == "p" && t.v == "(" && !update {
		p.i++
		n, err := p.operand(update)
		if err != nil {
			return nil, err
		}
		return n, p.want(")")
	}
	if t.k == "id" && p.t[p.i+1].k == "p" && p.t[p.i+1].v == "(" {
		name := t.v
		ok := name == "size" && !update || update && (name == "if_not_exists" || name == "list_append")
		if !ok {
			return nil, validation("Invalid expression: Invalid function name; function: %s", name)
		}
		p.i += 2
		n := &node{op: name}
		for {
			k, err := p.operand(update)
			if err != nil {
				return nil, err
			}
			n.kids = append(n.kids, k)
			if p.is(",") {
				p.i++
				continue
			}
			break
		}
		if want := map[string]int{"size": 1, "if_not_exists": 2, "list_append": 2}[name]; len(n.kids) != want {
			return nil, validation("Incorrect number of operands for operator or function; operator or function: %s", name)
		}
		return n, p.want(")")
	}
	q, err := p.path()
	if err != nil {
		return nil, err
	}
	return &node{op: "path", p: q}, nil
}

var condFns = map[string]int{"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}

func (p *parser) or() (*node, error) {
	a, err := p.and()
	if err != nil {
		return nil, err
	}
	for p.kw("OR") {
		p.i++
		b, err := p.and()
		if err != nil {
			return nil, err
		}
		a = &node{op: "or", kids: []*node{a, b}}
	}
	return a, nil
}
func (p *parser) and() (*node, error) {
	a, err := p.not()
	if err != nil {
		return nil, err
	}
	for p.kw("AND") {
		p.i++
		b, err := p.not()
		if err != nil {
			return nil, err
		}
		a = &node{op: "and", kids: []*node{a, b}}
	}
	return a, nil
}
func (p *parser) not() (*node, error) {
	if p.kw("NOT") {
		p.i++
		a, err := p.not()
		if err != nil {
			return nil, err
		}
		return &node{op: "not", kids: []*node{a}}, nil
	}
	return p.prim()
}
func (p *parser) prim() (*node, error) {
	if p.is("(") {
		// a parenthesised condition, or a parenthesised operand: try the condition first
		save := p.i
		p.i++
		if n, err := p.or(); err == nil && p.is(")") {
			p.i++
			if n.op != "path" {
				return n, nil
			}
		}
		p.i = save
	}
	t := p.peek()
	if t.k == "id" && p.t[p.i+1].v == "(" && p.t[p.i+1].k == "p" {
		if want, ok := condFns[t.v]; ok {
			p.i += 2
			n := &node{op: "fn", fn: t.v}
			for {
				k, err := p.operand(false)
				if err != nil {
					return nil, err
				}
				n.kids = append(n.kids, k)
				if p.is(",") {
					p.i++
					continue
				}
				break
			}
			if len(n.kids) != want {
				return nil, validation("Invalid expression: Incorrect number of operands for operator or function; operator or function: %s", t.v)
			}
			return n, p.want(")")
		}
	}
	a, err := p.operand(false)
	if err != nil {
		return nil, err
	}
	t = p.peek()
	if t.k == "p" {
		switch t.v {
		case "=", "<>", "<", "<=", ">", ">=":
			p.i++
			b, err := p.operand(false)
			if err != nil {
				return nil, err
			}
			return &node{op: "cmp", fn: t.v, kids: []*node{a, b}}, nil
		}
	}
	if p.kw("BETWEEN") {
		p.i++
		b, err := p.operand(false)
		if err != nil {
			return nil, err
		}
		if !p.kw("AND") {
			return nil, p.syn()
		}
		p.i++
		c, err := p.operand(false)
		if err != nil {
			return nil, err
		}
		return &node{op: "between", kids: []*node{a, b, c}}, nil
	}
	if p.kw("IN") {
		p.i++
		if err := p.want("("); err != nil {
			return nil, err
		}
		n := &node{op: "in", kids: []*node{a}}
		for {
			k, err := p.operand(false)
			if err != nil {
				return nil, err
			}
			n.kids = append(n.kids, k)
			if p.is(",") {
				p.i++
				continue
			}
			break
		}
		return n, p.want(")")
	}
	return nil, p.syn()
}

func parseCond(s string, e *env) (*node, error) {
	if s == "" {
		return nil, nil
	}
	t, err := lex(s)
	if err != nil {
		return nil, err
	}
	p := &parser{t: t, e: e}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.peek().k != "eof" {
		return nil, p.syn()
	}
	return n, nil
}

func parseProj(s string, e *env) ([]path, error) {
	if s == "" {
		return nil, nil
	}
	t, err := lex(s)
	if err != nil {
		return nil, err
	}
	p := &parser{t: t, e: e}
	var out []path
	for {
		q, err := p.path()
		if err != nil {
			return nil, err
		}
		out = append(out, q)
		if p.is(",") {
			p.i++
			continue
		}
		break
	}
	if p.peek().k != "eof" {
		return nil, p.syn()
	}
	return out, nil
}
