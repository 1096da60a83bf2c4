package eventbus

import (
	"fmt"
	"strings"
)

// Pattern is an event pattern: of each field that it has, the event must have one of the
// values, or one that fits {"prefix": …}, {"anything-but": …} or {"exists": …}.
type Pattern map[string]any

// Fits tells whether an event, as JSON reads it, fits.
func (p Pattern) Fits(event map[string]any) bool {
	for name, want := range p {
		have, there := event[name]
		switch want := want.(type) {
		case map[string]any:
			below, ok := have.(map[string]any)
			if !ok || !Pattern(want).Fits(below) {
				return false
			}
		case []any:
			if !anyFits(want, have, there) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func anyFits(want []any, have any, there bool) bool {
	values, many := have.([]any)
	if !many {
		values = []any{have}
	}
	for _, w := range want {
		if rule, ok := w.(map[string]any); ok && rule["exists"] != nil {
			if rule["exists"] == there {
				return true
			}
			continue
		}
		for _, v := range values {
			if there && fits(w, v) {
				return true
			}
		}
	}
	return false
}

func fits(want, have any) bool {
	rule, ok := want.(map[string]any)
	if !ok {
		return want == have
	}
	if prefix, ok := rule["prefix"].(string); ok {
		text, ok := have.(string)
		return ok && strings.HasPrefix(text, prefix)
	}
	switch not := rule["anything-but"].(type) {
	case []any:
		for _, n := range not {
			if n == have {
				return false
			}
		}
		return true
	case string, float64, bool:
		return not != have
	}
	panic(fmt.Sprintf("this simulation does not know the pattern %v", rule))
}
