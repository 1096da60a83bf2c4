package dynamodb

import (
	"bytes"
	"encoding/binary"
)

const (
	partKeyBytes = 2048
	sortKeyBytes = 1024
)

// pfx begins the keys of a table's items, or of one of its indexes.
func pfx(id uint32, ix byte) []byte {
	b := []byte{'t', 0, 0, 0, 0, ix}
	binary.BigEndian.PutUint32(b[1:], id)
	return b
}

// baseKey validates and encodes the primary key of it.
func (t *table) baseKey(it Item, exact bool) ([]byte, error) {
	h, r := keys(t.KeySchema)
	b := pfx(t.ID, 0)
	n := 0
	for i, a := range []string{h, r} {
		if a == "" {
			continue
		}
		n++
		v := it[a]
		if v == nil {
			if exact {
				return nil, validation("The provided key element does not match the schema")
			}
			return nil, validation("One or more parameter values were invalid: Missing the key %s in the item", a)
		}
		if err := keyOK(v, t.at(a), a, exact); err != nil {
			return nil, err
		}
		if i == 1 && keyLen(v) > sortKeyBytes {
			return nil, validation("One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
		}
		b = encKey(b, v)
	}
	if exact && len(it) != n {
		return nil, validation("The provided key element does not match the schema")
	}
	return b, nil
}
func keyOK(v *AV, want, name string, exact bool) error {
	if v.typ() != want {
		if exact {
			return validation("The provided key element does not match the schema")
		}
		return validation("One or more parameter values were invalid: Type mismatch for key %s expected: %s actual: %s", name, want, v.typ())
	}
	if v.S != nil && *v.S == "" || v.B != nil && len(*v.B) == 0 {
		return validation("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", name)
	}
	if _, err := normAV(v, 0); err != nil {
		return err
	}
	if keyLen(v) > partKeyBytes {
		return validation("One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes")
	}
	return nil
}

func keyLen(v *AV) int {
	switch {
	case v.S != nil:
		return len(*v.S)
	case v.B != nil:
		return len(*v.B)
	}
	return 0
}

// idxKey returns the index entry key, or nil when the item is not in the index.
func (t *table) idxKey(ix *index, it Item, base []byte) ([]byte, error) {
	h, r := keys(ix.KeySchema)
	b := pfx(t.ID, ix.ID)
	for _, a := range []string{h, r} {
		if a == "" {
			continue
		}
		v := it[a]
		if v == nil {
			return nil, nil
		}
		if err := keyOK(v, t.at(a), a, false); err != nil {
			return nil, err
		}
		b = encKey(b, v)
	}
	return append(b, base[6:]...), nil
}

// flatten splits a condition at its ANDs and says whether each piece may be in a key condition.
func flatten(n *node, out *[]*node) bool {
	if n.op == "and" {
		return flatten(n.kids[0], out) && flatten(n.kids[1], out)
	}
	*out = append(*out, n)
	return n.op == "cmp" || n.op == "between" || n.op == "fn" && n.fn == "begins_with"
}

// keyBounds is the range of keys that a key condition describes.
func keyBounds(kc *node, h, r string, base []byte, t *table) (lo, hi []byte, err error) {
	miss := validation("Query condition missed key schema element: %s", h)
	var cs []*node
	if kc == nil || !flatten(kc, &cs) || len(cs) > 2 {
		return nil, nil, validation("Invalid operator used in KeyConditionExpression")
	}
	var hc, rc *node
	for _, c := range cs {
		if c.kids[0].op != "path" || len(c.kids[0].p) != 1 {
			return nil, nil, validation("Invalid KeyConditionExpression")
		}
		for _, k := range c.kids[1:] {
			if k.op != "val" {
				return nil, nil, validation("Invalid KeyConditionExpression")
			}
		}
		switch c.kids[0].p[0].name {
		case h:
			if c.op != "cmp" || c.fn != "=" || hc != nil {
				return nil, nil, validation("Query key condition not supported")
			}
			hc = c
		case r:
			if r == "" || rc != nil {
				return nil, nil, miss
			}
			rc = c
		default:
			return nil, nil, miss
		}
	}
	if hc == nil {
		return nil, nil, miss
	}
	if err := keyOK(hc.kids[1].v, t.at(h), h, false); err != nil {
		return nil, nil, err
	}
	part := encKey(append([]byte(nil), base...), hc.kids[1].v)
	lo, hi = part, succ(part)
	if rc == nil {
		return
	}
	for _, k := range rc.kids[1:] {
		if k.v.typ() != t.at(r) {
			return nil, nil, validation("One or more parameter values were invalid: Condition parameter type does not match schema type")
		}
		if keyLen(k.v) > sortKeyBytes {
			return nil, nil, validation("One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
		}
	}
	enc := func(i int) []byte { return encKey(append([]byte(nil), part...), rc.kids[i].v) }
	switch {
	case rc.op == "between":
		lo, hi = enc(1), succ(enc(2))
		if bytes.Compare(lo, hi) > 0 {
			return nil, nil, validation("Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound")
		}
	case rc.op == "fn":
		v := rc.kids[1].v
		var raw []byte
		if v.S != nil {
			raw = []byte(*v.S)
		} else if v.B != nil {
			raw = *v.B
		}
		lo = escBytes(append([]byte(nil), part...), raw)
		hi = succ(lo)
	default:
		switch rc.fn {
		case "=":
			lo, hi = enc(1), succ(enc(1))
		case "<":
			hi = enc(1)
		case "<=":
			hi = succ(enc(1))
		case ">":
			lo = succ(enc(1))
		case ">=":
			lo = enc(1)
		default:
			return nil, nil, validation("Query key condition not supported")
		}
	}
	return
}

// escBytes appends b so that 0, 1 can end it and order is kept.
func escBytes(dst, b []byte) []byte {
	for _, c := range b {
		if c == 0 {
			dst = append(dst, 0, 0xff)
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// encKey encodes a key attribute, order preserving and self-terminating.
func encKey(dst []byte, a *AV) []byte {
	switch {
	case a.S != nil:
		return append(escBytes(dst, []byte(*a.S)), 0, 1)
	case a.B != nil:
		return append(escBytes(dst, *a.B), 0, 1)
	default:
		d, _ := parseDec(*a.N)
		return append(dst, d.sortable()...)
	}
}
