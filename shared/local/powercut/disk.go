// Package powercut is a disk for tests that loses power: from a chosen step on
// everything fails, and after the reboot only what was flushed is sure to be there.
//
// A test runs one scenario many times and cuts the power at another step each time:
//
//	for n := 1; ; n++ {
//		disk := powercut.New(t)
//		disk.CutAt(n)
//		// local.OpenRecordsOn(disk, "/data/records.db", 64<<10), local.OpenLayersOn(disk,
//		// "/data/layers"), the scenario, Close; note what was acknowledged.
//		for _, loss := range powercut.Losses {
//			again := disk.Reboot(t, loss)
//			// Open both on again and look for what was acknowledged.
//		}
//		if !disk.Off() {
//			break // the scenario has fewer than n steps
//		}
//	}
package powercut

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"berth/shared/local"
)

// ErrOff is what everything fails with after the power was cut.
var ErrOff = errors.New("the power is off")

// Loss says what a power cut takes of that which was not flushed.
type Loss int

const (
	Everything Loss = iota // only what was flushed is there
	Bytes                  // names and lengths are kept, bytes that were not flushed are zeros
	Names                  // bytes are kept, changes of folders that were not flushed are lost
	Nothing                // as if only the process was killed
	Some                   // pieces of 512 bytes, folders and database pages by chance
)

// Losses lists all of them, to range over.
var Losses = []Loss{Everything, Bytes, Names, Nothing, Some}

func (l Loss) String() string {
	return [...]string{"everything lost", "bytes lost", "names lost", "nothing lost", "some lost"}[l]
}

// Disk is a local.Disk. Files are in memory; databases are real files of a
// temporary folder, and each of their transactions is one step.
type Disk struct {
	mu        sync.Mutex
	steps     int
	cutAt     int
	off       bool
	root      *folder
	dir       string
	databases map[string]*database
}

var _ local.Disk = (*Disk)(nil)

// New gives an empty disk.
func New(t testing.TB) *Disk {
	return &Disk{root: newFolder(), dir: t.TempDir(), databases: make(map[string]*database)}
}

// CutAt cuts the power at the n-th step from now, counted from 1, which does not
// happen any more, or not wholly. A step is a write, a change of a name or length, a
// flush, or a transaction of a database. n = 0: the power stays.
func (d *Disk) CutAt(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps, d.cutAt = 0, n
}

// Cut cuts the power now.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
}

// Restart gives the power back to a disk of which only the process was killed: what
// was not flushed is still there, and may still be lost. The old process must have
// closed what it had open.
func (d *Disk) Restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps, d.cutAt, d.off = 0, 0, false
}

// Steps counts the steps since CutAt was called last.
func (d *Disk) Steps() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.steps
}

// Off reports whether the power was cut.
func (d *Disk) Off() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

// step begins a step, with d.mu held. It fails where the power is off.
func (d *Disk) step() error {
	if d.off {
		return ErrOff
	}
	d.steps++
	if d.steps == d.cutAt {
		d.off = true
		return ErrOff
	}
	return nil
}

// folder is a folder of the disk: its entries as they are and as they are flushed.
type folder struct{ now, flushed map[string]node }

// node is a *folder or a *data.
type node any

func newFolder() *folder {
	return &folder{now: make(map[string]node), flushed: make(map[string]node)}
}

// data is a file's bytes, as they are and as they were flushed.
type data struct{ now, flushed []byte }

// find gives the folder that name is in, and name's last part.
func (d *Disk) find(op, name string) (*folder, string, error) {
	parts := strings.Split(strings.Trim(filepath.Clean(name), "/"), "/")
	at := d.root
	for _, part := range parts[:len(parts)-1] {
		next, ok := at.now[part].(*folder)
		if !ok {
			return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		at = next
	}
	return at, parts[len(parts)-1], nil
}

// OpenFile implements local.Disk.
func (d *Disk) OpenFile(name string, flag int) (local.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, ErrOff
	}
	in, base, err := d.find("open", name)
	if err != nil {
		return nil, err
	}
	switch n := in.now[base].(type) {
	case *data:
		if flag&os.O_EXCL != 0 {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
		}
		return &file{disk: d, data: n, name: name}, nil
	case *folder:
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("is a folder")}
	}
	if flag&os.O_CREATE == 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err = d.step(); err != nil {
		return nil, err
	}
	n := &data{}
	in.now[base] = n
	return &file{disk: d, data: n, name: name}, nil
}

// Stat implements local.Disk.
func (d *Disk) Stat(name string) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return 0, ErrOff
	}
	in, base, err := d.find("stat", name)
	if err != nil {
		return 0, err
	}
	switch n := in.now[base].(type) {
	case *data:
		return int64(len(n.now)), nil
	case *folder:
		return 0, nil
	}
	return 0, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

// Rename implements local.Disk.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	in, base, err := d.find("rename", from)
	if err != nil {
		return err
	}
	out, target, err := d.find("rename", to)
	if err != nil {
		return err
	}
	n, ok := in.now[base]
	if !ok {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	if err = d.step(); err != nil {
		return err
	}
	delete(in.now, base)
	out.now[target] = n
	return nil
}

// Remove implements local.Disk.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	in, base, err := d.find("remove", name)
	if err != nil {
		return err
	}
	if _, ok := in.now[base]; !ok {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if err = d.step(); err != nil {
		return err
	}
	delete(in.now, base)
	return nil
}

// Mkdir implements local.Disk.
func (d *Disk) Mkdir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	in, base, err := d.find("mkdir", name)
	if err != nil {
		return err
	}
	if _, ok := in.now[base]; ok {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	if err = d.step(); err != nil {
		return err
	}
	in.now[base] = newFolder()
	return nil
}

// SyncDir implements local.Disk.
func (d *Disk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.root
	if clean := filepath.Clean(name); clean != "/" && clean != "." {
		in, base, err := d.find("sync", name)
		if err != nil {
			return err
		}
		n, ok := in.now[base].(*folder)
		if !ok {
			return &fs.PathError{Op: "sync", Path: name, Err: fs.ErrNotExist}
		}
		at = n
	}
	if err := d.step(); err != nil {
		return err
	}
	at.flushed = maps.Clone(at.now)
	for path, db := range d.databases {
		if db.flushed == nil && filepath.Dir(path) == filepath.Clean(name) {
			db.flushed, db.torn = db.torn, nil // a new database is whole before it gets its name
		}
	}
	return nil
}

// Files lists the paths of all files, without databases.
func (d *Disk) Files() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	var walk func(path string, in *folder)
	walk = func(path string, in *folder) {
		for name, n := range in.now {
			if sub, ok := n.(*folder); ok {
				walk(path+"/"+name, sub)
			} else {
				all = append(all, path+"/"+name)
			}
		}
	}
	walk("", d.root)
	return all
}

// Reboot gives the disk as it is after the power came back, with the loss. The disk
// itself stays as it is, off, and can be rebooted again.
func (d *Disk) Reboot(t testing.TB, loss Loss) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	again := New(t)
	r := reboot{loss: loss, chance: rand.New(rand.NewPCG(uint64(d.steps), uint64(d.cutAt)))}
	again.root = r.folder(d.root)
	for name, db := range d.databases {
		again.databases[name] = &database{flushed: r.database(db)}
		if err := again.databases[name].restore(again.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	return again
}

// reboot makes copies as a power cut leaves them.
type reboot struct {
	loss   Loss
	chance *rand.Rand
	copied map[node]node // a file may have two names
}

func (r *reboot) coin() bool { return r.chance.IntN(2) == 0 }

func (r *reboot) folder(in *folder) *folder {
	entries := in.flushed
	if r.loss == Bytes || r.loss == Nothing || r.loss == Some && r.coin() {
		entries = in.now
	}
	out := newFolder()
	for name, n := range entries {
		switch n := n.(type) {
		case *folder:
			out.now[name] = r.folder(n)
		case *data:
			if r.copied == nil {
				r.copied = make(map[node]node)
			}
			if r.copied[n] == nil {
				bytes := r.bytes(n)
				r.copied[n] = &data{now: bytes, flushed: append([]byte(nil), bytes...)}
			}
			out.now[name] = r.copied[n]
		}
	}
	out.flushed = maps.Clone(out.now)
	return out
}

func (r *reboot) bytes(n *data) []byte {
	switch r.loss {
	case Everything:
		return append([]byte(nil), n.flushed...)
	case Names, Nothing:
		return append([]byte(nil), n.now...)
	}
	out := make([]byte, len(n.now))
	copy(out, n.flushed)
	if r.loss == Some {
		for at := 0; at < len(out); at += 512 {
			if end := min(at+512, len(out)); r.coin() {
				copy(out[at:end], n.now[at:end])
			}
		}
	}
	return out
}
