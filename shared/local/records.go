package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
	dberrors "go.etcd.io/bbolt/errors"

	"berth/shared/store"
)

// ErrInUse says that another process has the records open.
var ErrInUse = errors.New("the data folder is in use by another process")

// The database's buckets: one for each table, and these.
var (
	bucketAbout   = []byte("about")   // the format; its sequence gives the versions
	bucketExpires = []byte("expires") // what expires, by time
	keyFormat     = []byte("format")
	keySalt       = []byte("salt")   // of the journals' sums
	keyNumber     = []byte("number") // of the last commit that the database has
)

const (
	format    = "1"
	newSuffix = ".new-" // of a database that is being made
)

// Records is a store.Records in a bbolt database and two journals beside it. A
// commit is one flush of a journal; from time to time the database takes over what
// gathered there. Until then an overlay in memory has it.
type Records struct {
	db    *bbolt.DB
	disk  Disk
	name  string
	full  int64 // bytes after which a journal is full
	part  int64 // bytes of changes that one transaction of the database takes over
	view  atomic.Pointer[view]
	queue queue
	ended chan struct{}  // closed by Close
	tasks sync.WaitGroup // the goroutines
	close error          // of the last checkpoint, once tasks are done
	fresh bool

	// Of the committer alone:
	number        uint64 // of the last commit
	version       int64  // the last one given to an item
	active, idle  *journal
	moving        *move  // the checkpoint under way, or nil
	frozenAt      uint64 // number and version at the end of the frozen overlay
	frozenVersion int64
}

// OpenRecords opens the database file at path, and makes it and its folder where
// there is none. While another process has it open, the error is ErrInUse.
func OpenRecords(path string) (*Records, error) { return OpenRecordsOn(System, path, journalSize) }

// OpenRecordsOn is OpenRecords on a disk of one's own, with journals of this many bytes:
// the shorter they are, the more often the database takes them over.
func OpenRecordsOn(disk Disk, path string, journalSize int64) (*Records, error) {
	if err := makeDirs(disk, filepath.Dir(filepath.Clean(path))); err != nil {
		return nil, fmt.Errorf("making the folder of %s: %w", path, err)
	}
	if err := makeDatabase(disk, path); err != nil {
		return nil, fmt.Errorf("making the records at %s: %w", path, err)
	}
	db, err := openDatabase(disk.Database(path))
	if errors.Is(err, dberrors.ErrTimeout) {
		return nil, fmt.Errorf("%w (%s): stop it, or choose another folder", ErrInUse, path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the records at %s: %w", path, err)
	}
	// What a process left that was killed while it made the database.
	left, _ := filepath.Glob(db.Path() + newSuffix + "*")
	for _, name := range left {
		os.Remove(name)
	}
	if err = checkFormat(db); err != nil {
		db.Close()
		return nil, fmt.Errorf("opening the records at %s: %w", path, err)
	}
	r := &Records{db: db, disk: disk, name: path, ended: make(chan struct{}), full: journalSize, part: journalSize / 2}
	r.queue.ready.L = &r.queue.mu
	if err = r.openJournals(); err != nil {
		r.closeFiles()
		return nil, fmt.Errorf("opening the records at %s: %w", path, err)
	}
	r.tasks.Go(r.commitAll)
	r.tasks.Go(r.sweep)
	return r, nil
}

// RecordsFiles are the files that the records at path consist of: the database and its
// journals. None is worth anything without the others. OpenRecords makes those that are
// not there.
func RecordsFiles(path string) []string {
	return []string{path, path + "-journal-a", path + "-journal-b"}
}

// Fresh reports whether nothing had ever been written when the records were opened.
func (r *Records) Fresh() bool { return r.fresh }

// openJournals opens or makes them, and goes on where the last process stopped.
func (r *Records) openJournals() (err error) {
	files := RecordsFiles(r.name)
	if r.active, err = openJournal(r.disk, files[1], r.full); err != nil {
		return err
	}
	if r.idle, err = openJournal(r.disk, files[2], r.full); err != nil {
		return err
	}
	if err = r.disk.SyncDir(filepath.Dir(r.name)); err != nil {
		return err
	}
	return r.replay()
}

func (r *Records) commitAll() {
	c := &committer{Records: r, changed: make(map[string]int), db: reader{db: r.db}}
	c.move()
	c.commitAll()
	r.close = c.finish()
}

func openDatabase(file string, flush bool) (*bbolt.DB, error) {
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{
		Timeout:      1, // do not wait for the lock
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		// Readers keep the writer waiting only when the map must grow.
		InitialMmapSize: 1 << 30,
		NoSync:          !flush,
		NoGrowSync:      !flush,
	})
	if err == nil {
		db.AllocSize = 1 << 20
	}
	return db, err
}

// makeDatabase makes the database complete under another name first, so that a kill
// leaves none or a whole one. The link fails where another process was faster.
func makeDatabase(disk Disk, path string) error {
	file, flush := disk.Database(path)
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+newSuffix+"*")
	if err != nil {
		return err
	}
	temp.Close()
	defer os.Remove(temp.Name())
	db, err := openDatabase(temp.Name(), flush)
	if err != nil {
		return err
	}
	err = errors.Join(db.Update(layOut), db.Close())
	if err != nil {
		return err
	}
	return disk.Commit(path, func() error {
		if err := os.Link(temp.Name(), file); err != nil {
			// Another process was faster, and may have tidied up.
			if _, there := os.Stat(file); there != nil {
				return err
			}
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
	if err = about.Put(keySalt, []byte(rand.Text())); err != nil {
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
			return fmt.Errorf("its format is %q, and this program knows %q: it was written by another version of Berth, which can read it", f, format)
		}
		return nil
	})
}

// Close waits for the writes that are under way and lets the database take over
// what the journals have. An error does not lose anything: the next OpenRecords
// finds it in the journals.
func (r *Records) Close() error {
	if !r.queue.end() {
		return nil
	}
	close(r.ended)
	r.tasks.Wait()
	return errors.Join(r.close, r.closeFiles())
}

func (r *Records) closeFiles() error {
	err := r.db.Close()
	for _, j := range [2]*journal{r.active, r.idle} {
		if j != nil {
			err = errors.Join(err, j.file.Close())
		}
	}
	return err
}

// unavailable is err as the contract wants it.
func unavailable(err error) error {
	var flush *flushError
	if !errors.As(err, &flush) { // which no room that is made undoes
		err = orFull(err)
	}
	return fmt.Errorf("local records: %w: %w", store.ErrUnavailable, err)
}

// view is where items are that the database may not have: first in active, then in
// frozen, which is nil unless the database is taking it over. A reader loads the view
// first and begins a transaction of the database then: so each item that it does not
// find in the view is in the database.
type view struct {
	active, frozen *overlay
	below          known // values of the database that neither has
}

func (v *view) find(key []byte) (value []byte, changed bool) {
	if value, changed = v.active.get(key); changed {
		return value, true
	}
	return v.frozen.get(key)
}

// Get implements store.Records.
func (r *Records) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := store.CheckGet(keys); err != nil {
		return nil, err
	}
	if r.queue.ended() {
		return nil, unavailable(errClosed)
	}
	items := make([]store.Item, len(keys))
	db := reader{db: r.db}
	defer db.end()
	var arena arena
	var space [128]byte
	v := r.view.Load()
	for i := range keys {
		items[i].Key = keys[i]
		key := appendKey(space[:0], keys[i].Table, keys[i].Part, keys[i].Sort)
		found, changed := v.find(key)
		if !changed {
			found = v.below.get(key)
		}
		if !changed && found == nil {
			var err error
			if found, err = db.get(key); err != nil {
				return nil, unavailable(err)
			}
			if found != nil {
				found = arena.copy(found)
				v.below.put(key, found)
			}
		}
		if found == nil {
			continue
		}
		if err := decode(&items[i], found); err != nil {
			return nil, unavailable(err)
		}
	}
	return items, nil
}

// reader reads the database in one transaction, which begins when it is first needed.
type reader struct {
	db      *bbolt.DB
	tx      *bbolt.Tx
	cursors [3]*bbolt.Cursor // by table's number
}

// get is the item's encoded value, nil where there is none. It is there until end.
func (r *reader) get(key []byte) (value []byte, err error) {
	if r.tx == nil {
		if r.tx, err = r.db.Begin(false); err != nil {
			return nil, err
		}
	}
	cursor := &r.cursors[key[0]]
	if *cursor == nil {
		*cursor = r.tx.Bucket([]byte(store.Tables[key[0]])).Cursor()
	}
	if found, value := (*cursor).Seek(key[1:]); bytes.Equal(found, key[1:]) {
		return value, nil
	}
	return nil, nil
}

// end ends the transaction. The reader may be used again.
func (r *reader) end() {
	if r.tx != nil {
		r.tx.Rollback()
		r.tx, r.cursors = nil, [3]*bbolt.Cursor{}
	}
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
	v := r.view.Load()
	tx, err := r.db.Begin(false)
	if err != nil {
		return store.Page{}, unavailable(err)
	}
	defer tx.Rollback()
	b := boundsOf(in)
	v.active.mu.RLock()
	defer v.active.mu.RUnlock()
	sources := [3]source{walkOverlay(v.active, b), walkDatabase(tx, in.Table, b)}
	n := 2
	if v.frozen != nil {
		sources[1], sources[2], n = walkOverlay(v.frozen, b), sources[1], 3
	}
	var page store.Page
	size := 0
	walk := newMerge(in.Reverse, sources[:n]...)
	for k, data, ok := walk.next(); ok; k, data, ok = walk.next() {
		if len(page.Items) == in.Limit || size >= store.MaxPage {
			page.More = true
			break
		}
		if page.Items == nil {
			page.Items = make([]store.Item, 0, min(in.Limit, 128))
		}
		page.Items = append(page.Items, store.Item{Key: store.Key{Table: in.Table, Part: in.Part, Sort: k[3+len(in.Part):]}})
		item := &page.Items[len(page.Items)-1]
		if err = decode(item, data); err != nil {
			return store.Page{}, unavailable(err)
		}
		size += item.Size()
	}
	return page, nil
}
