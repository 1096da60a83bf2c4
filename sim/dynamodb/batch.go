package dynamodb

import "encoding/json"

const batchBytes = 16 << 20 // of one BatchGetItem's answer

type batchGetReq struct {
	RequestItems map[string]*batchKeys
}

type batchKeys struct {
	Keys                     []Item
	ConsistentRead           *bool             `json:",omitempty"`
	ProjectionExpression     string            `json:",omitempty"`
	ExpressionAttributeNames map[string]string `json:",omitempty"`
}

func (d *DB) batchGet(in *batchGetReq) (any, error) {
	n := 0
	seen := map[string]bool{}
	for name, x := range in.RequestItems {
		n += len(x.Keys)
		t, err := d.table(name)
		if err != nil {
			return nil, err
		}
		for _, k := range x.Keys {
			b, err := t.baseKey(k, true)
			if err != nil {
				return nil, err
			}
			if seen[string(b)] {
				return nil, validation("Provided list of item keys contains duplicates")
			}
			seen[string(b)] = true
		}
	}
	if n == 0 || n > 100 {
		return nil, validation("Too many items requested for the BatchGetItem call")
	}
	found := map[string][]any{}
	left := map[string]*batchKeys{}
	size := 0
	var used units
	err := d.kv.View(func(tx Tx) error {
		for name, x := range in.RequestItems {
			found[name] = []any{}
			for _, k := range x.Keys {
				if size >= batchBytes || d.fault.hit(unprocessed) {
					l := left[name]
					if l == nil {
						l = &batchKeys{nil, x.ConsistentRead, x.ProjectionExpression, x.ExpressionAttributeNames}
						left[name] = l
					}
					l.Keys = append(l.Keys, k)
					continue
				}
				it, err := d.get(tx, &getReq{name, k, x.ProjectionExpression, x.ExpressionAttributeNames})
				if err != nil {
					return err
				}
				raw, _ := it.(json.RawMessage)
				if it != nil {
					found[name] = append(found[name], it)
					size += len(raw)
				}
				if err := used.readItem(raw); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return metered{map[string]any{"Responses": found, "UnprocessedKeys": left}, used}, err
}

type batchWriteReq struct {
	RequestItems map[string][]*batchWrite
}

type batchWrite struct {
	PutRequest    *struct{ Item Item } `json:",omitempty"`
	DeleteRequest *struct{ Key Item }  `json:",omitempty"`
}

func (d *DB) batchWrite(in *batchWriteReq) (any, error) {
	var ws []*writeReq
	seen := map[string]bool{}
	left := map[string][]*batchWrite{}
	n := 0
	for name, l := range in.RequestItems {
		for _, x := range l {
			n++
			w := &writeReq{TableName: name, kind: "put"}
			if x.PutRequest != nil {
				w.Item = x.PutRequest.Item
			} else if x.DeleteRequest != nil {
				w.kind, w.Key = "delete", x.DeleteRequest.Key
			}
			if err := d.compile(w); err != nil {
				return nil, err
			}
			if seen[string(w.key)] {
				return nil, validation("Provided list of item keys contains duplicates")
			}
			seen[string(w.key)] = true
			if d.fault.hit(unprocessed) {
				left[name] = append(left[name], x)
				continue
			}
			ws = append(ws, w)
		}
	}
	if n == 0 || n > 25 {
		return nil, validation("1 validation error detected: Member must have length less than or equal to 25, Member must have length greater than or equal to 1")
	}
	err := d.kv.Update(func(tx Tx) error {
		var ps []*plan
		for _, w := range ws {
			p, err := w.check(tx)
			if err != nil {
				return err
			}
			ps = append(ps, p)
		}
		return applyAll(tx, ps)
	})
	return map[string]any{"UnprocessedItems": left}, err
}

func applyAll(tx Tx, ps []*plan) error {
	for _, p := range ps {
		if p == nil {
			continue
		}
		if err := p.apply(tx); err != nil {
			return err
		}
	}
	return nil
}
