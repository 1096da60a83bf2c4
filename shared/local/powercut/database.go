package powercut

import (
	"bytes"
	"errors"
	"net/url"
	"os"
	"path/filepath"
)

// database is what is sure to be in a database file, and what a transaction that
// the power cut interrupted was making of it.
type database struct {
	flushed []byte
	torn    []byte // nil if none was interrupted
}

func (d *Disk) path(name string) string {
	return filepath.Join(d.dir, url.PathEscape(name))
}

// Database implements local.Disk. It is this Disk that says what was flushed.
func (d *Disk) Database(name string) (string, bool) { return d.path(name), false }

// Commit implements local.Disk. A database transaction writes its pages, flushes them,
// writes one of its first two pages, and flushes that. Where the power is cut at a
// Commit, it may have come to any place in this.
func (d *Disk) Commit(name string, transaction func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.off
	off := d.step()
	if was {
		return ErrOff
	}
	if err := transaction(); err != nil {
		return errors.Join(err, off)
	}
	now, err := os.ReadFile(d.path(name))
	if err != nil {
		return err
	}
	db := d.databases[name]
	if db == nil {
		db = &database{}
		d.databases[name] = db
	}
	if off != nil {
		db.torn = now
		return off
	}
	db.flushed, db.torn = now, nil
	return nil
}

// database gives the bytes that are there after the reboot; nil: no file.
func (r *reboot) database(db *database) []byte {
	if db.torn == nil || r.loss == Everything || r.loss == Names && db.flushed == nil {
		return db.flushed
	}
	if r.loss == Nothing || db.flushed == nil { // a new database gets its name when it is whole
		return db.torn
	}
	const page = 4096
	out := make([]byte, len(db.torn))
	copy(out, db.flushed)
	all := r.coin()
	for at := 2 * page; at < len(out); at += page {
		if end := min(at+page, len(out)); all || r.coin() {
			copy(out[at:end], db.torn[at:end])
		}
	}
	if !all {
		return out
	}
	// The first pages, in sectors: whole, torn, or not at all.
	for at := 0; at < 2*page; at += 512 {
		if r.coin() {
			copy(out[at:at+512], db.torn[at:at+512])
		}
	}
	return out
}

// restore makes the real file of a rebooted disk.
func (db *database) restore(path string) error {
	if db.flushed == nil {
		return nil
	}
	rest := bytes.TrimRight(db.flushed, "\x00")
	if err := os.WriteFile(path, rest, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, int64(len(db.flushed)))
}
