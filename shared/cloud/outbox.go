package cloud

import (
	"context"
	"encoding/json"
	"sync"

	"berth/shared/hub"
	"berth/shared/store"

	"github.com/aws/aws-lambda-go/events"
)

// hintMessage is the message about an entry of the outbox. It only says where to
// look; nothing secret goes through a queue.
type hintMessage struct {
	Part string `json:"part"`
	Sort string `json:"sort"`
}

// HintMessage is the body of the message that a hint is sent as.
func HintMessage(h hub.Hint) string {
	b, err := json.Marshal(hintMessage{h.Key.Part, h.Key.Sort})
	if err != nil {
		panic("berth: " + err.Error()) // two texts
	}
	return string(b)
}

// sendHinted handles a batch of hints.
func sendHinted(ctx context.Context, h *hub.Hub, event json.RawMessage) (any, error) {
	return eachMessage(ctx, h, event, func(ctx context.Context, body string) error {
		var m hintMessage
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			return err
		}
		return h.HandleHint(ctx, store.Key{Table: store.Builds, Part: m.Part, Sort: m.Sort})
	})
}

// hintAgain hints at what waits in the outbox.
func hintAgain(ctx context.Context, h *hub.Hub, _ json.RawMessage) (any, error) {
	return nil, h.HintOutbox(ctx)
}

// eachMessage handles the messages of a batch, all at the same time, and answers
// with those that are to come again.
func eachMessage(ctx context.Context, h *hub.Hub, event json.RawMessage, do func(ctx context.Context, body string) error) (any, error) {
	batch, err := readEvent[events.SQSEvent](event)
	if err != nil {
		return nil, err
	}
	return inTime(ctx, func(ctx context.Context) (events.SQSEventResponse, error) {
		failed := make([]error, len(batch.Records))
		var wg sync.WaitGroup
		for i, m := range batch.Records {
			wg.Go(func() { failed[i] = do(ctx, m.Body) })
		}
		wg.Wait()
		return failures(ctx, h, batch, failed), nil
	})
}

// failures says which messages of a batch failed.
func failures(ctx context.Context, h *hub.Hub, batch events.SQSEvent, failed []error) events.SQSEventResponse {
	out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i, m := range batch.Records {
		if failed[i] != nil {
			h.Log.ErrorContext(ctx, "a message is to come again", "message", m.MessageId, "err", failed[i])
			out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return out
}
