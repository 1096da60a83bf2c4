package local

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"berth/shared/store"
)

const (
	sweepEvery = time.Minute
	sweepMost  = store.MaxGet // items of one round
)

// expiryKey is a key of the index of what expires: by time, then by the item's key.
// Times before 1970 count as 1970.
func expiryKey(unix int64, key string) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(key)), uint64(max(unix, 0)))
	return append(b, key...)
}

// sweep drops what has expired, now and then, and has the database take over what many
// writers left in a journal.
func (r *Records) sweep() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { <-r.ended; cancel() }()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.ended:
			return
		case now := <-tick.C:
			// An error is for writers to see; the next tick tries again.
			_, _ = r.dropExpired(ctx, now)
			_ = r.queue.run(&change{done: make(chan struct{}, 1)})
		}
	}
}

// dropExpired drops the items that expired before now and were in the database when
// it began, and says how many. The index may lag behind the items.
func (r *Records) dropExpired(ctx context.Context, now time.Time) (int, error) {
	dropped := 0
	var last []byte
	for {
		keys, next, err := r.expired(last, now.Unix())
		if err != nil || len(keys) == 0 {
			return dropped, err
		}
		last = next
		items, err := r.Get(ctx, keys...)
		if err != nil {
			return dropped, err
		}
		for _, item := range items {
			if !item.Found() || item.Expires.IsZero() || item.Expires.Unix() >= now.Unix() {
				continue
			}
			// One by one, or a conflict over one would keep the others.
			switch err = r.Write(ctx, store.DeleteAt(item.Key, item.Version)); {
			case err == nil:
				dropped++
			case !errors.Is(err, store.ErrConflict):
				return dropped, err
			}
		}
	}
}

// expired gives keys of items that the index has as expired, after the last one.
func (r *Records) expired(last []byte, now int64) (keys []store.Key, next []byte, err error) {
	err = r.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketExpires).Cursor()
		for k, _ := c.Seek(append(last, 0)); k != nil && len(keys) < sweepMost && int64(binary.BigEndian.Uint64(k)) < now; k, _ = c.Next() {
			key := string(k[8:])
			if !validKey(key) {
				return errDamaged
			}
			keys = append(keys, keyOf(key))
			next = append(next[:0], k...)
		}
		return nil
	})
	if err != nil {
		return nil, nil, unavailable(err)
	}
	return keys, next, nil
}
