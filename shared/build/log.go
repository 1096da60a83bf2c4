package build

import (
	"bytes"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"berth/shared/hub"
)

// Limits of log lines.
const (
	maxLine    = hub.MaxLogLine
	flushEvery = 200 * time.Millisecond // lines are told of so often, or when they fill a record
)

// log gathers lines, gives them numbers and times, hides secrets in them, and tells
// of them in pieces.
type log struct {
	emit func(hub.BuildEvent)
	full func() // is called when the log has its most; any number of times
	mask *mask

	mu     sync.Mutex
	lines  []hub.LogLine
	held   int // bytes of lines
	seq    int64
	at     int64 // of the last line
	left   int64 // bytes that the log may still have
	over   bool
	ticker *time.Ticker
	done   chan struct{}
}

func newLog(j hub.Job, emit func(hub.BuildEvent), full func()) *log {
	l := &log{emit: emit, full: full, mask: newMask(j), left: j.LogBytes, ticker: time.NewTicker(flushEvery), done: make(chan struct{})}
	go func() {
		for {
			select {
			case <-l.ticker.C:
				l.flush()
			case <-l.done:
				return
			}
		}
	}()
	return l
}

func (l *log) info(format string, args ...any) { l.write("INFO", fmt.Sprintf(format, args...), false) }
func (l *log) warn(format string, args ...any) { l.write("WARN", fmt.Sprintf(format, args...), false) }

// write adds a line, masked and with what is no UTF-8 escaped, in pieces where it is
// long.
func (l *log) write(level, text string, continued bool) {
	for piece, more := range pieces(printable(l.mask.text(text))) {
		l.line(level, piece, continued || more)
	}
}

// pieces are those in which a text is logged; more says that another one follows.
func pieces(text string) iter.Seq2[string, bool] {
	return func(yield func(piece string, more bool) bool) {
		for len(text) > maxLine {
			cut := runeCut(text, maxLine)
			if !yield(text[:cut], true) {
				return
			}
			text = text[cut:]
		}
		yield(text, false)
	}
}

// line adds one entry, if the log has not its most.
func (l *log) line(level, message string, continued bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	if l.left -= (hub.LogLine{Message: message}).Charge(); l.left < 0 {
		l.over = true
		l.full()
		return
	}
	l.add(level, message, continued)
}

// isFull reports whether the log takes nothing more.
func (l *log) isFull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

func (l *log) add(level, message string, continued bool) {
	l.at = max(l.at, time.Now().Unix())
	line := hub.LogLine{Seq: l.seq + 1, Time: l.at, Level: level, Message: message, Continued: continued}
	if l.held+line.Cost() > hub.MaxLogChunk {
		l.tell()
	}
	l.seq++
	l.lines = append(l.lines, line)
	l.held += line.Cost()
}

// last adds the line that says why the build failed, which is there also where the
// log has its most.
func (l *log) last(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for piece, more := range pieces(reason) {
		l.add("ERROR", piece, more)
	}
}

// flush tells of all lines so far.
func (l *log) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tell()
}

// event tells of something else, after all lines so far.
func (l *log) event(e hub.BuildEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tell()
	l.emit(e)
}

func (l *log) tell() {
	if len(l.lines) > 0 {
		l.emit(hub.BuildEvent{Lines: l.lines})
		l.lines, l.held = nil, 0
	}
}

func (l *log) close() {
	l.ticker.Stop()
	close(l.done)
	l.flush()
}

// writer takes a program's output as lines of one level. Close it to have a last
// line that has no end.
func (l *log) writer(level string) *lineWriter { return &lineWriter{log: l, level: level} }

type lineWriter struct {
	log   *log
	level string
	see   func(line []byte) // is shown each line before it is added; nil = nobody is
	rest  []byte            // of a line without its end
}

// Write implements io.Writer. It never fails: a program that prints too much is
// ended, not broken.
func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		w.entry(append(w.rest, p[:i]...), false)
		w.rest, p = w.rest[:0], p[i+1:]
	}
	w.rest = append(w.rest, p...)
	// A piece of a long line goes on its way, but for what may be the beginning of a
	// secret.
	for len(w.rest) > maxLine+w.log.mask.longest {
		cut := runeCut(string(w.rest), maxLine)
		for _, secret := range w.log.mask.find(string(w.rest)) {
			if secret.from < cut && cut < secret.to { // not within a secret
				if cut = secret.from; cut == 0 {
					cut = secret.to
				}
				break
			}
		}
		w.entry(w.rest[:cut], true)
		w.rest = append(w.rest[:0], w.rest[cut:]...)
	}
	return n, nil
}

// entry adds a line, or a piece of one that goes on.
func (w *lineWriter) entry(b []byte, continued bool) {
	if w.see != nil {
		w.see(b)
	}
	s := string(b)
	if !continued {
		s = strings.TrimSuffix(s, "\r")
	}
	w.log.write(w.level, s, continued)
}

// runeCut is the place, at most n, where a longer text can be cut without cutting a
// character. What is no UTF-8 may be cut anywhere.
func runeCut(s string, n int) int {
	for cut := n; cut > n-utf8.UTFMax; cut-- {
		if utf8.RuneStart(s[cut]) {
			return cut
		}
	}
	return n
}

func (w *lineWriter) Close() error {
	if len(w.rest) > 0 {
		w.entry(w.rest, false)
		w.rest = nil
	}
	return nil
}

// printable escapes the bytes that are no UTF-8, as \xNN.
func printable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[0])|0x100, 16)[1:])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}
