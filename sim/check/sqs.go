package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqst "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func sqsChecks() []Check {
	c := sqs.NewFromConfig(awsCfg())
	var u *string
	return []Check{
		{"Create/Send/Receive/Delete + attributes", func(ctx context.Context) error {
			o, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q" + runID), Attributes: map[string]string{"VisibilityTimeout": "1"}})
			if err != nil {
				return err
			}
			u = o.QueueUrl
			if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: u, MessageBody: aws.String("m1"), MessageAttributes: map[string]sqst.MessageAttributeValue{"k": {DataType: aws.String("String"), StringValue: aws.String("v")}}}); err != nil {
				return err
			}
			r, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: u, MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []sqst.MessageSystemAttributeName{"All"}})
			if err != nil || len(r.Messages) != 1 || aws.ToString(r.Messages[0].MessageAttributes["k"].StringValue) != "v" {
				return fmt.Errorf("%v", err)
			}
			if r.Messages[0].Attributes["ApproximateReceiveCount"] != "1" {
				return fmt.Errorf("receive count %v", r.Messages[0].Attributes)
			}
			// visibility: invisible now, visible after 1s
			r2, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: u})
			if err != nil || len(r2.Messages) != 0 {
				return fmt.Errorf("visible twice %v", err)
			}
			time.Sleep(1300 * time.Millisecond)
			r3, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: u})
			if err != nil || len(r3.Messages) != 1 {
				return fmt.Errorf("not redelivered %v", err)
			}
			_, err = c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: u, ReceiptHandle: r3.Messages[0].ReceiptHandle})
			return err
		}},
		{"ChangeMessageVisibility + long poll wakes early + DelaySeconds", func(ctx context.Context) error {
			if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: u, MessageBody: aws.String("m2")}); err != nil {
				return err
			}
			r, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: u})
			if err != nil || len(r.Messages) != 1 {
				return fmt.Errorf("%v", err)
			}
			if _, err := c.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: u, ReceiptHandle: r.Messages[0].ReceiptHandle, VisibilityTimeout: 0}); err != nil {
				return err
			}
			r, err = c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: u})
			if err != nil || len(r.Messages) != 1 {
				return fmt.Errorf("not visible at once %v", err)
			}
			_, _ = c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: u, ReceiptHandle: r.Messages[0].ReceiptHandle})
			go func() {
				time.Sleep(500 * time.Millisecond)
				c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: u, MessageBody: aws.String("late")})
			}()
			t0 := time.Now()
			r, err = c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: u, WaitTimeSeconds: 5})
			if err != nil || len(r.Messages) != 1 {
				return fmt.Errorf("long poll empty after %v %v", time.Since(t0), err)
			}
			if time.Since(t0) > 3*time.Second {
				return fmt.Errorf("long poll did not wake early: %v", time.Since(t0))
			}
			_, _ = c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: u, ReceiptHandle: r.Messages[0].ReceiptHandle})
			return nil
		}},
		{"Batch send/delete", func(ctx context.Context) error {
			o, err := c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: u, Entries: []sqst.SendMessageBatchRequestEntry{{Id: aws.String("1"), MessageBody: aws.String("a")}, {Id: aws.String("2"), MessageBody: aws.String("b")}}})
			if err != nil || len(o.Successful) != 2 {
				return fmt.Errorf("%v", err)
			}
			r, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: u, MaxNumberOfMessages: 10})
			if err != nil || len(r.Messages) != 2 {
				return fmt.Errorf("%v %d", err, len(r.Messages))
			}
			var d []sqst.DeleteMessageBatchRequestEntry
			for i, m := range r.Messages {
				d = append(d, sqst.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
			}
			x, err := c.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: u, Entries: d})
			if err != nil || len(x.Successful) != 2 {
				return fmt.Errorf("%v", err)
			}
			return nil
		}},
		{"DLQ redrive after maxReceiveCount", func(ctx context.Context) error {
			d, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("dlq" + runID)})
			if err != nil {
				return err
			}
			a, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: d.QueueUrl, AttributeNames: []sqst.QueueAttributeName{"QueueArn"}})
			if err != nil {
				return err
			}
			m, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("main" + runID), Attributes: map[string]string{"VisibilityTimeout": "1", "RedrivePolicy": `{"deadLetterTargetArn":"` + a.Attributes["QueueArn"] + `","maxReceiveCount":"2"}`}})
			if err != nil {
				return err
			}
			_, _ = c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: m.QueueUrl, MessageBody: aws.String("poison")})
			for i := 0; i < 3; i++ {
				_, _ = c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: m.QueueUrl})
				time.Sleep(1200 * time.Millisecond)
			}
			r, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: d.QueueUrl})
			if err != nil || len(r.Messages) != 1 {
				return fmt.Errorf("dlq has %d %v", len(r.Messages), err)
			}
			return nil
		}},
	}
}
