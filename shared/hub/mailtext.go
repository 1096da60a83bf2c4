package hub

import (
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// mailedLines is how many lines of a failed build's log its mail has, at the most.
const mailedLines = 20

// maxMailedLine bounds, in characters, each line that a mail repeats.
const maxMailedLine = 500

var statusWords = map[Status]string{Succeeded: "succeeded", Failed: "failed", Deleted: "was deleted"}

// aboutBuild is the mail about a build that is over, without its address.
func (h *Hub) aboutBuild(b Build, log []LogLine) Mail {
	what := b.Path() + ":" + b.Tag.Tag
	var t strings.Builder
	fmt.Fprintf(&t, "The build of %s %s.\n\n", what, statusWords[b.Status])
	for _, row := range [][2]string{
		{"Image", what},
		{"Version", b.VersionTag},
		{"Code", b.Code.CodePath() + ", " + b.Tag.RefType + " " + b.Tag.Ref},
		{"Commit", b.Commit},
		{"", b.Code.CommitURL(b.Commit)},
		{"Asked for by", asker(b)},
		{"Started", b.StartedAt.orWords("never")},
		{"Ended", b.EndedAt.String()},
		{"Duration", b.duration()},
		{"Digest", b.Digest},
		{"Result", string(b.Status) + ", " + b.Detail},
		{"Link", h.buildURL(b)},
	} {
		if row[1] == "" {
			continue
		}
		if row[0] != "" {
			row[0] += ":"
		}
		fmt.Fprintf(&t, "%-14s%s\n", row[0], oneLine(row[1]))
	}
	if len(log) > 0 {
		fmt.Fprintf(&t, "\nThe end of its log, which is whole at %s/logs:\n\n", h.buildURL(b))
		for _, l := range log {
			fmt.Fprintf(&t, "%-5s %s\n", l.Level, oneLine(l.Message))
		}
	}
	return Mail{
		ID:      "build-" + b.ID + "@" + mailHost(h.Options.PublicURL),
		Subject: oneLine(fmt.Sprintf("[Berth] The build of %s %s", what, statusWords[b.Status])),
		Text:    t.String(), At: b.EndedAt,
	}
}

func asker(b Build) string {
	if b.Auto {
		return "a push to the code repository"
	}
	return b.CreatedBy
}

func (t Time) orWords(none string) string {
	if t.IsZero() {
		return none
	}
	return t.String()
}

// duration is how long a build ran, to the second; "" where it did not.
func (b Build) duration() string {
	if b.StartedAt.IsZero() {
		return ""
	}
	return b.EndedAt.Sub(b.StartedAt.Time).Round(time.Second).String()
}

func (h *Hub) buildURL(b Build) string {
	return h.Options.PublicURL.JoinPath("v1", "builds", b.ID).String()
}

// mailHost is the hub's host as the right side of a Message-ID.
func mailHost(public *url.URL) string {
	host := public.Hostname()
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// oneLine is a text from outside as a mail may repeat it: what could end a line,
// steer a terminal or turn the direction of writing is left out, and what is too long.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return -1
	}, s)
	s = strings.TrimRight(s, " ")
	if cut := []rune(s); len(cut) > maxMailedLine {
		return string(cut[:maxMailedLine]) + "…"
	}
	return s
}
