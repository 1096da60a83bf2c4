package iam

import (
	"reflect"
	"testing"
)

func TestRole(t *testing.T) {
	r := &Role{Name: "reader"}
	for _, document := range []any{
		map[string]any{"Statement": []any{
			map[string]any{"Effect": "Allow", "Action": []any{"dynamodb:GetItem", "dynamodb:Query"}, "Resource": "arn:aws:dynamodb:r:a:table/tags"},
			map[string]any{"Effect": "Allow", "Action": "s3:Get*", "Resource": []any{"arn:aws:s3:::layers/layers/*"}},
			map[string]any{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*", "Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "true"}}},
			map[string]any{"Effect": "Allow", "Action": "ses:*", "Resource": "*", "Condition": map[string]any{"StringEquals": map[string]any{"ses:FromAddress": "hub@a.example"}}},
			map[string]any{"Effect": "Allow", "Action": "ses:*", "Resource": "*", "Condition": map[string]any{"StringEquals": map[string]any{"ses:FromAddress": "hub@b.example"}}},
		}},
		map[string]any{"Statement": map[string]any{"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::layers/layers/secret"}},
	} {
		if err := r.Allow(document); err != nil {
			t.Fatal(err)
		}
	}
	for ask, want := range map[Ask]bool{
		{"dynamodb:GetItem", "arn:aws:dynamodb:r:a:table/tags"}:  true,
		{"dynamodb:getitem", "arn:aws:dynamodb:r:a:table/tags"}:  true,
		{"dynamodb:GetItem", "arn:aws:dynamodb:r:a:table/tags2"}: false,
		{"dynamodb:PutItem", "arn:aws:dynamodb:r:a:table/tags"}:  false,
		{"s3:GetObject", "arn:aws:s3:::layers/layers/a/b"}:       true,
		{"s3:GetObject", "arn:aws:s3:::layers/tails/a"}:          false,
		{"s3:GetObject", "arn:aws:s3:::layers/layers/secret"}:    false,
		{"s3:PutObject", "arn:aws:s3:::layers/layers/a"}:         false,
		{"sqs:SendMessage", "arn:aws:sqs:r:a:queue"}:             false,
		{"ses:SendEmail", "arn:aws:ses:r:a:identity/a.example"}:  true,
	} {
		if got := r.Allows(ask, map[string]string{"ses:FromAddress": "hub@a.example"}); got != want {
			t.Errorf("%s: %v, want %v", ask, got, want)
		}
	}
	if got, want := r.Unused(), []Ask{{"dynamodb:Query", "arn:aws:dynamodb:r:a:table/tags"}, {"sqs:SendMessage", "*"}, {"ses:*", "*"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("unused: %v, want %v", got, want)
	}
}
