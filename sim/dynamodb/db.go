// Package dynamodb answers a subset of DynamoDB's wire protocol over an ordered
// key-value store, for tests: tables, global secondary indexes, every kind of
// expression, transactions with cancellation reasons and client tokens, batches,
// paging and limits. It has no streams, no local indexes, no parallel scan, and
// never deletes by time to live. [Faults] makes it as unkind as the real one.
package dynamodb

import (
	"encoding/json"
	"fmt"
	"sync"
)

// DB is the emulator. It is an http.Handler that answers every operation at POST /.
type DB struct {
	kv    KV
	mu    sync.RWMutex // guards tabs and next
	tabs  map[string]*table
	next  uint32
	toks  tokens
	fault chaos
	past  snapshot
	held  held
}

// Open serves what kv holds. Close closes kv too.
func Open(kv KV) (*DB, error) {
	d := &DB{kv: kv, tabs: map[string]*table{}, toks: tokens{seen: map[string]token{}}, held: held{keys: map[string]bool{}}}
	err := kv.View(func(tx Tx) error {
		return tx.Range([]byte("m/"), []byte("m0"), false, func(k, v []byte) bool {
			var t table
			if json.Unmarshal(v, &t) == nil {
				d.tabs[t.TableName] = &t
				d.next = max(d.next, t.ID)
			}
			return true
		})
	})
	return d, err
}

// Close waits for index reads of old snapshots and closes the store.
func (d *DB) Close() error {
	d.past.close()
	return d.kv.Close()
}

// Err is an error of the protocol: its short code, its text, and further members
// of the answer. Status is 400 unless given.
type Err struct {
	Code, Msg string
	Extra     map[string]any
	Status    int
}

func (e *Err) Error() string { return e.Code + ": " + e.Msg }

func validation(f string, a ...any) *Err {
	return &Err{Code: "ValidationException", Msg: fmt.Sprintf(f, a...)}
}
