package main

import (
	"context"
	"fmt"
	"sort"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// queries checks queries, indexes and what makes a request invalid.
func (s ddb) queries() []Check {
	c, tb, tb2, put, key := s.c, s.tb, s.tb2, s.put, itemKey
	return []Check{
		{"Query begins_with/between/desc", func(ctx context.Context) error {
			for i := 0; i < 50; i++ {
				if err := put(ctx, tb, Item{"pk": S("q"), "sk": S(fmt.Sprintf("TAG#%03d", i)), "i": Ni(i), "g1pk": S("G"), "g1sk": S(fmt.Sprintf("%02d", i%10)), "par": S([]string{"even", "odd"}[i%2])}); err != nil {
					return err
				}
			}
			_ = put(ctx, tb, Item{"pk": S("q"), "sk": S("ZZZ")})
			q := func(e string, v Item, f bool) ([]string, error) {
				v[":p"] = S("q")
				o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, KeyConditionExpression: aws.String(e), ExpressionAttributeValues: v, ScanIndexForward: &f})
				if err != nil {
					return nil, err
				}
				var r []string
				for _, it := range o.Items {
					r = append(r, sv(it["sk"]))
				}
				return r, nil
			}
			r, err := q("pk = :p AND begins_with(sk, :b)", Item{":b": S("TAG#")}, true)
			if err != nil || len(r) != 50 || !sort.StringsAreSorted(r) {
				return fmt.Errorf("begins_with: %d %v", len(r), err)
			}
			r, err = q("pk = :p AND sk BETWEEN :a AND :b", Item{":a": S("TAG#010"), ":b": S("TAG#019")}, false)
			if err != nil || len(r) != 10 || r[0] != "TAG#019" || r[9] != "TAG#010" {
				return fmt.Errorf("between desc: %v %v", r, err)
			}
			r, err = q("(pk = :p) AND (sk > :a)", Item{":a": S("TAG#048")}, true)
			if err != nil || len(r) != 2 {
				return fmt.Errorf("gt: %v %v", r, err)
			}
			return nil
		}},
		{"Query paging table Limit+ExclusiveStartKey (fwd+desc)", func(ctx context.Context) error {
			for _, fwd := range []bool{true, false} {
				seen := []string{}
				var lek Item
				pages := 0
				for {
					o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, KeyConditionExpression: aws.String("pk = :p AND begins_with(sk, :b)"), ExpressionAttributeValues: Item{":p": S("q"), ":b": S("TAG#")}, Limit: aws.Int32(7), ExclusiveStartKey: lek, ScanIndexForward: aws.Bool(fwd)})
					if err != nil {
						return err
					}
					for _, it := range o.Items {
						seen = append(seen, sv(it["sk"]))
					}
					pages++
					lek = o.LastEvaluatedKey
					if lek == nil || pages > 20 {
						break
					}
				}
				if len(seen) != 50 || pages != 8 {
					return fmt.Errorf("fwd=%v seen=%d pages=%d", fwd, len(seen), pages)
				}
				if fwd != (seen[0] == "TAG#000") {
					return fmt.Errorf("order")
				}
			}
			return nil
		}},
		{"Query paging GSI with duplicate index keys; LEK has 4 attrs", func(ctx context.Context) error {
			seen := map[string]int{}
			var lek Item
			var prev string
			for p := 0; p < 40; p++ {
				o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, IndexName: aws.String("gsi1"), KeyConditionExpression: aws.String("g1pk = :p"), ExpressionAttributeValues: Item{":p": S("G")}, Limit: aws.Int32(3), ExclusiveStartKey: lek})
				if err != nil {
					return err
				}
				for _, it := range o.Items {
					seen[sv(it["sk"])]++
					if sv(it["g1sk"]) < prev {
						return fmt.Errorf("not ordered by g1sk")
					}
					prev = sv(it["g1sk"])
				}
				lek = o.LastEvaluatedKey
				if lek == nil {
					break
				}
				if len(lek) != 4 {
					return fmt.Errorf("LEK has %d attrs", len(lek))
				}
			}
			if len(seen) != 50 {
				return fmt.Errorf("seen %d of 50", len(seen))
			}
			for k, n := range seen {
				if n != 1 {
					return fmt.Errorf("%s seen %d", k, n)
				}
			}
			return nil
		}},
		{"Query paging continues when the start item was deleted", func(ctx context.Context) error {
			for i := 0; i < 10; i++ {
				_ = put(ctx, tb, Item{"pk": S("del"), "sk": S(fmt.Sprintf("%02d", i))})
			}
			o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: Item{":p": S("del")}, Limit: aws.Int32(4)})
			if err != nil {
				return err
			}
			if _, err := c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &tb, Key: o.LastEvaluatedKey}); err != nil {
				return err
			}
			o, err = c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: Item{":p": S("del")}, ExclusiveStartKey: o.LastEvaluatedKey})
			if err != nil {
				return err
			}
			if len(o.Items) != 6 || sv(o.Items[0]["sk"]) != "04" {
				return fmt.Errorf("got %d first=%s", len(o.Items), sv(o.Items[0]["sk"]))
			}
			return nil
		}},
		{"sparse GSI (Query+Scan; item lacking GSI range is absent)", func(ctx context.Context) error {
			for i := 0; i < 60; i++ {
				it := Item{"pk": S(fmt.Sprintf("sp%d", i)), "sk": S("x")}
				if i%10 == 0 {
					it["g2pk"] = S("SPARSE")
				}
				if i == 1 {
					it["g1pk"] = S("ONLYHASH")
				}
				if err := put(ctx, tb2, it); err != nil {
					return err
				}
			}
			n := 0
			var lek Item
			for p := 0; p < 20; p++ {
				o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb2, IndexName: aws.String("gsi2"), KeyConditionExpression: aws.String("g2pk = :p"), ExpressionAttributeValues: Item{":p": S("SPARSE")}, Limit: aws.Int32(2), ExclusiveStartKey: lek})
				if err != nil {
					return err
				}
				n += len(o.Items)
				lek = o.LastEvaluatedKey
				if lek == nil {
					break
				}
			}
			if n != 6 {
				return fmt.Errorf("query sparse=%d want 6", n)
			}
			so, err := c.Scan(ctx, &dynamodb.ScanInput{TableName: &tb2, IndexName: aws.String("gsi2")})
			if err != nil || len(so.Items) != 6 {
				return fmt.Errorf("scan sparse=%v %v", so, err)
			}
			o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb2, IndexName: aws.String("gsi1"), KeyConditionExpression: aws.String("g1pk = :p"), ExpressionAttributeValues: Item{":p": S("ONLYHASH")}})
			if err != nil || len(o.Items) != 0 {
				return fmt.Errorf("hash-only item in index: %d %v", len(o.Items), err)
			}
			return nil
		}},
		{"GSI KEYS_ONLY projection returns keys only", func(ctx context.Context) error {
			if err := put(ctx, tb, Item{"pk": S("ko"), "sk": S("x"), "g2pk": S("KO"), "extra": S("1")}); err != nil {
				return err
			}
			o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, IndexName: aws.String("gsi2"), KeyConditionExpression: aws.String("g2pk = :p"), ExpressionAttributeValues: Item{":p": S("KO")}})
			if err != nil {
				return err
			}
			if len(o.Items) != 1 || len(o.Items[0]) != 3 {
				return fmt.Errorf("attrs %v", o.Items)
			}
			return nil
		}},
		{"GSI follows update and delete", func(ctx context.Context) error {
			_, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &tb, Key: key("ko", "x"), UpdateExpression: aws.String("SET g2pk = :n"), ExpressionAttributeValues: Item{":n": S("KO2")}})
			if err != nil {
				return err
			}
			cnt := func(p string) int {
				o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, IndexName: aws.String("gsi2"), KeyConditionExpression: aws.String("g2pk = :p"), ExpressionAttributeValues: Item{":p": S(p)}})
				if err != nil {
					return -1
				}
				return len(o.Items)
			}
			if cnt("KO") != 0 || cnt("KO2") != 1 {
				return fmt.Errorf("after update KO=%d KO2=%d", cnt("KO"), cnt("KO2"))
			}
			_, _ = c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &tb, Key: key("ko", "x")})
			if cnt("KO2") != 0 {
				return fmt.Errorf("after delete KO2=%d", cnt("KO2"))
			}
			return nil
		}},
		{"PutItem wrong type for GSI key -> ValidationException", func(ctx context.Context) error {
			return wantCode(put(ctx, tb, Item{"pk": S("bad"), "sk": S("x"), "g2pk": N("1")}), "ValidationException")
		}},
		{"FilterExpression: Limit before filter, Count/ScannedCount", func(ctx context.Context) error {
			o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, KeyConditionExpression: aws.String("pk = :p AND begins_with(sk, :b)"), FilterExpression: aws.String("par = :e"), ExpressionAttributeValues: Item{":p": S("q"), ":b": S("TAG#"), ":e": S("even")}, Limit: aws.Int32(10)})
			if err != nil {
				return err
			}
			if o.Count != 5 || o.ScannedCount != 10 || o.LastEvaluatedKey == nil {
				return fmt.Errorf("count=%d Scanned=%d LEK=%v", o.Count, o.ScannedCount, o.LastEvaluatedKey != nil)
			}
			return nil
		}},
		{"Select=COUNT", func(ctx context.Context) error {
			o, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, KeyConditionExpression: aws.String("pk = :p AND begins_with(sk, :b)"), ExpressionAttributeValues: Item{":p": S("q"), ":b": S("TAG#")}, Select: types.SelectCount})
			if err != nil {
				return err
			}
			if o.Count != 50 || len(o.Items) != 0 {
				return fmt.Errorf("count=%d items=%d", o.Count, len(o.Items))
			}
			return nil
		}},
		{"ProjectionExpression nested + names", func(ctx context.Context) error {
			_ = put(ctx, tb, Item{"pk": S("pj"), "sk": S("x"), "m": M(Item{"a": S("1"), "b": S("2")}), "status": S("ok"), "big": S("zzz")})
			o, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: &tb, Key: key("pj", "x"), ProjectionExpression: aws.String("#s, m.a"), ExpressionAttributeNames: map[string]string{"#s": "status"}})
			if err != nil {
				return err
			}
			mm, ok := o.Item["m"].(*types.AttributeValueMemberM)
			if !ok || len(o.Item) != 2 || len(mm.Value) != 1 {
				return fmt.Errorf("%v", o.Item)
			}
			return nil
		}},
		{"reserved word unescaped -> ValidationException", func(ctx context.Context) error {
			_, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: &tb, Key: key("pj", "x"), ProjectionExpression: aws.String("status")})
			return wantCode(err, "ValidationException")
		}},
		{"unused ExpressionAttributeValues -> ValidationException", func(ctx context.Context) error {
			_, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: Item{":p": S("q"), ":unused": S("x")}})
			return wantCode(err, "ValidationException")
		}},
		{"Query without partition equality -> ValidationException", func(ctx context.Context) error {
			_, err := c.Query(ctx, &dynamodb.QueryInput{TableName: &tb, KeyConditionExpression: aws.String("sk = :p"), ExpressionAttributeValues: Item{":p": S("q")}})
			return wantCode(err, "ValidationException")
		}},
		{"empty key string / wrong key type / missing key -> ValidationException", func(ctx context.Context) error {
			if err := wantCode(put(ctx, tb, Item{"pk": S(""), "sk": S("x")}), "ValidationException"); err != nil {
				return fmt.Errorf("empty: %w", err)
			}
			if err := wantCode(put(ctx, tb, Item{"pk": N("1"), "sk": S("x")}), "ValidationException"); err != nil {
				return fmt.Errorf("type: %w", err)
			}
			if err := wantCode(put(ctx, tb, Item{"pk": S("1")}), "ValidationException"); err != nil {
				return fmt.Errorf("missing: %w", err)
			}
			return nil
		}},
	}
}
