package cloud

import (
	"context"
	"encoding/json"
	"errors"

	"berth/shared/hub"

	"github.com/aws/aws-lambda-go/events"
)

// countPulls counts a batch of pulls: those of each repository together. If they
// cannot be counted, all of that repository come again.
func countPulls(ctx context.Context, h *hub.Hub, event json.RawMessage) (any, error) {
	batch, err := readEvent[events.SQSEvent](event)
	if err != nil {
		return nil, err
	}
	return inTime(ctx, func(ctx context.Context) (events.SQSEventResponse, error) {
		failed := make([]error, len(batch.Records))
		messages := map[string][]hub.PullMessage{}
		places := map[string][]int{}
		for i, record := range batch.Records {
			m, err := pullMessage(record.Body)
			if failed[i] = err; err == nil {
				messages[m.RepoID], places[m.RepoID] = append(messages[m.RepoID], m), append(places[m.RepoID], i)
			}
		}
		for repoID, of := range messages {
			if err := h.CountPulls(ctx, repoID, of); err != nil {
				for _, i := range places[repoID] {
					failed[i] = err
				}
			}
		}
		return failures(ctx, h, batch, failed), nil
	})
}

func pullMessage(body string) (m hub.PullMessage, err error) {
	if err = json.Unmarshal([]byte(body), &m); err == nil && (m.ID == "" || m.RepoID == "" || m.Times < 1) {
		err = errors.New("the message is about no pull")
	}
	return m, err
}
