package main

import (
	"context"
	"sync"

	"berth/shared/hub"
)

// schedules runs what the hub does by itself until ctx ends.
func (s *settings) schedules(ctx context.Context, h *hub.Hub) *sync.WaitGroup {
	return &sync.WaitGroup{}
}
