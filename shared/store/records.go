package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Table names one of the three tables that hold all records.
type Table string

const (
	Repositories Table = "repositories" // accounts, namespaces, repositories, access tokens, settings
	Tags         Table = "tags"         // tags, manifests, blobs, links, uploads
	Builds       Table = "builds"       // build configurations, builds, logs, the outbox
)

// Tables lists every table, for backends that must create them.
var Tables = []Table{Repositories, Tags, Builds}

// Limits of every backend. They are those of DynamoDB, so that what one
// machine accepts the cloud accepts too.
const (
	MaxGet       = 100       // keys in one Get
	MaxWrite     = 100       // operations in one Write
	MaxCounts    = 100       // counts that one operation changes
	MaxItemSize  = 400 << 10 // bytes of an item, as Item.Size counts them
	MaxWriteSize = 4 << 20   // bytes of all items of one Write
	MaxPart      = 2048      // bytes of a partition key
	MaxSort      = 1024      // bytes of a sort key
	MaxPage      = 1 << 20   // bytes of items after which a List page ends
)

// Key addresses one item. Part and Sort are non-empty valid UTF-8. Items of one
// partition are ordered by the bytes of Sort.
type Key struct {
	Table Table
	Part  string
	Sort  string
}

func (k Key) String() string { return string(k.Table) + ":" + k.Part + "|" + k.Sort }

// Item is one record.
type Item struct {
	Key
	// Version changes with every write of the item, and is never used again for
	// its key, not even after the item was deleted and made anew. 0: no such item.
	Version int64
	// Value is opaque to the backend. Callers must not change it.
	Value []byte
	// Counts are numbers that Add changes without a read. They are independent of
	// Value: Put and Replace leave them alone. Callers must not change the map.
	Counts map[string]int64
	// Expires, if set, lets the backend drop the item at any time after it, or
	// never. Readers must check it themselves. Precision: one second.
	Expires time.Time
}

// Found reports whether the item exists.
func (i Item) Found() bool { return i.Version != 0 }

// Range is a piece of one partition.
type Range struct {
	Table   Table
	Part    string
	From    string // first sort key, inclusive; "" = from the start
	To      string // end, exclusive; "" = to the end
	Reverse bool   // greatest sort key first
	Limit   int    // most items to return; ≤ 0 is a programming error
}

// Prefix is the range of all items of a partition whose sort key begins with
// prefix, which must end in an ASCII character below DEL.
func Prefix(t Table, part, prefix string, limit int) Range {
	r := Range{Table: t, Part: part, From: prefix, Limit: limit}
	if prefix != "" {
		n := len(prefix) - 1
		r.To = prefix[:n] + string(prefix[n]+1)
	}
	return r
}

// After narrows the range to what follows sort, in the range's direction.
func (r Range) After(sort string) Range {
	if r.Reverse {
		if r.To == "" || sort < r.To {
			r.To = sort
		}
	} else if next := sort + "\x00"; next > r.From {
		r.From = next
	}
	return r
}

// Page is an answer of List.
type Page struct {
	Items []Item
	More  bool // there may be more; ask again with After(last item's Sort)
}

// Kind says what an Op does.
type Kind uint8

const (
	OpPut    Kind = iota + 1 // set Value and Expires, under Cond
	OpDelete                 // remove, under Cond; removing what is absent is fine under Any
	OpCheck                  // change nothing, fail unless Cond holds
	OpAdd                    // add to counts, set counts; makes the item if it is absent
)

// Cond is what must hold of an item for the whole Write to happen.
type Cond uint8

const (
	Any    Cond = iota // nothing
	Absent             // the item does not exist
	Exists             // the item exists, at whatever version
	IsAt               // the item exists at Op.Version
)

// Op is one operation of a Write. Make it with the functions below.
type Op struct {
	Kind    Kind
	Cond    Cond
	Key     Key
	Version int64            // with IsAt
	Value   []byte           // OpPut
	Expires time.Time        // OpPut
	Add     map[string]int64 // OpAdd
	Set     map[string]int64 // OpAdd: counts that are overwritten
}

func Put(k Key, value []byte) Op    { return Op{Kind: OpPut, Key: k, Value: value} }
func Create(k Key, value []byte) Op { return Op{Kind: OpPut, Cond: Absent, Key: k, Value: value} }
func Replace(k Key, version int64, value []byte) Op {
	return Op{Kind: OpPut, Cond: IsAt, Key: k, Version: version, Value: value}
}

// PutFrom replaces what was read as was: creates the item if it was absent then,
// and otherwise wants it unchanged.
func PutFrom(was Item, value []byte) Op {
	if !was.Found() {
		return Create(was.Key, value)
	}
	return Replace(was.Key, was.Version, value)
}
func Delete(k Key) Op { return Op{Kind: OpDelete, Key: k} }
func DeleteAt(k Key, version int64) Op {
	return Op{Kind: OpDelete, Cond: IsAt, Key: k, Version: version}
}
func CheckAt(k Key, version int64) Op {
	return Op{Kind: OpCheck, Cond: IsAt, Key: k, Version: version}
}
func CheckAbsent(k Key) Op { return Op{Kind: OpCheck, Cond: Absent, Key: k} }
func CheckExists(k Key) Op { return Op{Kind: OpCheck, Cond: Exists, Key: k} }

// CheckFrom wants the item to be as it was read.
func CheckFrom(was Item) Op {
	if !was.Found() {
		return CheckAbsent(was.Key)
	}
	return CheckAt(was.Key, was.Version)
}

// Add adds to the item's counts; a count that is not there is 0.
func Add(k Key, add map[string]int64) Op { return Op{Kind: OpAdd, Key: k, Add: add} }

// Until gives the item that the operation puts a time after which it may vanish.
func (o Op) Until(t time.Time) Op { o.Expires = t; return o }

// Records keeps items in tables. All methods are safe for concurrent use.
//
// Errors: a *ConflictError where a condition did not hold, a *LimitError where a
// limit above was passed (nothing was read or written), the context's error, or an
// error that wraps [ErrUnavailable]. After ErrUnavailable a Write may or may not
// have happened; everything else means that it did not.
type Records interface {
	// Get returns the items of the keys, in their order, at most [MaxGet]; one that
	// does not exist has its Key and Version 0. The read sees every Write that
	// returned before it began. Items of one Get need not be of one moment. No key is
	// fine, and so is the same key twice.
	Get(ctx context.Context, keys ...Key) ([]Item, error)

	// List returns the items of a range in order, at most r.Limit, fewer where the
	// page passes [MaxPage]. It sees every Write that returned before it began.
	List(ctx context.Context, r Range) (Page, error)

	// Write does all operations or none, and is durable when it returns nil. At most
	// [MaxWrite] operations, no two on one key. No operation is fine. Values and maps
	// of the operations must not be changed before it returns.
	Write(ctx context.Context, ops ...Op) error

	Close() error
}

// ErrConflict is what every *ConflictError is.
var ErrConflict = errors.New("a condition of the write did not hold")

// ErrUnavailable is wrapped by errors that say that the store could not be
// reached or did not answer: whether the call took effect is unknown.
var ErrUnavailable = errors.New("the store did not answer")

// ConflictError says which operation's condition did not hold, the first if several.
type ConflictError struct {
	Index int
	Key   Key
}

func (e *ConflictError) Error() string        { return fmt.Sprintf("%v: %s", ErrConflict, e.Key) }
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// LimitError says that a call passes a limit of the store: a fault of the caller.
type LimitError struct{ What string }

func (e *LimitError) Error() string { return "over a limit of the store: " + e.What }
