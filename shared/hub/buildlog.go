package hub

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"

	"berth/shared/store"
)

// LogLine is one line of a build's log.
type LogLine struct {
	Seq       int64  `json:"seq"`  // from 1, without gaps
	Time      int64  `json:"time"` // Unix seconds, never less than the line before
	Level     string `json:"level"`
	Message   string `json:"message"`
	Continued bool   `json:"continued,omitempty"` // the line goes on in the next entry
}

// MaxLogLine is the most that an entry's message has, in bytes: a longer line goes on
// in the next entry.
const MaxLogLine = 64 << 10

// Cost is about how many bytes a record needs for the line.
func (l LogLine) Cost() int { return len(l.Message) + 80 }

// MaxLogChunk is about how many bytes of lines one record holds: a runner that tells
// of so many at once costs one write.
const MaxLogChunk = 64 << 10

// Charge is what the line takes of what a log may have, in bytes: no line is so short
// that a log could have any number of them.
func (l LogLine) Charge() int64 { return max(int64(len(l.Message))+1, 16) }

// lastWords is how much more than it may have a log is taken with: a runner holds
// itself to the limit, and then says why the build ends.
const lastWords = MaxLogChunk

// Counts of a build.
const (
	countLog     = "log"  // what the lines of its log are charged with
	countLogLine = "line" // the number of the last of them
)

// errLogFull says that a log has its most.
var errLogFull = errors.New("the log is full")

// appendLog keeps lines of the log of a build, in the state that it returns. Each
// write holds only if the build is as it was read: so no line follows the end of
// a build, and the lines are counted. Lines that are there already are left alone,
// so that a runner may send them again. Conflict where the build does not run;
// errLogFull.
func (h *Hub) appendLog(ctx context.Context, id string, lines []LogLine) (b Build, err error) {
	for len(lines) > 0 {
		n, size := 0, 0
		for n < len(lines) && (n == 0 || size+lines[n].Cost() <= MaxLogChunk) {
			size += lines[n].Cost()
			n++
		}
		err := h.again(ctx, func() error {
			b, err = h.appendChunk(ctx, id, lines[:n])
			return err
		})
		if err != nil {
			return b, err
		}
		lines = lines[n:]
	}
	return b, nil
}

// appendChunk keeps what is new of lines that fill one record at most.
func (h *Hub) appendChunk(ctx context.Context, id string, chunk []LogLine) (Build, error) {
	b, item, err := h.build(ctx, id)
	if err != nil {
		return b, err
	}
	if b.Status != Running {
		return b, notRunning(b)
	}
	for len(chunk) > 0 && chunk[0].Seq <= item.Counts[countLogLine] {
		chunk = chunk[1:]
	}
	if len(chunk) == 0 {
		return b, nil
	}
	var charge int64
	for _, l := range chunk {
		charge += l.Charge()
	}
	if item.Counts[countLog]+charge > h.limits().LogBytes+lastWords {
		return b, errLogFull
	}
	return b, h.Records.Write(ctx, store.Put(logKey(id, chunk[0].Seq), encode(chunk)), store.Op{
		Kind: store.OpAdd, Cond: store.IsAt, Key: item.Key, Version: item.Version,
		Add: map[string]int64{countLog: charge}, Set: map[string]int64{countLogLine: chunk[len(chunk)-1].Seq},
	})
}

// LogQuery says which part of a log is wanted. Times are Unix seconds, both
// included.
type LogQuery struct {
	After int64 // only lines after this one
	From  int64
	To    *int64 // nil = open
}

// maxLogLines and maxLogBytes bound one answer.
const (
	maxLogLines = 10_000
	maxLogBytes = 3 << 20 // of messages; JSON can make more of them
)

// BuildLog reads a piece of a build's log, oldest first; more says that lines
// follow. It reads little beside what it returns: the first line is searched for.
func (h *Hub) BuildLog(ctx context.Context, id string, q LogQuery) (lines []LogLine, more bool, err error) {
	first := q.After + 1
	if q.From > 0 {
		at, err := h.logLineAt(ctx, id, q.From)
		if err != nil {
			return nil, false, err
		}
		first = max(first, at)
	}
	start, err := h.logChunkOf(ctx, id, first)
	if err != nil {
		return nil, false, err
	}
	lines = []LogLine{}
	size := 0
	r := store.Range{Table: store.Builds, Part: logKey(id, 0).Part, From: start, Limit: 16}
	err = h.each(ctx, r, func(item store.Item) error {
		chunk, err := decode[[]LogLine](item)
		if err != nil {
			return err
		}
		for _, l := range chunk {
			switch {
			case l.Seq < first || l.Time < q.From:
				continue
			case q.To != nil && l.Time > *q.To:
				return errEnough
			case len(lines) == maxLogLines || len(lines) > 0 && size+len(l.Message) > maxLogBytes:
				more = true
				return errEnough
			}
			size += len(l.Message)
			lines = append(lines, l)
		}
		return nil
	})
	return lines, more, err
}

// logChunkOf is the sort key of the record that holds a line, or would.
func (h *Hub) logChunkOf(ctx context.Context, id string, seq int64) (string, error) {
	page, err := h.Records.List(ctx, store.Range{
		Table: store.Builds, Part: logKey(id, 0).Part, To: logKey(id, seq+1).Sort, Reverse: true, Limit: 1,
	})
	if err != nil || len(page.Items) == 0 {
		return logKey(id, 0).Sort, err
	}
	return page.Items[0].Sort, nil
}

// logLineAt finds a line from which on to look for the first that is not older than
// a time, by halves: times never go back.
func (h *Hub) logLineAt(ctx context.Context, id string, at int64) (int64, error) {
	part := logKey(id, 0).Part
	page, err := h.Records.List(ctx, store.Range{Table: store.Builds, Part: part, Reverse: true, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return 1, err
	}
	last, err := strconv.ParseInt(page.Items[0].Sort, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("record %s is damaged: %w", page.Items[0].Key, err)
	}
	var failed error
	chunkAt := func(seq int64) []LogLine {
		start, err := h.logChunkOf(ctx, id, seq)
		if err == nil {
			var item store.Item
			if item, err = h.get(ctx, store.Key{Table: store.Builds, Part: part, Sort: start}); err == nil {
				var chunk []LogLine
				if chunk, err = found[[]LogLine](item); err == nil {
					return chunk
				}
			}
		}
		failed = err
		return nil
	}
	n := sort.Search(int(last), func(i int) bool { // the last record whose first line is older
		chunk := chunkAt(int64(i) + 1)
		return len(chunk) == 0 || chunk[0].Time >= at
	})
	if n == 0 || failed != nil {
		return 1, failed
	}
	chunk := chunkAt(int64(n)) // it begins before that time, and may go on to it
	if len(chunk) == 0 {
		return 1, failed
	}
	return chunk[0].Seq, failed
}

// lastLines are the last lines of a build's log, at most n.
func (h *Hub) lastLines(ctx context.Context, id string, n int) ([]LogLine, error) {
	var last []LogLine
	r := store.Range{Table: store.Builds, Part: logKey(id, 0).Part, Reverse: true, Limit: n}
	err := h.each(ctx, r, func(item store.Item) error {
		chunk, err := decode[[]LogLine](item)
		if err != nil {
			return err
		}
		if last = append(chunk, last...); len(last) >= n {
			return errEnough
		}
		return nil
	})
	return last[max(0, len(last)-n):], err
}
