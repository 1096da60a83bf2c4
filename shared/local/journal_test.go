package local

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func testEntry(number uint64, sizes ...int) entry {
	e := entry{number: number, version: int64(number) * 3}
	for i, size := range sizes {
		c := keyValue{key: fmt.Sprintf("\x00\x00\x01p%d", i)}
		if size >= 0 {
			c.value = bytes.Repeat([]byte{byte(number)}, size)
		}
		e.changes = append(e.changes, c)
	}
	return e
}

func testJournal(t testing.TB, name string) *journal {
	j, err := openJournal(System, name, 4*blockSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.file.Close() })
	j.salt = 12345
	return j
}

func writeAll(t testing.TB, j *journal, entries ...entry) {
	t.Helper()
	for i := range entries {
		if err := j.write(&entries[i]); err != nil {
			t.Fatal(err)
		}
	}
}

func wantEntries(t *testing.T, j *journal, taken uint64, want ...entry) {
	t.Helper()
	got, err := j.entries(taken)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%d entries with %d taken, %v; want %d, or they differ", len(got), taken, err, len(want))
	}
}

func TestJournalTurns(t *testing.T) {
	name := filepath.Join(t.TempDir(), "journal")
	j := testJournal(t, name)
	wantEntries(t, j, 0)
	first := []entry{testEntry(1, 10), testEntry(2, -1, 0, 5000), testEntry(3, 3*blockSize), testEntry(4, 1)}
	writeAll(t, j, first...)
	if j.end%blockSize != 0 || j.end != 8*blockSize {
		t.Errorf("it ends at %d", j.end)
	}
	j = testJournal(t, name)
	wantEntries(t, j, 0, first...)
	wantEntries(t, j, 4)
	// The next turn leaves entries of the first behind its own.
	second := []entry{testEntry(10, 1), testEntry(11, 2)}
	writeAll(t, j, second...)
	wantEntries(t, j, 4, second...)
	j.salt++
	wantEntries(t, j, 0)
}

// A value that looks like an entry is none, wherever a new turn ends.
func TestJournalEntryInAValue(t *testing.T) {
	name := filepath.Join(t.TempDir(), "journal")
	forger := testJournal(t, name+"-forged")
	forger.salt = 99 // whoever forges does not know the salt
	writeAll(t, forger, testEntry(11, 5))
	forged, err := os.ReadFile(name + "-forged")
	if err != nil {
		t.Fatal(err)
	}
	j := testJournal(t, name)
	e := testEntry(1, 0)
	e.changes[0].value = append(make([]byte, blockSize-entryHead-entryFixed-len(e.changes[0].key)-3), forged[:blockSize]...)
	writeAll(t, j, e)
	content, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(content[blockSize:blockSize+100], forged[:100]) {
		t.Fatalf("the forged entry is not at a block's start: %v", err)
	}
	j.end = 0
	writeAll(t, j, testEntry(10, 5))
	wantEntries(t, j, 0, testEntry(10, 5))
}

func FuzzJournal(f *testing.F) {
	name := filepath.Join(f.TempDir(), "journal")
	j := testJournal(f, name)
	writeAll(f, j, testEntry(1, 10), testEntry(2, -1, 0, 20))
	content, err := os.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content[entryHead:blockSize])
	f.Add(content[blockSize+entryHead : 2*blockSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < entryFixed {
			return
		}
		e, err := decodeEntry(b)
		if err != nil {
			return
		}
		over := newOverlay()
		over.put(e.changes)
		for _, c := range e.changes {
			k := keyOf(c.key)
			if string(appendKey(nil, k.Table, k.Part, k.Sort)) != c.key {
				t.Fatalf("key %q became %q", c.key, k)
			}
		}
	})
}
