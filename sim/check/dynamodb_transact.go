package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// transactions checks transactions of writes and of reads.
func (s ddb) transactions() []Check {
	c, tb, tb2, get, key := s.c, s.tb, s.tb2, s.get, itemKey
	return []Check{
		{"TransactWriteItems 2 tables ok + cancel is atomic + CancellationReasons", func(ctx context.Context) error {
			tx := func() error {
				_, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
					{Update: &types.Update{TableName: &tb, Key: key("tx", "ctr"), UpdateExpression: aws.String("ADD cnt :one"), ExpressionAttributeValues: Item{":one": N("1")}}},
					{Put: &types.Put{TableName: &tb2, Item: Item{"pk": S("tx"), "sk": S("once"), "o": S("old")}, ConditionExpression: aws.String("attribute_not_exists(pk)"), ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}},
				}})
				return err
			}
			if err := tx(); err != nil {
				return err
			}
			err := tx()
			var tc *types.TransactionCanceledException
			if !errors.As(err, &tc) {
				return fmt.Errorf("want TransactionCanceledException, got %v", err)
			}
			if len(tc.CancellationReasons) != 2 || aws.ToString(tc.CancellationReasons[0].Code) != "None" || aws.ToString(tc.CancellationReasons[1].Code) != "ConditionalCheckFailed" {
				return fmt.Errorf("reasons %d: %s", len(tc.CancellationReasons), aws.ToString(tc.Message))
			}
			if tc.CancellationReasons[1].Item == nil {
				return fmt.Errorf("reason without Item (ALL_OLD)")
			}
			it, err := get(ctx, tb, key("tx", "ctr"))
			if err != nil || sv(it["cnt"]) != "1" {
				return fmt.Errorf("not atomic: cnt=%s", sv(it["cnt"]))
			}
			return nil
		}},
		{"TransactWriteItems ConditionCheck+Delete", func(ctx context.Context) error {
			_, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
				{ConditionCheck: &types.ConditionCheck{TableName: &tb, Key: key("tx", "ctr"), ConditionExpression: aws.String("cnt = :one"), ExpressionAttributeValues: Item{":one": N("1")}}},
				{Delete: &types.Delete{TableName: &tb2, Key: key("tx", "once"), ConditionExpression: aws.String("attribute_exists(pk)")}},
			}})
			if err != nil {
				return err
			}
			it, err := get(ctx, tb2, key("tx", "once"))
			if err != nil || it != nil {
				return fmt.Errorf("still there %v %v", it, err)
			}
			return nil
		}},
		{"TransactWriteItems ClientRequestToken idempotent", func(ctx context.Context) error {
			in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String("tok-" + runID), TransactItems: []types.TransactWriteItem{
				{Update: &types.Update{TableName: &tb, Key: key("tx", "idem"), UpdateExpression: aws.String("ADD cnt :one"), ExpressionAttributeValues: Item{":one": N("1")}}}}}
			for i := 0; i < 2; i++ {
				if _, err := c.TransactWriteItems(ctx, in); err != nil {
					return err
				}
			}
			it, _ := get(ctx, tb, key("tx", "idem"))
			if sv(it["cnt"]) != "1" {
				return fmt.Errorf("applied twice: cnt=%s", sv(it["cnt"]))
			}
			return nil
		}},
		{"TransactWriteItems same item twice -> ValidationException", func(ctx context.Context) error {
			_, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
				{Put: &types.Put{TableName: &tb, Item: key("tx", "dup")}}, {Delete: &types.Delete{TableName: &tb, Key: key("tx", "dup")}}}})
			return wantCode(err, "ValidationException")
		}},
		{"TransactGetItems", func(ctx context.Context) error {
			o, err := c.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
				{Get: &types.Get{TableName: &tb, Key: key("tx", "ctr")}}, {Get: &types.Get{TableName: &tb2, Key: key("tx", "none")}}}})
			if err != nil {
				return err
			}
			if len(o.Responses) != 2 || sv(o.Responses[0].Item["cnt"]) != "1" || o.Responses[1].Item != nil {
				return fmt.Errorf("bad %v", o.Responses)
			}
			return nil
		}},
	}
}
