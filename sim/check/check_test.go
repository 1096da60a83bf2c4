package main

import (
	"net/http/httptest"
	"testing"

	"berth/sim"
	"berth/sim/sqs"
)

// The emulator behaves as the checks say that DynamoDB does.
func TestEmulator(t *testing.T) {
	_, url := sim.DynamoDB(t)
	endpoint = &url
	for _, c := range ddbChecks() {
		t.Run(c.Name, func(t *testing.T) {
			if err := run(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
}

// And the queues as they say that SQS does.
func TestSQS(t *testing.T) {
	server := httptest.NewServer(sqs.New(1))
	defer server.Close()
	endpoint = &server.URL
	for _, c := range sqsChecks() {
		t.Run(c.Name, func(t *testing.T) {
			if err := run(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
}
