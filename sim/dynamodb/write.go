package dynamodb

import (
	"bytes"
	"encoding/json"
)

func decode(raw []byte) (Item, error) {
	if raw == nil {
		return nil, nil
	}
	var it Item
	return it, json.Unmarshal(raw, &it)
}

const itemBytes = 400 << 10

// plan is one checked write, ready to apply without failing.
type plan struct {
	t        *table
	key      []byte
	old, new Item
	raw      []byte
	size     int // of the item as it will be
}

func (p *plan) prepare() error { // compute everything that can fail
	if p.new != nil {
		n, err := itemSize(p.new)
		if err != nil {
			return err
		}
		if n > itemBytes {
			return validation("Item size has exceeded the maximum allowed size")
		}
		p.size = n
		for _, ix := range p.t.Idx {
			if _, err := p.t.idxKey(ix, p.new, p.key); err != nil {
				return err
			}
		}
		if p.raw, err = json.Marshal(p.new); err != nil {
			return err
		}
	}
	return nil
}
func (p *plan) apply(tx Tx) error {
	for _, ix := range p.t.Idx {
		var ok, nk []byte
		if p.old != nil {
			ok, _ = p.t.idxKey(ix, p.old, p.key)
		}
		if p.new != nil {
			nk, _ = p.t.idxKey(ix, p.new, p.key)
		}
		if bytes.Equal(ok, nk) {
			continue
		}
		if ok != nil {
			if err := tx.Del(ok); err != nil {
				return err
			}
		}
		if nk != nil {
			if err := tx.Put(nk, p.key); err != nil {
				return err
			}
		}
	}
	if p.new == nil {
		if p.old == nil {
			return nil
		}
		return tx.Del(p.key)
	}
	return tx.Put(p.key, p.raw)
}

func ccfe(it Item, all bool) *Err {
	e := &Err{Code: "ConditionalCheckFailedException", Msg: "The conditional request failed"}
	if all && it != nil {
		e.Extra = map[string]any{"Item": it}
	}
	return e
}

// writeReq is the common shape of Put/Update/Delete/ConditionCheck.
type writeReq struct {
	TableName                           string
	Item, Key                           Item
	UpdateExpression                    string
	ConditionExpression                 string
	ExpressionAttributeNames            map[string]string
	ExpressionAttributeValues           map[string]*AV
	ReturnValues                        string
	ReturnValuesOnConditionCheckFailure string
	kind                                string // put update delete check

	t    *table
	key  []byte
	cond *node
	acts []action
}

func (d *DB) compile(w *writeReq) (err error) {
	if w.t, err = d.table(w.TableName); err != nil {
		return err
	}
	e, err := newEnv(w.ExpressionAttributeNames, w.ExpressionAttributeValues)
	if err != nil {
		return err
	}
	if w.cond, err = parseCond(w.ConditionExpression, e); err != nil {
		return err
	}
	if w.acts, err = parseUpdate(w.UpdateExpression, e); err != nil {
		return err
	}
	if err = e.checkUnused(); err != nil {
		return err
	}
	if w.kind == "put" {
		if _, err = itemSize(w.Item); err != nil {
			return err
		}
		w.key, err = w.t.baseKey(w.Item, false)
	} else {
		w.key, err = w.t.baseKey(w.Key, true)
	}
	if err != nil {
		return err
	}
	h, r := keys(w.t.KeySchema)
	for _, a := range w.acts {
		if n := a.p[0].name; n == h || n == r {
			return validation("One or more parameter values were invalid: Cannot update attribute %s. This attribute is part of the key", n)
		}
	}
	return nil
}

// check evaluates the write against the current state inside tx; it writes nothing.
func (w *writeReq) check(tx Tx) (*plan, error) {
	p := &plan{t: w.t, key: w.key}
	old, err := decode(tx.Get(w.key))
	if err != nil {
		return nil, err
	}
	p.old = old
	if w.cond != nil && !w.cond.eval(old) {
		return nil, ccfe(old, w.ReturnValuesOnConditionCheckFailure == "ALL_OLD")
	}
	switch w.kind {
	case "put":
		p.new = w.Item
	case "update":
		if old != nil {
			p.new = cloneItem(old)
		} else {
			p.new = cloneItem(w.Key)
		}
		if err := applyUpdate(p.new, w.acts); err != nil {
			return nil, err
		}
	}
	if w.kind == "check" {
		return nil, nil
	}
	return p, p.prepare()
}

// writeAs is the operation that does one write of a kind.
func (d *DB) writeAs(kind string) func(*writeReq) (any, error) {
	return func(w *writeReq) (any, error) {
		w.kind = kind
		return d.write(w)
	}
}

func (d *DB) write(w *writeReq) (any, error) {
	if err := d.compile(w); err != nil {
		return nil, err
	}
	var p *plan
	err := d.kv.Update(func(tx Tx) error {
		var err error
		if p, err = w.check(tx); err != nil {
			return err
		}
		return p.apply(tx)
	})
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	switch w.ReturnValues {
	case "ALL_OLD":
		if p.old != nil {
			out["Attributes"] = p.old
		}
	case "ALL_NEW":
		out["Attributes"] = json.RawMessage(p.raw)
	case "UPDATED_NEW", "UPDATED_OLD":
		src := p.new
		if w.ReturnValues == "UPDATED_OLD" {
			src = p.old
		}
		var ps []path
		for _, a := range w.acts {
			ps = append(ps, a.p)
		}
		if a := project(src, ps); len(a) > 0 {
			out["Attributes"] = a
		}
	}
	return out, nil
}
