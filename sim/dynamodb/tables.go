package dynamodb

import (
	"encoding/json"
	"fmt"
	"sort"
	"time"
)

type keyElem struct{ AttributeName, KeyType string }
type attrDef struct{ AttributeName, AttributeType string }
type proj struct {
	ProjectionType   string
	NonKeyAttributes []string `json:",omitempty"`
}
type index struct {
	IndexName  string
	KeySchema  []keyElem
	Projection proj
	ID         byte
}
type table struct {
	TableName            string
	ID                   uint32
	KeySchema            []keyElem
	AttributeDefinitions []attrDef
	Idx                  []*index
	NextIdx              byte
	BillingMode          string
	Created              float64
	TTLAttr              string
}

func (t *table) at(name string) string {
	for _, d := range t.AttributeDefinitions {
		if d.AttributeName == name {
			return d.AttributeType
		}
	}
	return ""
}
func keys(ks []keyElem) (h, r string) {
	for _, k := range ks {
		if k.KeyType == "HASH" {
			h = k.AttributeName
		} else {
			r = k.AttributeName
		}
	}
	return
}

func (d *DB) table(n string) (*table, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if t := d.tabs[n]; t != nil {
		return t, nil
	}
	return nil, &Err{Code: "ResourceNotFoundException", Msg: "Requested resource not found"}
}

func (d *DB) save(t *table) error {
	b, _ := json.Marshal(t)
	return d.kv.Update(func(tx Tx) error { return tx.Put([]byte("m/"+t.TableName), b) })
}

func (d *DB) desc(t *table) map[string]any {
	arn := "arn:aws:dynamodb:us-east-1:000000000000:table/" + t.TableName
	m := map[string]any{"TableName": t.TableName, "TableArn": arn, "TableId": fmt.Sprint(t.ID), "TableStatus": "ACTIVE", "KeySchema": t.KeySchema, "AttributeDefinitions": t.AttributeDefinitions, "CreationDateTime": t.Created, "ItemCount": 0, "TableSizeBytes": 0,
		"BillingModeSummary": map[string]any{"BillingMode": t.BillingMode}, "ProvisionedThroughput": map[string]any{"ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0}}
	var g []any
	for _, x := range t.Idx {
		g = append(g, map[string]any{"IndexName": x.IndexName, "KeySchema": x.KeySchema, "Projection": x.Projection, "IndexStatus": "ACTIVE", "IndexArn": arn + "/index/" + x.IndexName, "ItemCount": 0, "IndexSizeBytes": 0})
	}
	if g != nil {
		m["GlobalSecondaryIndexes"] = g
	}
	return m
}

type createReq struct {
	TableName, BillingMode string
	KeySchema              []keyElem
	AttributeDefinitions   []attrDef
	GlobalSecondaryIndexes []*index
}

func (d *DB) create(c *createReq) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tabs[c.TableName] != nil {
		return nil, &Err{Code: "ResourceInUseException", Msg: "Table already exists: " + c.TableName}
	}
	d.next++
	t := &table{TableName: c.TableName, ID: d.next, KeySchema: c.KeySchema, AttributeDefinitions: c.AttributeDefinitions, Idx: c.GlobalSecondaryIndexes, BillingMode: c.BillingMode, Created: float64(time.Now().UnixMilli()) / 1000}
	if t.BillingMode == "" {
		t.BillingMode = "PROVISIONED"
	}
	for _, x := range t.Idx {
		if len(x.IndexName) < 3 {
			return nil, validation("Value '%s' at 'indexName' failed to satisfy constraint: Member must have length greater than or equal to 3", x.IndexName)
		}
		t.NextIdx++
		x.ID = t.NextIdx
	}
	if err := d.save(t); err != nil {
		return nil, err
	}
	d.tabs[t.TableName] = t
	return map[string]any{"TableDescription": d.desc(t)}, nil
}

type tableReq struct {
	TableName               string
	AttributeDefinitions    []attrDef
	TimeToLiveSpecification struct {
		AttributeName string
		Enabled       bool
	}
	GlobalSecondaryIndexUpdates []struct{ Create *index }
}

func (d *DB) describe(in *tableReq) (any, error) {
	t, err := d.table(in.TableName)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Table": d.desc(t)}, nil
}

// update adds an index; it knows no other change.
func (d *DB) update(in *tableReq) (any, error) {
	t, err := d.table(in.TableName)
	if err != nil {
		return nil, err
	}
	for _, u := range in.GlobalSecondaryIndexUpdates {
		if u.Create != nil {
			return d.addIndex(in.TableName, in.AttributeDefinitions, u.Create)
		}
	}
	return map[string]any{"TableDescription": d.desc(t)}, nil
}

func (d *DB) setTTL(in *tableReq) (any, error) {
	t, err := d.table(in.TableName)
	if err != nil {
		return nil, err
	}
	c := *t
	c.TTLAttr = ""
	if in.TimeToLiveSpecification.Enabled {
		c.TTLAttr = in.TimeToLiveSpecification.AttributeName
	}
	d.mu.Lock()
	d.tabs[c.TableName] = &c
	d.mu.Unlock()
	return map[string]any{"TimeToLiveSpecification": in.TimeToLiveSpecification}, d.save(&c)
}

func (d *DB) describeTTL(in *tableReq) (any, error) {
	t, err := d.table(in.TableName)
	if err != nil {
		return nil, err
	}
	m := map[string]any{"TimeToLiveStatus": "DISABLED"}
	if t.TTLAttr != "" {
		m = map[string]any{"TimeToLiveStatus": "ENABLED", "AttributeName": t.TTLAttr}
	}
	return map[string]any{"TimeToLiveDescription": m}, nil
}

func (d *DB) drop(in *tableReq) (any, error) {
	n := in.TableName
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tabs[n]
	if t == nil {
		return nil, &Err{Code: "ResourceNotFoundException", Msg: "Requested resource not found: Table: " + n + " not found"}
	}
	delete(d.tabs, n)
	err := d.kv.Update(func(tx Tx) error {
		p := pfx(t.ID, 0)[:5]
		var ks [][]byte
		tx.Range(p, succ(p), false, func(k, v []byte) bool { ks = append(ks, append([]byte(nil), k...)); return true })
		for _, k := range ks {
			if err := tx.Del(k); err != nil {
				return err
			}
		}
		return tx.Del([]byte("m/" + n))
	})
	return map[string]any{"TableDescription": d.desc(t)}, err
}

func (d *DB) addIndex(name string, defs []attrDef, x *index) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.tabs[name]
	if o == nil {
		return nil, &Err{Code: "ResourceNotFoundException", Msg: "Requested resource not found"}
	}
	t := *o
	t.AttributeDefinitions = defs
	t.NextIdx++
	x.ID = t.NextIdx
	t.Idx = append(append([]*index{}, t.Idx...), x)
	meta, _ := json.Marshal(&t)
	err := d.kv.Update(func(tx Tx) error {
		type e struct{ k, v []byte }
		var es []e
		p := pfx(t.ID, 0)
		tx.Range(p, succ(p), false, func(k, v []byte) bool {
			if it, err := decode(v); err == nil {
				bk := append([]byte(nil), k...)
				if ik, err := t.idxKey(x, it, bk); err == nil && ik != nil {
					es = append(es, e{ik, bk})
				}
			}
			return true
		})
		for _, y := range es {
			if err := tx.Put(y.k, y.v); err != nil {
				return err
			}
		}
		return tx.Put([]byte("m/"+name), meta)
	})
	if err != nil {
		return nil, err
	}
	d.tabs[name] = &t
	return map[string]any{"TableDescription": d.desc(&t)}, nil
}

func (d *DB) list() any {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n := []string{}
	for k := range d.tabs {
		n = append(n, k)
	}
	sort.Strings(n)
	return map[string]any{"TableNames": n}
}
