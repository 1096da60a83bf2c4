package local

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"berth/shared/store"
)

// An item's value in the database is
//
//	flags    1 byte
//	version  8 bytes, little-endian
//	expires  8 bytes, little-endian Unix seconds     if flags has hasExpires
//	counts   uvarint n, then n times:                if flags has hasCounts
//	         uvarint length, name, varint number
//	value    the rest
//
// and its key is the number of its table, then the length of Part as 2 bytes,
// big-endian, then Part, then Sort: so partitions cannot run into each other, and one
// partition's items are in the order of Sort. The database, which has a bucket for
// each table, leaves out the first byte.
const (
	hasExpires = 1 << iota
	hasCounts

	headSize = 9
)

// errDamaged says that the database holds what this package did not write.
var errDamaged = errors.New("the database is damaged")

// appendKey appends the item's key. An empty sort gives what all keys of the
// partition begin with.
func appendKey(to []byte, table store.Table, part, sort string) []byte {
	to = append(to, tableNumber(table))
	to = binary.BigEndian.AppendUint16(to, uint16(len(part)))
	to = append(to, part...)
	return append(to, sort...)
}

// tableNumber is the table's place in store.Tables. It is on disk: a table may be
// added at the end there, but none may move.
func tableNumber(table store.Table) byte {
	for i := range store.Tables {
		if store.Tables[i] == table {
			return byte(i)
		}
	}
	panic("local: no table " + string(table)) // the limits were checked
}

// validKey reports whether appendKey can have made the key.
func validKey(key string) bool {
	return len(key) > 3 && int(key[0]) < len(store.Tables) &&
		len(key) > 3+int(binary.BigEndian.Uint16([]byte(key[1:3])))
}

// keyOf undoes appendKey. The key must be valid.
func keyOf(key string) store.Key {
	end := 3 + int(binary.BigEndian.Uint16([]byte(key[1:3])))
	return store.Key{Table: store.Tables[key[0]], Part: key[3:end], Sort: key[end:]}
}

// encodedSize is the most bytes that the item's value in the database has.
func encodedSize(i *store.Item) int {
	size := headSize + len(i.Value)
	if !i.Expires.IsZero() {
		size += 8
	}
	if len(i.Counts) > 0 {
		size += binary.MaxVarintLen16
		for name := range i.Counts {
			size += binary.MaxVarintLen32 + len(name) + binary.MaxVarintLen64
		}
	}
	return size
}

// appendItem appends the item's value in the database.
func appendItem(to []byte, i *store.Item) []byte {
	flags := len(to)
	to = append(to, 0)
	to = binary.LittleEndian.AppendUint64(to, uint64(i.Version))
	if !i.Expires.IsZero() {
		to[flags] |= hasExpires
		to = binary.LittleEndian.AppendUint64(to, uint64(i.Expires.Unix()))
	}
	if len(i.Counts) > 0 {
		to[flags] |= hasCounts
		to = binary.AppendUvarint(to, uint64(len(i.Counts)))
		for name, n := range i.Counts {
			to = binary.AppendUvarint(to, uint64(len(name)))
			to = append(to, name...)
			to = binary.AppendVarint(to, n)
		}
	}
	return append(to, i.Value...)
}

// expiryOf is the expiry in an encoded item, in Unix seconds, if it has one.
func expiryOf(b []byte) (unix int64, ok bool) {
	if len(b) < headSize+8 || b[0]&hasExpires == 0 {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint64(b[headSize:])), true
}

// What is known of when an item expired before it was changed; else it is in Unix
// seconds. A time of 0 counts as unknown too, which costs no more than a look.
const (
	expiryUnknown = 0
	expiryNone    = math.MinInt64
)

func expiryBefore(was *store.Item) int64 {
	if was.Expires.IsZero() {
		return expiryNone
	}
	return was.Expires.Unix()
}

// decode fills in the item from its value in the database. i.Value is a part of b.
func decode(i *store.Item, b []byte) error {
	if len(b) < headSize {
		return errDamaged
	}
	flags := b[0]
	i.Version = int64(binary.LittleEndian.Uint64(b[1:]))
	b = b[headSize:]
	if flags&hasExpires != 0 {
		if len(b) < 8 {
			return errDamaged
		}
		i.Expires = time.Unix(int64(binary.LittleEndian.Uint64(b)), 0).UTC()
		b = b[8:]
	}
	if flags&hasCounts != 0 {
		var err error
		if i.Counts, b, err = decodeCounts(b); err != nil {
			return err
		}
	}
	i.Value = b
	return nil
}

func decodeCounts(b []byte) (map[string]int64, []byte, error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)) {
		return nil, nil, errDamaged
	}
	b = b[used:]
	counts := make(map[string]int64, n)
	for range n {
		length, used := binary.Uvarint(b)
		if used <= 0 || length > uint64(len(b)-used) {
			return nil, nil, errDamaged
		}
		name := string(b[used : used+int(length)])
		b = b[used+int(length):]
		number, used := binary.Varint(b)
		if used <= 0 {
			return nil, nil, errDamaged
		}
		counts[name] = number
		b = b[used:]
	}
	return counts, b, nil
}
