package local

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

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
	closed atomic.Bool // changed under mu
}

// change is one Write on its way.
type change struct {
	ops  []store.Op    // none: only to say that there are few writers
	err  error         // set before done
	done chan struct{} // has one place
}

var changes = sync.Pool{New: func() any { return &change{done: make(chan struct{}, 1)} }}

// run has the change committed and returns its outcome.
func (q *queue) run(c *change) error {
	q.mu.Lock()
	if q.closed.Load() {
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
	for len(q.wait) == 0 && !q.closed.Load() {
		q.ready.Wait()
	}
	// Whoever can run now may be about to come too. Where nobody can, this is at once.
	for n := 0; n < len(q.wait); {
		n = len(q.wait)
		q.mu.Unlock()
		runtime.Gosched()
		q.mu.Lock()
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
	if q.closed.Load() {
		return false
	}
	q.closed.Store(true)
	q.ready.Broadcast()
	return true
}

func (q *queue) ended() bool { return q.closed.Load() }

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

// committer commits changes, group after group. Only its goroutine uses it.
type committer struct {
	*Records
	broken error // after this nothing is written any more
	busy   int   // commits until there are no longer many writers, see turn
	commit entry // the one being made
	// changed is where in commit.changes a key is. What an operation sees of its
	// key is its last value there, or in the overlays, or in the database.
	changed map[string]int
	db      reader    // for the group under way
	touched []touched // by the operations of one Write
	key     []byte
	keys    stringArena // of the changes' keys
	values  arena       // of their values
}

// touched is an item that an operation is on.
type touched struct {
	was, now store.Item // now has Version 0 unless the operation puts or adds
	at       int        // where it is in commit.changes, or -1
}

// commitAll commits until the queue is ended.
func (c *committer) commitAll() {
	var group []*change
	for {
		group = c.queue.next(group[:0])
		if len(group) == 0 {
			return
		}
		c.commitGroup(group)
		idle := false
		for i, change := range group {
			idle = idle || change.ops == nil
			group[i] = nil
			change.done <- struct{}{}
		}
		c.turn(len(group), idle)
	}
}

// commitGroup tries each change and makes one commit of those whose conditions
// hold. It sets every change's err.
func (c *committer) commitGroup(group []*change) {
	err := c.broken
	if err == nil {
		err = c.room()
	}
	if err == nil {
		c.collect(group)
	}
	if err == nil && len(c.commit.changes) > 0 {
		err = c.active.write(&c.commit)
		var flush *flushError
		if !errors.As(err, &flush) && errors.Is(orFull(err), store.ErrFull) && c.active.end > 0 && c.other() == nil {
			err = c.active.write(&c.commit) // which need not get longer
		}
		if errors.As(err, &flush) {
			c.broken = fmt.Errorf("nothing is written before a restart, because of this: %w", err)
		}
	}
	if err != nil {
		// A conflict, too, may be one with a change that did not come about.
		for _, change := range group {
			change.err = unavailable(err)
		}
		return
	}
	if len(c.commit.changes) > 0 {
		c.view.Load().active.put(c.commit.changes)
		c.number, c.version = c.commit.number, c.commit.version
	}
}

// collect fills c.commit.
func (c *committer) collect(group []*change) {
	clear(c.commit.changes)
	clear(c.changed)
	c.commit = entry{number: c.number + 1, version: c.version, changes: c.commit.changes[:0]}
	defer c.db.end()
	for _, change := range group {
		change.err = c.apply(change.ops)
	}
}

// apply adds the operations' changes to the commit, or none and says why.
func (c *committer) apply(ops []store.Op) error {
	clear(c.touched)
	c.touched = c.touched[:0]
	version := c.commit.version + 1
	var size store.WriteSize
	for i := range ops {
		op := &ops[i]
		t := touched{was: store.Item{Key: op.Key}}
		var found []byte
		var err error
		if found, t.at, err = c.find(op.Key); err == nil && found != nil {
			err = decode(&t.was, found)
		}
		if err != nil {
			return unavailable(err)
		}
		if !op.Holds(t.was.Version) {
			return &store.ConflictError{Index: i, Key: op.Key}
		}
		c.touched = append(c.touched, t)
	}
	for i := range ops {
		if op, t := &ops[i], &c.touched[i]; op.Kind == store.OpPut || op.Kind == store.OpAdd {
			t.now = op.Apply(t.was, version)
			if err := size.Add(t.now); err != nil {
				return err
			}
		}
	}
	for i := range c.touched {
		switch t := &c.touched[i]; {
		case t.now.Found():
			c.change(t, appendItem(c.values.take(encodedSize(&t.now)), &t.now))
			c.commit.version = version
		case ops[i].Kind == store.OpDelete && t.was.Found():
			c.change(t, nil)
			c.commit.version = version
		}
	}
	return nil
}

// change adds one to the commit: the item's new value, nil where it is deleted. Of a
// key that an earlier Write of the commit changed too, as many do a count, only the
// last value is kept, for the commit is seen as a whole.
func (c *committer) change(t *touched, value []byte) {
	if t.at >= 0 {
		c.commit.changes[t.at].value = value
		return
	}
	c.key = appendKey(c.key[:0], t.was.Table, t.was.Part, t.was.Sort)
	key := c.keys.copy(c.key)
	c.changed[key] = len(c.commit.changes)
	c.commit.changes = append(c.commit.changes, keyValue{key, value, expiryBefore(&t.was)})
}

// find is the item's encoded value as the next operation sees it, or nil, and where it
// is in commit.changes, or -1.
func (c *committer) find(key store.Key) (value []byte, at int, err error) {
	c.key = appendKey(c.key[:0], key.Table, key.Part, key.Sort)
	if at, ok := c.changed[string(c.key)]; ok {
		return c.commit.changes[at].value, at, nil
	}
	v := c.view.Load()
	if value, ok := v.find(c.key); ok {
		return value, -1, nil
	}
	if value := v.below.get(c.key); value != nil {
		return value, -1, nil
	}
	value, err = c.db.get(c.key)
	return value, -1, err
}
