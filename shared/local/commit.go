package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"go.etcd.io/bbolt"

	"berth/shared/store"
)

// maxGroup bounds the bytes of the writes that go into one commit.
const maxGroup = 16 << 20

var errClosed = errors.New("the records are closed")

// A queue holds the writes that wait for a commit. While one commit is on its way
// to the disk, arrivals gather here; the next commit takes them all. So a lone
// writer never waits for company, and many share one flush of the disk.
type queue struct {
	mu     sync.Mutex
	ready  sync.Cond
	wait   []*change
	closed bool
}

// change is one Write on its way.
type change struct {
	ops  []store.Op                  // of a Write, or nil
	do   func(tx *transaction) error // of the sweep
	err  error                       // set before done
	done chan struct{}               // has one place
}

var changes = sync.Pool{New: func() any { return &change{done: make(chan struct{}, 1)} }}

// run has the change committed and returns its outcome.
func (q *queue) run(c *change) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return unavailable(errClosed)
	}
	q.wait = append(q.wait, c)
	q.mu.Unlock()
	q.ready.Signal()
	<-c.done
	return c.err
}

// next waits for changes and takes as many as one commit should have. It gives
// none after the queue was ended and emptied.
func (q *queue) next(into []*change) []*change {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.wait) == 0 && !q.closed {
		q.ready.Wait()
	}
	size, n := 0, 0
	for n < len(q.wait) && (n == 0 || size < maxGroup) {
		for i := range q.wait[n].ops {
			size += len(q.wait[n].ops[i].Value)
		}
		n++
	}
	into = append(into, q.wait[:n]...)
	rest := copy(q.wait, q.wait[n:])
	clear(q.wait[rest:])
	q.wait = q.wait[:rest]
	return into
}

// end refuses further changes, and reports whether it was the first to.
func (q *queue) end() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.closed = true
	q.ready.Broadcast()
	return true
}

// Write implements store.Records.
func (r *Records) Write(ctx context.Context, ops ...store.Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.CheckWrite(ops); err != nil {
		return err
	}
	if len(ops) == 0 {
		return nil
	}
	c := changes.Get().(*change)
	c.ops = ops
	// There is no way back from here: the context's end would leave it unknown
	// whether the write happened, and the disk answers soon.
	err := r.queue.run(c)
	c.ops, c.err = nil, nil
	changes.Put(c)
	return err
}

// commitAll commits changes, group after group, until the queue is ended.
func (r *Records) commitAll() {
	var broken error
	var group []*change
	for {
		group = r.queue.next(group[:0])
		if len(group) == 0 {
			return
		}
		if broken == nil {
			broken = r.commit(group)
		} else {
			for _, c := range group {
				c.err = unavailable(broken)
			}
		}
		for i, c := range group {
			group[i] = nil
			c.done <- struct{}{}
		}
	}
}

// commit tries each change of the group and commits those whose conditions hold.
// It sets every change's err. The error it returns is one after which nothing may
// be written any more.
func (r *Records) commit(group []*change) error {
	tx, err := r.begin()
	if err != nil {
		for _, c := range group {
			c.err = unavailable(err)
		}
		return nil
	}
	for _, c := range group {
		if c.do != nil {
			c.err = c.do(tx)
		} else {
			c.err = tx.apply(c.ops)
		}
	}
	if tx.failed != nil || !tx.changed {
		err = tx.Rollback()
		if tx.failed != nil {
			err = tx.failed
		}
	} else {
		err = r.disk.Commit(r.name, tx.Commit)
	}
	if err == nil {
		return nil
	}
	for _, c := range group {
		if c.err == nil {
			c.err = unavailable(err)
		}
	}
	// Where a write found no room, the database is as before, and there may be room
	// again. After a flush that failed nobody knows what is on the disk: what the
	// kernel holds in memory cannot be trusted to get there.
	var path *fs.PathError
	if tx.failed != nil || errors.As(err, &path) && path.Op == "write" {
		return nil
	}
	return fmt.Errorf("a commit failed, and nothing is written before a restart: %w", err)
}

// transaction is a write transaction with its buckets.
type transaction struct {
	*bbolt.Tx
	tables  map[store.Table]*bbolt.Bucket
	expires *bbolt.Bucket
	about   *bbolt.Bucket
	changed bool
	failed  error // of the database itself: nothing of the transaction may stay
	scratch []after
}

// after is what an operation will put.
type after struct {
	key  []byte
	was  store.Item // Value is the database's
	data []byte     // nil: nothing is put
	now  store.Item
}

func (r *Records) begin() (*transaction, error) {
	tx, err := r.db.Begin(true)
	if err != nil {
		return nil, err
	}
	t := &transaction{Tx: tx, tables: make(map[store.Table]*bbolt.Bucket, len(store.Tables))}
	for _, table := range store.Tables {
		t.tables[table] = tx.Bucket([]byte(table))
	}
	t.expires, t.about = tx.Bucket(bucketExpires), tx.Bucket(bucketAbout)
	return t, nil
}

// apply does all operations, or none and says why.
func (t *transaction) apply(ops []store.Op) error {
	if t.failed != nil {
		return nil
	}
	t.scratch = t.scratch[:0]
	for i := range ops {
		op := &ops[i]
		a := after{key: appendKey(nil, op.Key.Part, op.Key.Sort)}
		a.was.Key = op.Key
		if found := t.tables[op.Key.Table].Get(a.key); found != nil {
			if err := decode(&a.was, found); err != nil {
				return unavailable(err)
			}
		}
		if !op.Holds(a.was.Version) {
			return &store.ConflictError{Index: i, Key: op.Key}
		}
		t.scratch = append(t.scratch, a)
	}
	version := int64(t.about.Sequence()) + 1
	var size store.WriteSize
	for i := range ops {
		if op := &ops[i]; op.Kind == store.OpPut || op.Kind == store.OpAdd {
			a := &t.scratch[i]
			a.now = op.Apply(a.was, version)
			if err := size.Add(a.now); err != nil {
				return err
			}
			a.data = encode(&a.now)
		}
	}
	t.failed = t.put(ops, version)
	return nil
}

// put changes the database. An error here is one of the database, not of the write.
func (t *transaction) put(ops []store.Op, version int64) error {
	for i := range ops {
		op, a := &ops[i], &t.scratch[i]
		if op.Kind == store.OpCheck || op.Kind == store.OpDelete && !a.was.Found() {
			continue
		}
		t.changed = true
		table := t.tables[op.Key.Table]
		if err := t.expire(op.Key.Table, a); err != nil {
			return err
		}
		if op.Kind == store.OpDelete {
			if err := table.Delete(a.key); err != nil {
				return err
			}
			continue
		}
		if err := table.Put(a.key, a.data); err != nil {
			return err
		}
	}
	return t.about.SetSequence(uint64(version))
}

// expire keeps the index of what expires in step.
func (t *transaction) expire(table store.Table, a *after) error {
	if a.was.Expires.Equal(a.now.Expires) {
		return nil
	}
	if !a.was.Expires.IsZero() {
		if err := t.expires.Delete(expiryKey(a.was.Expires.Unix(), table, a.key)); err != nil {
			return err
		}
	}
	if a.now.Expires.IsZero() {
		return nil
	}
	return t.expires.Put(expiryKey(a.now.Expires.Unix(), table, a.key), nil)
}

// expiryKey orders by time, then by table and key. Times before 1970 count as 1970.
func expiryKey(unix int64, table store.Table, key []byte) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 9+len(key)), uint64(max(unix, 0)))
	for i := range store.Tables {
		if store.Tables[i] == table {
			b = append(b, byte(i))
		}
	}
	return append(b, key...)
}
