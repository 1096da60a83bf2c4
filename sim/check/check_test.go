package main

import (
	"testing"

	"berth/sim"
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
