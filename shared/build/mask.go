package build

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"berth/shared/hub"
)

// mask hides the secrets of a build in text: build secrets, whole and line by line,
// the access token, and the lines of the deploy key.
type mask struct {
	secrets []string // none is empty
	longest int      // bytes of the longest one
}

const (
	// minLine is the fewest bytes of a line that is hidden for itself, where a secret
	// has several: a brace alone tells nothing.
	minLine = 4
	// minForm is the fewest bytes of a secret that is looked for in other forms too.
	minForm = 8
)

func newMask(j hub.Job) *mask {
	m := &mask{}
	for _, s := range j.Secrets {
		m.hideForms(strings.TrimSpace(s))
		m.hideLines(s)
	}
	m.hideForms(j.Token)
	m.hideLines(j.DeployKey)
	slices.Sort(m.secrets)
	m.secrets = slices.Compact(m.secrets)
	for _, s := range m.secrets {
		m.longest = max(m.longest, len(s))
	}
	return m
}

func (m *mask) hide(secret string) {
	if secret != "" {
		m.secrets = append(m.secrets, secret)
	}
}

func (m *mask) hideLines(s string) {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); len(line) >= minLine && !strings.HasPrefix(line, "-----") {
			m.hide(line)
		}
	}
}

// hideForms hides a secret, and the forms in which programs print one that they were
// given: within JSON, within an address, and within base64, where it may begin at
// each of three places.
func (m *mask) hideForms(secret string) {
	m.hide(secret)
	if len(secret) < minForm {
		return
	}
	m.hide(quoted(secret))
	m.hide(url.QueryEscape(secret))
	m.hide(url.PathEscape(secret))
	for before := range 3 {
		b := append(make([]byte, before), secret...)
		from, to := (8*before+5)/6, 8*len(b)/6 // what nothing but the secret decides
		m.hide(base64.RawStdEncoding.EncodeToString(b)[from:to])
		m.hide(base64.RawURLEncoding.EncodeToString(b)[from:to])
	}
}

// quoted is a text as it stands in JSON.
func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return ""
	}
	return strings.Trim(b.String(), "\"\n")
}

// span is a place in a text: from its first byte to the one behind its last.
type span struct{ from, to int }

// find are the places of secrets in a text, in order. Those that overlap are one.
func (m *mask) find(s string) []span {
	var all []span
	for _, secret := range m.secrets {
		for at := 0; ; {
			i := strings.Index(s[at:], secret)
			if i < 0 {
				break
			}
			i += at
			// In a run of one that overlaps itself the places are one.
			if n := len(all) - 1; n >= 0 && all[n].from <= i && i < all[n].to {
				all[n].to = max(all[n].to, i+len(secret))
			} else {
				all = append(all, span{i, i + len(secret)})
			}
			at = i + 1
		}
	}
	if len(all) < 2 {
		return all
	}
	slices.SortFunc(all, func(a, b span) int { return a.from - b.from })
	merged := all[:1]
	for _, next := range all[1:] {
		if last := &merged[len(merged)-1]; next.from < last.to {
			last.to = max(last.to, next.to)
		} else {
			merged = append(merged, next)
		}
	}
	return merged
}

// text is the text without its secrets.
func (m *mask) text(s string) string {
	found := m.find(s)
	if len(found) == 0 {
		return s
	}
	var b strings.Builder
	at := 0
	for _, f := range found {
		b.WriteString(s[at:f.from])
		b.WriteString("***")
		at = f.to
	}
	b.WriteString(s[at:])
	return b.String()
}
