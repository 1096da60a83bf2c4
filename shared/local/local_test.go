package local

import (
	"path/filepath"
	"testing"

	"berth/shared/store"
	"berth/shared/store/storetest"
)

func openRecords(t testing.TB, path string) *Records {
	t.Helper()
	r, err := OpenRecords(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func openLayers(t testing.TB, dir string) *Layers {
	t.Helper()
	l, err := OpenLayers(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestRecords(t *testing.T) {
	storetest.Records(t, func(t *testing.T) store.Records { return openRecords(t, filepath.Join(t.TempDir(), "records.db")) })
}

// With journals as small as these the database takes over something all the time.
func TestRecordsOfSmallJournals(t *testing.T) {
	storetest.Records(t, func(t *testing.T) store.Records {
		r, err := OpenRecordsOn(System, filepath.Join(t.TempDir(), "records.db"), 2*blockSize)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
		return r
	})
}

func TestRecordsReopen(t *testing.T) {
	storetest.Reopen(t, func(t *testing.T) func(t *testing.T) store.Records {
		path := filepath.Join(t.TempDir(), "records.db")
		return func(t *testing.T) store.Records { return openRecords(t, path) }
	})
}

func TestLayers(t *testing.T) {
	storetest.Layers(t, func(t *testing.T) store.Layers { return openLayers(t, t.TempDir()) })
}

func TestLayersReopen(t *testing.T) {
	storetest.ReopenLayers(t, func(t *testing.T) func(t *testing.T) store.Layers {
		dir := filepath.Join(t.TempDir(), "new", "layers")
		return func(t *testing.T) store.Layers { return openLayers(t, dir) }
	})
}

func TestLayersTakeNoMemory(t *testing.T) {
	storetest.Flat(t, openLayers(t, t.TempDir()), 128<<20, 2<<20)
}
