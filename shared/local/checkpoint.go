package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"berth/shared/store"
)

// How long a journal gets, in multiples of what it is made with.
const (
	// While there are many writers: the more the database takes over at once, the
	// fewer of its pages it writes again and again.
	busyFull = 8
	// While the database takes over the other one.
	overfull = 16
)

// restFor is how long the database rests between the parts that it takes over, in
// multiples of what the last one took: so that writers meet a small share of its work
// all the time instead of all of it now and then.
const restFor = 3

// There are many writers from a commit of more than calmGroup changes to calmAfter
// commits in a row of no more than that.
const (
	calmGroup = 4
	calmAfter = 32
)

// turn changes journals when the active one is full and the other one free: the
// database then takes over what it has, beside the writes that go on.
func (c *committer) turn(group int, idle bool) {
	switch {
	case idle:
		c.busy = 0
	case group > calmGroup:
		c.busy = calmAfter
	case c.busy > 0:
		c.busy--
	}
	full := c.full
	if c.busy > 0 {
		full *= busyFull
	}
	if c.active.end < full || c.broken != nil {
		return
	}
	if c.moving != nil {
		select {
		case err := <-c.moving.result:
			c.moved(err)
		default:
			c.moving.hurry()
			return
		}
	}
	if c.view.Load().frozen == nil {
		c.freeze()
	}
	c.move()
}

// room waits, if the active journal may not grow further, until the database has
// taken over the other one. It fails where the database cannot.
func (c *committer) room() error {
	if c.active.end < overfull*c.full {
		return nil
	}
	return c.other()
}

// other waits until the other journal is free, and changes to it.
func (c *committer) other() error {
	for c.broken == nil && c.view.Load().frozen != nil {
		now := c.moving == nil // an earlier try may have failed for a reason that is gone
		if now {
			c.move()
		}
		err := c.moving.end()
		c.moved(err)
		if err != nil && now {
			return err
		}
	}
	if c.broken != nil {
		return c.broken
	}
	if len(c.view.Load().active.data) == 0 { // after an opening: all is in the database
		c.active.end = 0
		return nil
	}
	c.freeze()
	c.move()
	return nil
}

// freeze lets writes go to the other journal and a new overlay.
func (c *committer) freeze() {
	c.active, c.idle = c.idle, c.active
	c.active.end = 0
	c.view.Store(&view{active: newOverlay(), frozen: c.view.Load().active})
	c.frozenAt, c.frozenVersion = c.number, c.version
}

// A move is a checkpoint under way.
type move struct {
	result chan error    // has one place
	haste  chan struct{} // closed when there shall be no more rests
	once   sync.Once
}

func newMove() *move { return &move{result: make(chan error, 1), haste: make(chan struct{})} }

func (m *move) hurry() { m.once.Do(func() { close(m.haste) }) }

// end waits for the outcome.
func (m *move) end() error {
	m.hurry()
	return <-m.result
}

// rest waits, unless there is haste.
func (m *move) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.haste:
	}
}

// move lets the database take over the frozen overlay.
func (c *committer) move() {
	m := newMove()
	c.moving = m
	frozen, number, version := c.view.Load().frozen, c.frozenAt, c.frozenVersion
	go func() { m.result <- c.checkpoint(m, frozen, number, version) }()
}

// moved takes note of how the database did.
func (c *committer) moved(err error) {
	c.moving = nil
	if err == nil {
		c.view.Store(&view{active: c.view.Load().active})
		return
	}
	// Where a write found no room, the database is as before, and there may be room
	// again at the next try.
	var path *fs.PathError
	if !errors.As(err, &path) || path.Op != "write" {
		c.broken = fmt.Errorf("nothing is written before a restart, because of this: %w", err)
	}
}

// finish lets the database take over everything. What it could not take stays in the
// journals.
func (c *committer) finish() error {
	for c.broken == nil {
		if c.moving != nil {
			err := c.moving.end()
			if c.moved(err); err != nil {
				return err
			}
		}
		if v := c.view.Load(); v.frozen == nil {
			if len(v.active.data) == 0 {
				return nil
			}
			c.freeze()
		}
		c.move()
	}
	return c.broken
}

// checkpoint writes the changes into the database, with the number of the last
// commit that they are of. That is several transactions, so that it takes little
// memory, and the number comes with the last one: until the database has it, an
// opening reads all of the changes from the journal, and they count.
func (r *Records) checkpoint(m *move, changes *overlay, number uint64, version int64) error {
	for at, more := (position{}), true; more; {
		begun := time.Now()
		tx, err := r.db.Begin(true)
		if err != nil {
			return err
		}
		at, more, err = fillIn(tx, changes, at, r.part)
		if err == nil && !more {
			err = note(tx, number, version)
		}
		if err == nil {
			err = r.disk.Commit(r.name, tx.Commit)
		}
		if err != nil {
			tx.Rollback()
			return err
		}
		if more {
			m.rest(restFor * time.Since(begun))
		}
	}
	return nil
}

// fillIn writes changes from a place on, about as many bytes as it is told, and says
// where it stopped and whether there are more.
func fillIn(tx *bbolt.Tx, changes *overlay, at position, size int64) (position, bool, error) {
	var buckets [3]*bbolt.Bucket
	for i, table := range store.Tables {
		buckets[i] = tx.Bucket([]byte(table))
	}
	expires := tx.Bucket(bucketExpires)
	change, more := changes.keys.at(at)
	var k []byte
	for ; more && size > 0; change, more = changes.keys.at(at) { // in order, page by page of the database
		k = append(k[:0], change.key[1:]...)
		if err := put(buckets[change.key[0]], expires, k, change); err != nil {
			return at, false, err
		}
		size -= int64(len(change.key) + len(change.value))
		at = changes.keys.after(at)
	}
	return at, more, nil
}

// put writes one change, and puts the index of what expires right. k is the key in
// its bucket.
func put(bucket, expires *bbolt.Bucket, k []byte, change placed) error {
	was, had := change.expired, change.expired != expiryNone
	if was == expiryUnknown {
		was, had = expiryOf(bucket.Get(k))
	}
	now, has := expiryOf(change.value)
	if had && (!has || was != now) {
		if err := expires.Delete(expiryKey(was, change.key)); err != nil {
			return err
		}
	}
	if has && (!had || was != now) {
		if err := expires.Put(expiryKey(now, change.key), nil); err != nil {
			return err
		}
	}
	if change.value == nil {
		return bucket.Delete(k)
	}
	return bucket.Put(k, change.value)
}

// note writes down which commit the database has as its last.
func note(tx *bbolt.Tx, number uint64, version int64) error {
	about := tx.Bucket(bucketAbout)
	if err := about.SetSequence(uint64(version)); err != nil {
		return err
	}
	return about.Put(keyNumber, binary.BigEndian.AppendUint64(nil, number))
}

// replay reads the commits that the database lacks and goes on with their numbers.
// They are the frozen overlay at first. Neither journal has room before the database
// has taken them over, for either may have some of them. That is so where there are
// none, too: that the database has them all may be what a killed process wrote and
// did not flush, and then they are on the disk in the journals alone.
func (r *Records) replay() error {
	if err := r.db.View(func(tx *bbolt.Tx) error {
		about := tx.Bucket(bucketAbout)
		r.version = int64(about.Sequence())
		if b := about.Get(keyNumber); len(b) == 8 {
			r.number = binary.BigEndian.Uint64(b)
		}
		r.active.salt = crc32.Checksum(about.Get(keySalt), castagnoli)
		r.idle.salt = r.active.salt
		return nil
	}); err != nil {
		return err
	}
	journals := [2]*journal{r.active, r.idle}
	var turns [2][]entry
	for i, j := range journals {
		var err error
		if turns[i], err = j.entries(r.number); err != nil {
			return err
		}
	}
	if len(turns[0]) > 0 && len(turns[1]) > 0 && turns[1][0].number < turns[0][0].number {
		turns[0], turns[1] = turns[1], turns[0]
		journals[0], journals[1] = journals[1], journals[0]
	}
	v := &view{active: newOverlay(), frozen: newOverlay()}
	for i, turn := range turns {
		for k := range turn {
			e := &turn[k]
			if e.number != r.number+1 {
				return fmt.Errorf("%w: commits %d to %d are missing; restore the folder from a backup", errDamaged, r.number+1, e.number-1)
			}
			v.frozen.put(e.changes)
			r.number, r.version = e.number, e.version
		}
		if n := len(turn); n > 0 {
			if err := journals[i].settle(&turn[n-1]); err != nil {
				return err
			}
		}
	}
	r.active.end = overfull * r.full
	r.frozenAt, r.frozenVersion, r.fresh = r.number, r.version, r.number == 0
	r.view.Store(v)
	return nil
}
