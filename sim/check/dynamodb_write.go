package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// writes checks puts, updates and conditions.
func (s ddb) writes() []Check {
	c, tb, tb2, tn, put, get, key := s.c, s.tb, s.tb2, s.tn, s.put, s.get, itemKey
	return []Check{
		{"CreateTable+2GSI PAY_PER_REQUEST", func(ctx context.Context) error {
			for _, t := range []struct{ n, k string }{{tb, "S"}, {tb2, "S"}, {tn, "N"}} {
				if err := mkTable(ctx, c, t.n, t.k); err != nil {
					return err
				}
			}
			o, err := c.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &tb})
			if err != nil {
				return err
			}
			if len(o.Table.GlobalSecondaryIndexes) != 2 {
				return fmt.Errorf("gsis=%d", len(o.Table.GlobalSecondaryIndexes))
			}
			if o.Table.BillingModeSummary == nil || o.Table.BillingModeSummary.BillingMode != types.BillingModePayPerRequest {
				return fmt.Errorf("no BillingModeSummary PAY_PER_REQUEST")
			}
			return nil
		}},
		{"CreateTable twice -> ResourceInUseException", func(ctx context.Context) error {
			return wantCode(mkTable(ctx, c, tb, "S"), "ResourceInUseException")
		}},
		{"PutItem missing table -> ResourceNotFoundException", func(ctx context.Context) error {
			return wantCode(put(ctx, "nope"+runID, key("a", "b")), "ResourceNotFoundException")
		}},
		{"PutItem attribute_not_exists", func(ctx context.Context) error {
			in := &dynamodb.PutItemInput{TableName: &tb, Item: Item{"pk": S("c1"), "sk": S("x"), "v": N("1")}, ConditionExpression: aws.String("attribute_not_exists(pk)")}
			if _, err := c.PutItem(ctx, in); err != nil {
				return err
			}
			_, err := c.PutItem(ctx, in)
			var ccf *types.ConditionalCheckFailedException
			if !errors.As(err, &ccf) {
				return fmt.Errorf("want CCFE got %v", err)
			}
			return nil
		}},
		{"PutItem ReturnValuesOnConditionCheckFailure=ALL_OLD", func(ctx context.Context) error {
			_, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: &tb, Item: Item{"pk": S("c1"), "sk": S("x"), "v": N("2")}, ConditionExpression: aws.String("attribute_not_exists(pk)"), ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld})
			var ccf *types.ConditionalCheckFailedException
			if !errors.As(err, &ccf) {
				return fmt.Errorf("want CCFE got %v", err)
			}
			if ccf.Item == nil || sv(ccf.Item["v"]) != "1" {
				return fmt.Errorf("no old item in exception: %v", ccf.Item)
			}
			return nil
		}},
		{"UpdateItem ADD/SET if_not_exists/list_append/REMOVE ALL_NEW", func(ctx context.Context) error {
			if err := put(ctx, tb, Item{"pk": S("u1"), "sk": S("x"), "l": L(S("a")), "gone": S("z")}); err != nil {
				return err
			}
			in := &dynamodb.UpdateItemInput{TableName: &tb, Key: key("u1", "x"),
				UpdateExpression:          aws.String("SET #l = list_append(#l, :l), created = if_not_exists(created, :t), n2 = if_not_exists(n2, :zero) + :one REMOVE gone ADD cnt :one, tags :ss"),
				ExpressionAttributeNames:  map[string]string{"#l": "l"},
				ExpressionAttributeValues: Item{":l": L(S("b"), S("c")), ":t": S("T0"), ":one": N("1"), ":zero": N("0"), ":ss": SS("p", "q")},
				ReturnValues:              types.ReturnValueAllNew}
			o, err := c.UpdateItem(ctx, in)
			if err != nil {
				return err
			}
			a := o.Attributes
			if len(a["l"].(*types.AttributeValueMemberL).Value) != 3 || sv(a["created"]) != "T0" || sv(a["cnt"]) != "1" || a["gone"] != nil || sv(a["n2"]) != "1" || sv(a["pk"]) != "u1" {
				return fmt.Errorf("bad ALL_NEW %v", a)
			}
			in.ExpressionAttributeValues[":t"] = S("T1")
			o, err = c.UpdateItem(ctx, in)
			if err != nil {
				return err
			}
			if sv(o.Attributes["created"]) != "T0" || sv(o.Attributes["cnt"]) != "2" || sv(o.Attributes["n2"]) != "2" {
				return fmt.Errorf("second: %v %v", sv(o.Attributes["created"]), sv(o.Attributes["cnt"]))
			}
			return nil
		}},
		{"UpdateItem UPDATED_NEW only touched attrs", func(ctx context.Context) error {
			o, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &tb, Key: key("u1", "x"), UpdateExpression: aws.String("SET z = :z"), ExpressionAttributeValues: Item{":z": S("1")}, ReturnValues: types.ReturnValueUpdatedNew})
			if err != nil {
				return err
			}
			if len(o.Attributes) != 1 || sv(o.Attributes["z"]) != "1" {
				return fmt.Errorf("attrs=%d", len(o.Attributes))
			}
			return nil
		}},
		{"UpdateItem upsert creates; condition attribute_exists blocks", func(ctx context.Context) error {
			if _, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &tb, Key: key("u2", "x"), UpdateExpression: aws.String("ADD cnt :one"), ExpressionAttributeValues: Item{":one": N("5")}}); err != nil {
				return err
			}
			it, err := get(ctx, tb, key("u2", "x"))
			if err != nil || sv(it["cnt"]) != "5" {
				return fmt.Errorf("%v %v", it, err)
			}
			_, err = c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &tb, Key: key("u3", "x"), UpdateExpression: aws.String("SET a = :one"), ConditionExpression: aws.String("attribute_exists(pk)"), ExpressionAttributeValues: Item{":one": N("5")}})
			return wantCode(err, "ConditionalCheckFailedException")
		}},
		{"UpdateItem nested paths m.#k, l[1].b; DELETE from set", func(ctx context.Context) error {
			if err := put(ctx, tb, Item{"pk": S("u4"), "sk": S("x"), "m": M(Item{"a": N("1")}), "l": L(S("0"), M(Item{"b": S("x")})), "ss": SS("a", "b", "c")}); err != nil {
				return err
			}
			o, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &tb, Key: key("u4", "x"), UpdateExpression: aws.String("SET m.#k = :v, l[1].b = :v, m.a = m.a - :two DELETE ss :d"), ExpressionAttributeNames: map[string]string{"#k": "weird.key"}, ExpressionAttributeValues: Item{":v": S("new"), ":two": N("2.5"), ":d": SS("a", "zz")}, ReturnValues: types.ReturnValueAllNew})
			if err != nil {
				return err
			}
			m := o.Attributes["m"].(*types.AttributeValueMemberM).Value
			l := o.Attributes["l"].(*types.AttributeValueMemberL).Value
			if sv(m["weird.key"]) != "new" || sv(m["a"]) != "-1.5" || sv(l[1].(*types.AttributeValueMemberM).Value["b"]) != "new" || len(o.Attributes["ss"].(*types.AttributeValueMemberSS).Value) != 2 {
				return fmt.Errorf("bad: m=%v", m)
			}
			_, err = c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &tb, Key: key("u4", "x"), UpdateExpression: aws.String("SET nomap.a = :v"), ExpressionAttributeValues: Item{":v": S("new")}})
			return wantCode(err, "ValidationException")
		}},
		{"UpdateItem of key attribute -> ValidationException", func(ctx context.Context) error {
			_, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &tb, Key: key("u4", "x"), UpdateExpression: aws.String("SET sk = :v"), ExpressionAttributeValues: Item{":v": S("new")}})
			return wantCode(err, "ValidationException")
		}},
		{"Condition grammar: AND/OR/NOT/IN/BETWEEN/contains/size/attribute_type", func(ctx context.Context) error {
			if err := put(ctx, tb, Item{"pk": S("cg"), "sk": S("x"), "n": N("7"), "s": S("hello"), "ss": SS("a", "b"), "b": BOOL(true)}); err != nil {
				return err
			}
			try := func(e string) error {
				vals := Item{}
				for k, v := range map[string]AV{":7": N("7"), ":8": N("8"), ":1": N("1"), ":ell": S("ell"), ":a": S("a"), ":S": S("S"), ":5": N("5"), ":true": BOOL(true), ":he": S("he")} {
					if strings.Contains(e, k) {
						vals[k] = v
					}
				}
				in := &dynamodb.UpdateItemInput{TableName: &tb, Key: key("cg", "x"), UpdateExpression: aws.String("SET touched = :upd"), ConditionExpression: &e}
				vals[":upd"] = N("1")
				in.ExpressionAttributeValues = vals
				_, err := c.UpdateItem(ctx, in)
				return err
			}
			for _, e := range []string{
				"n = :7 AND (s = :a OR contains(s, :ell))", "n IN (:8, :7)", "n BETWEEN :1 AND :8", "NOT n = :8", "contains(ss, :a)",
				"size(s) = :5", "attribute_type(s, :S)", "b = :true AND begins_with(s, :he)", "n <> :8", "NOT (n > :8 OR attribute_not_exists(s))", "size(ss) < :5",
			} {
				if err := try(e); err != nil {
					return fmt.Errorf("%s: %w", e, err)
				}
			}
			for _, e := range []string{"n > :8", "contains(ss, :ell)", "attribute_type(n, :S)", "n = :7 AND s = :a OR n = :8"} {
				if err := wantCode(try(e), "ConditionalCheckFailedException"); err != nil {
					return fmt.Errorf("%s: %w", e, err)
				}
			}
			return nil
		}},
	}
}
