package cloud

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/shared/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Attributes of an item in each of the three tables. Whoever makes the tables
// needs the first three: a string partition key, a string sort key, and the
// attribute that DynamoDB's time to live looks at.
const (
	PartAttribute    = "p"
	SortAttribute    = "s"
	ExpiresAttribute = "x" // Unix seconds

	versionAttribute = "v"
	valueAttribute   = "d"
	countPrefix      = "+" // and the count's name
)

// Records keeps items in DynamoDB tables. It implements [store.Records].
//
// A call that DynamoDB throttles, cuts off or finds in conflict with another
// transaction is repeated for about ten seconds. That is safe: reads are
// consistent, and each Write is one transaction with a token by which DynamoDB
// recognises, for ten minutes, a repeat of what it has already done. A single
// unconditional UpdateItem would cost half, but a repeat of it could not be told
// from a second write.
type Records struct {
	client *dynamodb.Client
	names  map[store.Table]string
	tables map[string]store.Table
}

// NewRecords keeps records in the tables that names gives for each of
// [store.Tables]. The client's HTTP client should be one that [HTTPClient] made.
func NewRecords(client *dynamodb.Client, names map[store.Table]string) *Records {
	r := &Records{client: client, names: names, tables: map[string]store.Table{}}
	for t, n := range names {
		r.tables[n] = t
	}
	return r
}

// Close does nothing: the client belongs to the caller.
func (r *Records) Close() error { return nil }

// Get asks for all keys in one BatchGetItem, and again for those that DynamoDB
// left out: an answer holds at most 16 MiB.
func (r *Records) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if err := store.CheckGet(keys); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, ctx.Err()
	}
	found := make(map[store.Key]store.Item, len(keys))
	want := map[string]types.KeysAndAttributes{}
	asked := map[store.Key]bool{}
	for _, k := range keys {
		if asked[k] {
			continue
		}
		asked[k] = true
		ka := want[r.names[k.Table]]
		ka.ConsistentRead = aws.Bool(true)
		ka.Keys = append(ka.Keys, keyOf(k))
		want[r.names[k.Table]] = ka
	}
	p := newPatience()
	for empty := 0; len(want) > 0; {
		out, err := r.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: want}, p.options)
		if err != nil {
			return nil, p.readError(ctx, err)
		}
		got := 0
		for name, items := range out.Responses {
			for _, av := range items {
				it, err := itemOf(r.tables[name], av)
				if err != nil {
					return nil, err
				}
				found[it.Key] = it
				got++
			}
		}
		want = out.UnprocessedKeys
		if len(want) == 0 {
			break
		}
		if got > 0 {
			empty, p = 0, newPatience()
		} else {
			empty++
		}
		if err := p.wait(ctx, empty); err != nil {
			return nil, err
		}
	}
	items := make([]store.Item, len(keys))
	for i, k := range keys {
		it, ok := found[k]
		if !ok {
			it = store.Item{Key: k}
		}
		items[i] = it
	}
	return items, nil
}

// List is one Query.
func (r *Records) List(ctx context.Context, rg store.Range) (store.Page, error) {
	if err := store.CheckRange(rg); err != nil {
		return store.Page{}, err
	}
	in, ok := r.query(rg)
	if !ok {
		return store.Page{}, ctx.Err()
	}
	p := newPatience()
	for {
		out, err := r.client.Query(ctx, in, p.options)
		if err != nil {
			return store.Page{}, p.readError(ctx, err)
		}
		page := store.Page{More: len(out.LastEvaluatedKey) > 0}
		for _, av := range out.Items {
			it, err := itemOf(rg.Table, av)
			if err != nil {
				return store.Page{}, err
			}
			switch {
			case rg.To != "" && it.Sort >= rg.To:
				page.More = page.More && rg.Reverse
			case it.Sort < rg.From:
				page.More = page.More && !rg.Reverse
			default:
				page.Items = append(page.Items, it)
			}
		}
		if len(page.Items) > rg.Limit {
			page.Items, page.More = page.Items[:rg.Limit], true
		}
		if len(page.Items) > 0 || !page.More {
			return page, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// query writes the range as a key condition. A key condition knows no range that
// is closed at one end and open at the other, so BETWEEN may find one item too
// many, the one at To; in reverse it comes first, and the limit makes room for it.
// The answer is false for a range that can hold nothing.
func (r *Records) query(rg store.Range) (*dynamodb.QueryInput, bool) {
	limit := int64(rg.Limit)
	cond := PartAttribute + " = :p"
	vals := map[string]types.AttributeValue{":p": str(rg.Part)}
	switch {
	case rg.Empty():
		return nil, false
	case rg.From == "" && rg.To == "":
	case rg.To == "":
		cond += " AND " + SortAttribute + " >= :f"
		vals[":f"] = str(atMost(rg.From, ""))
	case rg.From == "" && len(rg.To) <= store.MaxSort:
		cond += " AND " + SortAttribute + " < :t"
		vals[":t"] = str(rg.To)
	case rg.From == "":
		cond += " AND " + SortAttribute + " <= :t"
		vals[":t"] = str(atMost(rg.To, greatest))
	default:
		cond += " AND " + SortAttribute + " BETWEEN :f AND :t"
		vals[":f"], vals[":t"] = str(atMost(rg.From, "")), str(atMost(rg.To, greatest))
		if rg.Reverse {
			limit++
		}
	}
	return &dynamodb.QueryInput{
		TableName:                 aws.String(r.names[rg.Table]),
		KeyConditionExpression:    &cond,
		ExpressionAttributeValues: vals,
		ConsistentRead:            aws.Bool(true),
		ScanIndexForward:          aws.Bool(!rg.Reverse),
		Limit:                     aws.Int32(int32(min(limit, 1<<30))),
	}, true
}

// greatest holds, one after the other, the greatest characters of one, two and
// three bytes: by their length they are at 0, 1 and 3.
const greatest = "\x7f\u07ff\uffff"

// atMost cuts a bound to the length of a sort key, more than which DynamoDB does
// not take, and fills what is left with the greatest character of fill that fits.
// Sort keys of at most that length compare with the result as they do with the
// bound, or are let in by it for List to leave out.
func atMost(bound, fill string) string {
	if len(bound) <= store.MaxSort {
		return bound
	}
	cut := strings.ToValidUTF8(bound[:store.MaxSort], "")
	if room := store.MaxSort - len(cut); room > 0 && fill != "" {
		start := room * (room - 1) / 2
		cut += fill[start : start+room]
	}
	return cut
}

// Write is one transaction. Its versions and its token are made once: every
// repeat is byte for byte the same request.
func (r *Records) Write(ctx context.Context, ops ...store.Op) error {
	if err := store.CheckWrite(ops); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(ops) == 0 {
		return nil
	}
	token, versions := chances(len(ops))
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: &token}
	for i, op := range ops {
		in.TransactItems = append(in.TransactItems, r.item(op, versions[i]))
	}
	p := newPatience()
	_, err := r.client.TransactWriteItems(ctx, in, p.options)
	if err == nil {
		return nil
	}
	var canceled *types.TransactionCanceledException
	if errors.As(err, &canceled) {
		for i, why := range canceled.CancellationReasons {
			if i < len(ops) && aws.ToString(why.Code) == "ConditionalCheckFailed" {
				return &store.ConflictError{Index: i, Key: ops[i].Key}
			}
		}
		for _, why := range canceled.CancellationReasons {
			if m := aws.ToString(why.Message); aws.ToString(why.Code) == "ValidationError" && strings.Contains(m, "size") {
				return &store.LimitError{What: m}
			}
		}
	}
	return p.writeError(ctx, err)
}

// item is one operation of a transaction.
func (r *Records) item(op store.Op, version int64) types.TransactWriteItem {
	e := expression{values: map[string]types.AttributeValue{}, names: map[string]string{}}
	table, key, cond := aws.String(r.names[op.Key.Table]), keyOf(op.Key), e.condition(op)
	switch op.Kind {
	case store.OpDelete:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: table, Key: key, ConditionExpression: cond, ExpressionAttributeValues: e.valuesOrNil(),
		}}
	case store.OpCheck:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: table, Key: key, ConditionExpression: cond, ExpressionAttributeValues: e.valuesOrNil(),
		}}
	}
	return types.TransactWriteItem{Update: &types.Update{
		TableName: table, Key: key, ConditionExpression: cond,
		UpdateExpression:          aws.String(e.update(op, version)),
		ExpressionAttributeValues: e.valuesOrNil(),
		ExpressionAttributeNames:  e.namesOrNil(),
	}}
}

// expression gathers the values and names that an operation's expressions use.
type expression struct {
	values map[string]types.AttributeValue
	names  map[string]string
}

// condition writes op.Cond, or nil for Any.
func (e *expression) condition(op store.Op) *string {
	switch op.Cond {
	case store.Absent:
		return aws.String("attribute_not_exists(" + PartAttribute + ")")
	case store.Exists:
		return aws.String("attribute_exists(" + PartAttribute + ")")
	case store.IsAt:
		e.values[":at"] = num(op.Version)
		return aws.String(versionAttribute + " = :at")
	}
	return nil
}

// update writes what a put or an add changes. A put leaves counts alone, an add
// leaves value and expiry alone.
func (e *expression) update(op store.Op, version int64) string {
	e.values[":v"] = num(version)
	set := versionAttribute + " = :v"
	if op.Kind == store.OpPut {
		e.values[":d"] = &types.AttributeValueMemberB{Value: append([]byte{}, op.Value...)}
		set += ", " + valueAttribute + " = :d"
		if op.Expires.IsZero() {
			return "SET " + set + " REMOVE " + ExpiresAttribute
		}
		e.values[":x"] = num(op.Expires.Unix())
		return "SET " + set + ", " + ExpiresAttribute + " = :x"
	}
	for _, name := range slices.Sorted(maps.Keys(op.Set)) {
		set += ", " + e.count(name) + " = " + e.number(op.Set[name])
	}
	add := ""
	for _, name := range slices.Sorted(maps.Keys(op.Add)) {
		if add == "" {
			add = " ADD "
		} else {
			add += ", "
		}
		add += e.count(name) + " " + e.number(op.Add[name])
	}
	return "SET " + set + add
}

func (e *expression) count(name string) string {
	ref := fmt.Sprintf("#c%d", len(e.names))
	e.names[ref] = countPrefix + name
	return ref
}

func (e *expression) number(n int64) string {
	ref := fmt.Sprintf(":c%d", len(e.values))
	e.values[ref] = num(n)
	return ref
}

// DynamoDB refuses an empty map where it takes none at all.
func (e *expression) valuesOrNil() map[string]types.AttributeValue {
	if len(e.values) == 0 {
		return nil
	}
	return e.values
}

func (e *expression) namesOrNil() map[string]string {
	if len(e.names) == 0 {
		return nil
	}
	return e.names
}
