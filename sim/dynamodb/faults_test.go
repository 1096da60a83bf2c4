package dynamodb_test

import (
	"errors"
	"testing"
	"time"

	"berth/sim"
	emulator "berth/sim/dynamodb"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

type attributes = map[string]types.AttributeValue

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// client sends every call once, and makes a table with an index on g.
func client(t *testing.T) (*emulator.DB, *dynamodb.Client) {
	t.Helper()
	db, url := sim.DynamoDB(t)
	cfg := sim.Config(url)
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	c := dynamodb.NewFromConfig(cfg)
	_, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("table"),
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("p"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("g"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("p"), KeyType: types.KeyTypeHash}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName:  aws.String("index"),
			KeySchema:  []types.KeySchemaElement{{AttributeName: aws.String("g"), KeyType: types.KeyTypeHash}},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, c
}

func put(t *testing.T, c *dynamodb.Client, p string) error {
	_, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("table"), Item: attributes{"p": str(p), "g": str("g")}})
	return err
}

func there(t *testing.T, c *dynamodb.Client, p string) bool {
	t.Helper()
	out, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("table"), Key: attributes{"p": str(p)}, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item != nil
}

// Each fault of a write does to it what it says, and to the caller too.
func TestFaultsOfWrites(t *testing.T) {
	db, c := client(t)
	for _, f := range []struct {
		name   string
		faults emulator.Faults
		codes  []string // "" is no answer of DynamoDB at all
		done   bool
	}{
		{"throttle", emulator.Faults{Throttle: 1}, []string{"ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"}, false},
		{"conflict", emulator.Faults{Conflict: 1}, []string{"TransactionConflictException"}, false},
		{"lost request", emulator.Faults{LostRequest: 1}, []string{"InternalServerError", ""}, false},
		{"lost answer", emulator.Faults{LostAnswer: 1}, []string{"InternalServerError", ""}, true},
	} {
		seen := map[string]bool{}
		for seed := range uint64(20) {
			f.faults.Seed = seed
			db.Inject(f.faults)
			name := f.name + string(rune('a'+seed))
			err := put(t, c, name)
			db.Inject(emulator.Faults{})
			if err == nil {
				t.Fatalf("%s: no error", f.name)
			}
			var api smithy.APIError
			code := ""
			if errors.As(err, &api) {
				code = api.ErrorCode()
			}
			seen[code] = true
			if there(t, c, name) != f.done {
				t.Errorf("%s, %v: the item is there: %v", f.name, err, !f.done)
			}
		}
		for _, code := range f.codes {
			if !seen[code] {
				t.Errorf("%s: never %q", f.name, code)
			}
			delete(seen, code)
		}
		if len(seen) > 0 {
			t.Errorf("%s: also %v", f.name, seen)
		}
	}
}

// A refused transaction names one item, and does nothing.
func TestFaultsOfTransactions(t *testing.T) {
	db, c := client(t)
	db.Inject(emulator.Faults{Conflict: 1})
	var items []types.TransactWriteItem
	for _, p := range []string{"a", "b", "c"} {
		items = append(items, types.TransactWriteItem{Put: &types.Put{TableName: aws.String("table"), Item: attributes{"p": str(p)}}})
	}
	_, err := c.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: items})
	var canceled *types.TransactionCanceledException
	if !errors.As(err, &canceled) || len(canceled.CancellationReasons) != 3 {
		t.Fatalf("%v, want three cancellation reasons", err)
	}
	conflicts := 0
	for _, r := range canceled.CancellationReasons {
		if *r.Code == "TransactionConflict" {
			conflicts++
		}
	}
	if conflicts != 1 || there(t, c, "a") || there(t, c, "b") || there(t, c, "c") {
		t.Errorf("%d conflicts, want one and nothing done", conflicts)
	}
}

// What a batch leaves out, it says.
func TestUnprocessed(t *testing.T) {
	db, c := client(t)
	for i := range 20 {
		if err := put(t, c, string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	db.Inject(emulator.Faults{Unprocessed: 0.5})
	var keys []attributes
	var writes []types.WriteRequest
	for i := range 20 {
		keys = append(keys, attributes{"p": str(string(rune('a' + i)))})
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: attributes{"p": str(string(rune('A' + i)))}}})
	}
	got, err := c.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"table": {Keys: keys}}})
	if err != nil {
		t.Fatal(err)
	}
	if some, left := len(got.Responses["table"]), len(got.UnprocessedKeys["table"].Keys); some+left != 20 || some == 0 || left == 0 {
		t.Errorf("%d items and %d unprocessed keys of 20", some, left)
	}
	wrote, err := c.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"table": writes}})
	if err != nil {
		t.Fatal(err)
	}
	left := wrote.UnprocessedItems["table"]
	if len(left) == 0 || len(left) == 20 {
		t.Fatalf("%d unprocessed items of 20", len(left))
	}
	for _, w := range left {
		if p := w.PutRequest.Item["p"].(*types.AttributeValueMemberS).Value; there(t, c, p) {
			t.Errorf("%s is unprocessed and there", p)
		}
	}
}

// An index that lags shows the past, the table never.
func TestIndexLag(t *testing.T) {
	db, c := client(t)
	db.Inject(emulator.Faults{IndexLag: time.Hour})
	count := func() int32 {
		out, err := c.Query(t.Context(), &dynamodb.QueryInput{
			TableName: aws.String("table"), IndexName: aws.String("index"),
			KeyConditionExpression: aws.String("g = :g"), ExpressionAttributeValues: attributes{":g": str("g")},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.Count
	}
	if n := count(); n != 0 {
		t.Fatalf("%d items in an empty index", n)
	}
	if err := put(t, c, "a"); err != nil {
		t.Fatal(err)
	}
	if !there(t, c, "a") {
		t.Error("the table lags")
	}
	if n := count(); n != 0 {
		t.Errorf("%d items in an index that lags", n)
	}
	db.Inject(emulator.Faults{})
	if n := count(); n != 1 {
		t.Errorf("%d items in the index, want 1", n)
	}
	db.Inject(emulator.Faults{IndexLag: time.Nanosecond})
	if err := put(t, c, "b"); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 2 {
		t.Errorf("%d items in an index that hardly lags, want 2", n)
	}
}
