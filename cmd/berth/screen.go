package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// screen is what a person watches while a command works: lines that stay and, on a
// terminal, lines below them that change. Elsewhere only lines that stay are written.
type screen struct {
	out   *os.File
	live  bool
	mu    sync.Mutex
	lines []string // that change, as they are drawn now
}

// newScreen is one on standard error, which leaves standard output to the answer.
func newScreen() *screen {
	return &screen{out: os.Stderr, live: isTerminal(os.Stderr) && os.Getenv("TERM") != "dumb"}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// show replaces the lines that change.
func (s *screen) show(lines ...string) {
	if !s.live {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width < 20 || height < 4 {
		width, height = 80, 24
	}
	if most := height - 1; len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	cut := make([]string, len(lines))
	for i, l := range lines {
		cut[i] = fit(l, width-1)
	}
	io.WriteString(s.out, s.erased()+drawn(cut))
	s.lines = cut
}

// line writes a line that stays, to the screen's own file or to another one that may
// be the same terminal.
func (s *screen) line(to io.Writer, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) == 0 {
		fmt.Fprintln(to, text)
		return
	}
	io.WriteString(s.out, s.erased())
	fmt.Fprintln(to, text)
	io.WriteString(s.out, drawn(s.lines))
}

// say is line on the screen's own file.
func (s *screen) say(format string, args ...any) { s.line(s.out, fmt.Sprintf(format, args...)) }

// erased takes the lines that change away, and leaves the cursor where they began.
func (s *screen) erased() string {
	if len(s.lines) == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", len(s.lines))
}

func drawn(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// fit cuts a line to a width; what styles it takes no room.
func fit(s string, width int) string {
	n := 0
	for i, r := range s {
		switch {
		case r == '\x1b':
			n -= strings.IndexByte(s[i:], 'm')
		case n >= width:
			return s[:i] + plainStyle
		default:
			n++
		}
	}
	return s
}

// Styles of what is written on a terminal.
const (
	bold       = "\x1b[1m"
	dim        = "\x1b[2m"
	red        = "\x1b[31m"
	green      = "\x1b[32m"
	yellow     = "\x1b[33m"
	plainStyle = "\x1b[0m"
)

// styled is a text in a style, where colours are wanted.
func styled(style, text string) string {
	if os.Getenv("NO_COLOR") != "" {
		return text
	}
	return style + text + plainStyle
}
