package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// values checks batches, sizes and numbers.
func (s ddb) values() []Check {
	c, tb, tb2, tn, put, get, key := s.c, s.tb, s.tb2, s.tn, s.put, s.get, itemKey
	return []Check{
		{"BatchWriteItem 25 / 26 rejected / dup rejected", func(ctx context.Context) error {
			mk := func(n int, pfx string) []types.WriteRequest {
				var w []types.WriteRequest
				for i := 0; i < n; i++ {
					w = append(w, types.WriteRequest{PutRequest: &types.PutRequest{Item: Item{"pk": S("bw"), "sk": S(fmt.Sprintf("%s%02d", pfx, i))}}})
				}
				return w
			}
			o, err := c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{tb: mk(20, "a")}})
			if err != nil || len(o.UnprocessedItems) != 0 {
				return fmt.Errorf("%v", err)
			}
			if _, err = c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{tb2: mk(5, "a")}}); err != nil {
				return err
			}
			_, err = c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{tb: mk(26, "b")}})
			if e := wantCode(err, "ValidationException"); e != nil {
				return fmt.Errorf("26: %w", e)
			}
			w := mk(1, "a")
			w = append(w, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key("bw", "a00")}})
			_, err = c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{tb: w}})
			if e := wantCode(err, "ValidationException"); e != nil {
				return fmt.Errorf("dup: %w", e)
			}
			return nil
		}},
		{"BatchWriteItem same key in two tables is legal", func(ctx context.Context) error {
			w := []types.WriteRequest{{PutRequest: &types.PutRequest{Item: key("bw2", "k")}}}
			_, err := c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{tb: w, tb2: w}})
			return err
		}},
		{"BatchGetItem 2 tables", func(ctx context.Context) error {
			var ks []Item
			for i := 0; i < 20; i++ {
				ks = append(ks, key("bw", fmt.Sprintf("a%02d", i)))
			}
			o, err := c.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{tb: {Keys: ks, ConsistentRead: aws.Bool(true)}, tb2: {Keys: ks[:6]}}})
			if err != nil {
				return err
			}
			if len(o.Responses[tb]) != 20 || len(o.Responses[tb2]) != 5 {
				return fmt.Errorf("%d %d", len(o.Responses[tb]), len(o.Responses[tb2]))
			}
			return nil
		}},
		{"DeleteItem with condition + ALL_OLD", func(ctx context.Context) error {
			_ = put(ctx, tb, Item{"pk": S("dc"), "sk": S("x"), "own": S("me")})
			d := func(who string) (*dynamodb.DeleteItemOutput, error) {
				return c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &tb, Key: key("dc", "x"), ConditionExpression: aws.String("own = :o"), ExpressionAttributeValues: Item{":o": S(who)}, ReturnValues: types.ReturnValueAllOld})
			}
			_, err := d("you")
			if e := wantCode(err, "ConditionalCheckFailedException"); e != nil {
				return e
			}
			o, err := d("me")
			if err != nil || sv(o.Attributes["own"]) != "me" {
				return fmt.Errorf("%v %v", o, err)
			}
			return nil
		}},
		{"TTL Update/Describe", func(ctx context.Context) error {
			_, err := c.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: &tb, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("ttl"), Enabled: aws.Bool(true)}})
			if err != nil {
				return err
			}
			o, err := c.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &tb})
			if err != nil {
				return err
			}
			if o.TimeToLiveDescription == nil || (o.TimeToLiveDescription.TimeToLiveStatus != types.TimeToLiveStatusEnabled && o.TimeToLiveDescription.TimeToLiveStatus != types.TimeToLiveStatusEnabling) {
				return fmt.Errorf("%+v", o.TimeToLiveDescription)
			}
			return nil
		}},
		{"binary 300KB roundtrip", func(ctx context.Context) error {
			b := make([]byte, 300<<10)
			rand.New(rand.NewSource(1)).Read(b)
			if err := put(ctx, tb, Item{"pk": S("bin"), "sk": S("x"), "b": B(b)}); err != nil {
				return err
			}
			it, err := get(ctx, tb, key("bin", "x"))
			if err != nil {
				return err
			}
			if !bytes.Equal(it["b"].(*types.AttributeValueMemberB).Value, b) {
				return fmt.Errorf("differs")
			}
			return nil
		}},
		{"item >400KB -> ValidationException", func(ctx context.Context) error {
			return wantCode(put(ctx, tb, Item{"pk": S("bin"), "sk": S("y"), "b": B(make([]byte, 410<<10))}), "ValidationException")
		}},
		{"numbers: 38 digits exact, 39 rejected, 1.0->1, exact ADD", func(ctx context.Context) error {
			n38 := "12345678901234567890123456789012345678"
			if err := put(ctx, tb, Item{"pk": S("num"), "sk": S("x"), "a": N(n38), "b": N("1.0"), "c": N("0.1")}); err != nil {
				return err
			}
			it, err := get(ctx, tb, key("num", "x"))
			if err != nil {
				return err
			}
			if sv(it["a"]) != n38 || sv(it["b"]) != "1" {
				return fmt.Errorf("a=%s b=%s", sv(it["a"]), sv(it["b"]))
			}
			if err := wantCode(put(ctx, tb, Item{"pk": S("num"), "sk": S("y"), "a": N(n38 + "9")}), "ValidationException"); err != nil {
				return fmt.Errorf("39 digits: %w", err)
			}
			o, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &tb, Key: key("num", "x"), UpdateExpression: aws.String("ADD a :m, c :d"), ExpressionAttributeValues: Item{":m": N("-1"), ":d": N("0.2")}, ReturnValues: types.ReturnValueAllNew})
			if err != nil {
				return err
			}
			if sv(o.Attributes["a"]) != "12345678901234567890123456789012345677" || sv(o.Attributes["c"]) != "0.3" {
				return fmt.Errorf("ADD a=%s c=%s", sv(o.Attributes["a"]), sv(o.Attributes["c"]))
			}
			return nil
		}},
		{"numeric sort key: order, between, key 1.0 == 1", func(ctx context.Context) error {
			for _, n := range []string{"10", "2", "-5", "0", "1e3", "3.5", "-0.25"} {
				if err := put(ctx, tn, Item{"pk": S("p"), "sk": N(n)}); err != nil {
					return err
				}
			}
			o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tn, KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: Item{":p": S("p")}})
			if err != nil {
				return err
			}
			var r []string
			for _, it := range o.Items {
				r = append(r, sv(it["sk"]))
			}
			if strings.Join(r, ",") != "-5,-0.25,0,2,3.5,10,1000" {
				return fmt.Errorf("%v", r)
			}
			o, err = c.Query(ctx, &dynamodb.QueryInput{TableName: &tn, KeyConditionExpression: aws.String("pk = :p AND sk BETWEEN :a AND :b"), ExpressionAttributeValues: Item{":p": S("p"), ":a": N("-1"), ":b": N("3.5")}})
			if err != nil || len(o.Items) != 4 {
				return fmt.Errorf("between %d %v", len(o.Items), err)
			}
			it, err := get(ctx, tn, Item{"pk": S("p"), "sk": N("2.0")})
			if err != nil || it == nil {
				return fmt.Errorf("2.0 != 2: %v", err)
			}
			return nil
		}},
		{"ConsistentRead on GSI -> ValidationException", func(ctx context.Context) error {
			_, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, IndexName: aws.String("gsi1"), KeyConditionExpression: aws.String("g1pk = :p"), ExpressionAttributeValues: Item{":p": S("G")}, ConsistentRead: aws.Bool(true)})
			return wantCode(err, "ValidationException")
		}},
		{"1MB page limit on Query", func(ctx context.Context) error {
			for i := 0; i < 12; i++ {
				if err := put(ctx, tb, Item{"pk": S("mb"), "sk": S(fmt.Sprintf("%02d", i)), "b": B(make([]byte, 200<<10))}); err != nil {
					return err
				}
			}
			o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: Item{":p": S("mb")}})
			if err != nil {
				return err
			}
			if o.LastEvaluatedKey == nil || len(o.Items) > 6 {
				return fmt.Errorf("items=%d LEK=%v", len(o.Items), o.LastEvaluatedKey != nil)
			}
			return nil
		}},
	}
}
