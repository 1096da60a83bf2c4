package hub

import (
	"encoding/json"
	"time"
)

// Time is a moment in UTC with the three decimals that every answer shows. The
// zero Time is one that is not known, and is null in JSON.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z"

// At is t in the precision that is kept.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// AtMilli is the moment ms milliseconds after 1970; 0 is the zero Time.
func AtMilli(ms int64) Time {
	if ms == 0 {
		return Time{}
	}
	return Time{time.UnixMilli(ms).UTC()}
}

func (t Time) String() string { return t.UTC().Format(timeLayout) }

func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.UTC().AppendFormat(make([]byte, 0, len(timeLayout)+2), `"`+timeLayout+`"`), nil
}

func (t *Time) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s == nil {
		*t = Time{}
		return nil
	}
	p, err := time.Parse(time.RFC3339, *s)
	if err != nil {
		return err
	}
	*t = At(p)
	return nil
}
