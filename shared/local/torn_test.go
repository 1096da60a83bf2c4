package local

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"berth/shared/store"
)

// recorder keeps what is on the disk before each commit of the database, and the
// database as it is after it.
type recorder struct {
	Disk
	commits []recorded
}

type recorded struct {
	files map[string][]byte // before, by base name
	after []byte
	acked int
}

func (r *recorder) Commit(name string, transaction func() error) error {
	one := recorded{files: make(map[string][]byte)}
	for _, file := range []string{name, name + "-journal-a", name + "-journal-b"} {
		content, err := os.ReadFile(file)
		if err == nil {
			one.files[filepath.Base(file)] = content
		}
	}
	if err := transaction(); err != nil {
		return err
	}
	after, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	one.after = after
	r.commits = append(r.commits, one)
	return nil
}

// A checkpoint is several transactions of the database. Each writes its pages in their
// order and flushes them, and then writes and flushes one of the first two pages, which
// makes it count. The power is cut after each of these writes.
func TestEveryPrefixOfACheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	disk := &recorder{Disk: System}
	const rounds, each = 3, 40
	for round := range rounds {
		opened := len(disk.commits)
		r, err := OpenRecordsOn(disk, path, 64*blockSize)
		if err != nil {
			t.Fatal(err)
		}
		settle(t, r)
		r.part = 10 << 10
		before := len(disk.commits)
		for i := opened; i < before; i++ {
			disk.commits[i].acked = round * each
		}
		fillUp(t, r, round*each, (round+1)*each)
		if round > 0 { // changes and deletes what the database has
			if err = r.Write(t.Context(), store.Put(number(0), bytes.Repeat([]byte{byte(round)}, 1024))); err != nil {
				t.Fatal(err)
			}
		}
		if err = r.Close(); err != nil {
			t.Fatal(err)
		}
		if parts := len(disk.commits) - before; parts < 4 {
			t.Errorf("the checkpoint was %d transactions", parts)
		}
		for i := before; i < len(disk.commits); i++ {
			disk.commits[i].acked = (round + 1) * each
		}
	}
	prefixes := 0
	for i, c := range disk.commits {
		before := c.files["records.db"]
		if before == nil {
			continue // the database is made: under its name it is whole
		}
		image := make([]byte, max(len(before), len(c.after)))
		copy(image, before)
		var order []int // data first, then the first two pages
		for at := 2 * blockSize; at < len(c.after); at += blockSize {
			order = append(order, at)
		}
		order = append(order, 0, blockSize)
		try := func(what string) {
			t.Helper()
			prefixes++
			place := filepath.Join(t.TempDir(), "records.db")
			c.files["records.db"] = image
			for name, content := range c.files {
				if err := os.WriteFile(filepath.Join(filepath.Dir(place), name), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			process := &mortal{Disk: System}
			process.dead.Store(true) // so that Close is quick
			r, err := OpenRecordsOn(process, place, 64*blockSize)
			if err != nil {
				t.Fatalf("commit %d, %s: %v", i, what, err)
			}
			defer r.Close()
			wantItems(t, r, c.acked)
		}
		try("nothing written")
		for _, at := range order {
			if page := c.after[at : at+blockSize]; !bytes.Equal(image[at:at+blockSize], page) {
				copy(image[at:], page)
				try(fmt.Sprint("written up to the page at ", at))
			}
		}
	}
	if prefixes < 40 {
		t.Errorf("only %d prefixes", prefixes)
	}
}
