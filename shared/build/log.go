package build

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"berth/shared/hub"
)

// Limits of log lines.
const (
	maxLine    = 64 << 10               // bytes; a longer line goes on in the next entry
	flushBytes = 32 << 10               // lines are told of when so many bytes have gathered
	flushEvery = 200 * time.Millisecond // or so much time has passed
)

// log gathers lines, gives them numbers and times, hides secrets in them, and tells
// of them in pieces.
type log struct {
	emit    func(hub.BuildEvent)
	full    func() // is called once, when the log has its most
	hide    *strings.Replacer
	longest int // bytes of the longest secret

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
	l := &log{emit: emit, full: full, left: j.LogBytes, ticker: time.NewTicker(flushEvery), done: make(chan struct{})}
	var secrets []string
	hide := func(secret string) {
		if len(secret) >= 4 { // shorter ones would hide ordinary text and nothing else
			secrets = append(secrets, secret)
			l.longest = max(l.longest, len(secret))
		}
	}
	for _, s := range j.Secrets {
		hide(s)
		for line := range strings.Lines(s) {
			hide(strings.TrimSpace(line))
		}
	}
	hide(j.Token)
	for line := range strings.Lines(j.DeployKey) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") {
			hide(line)
		}
	}
	// The longer one first: another may be its beginning.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range secrets {
		pairs = append(pairs, s, "***")
	}
	l.hide = strings.NewReplacer(pairs...)
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

func (l *log) mask(s string) string { return l.hide.Replace(s) }

func (l *log) info(format string, args ...any) {
	l.line("INFO", l.mask(fmt.Sprintf(format, args...)), false)
}
func (l *log) warn(format string, args ...any) {
	l.line("WARN", l.mask(fmt.Sprintf(format, args...)), false)
}

// line adds one entry, which is masked already and short enough.
func (l *log) line(level, message string, continued bool) {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return
	}
	if l.left -= int64(len(message)); l.left < 0 {
		l.over = true
		l.mu.Unlock()
		l.full()
		return
	}
	l.add(level, message, continued)
	full := l.held >= flushBytes
	l.mu.Unlock()
	if full {
		l.flush()
	}
}

func (l *log) add(level, message string, continued bool) {
	l.seq++
	l.at = max(l.at, time.Now().Unix())
	l.lines = append(l.lines, hub.LogLine{Seq: l.seq, Time: l.at, Level: level, Message: message, Continued: continued})
	l.held += len(message)
}

// last adds a line that stands in the log also where it has its most.
func (l *log) last(level, message string) {
	l.mu.Lock()
	l.add(level, strings.TrimSpace(message), false)
	l.mu.Unlock()
}

// flush tells of all lines so far.
func (l *log) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		return
	}
	l.emit(hub.BuildEvent{Lines: l.lines})
	l.lines, l.held = nil, 0
}

func (l *log) close() {
	l.ticker.Stop()
	close(l.done)
	l.flush()
}

// writer takes a program's output as lines of one level. Close it to have a last
// line that has no end.
func (l *log) writer(level string) io.WriteCloser { return &lineWriter{log: l, level: level} }

type lineWriter struct {
	log   *log
	level string
	rest  []byte // of a line without its end
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
	for len(w.rest) >= maxLine+w.log.longest {
		cut := maxLine
		for cut > maxLine-utf8.UTFMax && !utf8.RuneStart(w.rest[cut]) {
			cut--
		}
		masked := w.log.mask(string(w.rest))
		if masked != string(w.rest) { // cut behind the secret, not within it
			w.rest = append(w.rest[:0], masked...)
			continue
		}
		w.entry(w.rest[:cut], true)
		w.rest = append(w.rest[:0], w.rest[cut:]...)
	}
	return n, nil
}

// entry adds a line, in pieces where it is long.
func (w *lineWriter) entry(b []byte, continued bool) {
	s := printable(strings.TrimSuffix(w.log.mask(string(b)), "\r"))
	for len(s) > maxLine {
		cut := maxLine
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		w.log.line(w.level, s[:cut], true)
		s = s[cut:]
	}
	w.log.line(w.level, s, continued)
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
