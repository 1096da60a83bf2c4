package main

import (
	"io"
	"log/slog"
	"os"
	"strings"
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

// serverLog takes what net/http says by itself. Most of it is about a client that broke
// off or spoke no TLS, which is debug. What stops the hub from taking connections, such
// as too few file descriptors, is a warning, once in a while: net/http repeats it each
// second. A panic is an error.
type serverLog struct {
	log   *slog.Logger
	mu    sync.Mutex
	quiet time.Time // no other warning before
}

const serverLogEvery = time.Minute

func (l *serverLog) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	switch {
	case strings.HasPrefix(line, "http: Accept error"):
		l.mu.Lock()
		now := time.Now()
		due := !now.Before(l.quiet)
		if due {
			l.quiet = now.Add(serverLogEvery)
		}
		l.mu.Unlock()
		if due {
			l.log.Warn("no new connection can be taken; if too many files are open, raise the limit (LimitNOFILE, ulimit -n)", "err", line)
		}
	case strings.HasPrefix(line, "http: panic"), strings.HasPrefix(line, "http2: panic"):
		l.log.Error(line)
	default:
		l.log.Debug(line)
	}
	return len(p), nil
}
