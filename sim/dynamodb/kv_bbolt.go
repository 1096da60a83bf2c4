package dynamodb

import (
	"bytes"
	"sync"

	bolt "go.etcd.io/bbolt"
)

var bkt = []byte("d")

// boltKV groups concurrent Updates into one bolt transaction (one fsync), each op checked in turn.
type boltKV struct {
	db *bolt.DB
	ch chan *bop
	wg sync.WaitGroup
}
type bop struct {
	fn  func(Tx) error
	err error
	ok  chan struct{}
}

func OpenBolt(path string, noSync bool) (KV, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: noSync, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	if err := db.Update(func(tx *bolt.Tx) error { _, e := tx.CreateBucketIfNotExists(bkt); return e }); err != nil {
		return nil, err
	}
	b := &boltKV{db: db, ch: make(chan *bop, 256)}
	b.wg.Add(1)
	go b.loop()
	return b, nil
}

func (b *boltKV) loop() {
	defer b.wg.Done()
	for op := range b.ch {
		batch := []*bop{op}
	drain:
		for len(batch) < 128 {
			select {
			case o, ok := <-b.ch:
				if !ok {
					break drain
				}
				batch = append(batch, o)
			default:
				break drain
			}
		}
		err := b.db.Update(func(tx *bolt.Tx) error {
			t := boltTx{tx.Bucket(bkt)}
			for _, o := range batch {
				o.err = o.fn(t)
			}
			return nil
		})
		for _, o := range batch {
			if err != nil && o.err == nil {
				o.err = err
			}
			close(o.ok)
		}
	}
}
func (b *boltKV) View(fn func(Tx) error) error {
	return b.db.View(func(tx *bolt.Tx) error { return fn(boltTx{tx.Bucket(bkt)}) })
}
func (b *boltKV) Update(fn func(Tx) error) error {
	o := &bop{fn: fn, ok: make(chan struct{})}
	b.ch <- o
	<-o.ok
	return o.err
}
func (b *boltKV) Close() error { close(b.ch); b.wg.Wait(); return b.db.Close() }

type boltTx struct{ b *bolt.Bucket }

func (t boltTx) Get(k []byte) []byte   { return t.b.Get(k) }
func (t boltTx) Put(k, v []byte) error { return t.b.Put(k, v) }
func (t boltTx) Del(k []byte) error    { return t.b.Delete(k) }
func (t boltTx) Range(lo, hi []byte, rev bool, fn func(k, v []byte) bool) error {
	c := t.b.Cursor()
	if !rev {
		for k, v := c.Seek(lo); k != nil && (hi == nil || bytes.Compare(k, hi) < 0); k, v = c.Next() {
			if !fn(k, v) {
				break
			}
		}
		return nil
	}
	var k, v []byte
	if hi == nil {
		k, v = c.Last()
	} else if k, _ = c.Seek(hi); k == nil {
		k, v = c.Last()
	} else {
		k, v = c.Prev()
	}
	for ; k != nil && bytes.Compare(k, lo) >= 0; k, v = c.Prev() {
		if !fn(k, v) {
			break
		}
	}
	return nil
}
