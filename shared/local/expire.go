package local

import (
	"encoding/binary"
	"time"

	"berth/shared/store"
)

const (
	sweepEvery = time.Minute
	sweepMost  = 500 // items in one commit, so that writers need not wait long
)

// sweep drops what has expired, now and then.
func (r *Records) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.ended:
			return
		case now := <-tick.C:
			for {
				// An error is for the writers to see; the next tick tries again.
				if n, err := r.dropExpired(now); err != nil || n < sweepMost {
					break
				}
			}
		}
	}
}

// dropExpired drops items that expired before now, some of them where there are
// many, and says how many it saw.
func (r *Records) dropExpired(now time.Time) (int, error) {
	seen := 0
	c := &change{done: make(chan struct{}, 1)}
	c.do = func(tx *transaction) error {
		seen, tx.failed = tx.drop(now.Unix())
		return nil
	}
	// Most often there is nothing to drop: find that out without a writer's turn.
	if none, err := r.noneExpired(now.Unix()); none || err != nil {
		return 0, err
	}
	err := r.queue.run(c)
	return seen, err
}

func (r *Records) noneExpired(now int64) (bool, error) {
	tx, err := r.db.Begin(false)
	if err != nil {
		return false, unavailable(err)
	}
	defer tx.Rollback()
	k, _ := tx.Bucket(bucketExpires).Cursor().First()
	return k == nil || int64(binary.BigEndian.Uint64(k)) >= now, nil
}

func (t *transaction) drop(now int64) (int, error) {
	var keys [][]byte
	cursor := t.expires.Cursor()
	for k, _ := cursor.First(); k != nil && len(keys) < sweepMost && int64(binary.BigEndian.Uint64(k)) < now; k, _ = cursor.Next() {
		keys = append(keys, append([]byte(nil), k...))
	}
	for _, k := range keys {
		t.changed = true
		if err := t.expires.Delete(k); err != nil {
			return 0, err
		}
		if err := t.tables[store.Tables[k[8]]].Delete(k[9:]); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}
