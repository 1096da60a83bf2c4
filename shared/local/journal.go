package local

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// A journal is a file of commits that the database may not have yet. Every commit
// is one entry, flushed before it counts:
//
//	size      4 bytes, little-endian: of what follows the sum
//	sum       4 bytes: CRC-32C of the salt and what follows
//	number    8 bytes: each commit's is one more than the last one's
//	version   8 bytes: the last version given to an item
//	changes   to the end: uvarint length, key, uvarint length + 1 and value, or 0
//
// Entries begin at multiples of blockSize, so that no block that is durable is
// ever written again while it counts. There are two journals, which take turns: one
// is begun anew only when the database has all of its entries. An entry of an
// earlier turn is told from its number. The salt is the database's secret: nobody can
// store a value which, left over from an earlier turn, would read as an entry.
const (
	blockSize   = 4096
	entryHead   = 8
	entryFixed  = 16
	journalSize = 4 << 20 // bytes of a journal, made in advance: to overwrite is faster
	maxEntry    = 1 << 30 // far more than a commit can be
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// entry is a commit in a journal.
type entry struct {
	number  uint64
	version int64
	changes []keyValue
}

// journal is the file and the place for the next entry.
type journal struct {
	disk Disk
	file File
	salt uint32 // the sum of the salt
	end  int64
	last int64 // where the last entry begins that entries gave
	buf  []byte
}

// openJournal opens the file and makes it where there is none, durably but for its
// name.
func openJournal(disk Disk, name string, size int64) (*journal, error) {
	f, err := disk.OpenFile(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err = lengthen(f, size); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &journal{disk: disk, file: f}, nil
}

// lengthen fills the file with zeros up to size.
func lengthen(f File, size int64) error {
	info, err := f.Stat()
	if err != nil || info.Size() >= size {
		return err
	}
	zeros := make([]byte, 64<<10)
	for at := info.Size(); at < size; at += int64(len(zeros)) {
		if _, err = f.WriteAt(zeros, at); err != nil {
			return err
		}
	}
	return f.Sync()
}

// write adds an entry and flushes it. After an error the next entry takes its place.
func (j *journal) write(e *entry) error {
	b := append(j.buf[:0], make([]byte, entryHead)...)
	b = binary.LittleEndian.AppendUint64(b, e.number)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.version))
	for i := range e.changes {
		c := &e.changes[i]
		b = binary.AppendUvarint(b, uint64(len(c.key)))
		b = append(b, c.key...)
		if c.value == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(c.value))+1)
		b = append(b, c.value...)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-entryHead))
	binary.LittleEndian.PutUint32(b[4:], crc32.Update(j.salt, castagnoli, b[entryHead:]))
	if over := len(b) % blockSize; over > 0 {
		b = append(b, make([]byte, blockSize-over)...)
	}
	if j.buf = b; cap(b) > 1<<20 {
		j.buf = nil
	}
	if _, err := j.file.WriteAt(b, j.end); err != nil {
		return err
	}
	if err := j.disk.SyncData(j.file); err != nil {
		return &flushError{err}
	}
	j.end += int64(len(b))
	return nil
}

// flushError says that a flush failed. Nobody knows then what is on the disk: what
// the kernel holds in memory cannot be trusted to get there any more.
type flushError struct{ err error }

func (e *flushError) Error() string { return "flushing to the disk: " + e.err.Error() }
func (e *flushError) Unwrap() error { return e.err }

// settle makes the last entry durable that entries gave, before anybody sees it. Its
// flush may have been cut off by a kill; or it failed, and then the kernel may show
// what the disk does not have, and flushes it only if it is written again. Entries
// before it were flushed, or it would not have been begun.
func (j *journal) settle(e *entry) error {
	j.end = j.last
	return j.write(e)
}

// entries reads the journal's entries of one turn: none where the database has taken
// that turn over, which it does as a whole. taken is its last entry there.
func (j *journal) entries(taken uint64) ([]entry, error) {
	if _, err := j.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(j.file, 256<<10)
	var all []entry
	at := int64(0)
	for last := uint64(0); ; {
		body, err := j.readEntry(r)
		if err != nil {
			return nil, err
		}
		if body == nil {
			return all, nil
		}
		number := binary.LittleEndian.Uint64(body)
		if number <= taken || last > 0 && number != last+1 {
			return all, nil
		}
		last = number
		e, err := decodeEntry(body)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
		j.last = at
		at += blocks(entryHead + int64(len(body)))
	}
}

// blocks is size, and what is left of its last block.
func blocks(size int64) int64 { return (size + blockSize - 1) / blockSize * blockSize }

// readEntry gives what follows the sum, and nil where no whole entry is next.
func (j *journal) readEntry(r *bufio.Reader) ([]byte, error) {
	var head [entryHead]byte
	if n, err := io.ReadFull(r, head[:]); n < len(head) {
		return nil, endOr(err)
	}
	size := int64(binary.LittleEndian.Uint32(head[:]))
	if size < entryFixed || size > maxEntry {
		return nil, nil
	}
	// Not all at once: the size is not known to be true yet.
	body, err := io.ReadAll(io.LimitReader(r, size))
	if err != nil || int64(len(body)) < size {
		return nil, endOr(err)
	}
	if crc32.Update(j.salt, castagnoli, body) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, nil
	}
	if over := (entryHead + size) % blockSize; over > 0 {
		if _, err = r.Discard(int(blockSize - over)); err != nil && err != io.EOF {
			return nil, err
		}
	}
	return body, nil
}

func endOr(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

// decodeEntry takes apart what follows the sum. The values are parts of b.
func decodeEntry(b []byte) (entry, error) {
	e := entry{number: binary.LittleEndian.Uint64(b), version: int64(binary.LittleEndian.Uint64(b[8:]))}
	damaged := func() (entry, error) { return entry{}, fmt.Errorf("%w: journal entry %d", errDamaged, e.number) }
	b = b[entryFixed:]
	for len(b) > 0 {
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return damaged()
		}
		c := keyValue{key: string(b[n : n+int(length)])}
		if !validKey(c.key) {
			return damaged()
		}
		b = b[n+int(length):]
		length, n = binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n)+1 {
			return damaged()
		}
		b = b[n:]
		if length > 0 {
			c.value = b[: length-1 : length-1]
			b = b[length-1:]
		}
		e.changes = append(e.changes, c)
	}
	return e, nil
}
