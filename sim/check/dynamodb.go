package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

type AV = types.AttributeValue
type Item = map[string]types.AttributeValue

func S(v string) AV { return &types.AttributeValueMemberS{Value: v} }
func N(v string) AV { return &types.AttributeValueMemberN{Value: v} }
func Ni(v int) AV   { return &types.AttributeValueMemberN{Value: fmt.Sprint(v)} }
func B(v []byte) AV { return &types.AttributeValueMemberB{Value: v} }
func L(v ...AV) AV  { return &types.AttributeValueMemberL{Value: v} }
func M(v Item) AV   { return &types.AttributeValueMemberM{Value: v} }
func SS(v ...string) AV {
	return &types.AttributeValueMemberSS{Value: v}
}
func BOOL(v bool) AV { return &types.AttributeValueMemberBOOL{Value: v} }

func sv(a AV) string {
	switch x := a.(type) {
	case *types.AttributeValueMemberS:
		return x.Value
	case *types.AttributeValueMemberN:
		return x.Value
	case nil:
		return "<nil>"
	}
	return fmt.Sprintf("%T", a)
}

var runID = fmt.Sprintf("%x", time.Now().UnixNano()&0xffffff)

func mkTable(ctx context.Context, c *dynamodb.Client, name, skType string) error {
	in := &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeType(skType)},
			{AttributeName: aws.String("g1pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("g1sk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("g2pk"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: aws.String("gsi1"), KeySchema: []types.KeySchemaElement{
				{AttributeName: aws.String("g1pk"), KeyType: types.KeyTypeHash},
				{AttributeName: aws.String("g1sk"), KeyType: types.KeyTypeRange}},
				Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}},
			{IndexName: aws.String("gsi2"), KeySchema: []types.KeySchemaElement{
				{AttributeName: aws.String("g2pk"), KeyType: types.KeyTypeHash}},
				Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}},
		},
	}
	if _, err := c.CreateTable(ctx, in); err != nil {
		return err
	}
	for i := 0; i < 200; i++ {
		o, err := c.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
		if err != nil {
			return err
		}
		ready := o.Table.TableStatus == types.TableStatusActive
		for _, g := range o.Table.GlobalSecondaryIndexes {
			if g.IndexStatus != types.IndexStatusActive {
				ready = false
			}
		}
		if ready {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("table not ACTIVE")
}

func ddbClient() *dynamodb.Client { return dynamodb.NewFromConfig(awsCfg()) }

// ddb is the state that the checks of DynamoDB share; they run in order.
type ddb struct {
	c           *dynamodb.Client
	tb, tb2, tn string // two tables, and one with a numeric sort key
}

func ddbChecks() []Check {
	s := ddb{ddbClient(), "t" + runID, "u" + runID, "n" + runID}
	return slices.Concat(s.writes(), s.transactions(), s.queries(), s.values(), s.races())
}

func (s ddb) put(ctx context.Context, t string, it Item) error {
	_, err := s.c.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t, Item: it})
	return err
}

func (s ddb) get(ctx context.Context, t string, k Item) (Item, error) {
	o, err := s.c.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t, Key: k, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	return o.Item, nil
}

func itemKey(p, s string) Item { return Item{"pk": S(p), "sk": S(s)} }

const persistTable = "persist1"

func ddbPersistWrite() []Check {
	c := ddbClient()
	return []Check{{"write 500 acknowledged items", func(ctx context.Context) error {
		t := persistTable
		if err := mkTable(ctx, c, t, "S"); err != nil && errCode(err) != "ResourceInUseException" {
			return err
		}
		for i := 0; i < 500; i++ {
			if _, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t, Item: Item{"pk": S("p"), "sk": S(fmt.Sprintf("%04d", i)), "g1pk": S("g"), "g1sk": S(fmt.Sprintf("%04d", i)), "n": N("12345678901234567890.125")}}); err != nil {
				return err
			}
		}
		return nil
	}}}
}

func ddbPersistRead() []Check {
	c := ddbClient()
	return []Check{{"read 500 items after restart (table+GSI)", func(ctx context.Context) error {
		t := persistTable
		o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &t, KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: Item{":p": S("p")}})
		if err != nil {
			return err
		}
		g, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &t, IndexName: aws.String("gsi1"), KeyConditionExpression: aws.String("g1pk = :p"), ExpressionAttributeValues: Item{":p": S("g")}})
		if err != nil {
			return err
		}
		if o.Count != 500 || g.Count != 500 || sv(o.Items[3]["n"]) != "12345678901234567890.125" {
			return fmt.Errorf("table=%d gsi=%d", o.Count, g.Count)
		}
		return nil
	}}}
}
