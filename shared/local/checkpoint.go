package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"

	"go.etcd.io/bbolt"

	"berth/shared/store"
)

// A journal gets this many times as long as it should be while the database takes
// over the other one.
const overfull = 2

// turn changes journals when the active one is full and the other one free: the
// database then takes over what it has, beside the writes that go on.
func (c *committer) turn() {
	if c.active.end < c.full || c.broken != nil {
		return
	}
	if c.moving != nil {
		select {
		case err := <-c.moving:
			c.moved(err)
		default:
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
	for c.broken == nil {
		now := c.moving == nil // an earlier try may have failed for a reason that is gone
		if now {
			c.move()
		}
		err := <-c.moving
		c.moved(err)
		if err == nil {
			c.freeze()
			c.move()
			return nil
		}
		if now {
			return err
		}
	}
	return c.broken
}

// freeze lets writes go to the other journal and a new overlay.
func (c *committer) freeze() {
	c.active, c.idle = c.idle, c.active
	c.active.end = 0
	c.view.Store(&view{active: newOverlay(), frozen: c.view.Load().active})
	c.frozenAt, c.frozenVersion = c.number, c.version
}

// move lets the database take over the frozen overlay.
func (c *committer) move() {
	result := make(chan error, 1)
	c.moving = result
	frozen, number, version := c.view.Load().frozen, c.frozenAt, c.frozenVersion
	go func() { result <- c.checkpoint(frozen, number, version) }()
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
			err := <-c.moving
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
// commit that they are of.
func (r *Records) checkpoint(changes *overlay, number uint64, version int64) error {
	tx, err := r.db.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	if err = fillIn(tx, changes, number, version); err != nil {
		return err
	}
	return r.disk.Commit(r.name, tx.Commit)
}

func fillIn(tx *bbolt.Tx, changes *overlay, number uint64, version int64) error {
	var buckets [3]*bbolt.Bucket
	for i, table := range store.Tables {
		buckets[i] = tx.Bucket([]byte(table))
	}
	expires := tx.Bucket(bucketExpires)
	var k []byte
	for key := range changes.keys.all { // in order, page by page of the database
		bucket, change := buckets[key[0]], changes.data[key]
		k = append(k[:0], key[1:]...)
		was, had := change.expired, change.expired != expiryNone
		if was == expiryUnknown {
			was, had = expiryOf(bucket.Get(k))
		}
		now, has := expiryOf(change.value)
		if had && (!has || was != now) {
			if err := expires.Delete(expiryKey(was, key)); err != nil {
				return err
			}
		}
		if has && (!had || was != now) {
			if err := expires.Put(expiryKey(now, key), nil); err != nil {
				return err
			}
		}
		if change.value == nil {
			if err := bucket.Delete(k); err != nil {
				return err
			}
		} else if err := bucket.Put(k, change.value); err != nil {
			return err
		}
	}
	about := tx.Bucket(bucketAbout)
	if err := about.SetSequence(uint64(version)); err != nil {
		return err
	}
	return about.Put(keyNumber, binary.BigEndian.AppendUint64(nil, number))
}

// replay reads the commits that the database lacks and goes on with their numbers.
// They are the frozen overlay at first. Neither journal has room before the database
// has taken them over, for either may have some of them.
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
	var turns [2][]entry
	for i, j := range [2]*journal{r.active, r.idle} {
		var err error
		if turns[i], err = j.entries(r.number); err != nil {
			return err
		}
	}
	if len(turns[0]) > 0 && len(turns[1]) > 0 && turns[1][0].number < turns[0][0].number {
		turns[0], turns[1] = turns[1], turns[0]
	}
	v := &view{active: newOverlay()}
	for _, turn := range turns {
		for i := range turn {
			e := &turn[i]
			if e.number != r.number+1 {
				return fmt.Errorf("%w: commits %d to %d are missing; restore the folder from a backup", errDamaged, r.number+1, e.number-1)
			}
			if v.frozen == nil {
				v.frozen = newOverlay()
				r.active.end = overfull * r.full
			}
			v.frozen.put(e.changes)
			r.number, r.version = e.number, e.version
		}
	}
	r.frozenAt, r.frozenVersion = r.number, r.version
	r.view.Store(v)
	return nil
}
