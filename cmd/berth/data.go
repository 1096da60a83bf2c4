package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"berth/shared/hub"
	"berth/shared/local"
)

// data is an open data folder.
type data struct {
	*folder
	records *local.Records
	layers  *local.Layers
	keys    hub.Keys
}

// openData locks a folder and opens what it keeps.
func openData(path string) (*data, error) {
	f, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	d := &data{folder: f}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

// openKept is openData where a hub must have been: a folder that was mistyped is
// neither made nor found whole.
func openKept(path string) (*data, error) {
	_, records := os.Stat((&data{folder: &folder{path: path}}).recordsPath())
	_, keys := os.Stat((&folder{path: path}).keysPath())
	if errors.Is(records, fs.ErrNotExist) && errors.Is(keys, fs.ErrNotExist) {
		return nil, fmt.Errorf("no hub has kept anything in %s; name its folder with --data", path)
	}
	return openData(path)
}

func (d *data) open() (err error) {
	_, err = os.Stat(d.layersPath())
	noLayers := errors.Is(err, fs.ErrNotExist)
	if !noLayers {
		if err := d.haveRecords(); err != nil {
			return err
		}
	}
	_, err = os.Stat(d.recordsPath())
	if d.keys, err = d.folder.keys(errors.Is(err, fs.ErrNotExist)); err != nil {
		return err
	}
	if d.records, err = local.OpenRecords(d.recordsPath()); err != nil {
		return err
	}
	if noLayers && !d.records.Fresh() {
		return errors.Join(incomplete(d.layersPath()), d.records.Close())
	}
	if d.layers, err = local.OpenLayers(d.layersPath()); err != nil {
		return errors.Join(err, d.records.Close())
	}
	return nil
}

// haveRecords refuses a folder with layers that lacks a file of its records, as an
// incomplete copy does: the hub would begin anew without them, and sweep the layers. A
// first start makes the layers' folder last, so one that was killed is not refused.
func (d *data) haveRecords() error {
	for _, file := range local.RecordsFiles(d.recordsPath()) {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return incomplete(file)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func incomplete(missing string) error {
	return fmt.Errorf("%s is missing although its folder holds what a hub kept: put it back, or restore the whole folder from a copy; an empty folder begins anew", missing)
}

// hub is the hub over the folder.
func (d *data) hub(public *url.URL) *hub.Hub {
	return hub.New(d.records, d.layers, d.keys, hub.Options{PublicURL: public})
}

func (d *data) recordsPath() string { return filepath.Join(d.path, "records.db") }
func (d *data) layersPath() string  { return filepath.Join(d.path, "layers") }

// Close closes what the folder keeps, and gives it up.
func (d *data) Close() error {
	return errors.Join(d.layers.Close(), d.records.Close(), d.folder.Close())
}

// measure adds the sizes of the storage to the metrics.
func (d *data) measure(m *metrics) {
	m.gauge("berth_storage_records_bytes", "Size of the database of records.", func() float64 {
		info, err := os.Stat(d.recordsPath())
		if err != nil {
			return 0
		}
		return float64(info.Size())
	})
	m.gauge("berth_storage_free_bytes", "Space that is left on the data folder's disk, or on that of the layers if it is less.", func() float64 {
		return min(room(d.path), room(d.layersPath()))
	})
	layers := &measured{dir: d.layersPath(), last: math.NaN()}
	m.gauge("berth_storage_layers_bytes", "Size of all layers' files, at most ten minutes old.", layers.size)
}

// room is how many bytes are free on a folder's disk.
func room(path string) float64 {
	var s syscall.Statfs_t
	if syscall.Statfs(path, &s) != nil {
		return 0
	}
	return float64(s.Bavail) * float64(s.Bsize)
}

// measured is the size of a folder's files. Adding them up takes a while, so that
// is done aside, when somebody asks and the last sum is old.
type measured struct {
	dir  string
	mu   sync.Mutex
	last float64   // NaN before the first sum
	next time.Time // when to add up again
}

const measureEvery = 10 * time.Minute

func (m *measured) size() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); now.After(m.next) {
		m.next = now.Add(measureEvery)
		go m.sum()
	}
	return m.last
}

func (m *measured) sum() {
	var total float64
	// With the slash the folder may be a link to one on another disk.
	filepath.WalkDir(m.dir+"/", func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // what goes away meanwhile is not there
		}
		if info, err := e.Info(); err == nil {
			total += float64(info.Size())
		}
		return nil
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = total
}
