package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"go.etcd.io/bbolt"

	"berth/shared/store"
)

// ErrInUse says that another process has the records open.
var ErrInUse = errors.New("the data folder is in use by another process")

// The database's buckets: one for each table, and these.
var (
	bucketAbout   = []byte("about")   // the format; its sequence gives the versions
	bucketExpires = []byte("expires") // what expires, by time
	keyFormat     = []byte("format")
)

const format = "1"

// Records is a store.Records in one bbolt database.
type Records struct {
	db    *bbolt.DB
	disk  Disk
	name  string
	queue queue
	ended chan struct{}  // closed by Close
	tasks sync.WaitGroup // the goroutines
}

// OpenRecords opens the database file at path and makes it where there is none; its
// folder must exist. While another process has it open, the error is ErrInUse.
func OpenRecords(path string) (*Records, error) { return OpenRecordsOn(System, path) }

// OpenRecordsOn is OpenRecords on a disk that may lose power.
func OpenRecordsOn(disk Disk, path string) (*Records, error) {
	file := disk.Database(path)
	if err := makeDatabase(disk, path, file); err != nil {
		return nil, fmt.Errorf("making the records at %s: %w", path, err)
	}
	db, err := openDatabase(file)
	if errors.Is(err, bbolt.ErrTimeout) {
		return nil, fmt.Errorf("%w (%s): stop it, or choose another folder", ErrInUse, path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the records at %s: %w", path, err)
	}
	if err = checkFormat(db); err != nil {
		db.Close()
		return nil, fmt.Errorf("opening the records at %s: %w", path, err)
	}
	r := &Records{db: db, disk: disk, name: path, ended: make(chan struct{})}
	r.queue.ready.L = &r.queue.mu
	r.tasks.Go(r.commitAll)
	r.tasks.Go(r.sweep)
	return r, nil
}

func openDatabase(file string) (*bbolt.DB, error) {
	return bbolt.Open(file, 0o600, &bbolt.Options{
		Timeout:      1, // do not wait for the lock
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		// Readers keep the writer waiting only when the map must grow.
		InitialMmapSize: 1 << 30,
	})
}

// makeDatabase makes the database complete under another name first, so that a kill
// leaves none or a whole one. The link fails where another process was faster.
func makeDatabase(disk Disk, path, file string) error {
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".new-*")
	if err != nil {
		return err
	}
	temp.Close()
	defer os.Remove(temp.Name())
	db, err := openDatabase(temp.Name())
	if err != nil {
		return err
	}
	err = errors.Join(db.Update(layOut), db.Close())
	if err != nil {
		return err
	}
	return disk.Commit(path, func() error {
		if err := os.Link(temp.Name(), file); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		return syncDir(filepath.Dir(file))
	})
}

func layOut(tx *bbolt.Tx) error {
	about, err := tx.CreateBucket(bucketAbout)
	if err != nil {
		return err
	}
	if err = about.Put(keyFormat, []byte(format)); err != nil {
		return err
	}
	if _, err = tx.CreateBucket(bucketExpires); err != nil {
		return err
	}
	for _, table := range store.Tables {
		if _, err = tx.CreateBucket([]byte(table)); err != nil {
			return err
		}
	}
	return nil
}

func checkFormat(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error {
		about := tx.Bucket(bucketAbout)
		if about == nil {
			return errors.New("this is no database of Berth's")
		}
		if f := about.Get(keyFormat); string(f) != format {
			return fmt.Errorf("its format is %q, and this program knows %q: it was written by another version of Berth", f, format)
		}
		return nil
	})
}

// Close waits for the writes that are under way and closes the database.
func (r *Records) Close() error {
	if !r.queue.end() {
		return nil
	}
	close(r.ended)
	r.tasks.Wait()
	return r.db.Close()
}

// unavailable is err as the contract wants it.
func unavailable(err error) error {
	return fmt.Errorf("local records: %w: %w", store.ErrUnavailable, err)
}

// Get implements store.Records.
func (r *Records) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := store.CheckGet(keys); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, nil
	}
	tx, err := r.db.Begin(false)
	if err != nil {
		return nil, unavailable(err)
	}
	defer tx.Rollback()
	items := make([]store.Item, len(keys))
	var arena arena
	var space [128]byte
	var table store.Table
	var bucket *bbolt.Bucket
	for i := range keys {
		items[i].Key = keys[i]
		if bucket == nil || keys[i].Table != table {
			table = keys[i].Table
			bucket = tx.Bucket([]byte(table))
		}
		found := bucket.Get(appendKey(space[:0], keys[i].Part, keys[i].Sort))
		if found == nil {
			continue
		}
		if err = arena.decode(&items[i], found); err != nil {
			return nil, unavailable(err)
		}
	}
	return items, nil
}

// List implements store.Records.
func (r *Records) List(ctx context.Context, in store.Range) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, err
	}
	if err := store.CheckRange(in); err != nil {
		return store.Page{}, err
	}
	if in.Empty() {
		return store.Page{}, nil
	}
	tx, err := r.db.Begin(false)
	if err != nil {
		return store.Page{}, unavailable(err)
	}
	defer tx.Rollback()
	var page store.Page
	var arena arena
	size := 0
	walk := begin(tx.Bucket([]byte(in.Table)).Cursor(), in)
	for k, v := walk.first(); k != nil; k, v = walk.next() {
		if len(page.Items) == in.Limit || size >= store.MaxPage {
			page.More = true
			break
		}
		item := store.Item{Key: store.Key{Table: in.Table, Part: in.Part, Sort: sortOf(k, in.Part)}}
		if err = arena.decode(&item, v); err != nil {
			return store.Page{}, unavailable(err)
		}
		page.Items = append(page.Items, item)
		size += item.Size()
	}
	return page, nil
}

// walk goes over the keys of a range. Each step gives nil at the end.
type walk struct {
	cursor     *bbolt.Cursor
	from, past []byte // past is the first key after the range
	reverse    bool
}

func begin(c *bbolt.Cursor, r store.Range) *walk {
	w := &walk{cursor: c, from: appendKey(nil, r.Part, r.From), reverse: r.Reverse}
	if r.To != "" {
		w.past = appendKey(nil, r.Part, r.To)
	} else {
		// No sort key has this byte, for it is in no UTF-8.
		w.past = append(appendKey(nil, r.Part, ""), 0xff)
	}
	return w
}

func (w *walk) first() (key, value []byte) {
	if !w.reverse {
		return w.within(w.cursor.Seek(w.from))
	}
	if k, _ := w.cursor.Seek(w.past); k == nil {
		return w.within(w.cursor.Last())
	}
	return w.within(w.cursor.Prev())
}

func (w *walk) next() (key, value []byte) {
	if !w.reverse {
		return w.within(w.cursor.Next())
	}
	return w.within(w.cursor.Prev())
}

func (w *walk) within(k, v []byte) ([]byte, []byte) {
	if k == nil || bytes.Compare(k, w.from) < 0 || bytes.Compare(k, w.past) >= 0 {
		return nil, nil
	}
	return k, v
}

// arena copies values out of the database, many into one piece of memory.
type arena struct{ free []byte }

const arenaPiece = 16 << 10

// decode is the package's decode, with the value copied.
func (a *arena) decode(i *store.Item, b []byte) error {
	if err := decode(i, b); err != nil {
		return err
	}
	n := len(i.Value)
	switch {
	case n == 0:
		i.Value = nil
		return nil
	case a.free == nil || n > arenaPiece/4:
		// The first is often the only one, and a big one fills a piece by itself.
		i.Value = bytes.Clone(i.Value)
		if a.free == nil {
			a.free = []byte{}
		}
		return nil
	case n > len(a.free):
		a.free = make([]byte, arenaPiece)
	}
	copy(a.free, i.Value)
	i.Value, a.free = a.free[:n:n], a.free[n:]
	return nil
}
