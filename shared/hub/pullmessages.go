package hub

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"berth/shared/store"
)

// PullMessage is a pull on its way to be counted, by a queue that may deliver it
// twice, late and in any order.
type PullMessage struct {
	ID string `json:"id"` // its own among all
	PullCount
}

// PullMessage makes the message about a pull.
func (h *Hub) PullMessage(p PullCount) PullMessage { return PullMessage{h.newID(), p} }

// pullMemory is how long a message that was counted is remembered: longer than a
// queue keeps one.
const pullMemory = 15 * 24 * time.Hour

// messagesAtOnce is how many messages are counted in one Write.
const messagesAtOnce = 90

// CountPulls counts pulls of one repository, each message once. It may be asked
// again after an error.
func (h *Hub) CountPulls(ctx context.Context, repoID string, messages []PullMessage) error {
	messages = slices.SortedFunc(slices.Values(messages), func(a, b PullMessage) int { return strings.Compare(a.ID, b.ID) })
	messages = slices.CompactFunc(messages, func(a, b PullMessage) bool { return a.ID == b.ID })
	for batch := range slices.Chunk(messages, messagesAtOnce) {
		if err := h.again(ctx, func() error { return h.countMessages(ctx, repoID, &batch) }); err != nil {
			return err
		}
	}
	// Also of those that were counted before: the attempt may have ended after that.
	return h.storePulledTags(ctx, repoID, pullCounts(messages))
}

// countMessages counts messages. Where some were counted before it takes them out,
// and answers with the conflict.
func (h *Hub) countMessages(ctx context.Context, repoID string, messages *[]PullMessage) error {
	if len(*messages) == 0 {
		return nil
	}
	var marks []store.Op
	var keys []store.Key
	for _, m := range *messages {
		keys = append(keys, pullMarkKey(m.ID))
		marks = append(marks, store.Create(pullMarkKey(m.ID), nil).Until(h.Now().Add(pullMemory)))
	}
	conflict := h.addPulls(ctx, repoID, pullCounts(*messages), marks...)
	var c *store.ConflictError
	if !errors.As(conflict, &c) || !slices.Contains(keys, c.Key) {
		return conflict
	}
	items, err := h.Records.Get(ctx, keys...)
	if err != nil {
		return err
	}
	var left []PullMessage
	for i, m := range *messages {
		if !items[i].Found() {
			left = append(left, m)
		}
	}
	*messages = left
	return conflict
}

func pullCounts(messages []PullMessage) []PullCount {
	counts := make([]PullCount, len(messages))
	for i, m := range messages {
		counts[i] = m.PullCount
	}
	return counts
}
