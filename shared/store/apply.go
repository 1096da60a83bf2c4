package store

import "time"

// Holds reports whether the operation's condition holds of the item at its key,
// which has Version 0 where there is none.
func (o *Op) Holds(version int64) bool {
	switch o.Cond {
	case Absent:
		return version == 0
	case Exists:
		return version != 0
	case IsAt:
		return version != 0 && version == o.Version
	}
	return true
}

// Apply is what a put or an add makes of the item, as it is before, at version.
// Neither was nor the operation is changed, but the result may share their bytes.
func (o *Op) Apply(was Item, version int64) Item {
	now := was
	now.Key, now.Version = o.Key, version
	if o.Kind == OpPut {
		now.Value, now.Expires = o.Value, seconds(o.Expires)
		return now
	}
	now.Counts = make(map[string]int64, len(was.Counts)+len(o.Add)+len(o.Set))
	for name, n := range was.Counts {
		now.Counts[name] = n
	}
	for name, n := range o.Add {
		now.Counts[name] += n
	}
	for name, n := range o.Set {
		now.Counts[name] = n
	}
	if len(now.Counts) == 0 {
		now.Counts = nil
	}
	return now
}

// seconds cuts a time to the precision of expiry.
func seconds(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.Unix(t.Unix(), 0).UTC()
}
