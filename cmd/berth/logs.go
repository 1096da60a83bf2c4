package main

import (
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// logFlush is how long a line may wait before it is written, and what a kill may
// lose of the log.
const logFlush = 100 * time.Millisecond

// logBuffer gathers the log's lines and writes them together, so that a line a
// request costs no system call. Whoever logs waits only while more than
// logBufferSize is unwritten.
type logBuffer struct {
	out     io.Writer
	mu      sync.Mutex // of pending
	pending []byte
	writing sync.Mutex // held while out is written, in the order of the lines
	spare   []byte     // under writing
	quit    chan struct{}
	done    chan struct{}
}

const logBufferSize = 256 << 10

func newLogBuffer(out io.Writer) *logBuffer {
	b := &logBuffer{out: out, quit: make(chan struct{}), done: make(chan struct{})}
	go b.run()
	return b
}

func (b *logBuffer) run() {
	defer close(b.done)
	tick := time.NewTicker(logFlush)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.Flush()
		case <-b.quit:
			b.Flush()
			return
		}
	}
}

// Write takes a line. It never fails: a log that cannot be written stops nobody.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	b.pending = append(b.pending, p...)
	full := len(b.pending) >= logBufferSize
	b.mu.Unlock()
	if full {
		b.Flush()
	}
	return len(p), nil
}

// Flush writes what is pending.
func (b *logBuffer) Flush() {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	lines := b.pending
	b.pending = b.spare[:0]
	b.mu.Unlock()
	if len(lines) > 0 {
		b.out.Write(lines)
	}
	b.spare = lines
}

// Close writes the rest. Lines written after it may be lost.
func (b *logBuffer) Close() {
	close(b.quit)
	<-b.done
}

// logHandler writes text for people and JSON for machines. The level is one of the
// flag's.
func logHandler(w io.Writer, format, level string) slog.Handler {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		panic("berth: " + err.Error())
	}
	o := &slog.HandlerOptions{Level: least}
	if format == "text" || format == "auto" && isTerminal(os.Stderr) {
		return slog.NewTextHandler(w, o)
	}
	return slog.NewJSONHandler(w, o)
}
