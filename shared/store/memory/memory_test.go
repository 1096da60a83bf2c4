package memory_test

import (
	"testing"

	"berth/shared/store"
	"berth/shared/store/memory"
	"berth/shared/store/storetest"
)

func TestRecords(t *testing.T) {
	storetest.Records(t, func(*testing.T) store.Records { return memory.NewRecords() })
}

func TestLayers(t *testing.T) {
	storetest.Layers(t, func(*testing.T) store.Layers { return memory.NewLayers() })
}
