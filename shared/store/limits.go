package store

import (
	"fmt"
	"unicode/utf8"
)

// What a backend may add to an item for its own book-keeping, so that an item of
// MaxItemSize fits everywhere.
const (
	itemOverhead  = 128 // names of attributes, version, expiry
	countOverhead = 24  // the longest number and its place in a map
)

// Size is the item's size as the limits count it, in bytes: its key and value,
// the names of its counts and 24 for each, and 128 for the backend.
func (i Item) Size() int {
	n := itemOverhead + len(i.Part) + len(i.Sort) + len(i.Value)
	for name := range i.Counts {
		n += len(name) + countOverhead
	}
	return n
}

// CheckGet says whether a Get of the keys keeps the limits. No key at all is
// fine, and so is the same key twice.
func CheckGet(keys []Key) error {
	if len(keys) > MaxGet {
		return limit("%d keys in one Get, at most %d", len(keys), MaxGet)
	}
	for i := range keys {
		if err := checkKey(&keys[i]); err != nil {
			return err
		}
	}
	return nil
}

// CheckRange says whether a List of the range keeps the limits. A range in which
// nothing can be, because it ends before it begins, is fine: see [Range.Empty].
func CheckRange(r Range) error {
	switch {
	case !known(r.Table):
		return limit("no table %q", string(r.Table))
	case r.Limit <= 0:
		return limit("a range of %s with Limit %d, at least 1", r.Table, r.Limit)
	case r.Part == "" || len(r.Part) > MaxPart || !utf8.ValidString(r.Part):
		return limit("a partition key of %s must be 1 to %d bytes of UTF-8", r.Table, MaxPart)
	}
	for _, bound := range [2]string{r.From, r.To} {
		// After makes a bound of a sort key and one byte more.
		if len(bound) > MaxSort+1 || !utf8.ValidString(bound) {
			return limit("a bound of a range must be at most %d bytes of UTF-8", MaxSort+1)
		}
	}
	return nil
}

// Empty reports whether no sort key can be in the range.
func (r Range) Empty() bool { return r.To != "" && r.From >= r.To }

// CheckWrite says whether a Write of the operations keeps the limits, as far as
// that can be known without reading. No operation at all is fine. What an item
// becomes by an operation is for [WriteSize] to judge.
func CheckWrite(ops []Op) error {
	if len(ops) > MaxWrite {
		return limit("%d operations in one Write, at most %d", len(ops), MaxWrite)
	}
	var size WriteSize
	for i := range ops {
		if err := checkOp(&ops[i]); err != nil {
			return err
		}
		if err := size.Add(ops[i].item()); err != nil {
			return err
		}
	}
	return checkDistinct(ops)
}

// WriteSize sums the items of one Write. A backend adds each item as it will be
// after the Write. The zero value is ready.
type WriteSize struct{ n int }

// Add counts one item. The error says that the item or the whole is too big.
func (w *WriteSize) Add(i Item) error {
	size := i.Size()
	if size > MaxItemSize {
		return limit("%s is %d bytes, an item at most %d", i.Key, size, MaxItemSize)
	}
	if w.n += size; w.n > MaxWriteSize {
		return limit("a Write of more than %d bytes", MaxWriteSize)
	}
	return nil
}

// item is what can be said of the operation's item without reading it.
func (o *Op) item() Item {
	i := Item{Key: o.Key, Value: o.Value}
	switch {
	case len(o.Set) == 0:
		i.Counts = o.Add
	case len(o.Add) == 0:
		i.Counts = o.Set
	default:
		i.Counts = make(map[string]int64, len(o.Add)+len(o.Set))
		for _, counts := range [2]map[string]int64{o.Add, o.Set} {
			for name := range counts {
				i.Counts[name] = 0
			}
		}
	}
	return i
}

func checkOp(o *Op) error {
	if err := checkKey(&o.Key); err != nil {
		return err
	}
	switch {
	case o.Kind < OpPut || o.Kind > OpAdd:
		return limit("%s: no operation of kind %d", o.Key, o.Kind)
	case o.Cond > IsAt:
		return limit("%s: no condition %d", o.Key, o.Cond)
	case o.Kind == OpCheck && o.Cond == Any:
		return limit("%s: a check without a condition", o.Key)
	case o.Kind != OpPut && (len(o.Value) != 0 || !o.Expires.IsZero()):
		return limit("%s: only a put has a value or an expiry", o.Key)
	case o.Kind != OpAdd && (len(o.Add) != 0 || len(o.Set) != 0):
		return limit("%s: only an add has counts", o.Key)
	}
	if n := len(o.Add) + len(o.Set); n > MaxCounts {
		return limit("%s: %d counts in one operation, at most %d", o.Key, n, MaxCounts)
	}
	for name := range o.Add {
		if _, both := o.Set[name]; both {
			return limit("%s: count %q is both added to and set", o.Key, name)
		}
	}
	for _, counts := range [2]map[string]int64{o.Add, o.Set} {
		for name := range counts {
			if name == "" || !utf8.ValidString(name) {
				return limit("%s: %q is no name of a count, which is UTF-8 and not empty", o.Key, name)
			}
		}
	}
	return nil
}

func checkDistinct(ops []Op) error {
	if len(ops) <= 12 { // as many as a push has
		for i := range ops {
			for j := range i {
				if ops[i].Key == ops[j].Key {
					return limit("two operations on %s", ops[i].Key)
				}
			}
		}
		return nil
	}
	seen := make(map[Key]struct{}, len(ops))
	for i := range ops {
		if _, twice := seen[ops[i].Key]; twice {
			return limit("two operations on %s", ops[i].Key)
		}
		seen[ops[i].Key] = struct{}{}
	}
	return nil
}

func checkKey(k *Key) error {
	switch {
	case !known(k.Table):
		return limit("no table %q", string(k.Table))
	case k.Part == "" || len(k.Part) > MaxPart || !utf8.ValidString(k.Part):
		return limit("the partition key of %q must be 1 to %d bytes of UTF-8", k.String(), MaxPart)
	case k.Sort == "" || len(k.Sort) > MaxSort || !utf8.ValidString(k.Sort):
		return limit("the sort key of %q must be 1 to %d bytes of UTF-8", k.String(), MaxSort)
	}
	return nil
}

func known(t Table) bool { return t == Repositories || t == Tags || t == Builds }

func limit(format string, args ...any) error {
	return &LimitError{What: fmt.Sprintf(format, args...)}
}

// CheckKey says whether key can be the key of an object.
func CheckKey(key string) error {
	if len(key) < 8 || len(key) > 128 {
		return limit("an object's key has 8 to 128 characters, not %d", len(key))
	}
	for i := range len(key) {
		if c := key[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return limit("an object's key is of [a-z0-9-]: %q", key)
		}
	}
	return nil
}
