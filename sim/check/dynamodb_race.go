package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// races checks concurrent writers, and whole tables at last.
func (s ddb) races() []Check {
	c, tb, tb2, tn, put, get, key := s.c, s.tb, s.tb2, s.tn, s.put, s.get, itemKey
	return []Check{
		{"50 concurrent conditional puts: exactly one wins", func(ctx context.Context) error {
			for round := 0; round < 5; round++ {
				var win, ccf int32
				var other atomic.Value
				var wg sync.WaitGroup
				for i := 0; i < 50; i++ {
					wg.Add(1)
					go func() {
						defer wg.Done()
						_, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: &tb, Item: Item{"pk": S("race"), "sk": S(fmt.Sprint(round)), "who": Ni(i)}, ConditionExpression: aws.String("attribute_not_exists(pk)")})
						if err == nil {
							atomic.AddInt32(&win, 1)
						} else if errCode(err) == "ConditionalCheckFailedException" {
							atomic.AddInt32(&ccf, 1)
						} else {
							other.Store(err)
						}
					}()
				}
				wg.Wait()
				if win != 1 || ccf != 49 {
					return fmt.Errorf("win=%d ccf=%d other=%v", win, ccf, other.Load())
				}
			}
			return nil
		}},
		{"concurrent ADD 16x40: no lost updates", func(ctx context.Context) error {
			var wg sync.WaitGroup
			var bad atomic.Value
			for g := 0; g < 16; g++ {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for i := 0; i < 40; i++ {
						if _, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &tb, Key: key("ctr", "x"), UpdateExpression: aws.String("ADD n :one"), ExpressionAttributeValues: Item{":one": N("1")}}); err != nil {
							bad.Store(err)
						}
					}
				}()
			}
			wg.Wait()
			it, err := get(ctx, tb, key("ctr", "x"))
			if err != nil || sv(it["n"]) != "640" {
				return fmt.Errorf("n=%s err=%v %v", sv(it["n"]), err, bad.Load())
			}
			return nil
		}},
		{"concurrent TransactWrite optimistic counter: consistent", func(ctx context.Context) error {
			_ = put(ctx, tb, Item{"pk": S("ver"), "sk": S("x"), "v": N("0")})
			var okc int32
			var wg sync.WaitGroup
			var bad atomic.Value
			for g := 0; g < 16; g++ {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for i := 0; i < 10; i++ {
						it, err := get(ctx, tb, key("ver", "x"))
						if err != nil {
							bad.Store(err)
							return
						}
						_, err = c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
							{Update: &types.Update{TableName: &tb, Key: key("ver", "x"), UpdateExpression: aws.String("SET v = v + :one"), ConditionExpression: aws.String("v = :cur"), ExpressionAttributeValues: Item{":one": N("1"), ":cur": it["v"]}}},
							{Put: &types.Put{TableName: &tb2, Item: Item{"pk": S("verlog"), "sk": S(sv(it["v"]))}, ConditionExpression: aws.String("attribute_not_exists(pk)")}},
						}})
						if err == nil {
							atomic.AddInt32(&okc, 1)
						} else if c := errCode(err); c != "TransactionCanceledException" && c != "TransactionConflictException" {
							bad.Store(err)
						}
					}
				}()
			}
			wg.Wait()
			it, _ := get(ctx, tb, key("ver", "x"))
			o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb2, KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: Item{":p": S("verlog")}, Select: types.SelectCount})
			if err != nil {
				return err
			}
			if sv(it["v"]) != fmt.Sprint(okc) || o.Count != okc || okc == 0 || bad.Load() != nil {
				return fmt.Errorf("v=%s ok=%d log=%d %v", sv(it["v"]), okc, o.Count, bad.Load())
			}
			return nil
		}},
		{"Scan paging whole table Limit=20", func(ctx context.Context) error {
			seen := map[string]bool{}
			var lek Item
			for p := 0; p < 100; p++ {
				o, err := c.Scan(ctx, &dynamodb.ScanInput{TableName: &tb2, Limit: aws.Int32(20), ExclusiveStartKey: lek})
				if err != nil {
					return err
				}
				for _, it := range o.Items {
					k := sv(it["pk"]) + "|" + sv(it["sk"])
					if seen[k] {
						return fmt.Errorf("dup %s", k)
					}
					seen[k] = true
				}
				lek = o.LastEvaluatedKey
				if lek == nil {
					break
				}
			}
			if len(seen) < 65 {
				return fmt.Errorf("%d", len(seen))
			}
			return nil
		}},
		{"UpdateTable adds GSI, backfills", func(ctx context.Context) error {
			_, err := c.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &tb, AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("par"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("g1pk"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("g1sk"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("g2pk"), AttributeType: types.ScalarAttributeTypeS}},
				GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{IndexName: aws.String("gsi3"), KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("par"), KeyType: types.KeyTypeHash}}, Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}}}}})
			if err != nil {
				return err
			}
			var last error
			for i := 0; i < 100; i++ {
				time.Sleep(50 * time.Millisecond)
				o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, IndexName: aws.String("gsi3"), KeyConditionExpression: aws.String("par = :p"), ExpressionAttributeValues: Item{":p": S("even")}, Select: types.SelectCount})
				last = err
				if err == nil && o.Count == 25 {
					return nil
				}
			}
			return fmt.Errorf("not backfilled: %v", last)
		}},
		{"DeleteTable + ListTables", func(ctx context.Context) error {
			if _, err := c.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &tn}); err != nil {
				return err
			}
			for i := 0; i < 100; i++ {
				o, err := c.ListTables(ctx, &dynamodb.ListTablesInput{})
				if err != nil {
					return err
				}
				if !strings.Contains(strings.Join(o.TableNames, ","), tn) {
					return nil
				}
				time.Sleep(20 * time.Millisecond)
			}
			return fmt.Errorf("still listed")
		}},
	}
}
