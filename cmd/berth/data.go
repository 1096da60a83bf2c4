package main

import (
	"errors"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/store/memory"
)

// data is an open data folder.
type data struct {
	*folder
	records store.Records
	layers  store.Layers
	keys    hub.Keys
}

// openData locks a folder and opens what it keeps.
func openData(path string) (d *data, err error) {
	d = &data{}
	if d.folder, err = openFolder(path); err != nil {
		return nil, err
	}
	if d.keys, err = d.folder.keys(true); err != nil {
		return nil, errors.Join(err, d.folder.Close())
	}
	d.records, d.layers = memory.NewRecords(), memory.NewLayers()
	return d, nil
}

// Close closes what the folder keeps, and gives it up.
func (d *data) Close() error {
	return errors.Join(d.layers.Close(), d.records.Close(), d.folder.Close())
}

// measure adds the sizes of the storage to the metrics.
func (d *data) measure(m *metrics) {
}
