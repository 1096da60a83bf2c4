package dynamodb

import (
	"bytes"
	"encoding/json"
)

const pageBytes = 1 << 20 // of items, after which a page ends

type getReq struct {
	TableName                string
	Key                      Item
	ProjectionExpression     string
	ExpressionAttributeNames map[string]string
}

// get reads one item, as bytes of JSON where all of it is wanted; nil if there is none.
func (d *DB) get(tx Tx, g *getReq) (any, error) {
	t, err := d.table(g.TableName)
	if err != nil {
		return nil, err
	}
	e, err := newEnv(g.ExpressionAttributeNames, nil)
	if err != nil {
		return nil, err
	}
	ps, err := parseProj(g.ProjectionExpression, e)
	if err != nil {
		return nil, err
	}
	if err := e.checkUnused(); err != nil {
		return nil, err
	}
	k, err := t.baseKey(g.Key, true)
	if err != nil {
		return nil, err
	}
	raw := tx.Get(k)
	if raw == nil {
		return nil, nil
	}
	if ps == nil {
		return json.RawMessage(bytes.Clone(raw)), nil
	}
	it, err := decode(raw)
	if err != nil {
		return nil, err
	}
	return project(it, ps), nil
}

func (d *DB) getItem(g *getReq) (any, error) {
	var it any
	err := d.kv.View(func(tx Tx) (err error) {
		it, err = d.get(tx, g)
		return err
	})
	if err != nil || it == nil {
		return map[string]any{}, err
	}
	return map[string]any{"Item": it}, nil
}

type transactGetReq struct {
	TransactItems []struct{ Get *getReq }
}

func (d *DB) transactGet(in *transactGetReq) (any, error) {
	answers := []any{}
	err := d.kv.View(func(tx Tx) error {
		for _, x := range in.TransactItems {
			it, err := d.get(tx, x.Get)
			if err != nil {
				return err
			}
			answer := map[string]any{}
			if it != nil {
				answer["Item"] = it
			}
			answers = append(answers, answer)
		}
		return nil
	})
	return map[string]any{"Responses": answers}, err
}

type queryReq struct {
	TableName, IndexName      string
	KeyConditionExpression    string
	FilterExpression          string
	ProjectionExpression      string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues map[string]*AV
	Limit                     *int
	ExclusiveStartKey         Item
	ScanIndexForward          *bool
	ConsistentRead            *bool
	Select                    string
	scan                      bool

	t      *table
	ix     *index // nil for the table itself
	schema []keyElem
	filter *node
	want   []path
	lo, hi []byte
	rev    bool
}

// query answers Query and Scan.
func (d *DB) query(q *queryReq) (any, error) {
	if err := d.prepare(q); err != nil {
		return nil, err
	}
	var a answer
	read := func(tx Tx) error { return a.read(tx, q) }
	var err error
	if lag := d.fault.lag(); q.ix != nil && lag > 0 {
		err = d.past.view(d.kv, lag, read)
	} else {
		err = d.kv.View(read)
	}
	if err != nil {
		return nil, err
	}
	out := map[string]any{"Count": a.count, "ScannedCount": a.scanned}
	if q.Select != "COUNT" {
		out["Items"] = append([]json.RawMessage{}, a.items...)
	}
	// DynamoDB also reports a LastEvaluatedKey when Limit was hit exactly at the end.
	if a.more || q.Limit != nil && a.scanned == *q.Limit && a.scanned > 0 {
		last := Item{}
		for _, name := range q.keyNames() {
			last[name] = a.last[name]
		}
		out["LastEvaluatedKey"] = last
	}
	return metered{out, units{read: readUnits(a.size)}}, nil
}

// keyNames are the attributes of a start key.
func (q *queryReq) keyNames() (names []string) {
	bh, br := keys(q.t.KeySchema)
	h, r := keys(q.schema)
	for _, n := range []string{bh, br, h, r} {
		if n != "" {
			names = append(names, n)
		}
	}
	return names
}

// prepare reads and checks all of the request.
func (d *DB) prepare(q *queryReq) (err error) {
	if q.t, err = d.table(q.TableName); err != nil {
		return err
	}
	id := byte(0)
	q.schema = q.t.KeySchema
	if q.IndexName != "" {
		for _, x := range q.t.Idx {
			if x.IndexName == q.IndexName {
				q.ix = x
			}
		}
		if q.ix == nil {
			return validation("The table does not have the specified index: %s", q.IndexName)
		}
		if q.ConsistentRead != nil && *q.ConsistentRead {
			return validation("Consistent reads are not supported on global secondary indexes")
		}
		q.schema, id = q.ix.KeySchema, q.ix.ID
	}
	e, err := newEnv(q.ExpressionAttributeNames, q.ExpressionAttributeValues)
	if err != nil {
		return err
	}
	cond, err := parseCond(q.KeyConditionExpression, e)
	if err != nil {
		return err
	}
	if q.filter, err = parseCond(q.FilterExpression, e); err != nil {
		return err
	}
	if q.want, err = parseProj(q.ProjectionExpression, e); err != nil {
		return err
	}
	if err := e.checkUnused(); err != nil {
		return err
	}
	base := pfx(q.t.ID, id)
	q.lo, q.hi = base, succ(base)
	if !q.scan {
		h, r := keys(q.schema)
		if q.lo, q.hi, err = keyBounds(cond, h, r, base, q.t); err != nil {
			return err
		}
	}
	if q.Limit != nil && *q.Limit < 1 {
		return validation("Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", *q.Limit)
	}
	q.rev = q.ScanIndexForward != nil && !*q.ScanIndexForward
	return q.start()
}

// start narrows the range to what follows the start key.
func (q *queryReq) start() error {
	if q.ExclusiveStartKey == nil {
		return nil
	}
	key := Item{}
	h, r := keys(q.t.KeySchema)
	for _, a := range []string{h, r} {
		if a != "" {
			key[a] = q.ExclusiveStartKey[a]
		}
	}
	at, err := q.t.baseKey(key, false)
	if err != nil {
		return validation("The provided starting key is invalid: %s", err)
	}
	if q.ix != nil {
		if at, err = q.t.idxKey(q.ix, q.ExclusiveStartKey, at); err != nil || at == nil {
			return validation("The provided starting key is invalid")
		}
	}
	if bytes.Compare(at, q.lo) < 0 || q.hi != nil && bytes.Compare(at, q.hi) >= 0 {
		return validation("The provided starting key is outside query boundaries based on provided conditions")
	}
	if q.rev {
		q.hi = at
	} else {
		q.lo = append(at, 0)
	}
	return nil
}

// answer is one page.
type answer struct {
	items          []json.RawMessage
	count, scanned int
	size           int
	last           Item
	more           bool
}

func (a *answer) read(tx Tx, q *queryReq) error {
	var failed error
	err := tx.Range(q.lo, q.hi, q.rev, func(_, v []byte) bool {
		if q.Limit != nil && a.scanned >= *q.Limit || a.size >= pageBytes {
			a.more = true
			return false
		}
		if q.ix != nil {
			v = tx.Get(v)
		}
		failed = a.add(q, v)
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	return err
}

func (a *answer) add(q *queryReq, raw []byte) error {
	it, err := decode(raw)
	if err != nil {
		return err
	}
	n, err := itemSize(it)
	if err != nil {
		return err
	}
	a.scanned++
	a.size += n
	a.last = it
	if q.ix != nil && q.ix.Projection.ProjectionType != "ALL" {
		it = narrow(it, q.t, q.ix)
	}
	if !q.filter.eval(it) {
		return nil
	}
	a.count++
	if q.Select == "COUNT" {
		return nil
	}
	b, err := json.Marshal(project(it, q.want))
	a.items = append(a.items, b)
	return err
}

// narrow is the item as an index that does not hold all of it shows it.
func narrow(it Item, t *table, ix *index) Item {
	o := Item{}
	a, b := keys(t.KeySchema)
	c, d := keys(ix.KeySchema)
	for _, n := range append([]string{a, b, c, d}, ix.Projection.NonKeyAttributes...) {
		if v := it[n]; n != "" && v != nil {
			o[n] = v
		}
	}
	return o
}
