package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"berth/shared/store"
)

// Layers runs the conformance suite of store.Layers. open gives a store to one
// test and closes it with t.Cleanup; it may give the same store every time, in
// which no object's key begins with "storetest-".
func Layers(t *testing.T, open func(t *testing.T) store.Layers) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s store.Layers)
	}{
		{"write and read", writeAndRead},
		{"write in pieces", writeInPieces},
		{"pieces beside the sizes of backends", writeAtEdges},
		{"no object", noObject},
		{"empty object", emptyObject},
		{"reader that fails", readerFails},
		{"tail of a killed writer", overwriteTail},
		{"unfinished", unfinished},
		{"finish again", finishAgain},
		{"finish drops the tail", finishDropsTail},
		{"ranges", layerRanges},
		{"ranges past the end", rangesPastEnd},
		{"copy", copyOut},
		{"delete", deleteObjects},
		{"delete while it is read", deleteWhileRead},
		{"one writer at a time", busy},
		{"many at once", manyObjects},
		{"keys", objectKeys},
		{"context", layersContext},
		{"URL", urls},
		{"address", addresses},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

var lastObject atomic.Int64

// object is a key that no other test of this process uses.
func object() string {
	return fmt.Sprintf("storetest-%d-%d", rand.Uint64(), lastObject.Add(1))
}

var contents sync.Map // of content

// content is n bytes that repeat nowhere near.
func content(seed uint64, n int) []byte {
	type of struct {
		seed uint64
		n    int
	}
	if data, made := contents.Load(of{seed, n}); made {
		return bytes.Clone(data.([]byte))
	}
	data := make([]byte, n)
	var key [32]byte
	key[0] = byte(seed)
	rand.NewChaCha8(key).Read(data)
	contents.Store(of{seed, n}, data)
	return bytes.Clone(data)
}

func appendAll(t testing.TB, s store.Layers, key string, st store.State, data []byte) store.State {
	t.Helper()
	next, err := s.Append(t.Context(), key, st, bytes.NewReader(data))
	if err != nil {
		t.Fatalf("Append at %d: %v", st.Size, err)
	}
	if next.Size != st.Size+int64(len(data)) {
		t.Fatalf("Append of %d bytes at %d gives the size %d", len(data), st.Size, next.Size)
	}
	return next
}

// finished writes an object in one piece.
func finished(t testing.TB, s store.Layers, data []byte) (string, store.State) {
	t.Helper()
	key := object()
	st := appendAll(t, s, key, store.State{}, data)
	must(t, s.Finish(t.Context(), key, st))
	return key, st
}

func read(t testing.TB, s store.Layers, key string, offset, length int64) ([]byte, error) {
	t.Helper()
	r, err := s.Open(t.Context(), key, offset, length)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func wantBytes(t testing.TB, s store.Layers, key string, want []byte) {
	t.Helper()
	got, err := read(t, s, key, 0, -1)
	if err != nil {
		t.Fatalf("reading %s: %v", key, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s has %d bytes with sum %.8x, want %d with %.8x", key, len(got), sha256.Sum256(got), len(want), sha256.Sum256(want))
	}
}

func wantNoObject(t testing.TB, s store.Layers, key string) {
	t.Helper()
	if _, err := read(t, s, key, 0, -1); !errors.Is(err, store.ErrNoObject) {
		t.Fatalf("reading %s: %v, want ErrNoObject", key, err)
	}
}

func writeAndRead(t *testing.T, s store.Layers) {
	for _, size := range []int{1, 511, 4096, 100_000, 3 << 20} {
		data := content(1, size)
		key, _ := finished(t, s, data)
		wantBytes(t, s, key, data)
	}
}

func writeInPieces(t *testing.T, s store.Layers) {
	key, data := object(), content(2, 12<<20)
	var st store.State
	pieces := []int{1, 0, 10, 70_000, 1 << 20, 6 << 20, 3, 0}
	rest := data
	for _, n := range pieces {
		st = appendAll(t, s, key, st, rest[:n])
		rest = rest[n:]
	}
	// A reader that gives a byte or nothing at a time is a reader, too.
	next, err := s.Append(t.Context(), key, st, iotest.OneByteReader(bytes.NewReader(rest[:999])))
	must(t, err)
	st = appendAll(t, s, key, next, rest[999:])
	if st.Size != int64(len(data)) {
		t.Fatalf("size %d, want %d", st.Size, len(data))
	}
	must(t, s.Finish(t.Context(), key, st))
	wantBytes(t, s, key, data)
}

// writeAtEdges appends around 5 MiB, which S3 has as the least size of a part.
func writeAtEdges(t *testing.T, s store.Layers) {
	const part = 5 << 20
	for _, sizes := range [][]int{{part - 1, 1}, {1, part, part + 1}, {part - 1, 2}} {
		key := object()
		var st store.State
		var whole []byte
		for i, n := range sizes {
			piece := content(uint64(i), n)
			st = appendAll(t, s, key, st, piece)
			whole = append(whole, piece...)
		}
		must(t, s.Finish(t.Context(), key, st))
		wantBytes(t, s, key, whole)
	}
}

func noObject(t *testing.T, s store.Layers) {
	key := object()
	wantNoObject(t, s, key)
	if _, err := s.Append(t.Context(), key, store.State{Size: 10}, strings.NewReader("x")); err == nil {
		t.Error("Append at 10 of an object that was never begun succeeds")
	}
	if err := s.Finish(t.Context(), key, store.State{Size: 10}); err == nil {
		t.Error("Finish at 10 of an object that was never begun succeeds")
	}
	must(t, s.Delete(t.Context(), key, store.State{}))
	wantNoObject(t, s, key)
}

func emptyObject(t *testing.T, s store.Layers) {
	never := object()
	must(t, s.Finish(t.Context(), never, store.State{}))
	wantBytes(t, s, never, nil)
	key, _ := finished(t, s, nil)
	wantBytes(t, s, key, nil)
	must(t, s.Delete(t.Context(), key, store.State{}))
	wantNoObject(t, s, key)
}

// errBroken is what the tests' readers fail with.
var errBroken = errors.New("the line is broken")

func readerFails(t *testing.T, s store.Layers) {
	data := content(3, 7<<20)
	for _, at := range []int{0, 1000, 6 << 20} {
		key := object()
		st := appendAll(t, s, key, store.State{}, data[:500])
		broken := io.MultiReader(bytes.NewReader(data[500:500+at]), iotest.ErrReader(errBroken))
		st, err := s.Append(t.Context(), key, st, broken)
		if !errors.Is(err, errBroken) {
			t.Fatalf("Append: %v, want the reader's error", err)
		}
		if st.Size != int64(500+at) {
			t.Fatalf("size %d after the reader failed at %d", st.Size, 500+at)
		}
		st = appendAll(t, s, key, st, data[st.Size:])
		must(t, s.Finish(t.Context(), key, st))
		wantBytes(t, s, key, data)
	}
	key := object()
	st, err := s.Append(t.Context(), key, store.State{}, iotest.ErrReader(io.ErrUnexpectedEOF))
	if !errors.Is(err, io.ErrUnexpectedEOF) || st.Size != 0 {
		t.Fatalf("Append of a reader that fails at once: %+v, %v", st, err)
	}
	st = appendAll(t, s, key, st, data[:9])
	must(t, s.Finish(t.Context(), key, st))
	wantBytes(t, s, key, data[:9])
}

// overwriteTail goes on from a state that is older than what was written, as a
// caller does that was killed before it kept the newer state.
func overwriteTail(t *testing.T, s store.Layers) {
	for _, c := range []struct{ kept, lost, then int }{{0, 100, 10}, {10, 90, 200}, {1000, 6 << 20, 5}, {6 << 20, 1000, 100}} {
		key := object()
		kept, then := content(4, c.kept), content(6, c.then)
		var st store.State
		if c.kept > 0 {
			st = appendAll(t, s, key, st, kept)
		}
		appendAll(t, s, key, st, content(5, c.lost))
		st = appendAll(t, s, key, st, then)
		must(t, s.Finish(t.Context(), key, st))
		wantBytes(t, s, key, append(kept, then...))
	}
}

func finishDropsTail(t *testing.T, s store.Layers) {
	key := object()
	kept := content(7, 6<<20)
	st := appendAll(t, s, key, store.State{}, kept)
	appendAll(t, s, key, st, content(8, 1000))
	must(t, s.Finish(t.Context(), key, st))
	wantBytes(t, s, key, kept)
}

func unfinished(t *testing.T, s store.Layers) {
	key := object()
	st := appendAll(t, s, key, store.State{}, content(9, 6<<20))
	wantNoObject(t, s, key)
	st = appendAll(t, s, key, st, []byte("end"))
	wantNoObject(t, s, key)
	must(t, s.Finish(t.Context(), key, st))
	wantBytes(t, s, key, append(content(9, 6<<20), "end"...))
}

func finishAgain(t *testing.T, s store.Layers) {
	for _, size := range []int{0, 10, 6 << 20} {
		data := content(10, size)
		key, st := finished(t, s, data)
		for range 2 {
			must(t, s.Finish(t.Context(), key, st))
			wantBytes(t, s, key, data)
		}
	}
}

func layerRanges(t *testing.T, s store.Layers) {
	data := content(11, 300_000)
	key, _ := finished(t, s, data)
	for _, c := range [][2]int64{{0, 1}, {0, 300_000}, {1, -1}, {299_999, 1}, {299_999, -1}, {300_000, -1}, {300_000, 0}, {5, 0}, {4095, 70_000}} {
		got, err := read(t, s, key, c[0], c[1])
		must(t, err)
		end := c[0] + c[1]
		if c[1] < 0 {
			end = int64(len(data))
		}
		if !bytes.Equal(got, data[c[0]:end]) {
			t.Errorf("offset %d, length %d: %d bytes, or other ones", c[0], c[1], len(got))
		}
	}
}

func rangesPastEnd(t *testing.T, s store.Layers) {
	data := content(12, 1000)
	key, _ := finished(t, s, data)
	for _, c := range []struct {
		offset, length int64
		got            int
	}{{0, 1001, 1000}, {999, 2, 1}, {1000, 1, 0}, {2000, 1, 0}} {
		got, err := read(t, s, key, c.offset, c.length)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("offset %d, length %d: %v, want ErrUnexpectedEOF", c.offset, c.length, err)
		}
		if len(got) != c.got {
			t.Errorf("offset %d, length %d: %d bytes, want %d", c.offset, c.length, len(got), c.got)
		}
		var copied bytes.Buffer
		r, err := s.Open(t.Context(), key, c.offset, c.length)
		if err != nil {
			continue // what is past the end may fail at once
		}
		if _, err = io.Copy(&copied, r); !errors.Is(err, io.ErrUnexpectedEOF) || copied.Len() != c.got {
			t.Errorf("copy of offset %d, length %d: %d bytes, %v; want ErrUnexpectedEOF", c.offset, c.length, copied.Len(), err)
		}
		r.Close()
	}
}

// copyOut reads a little and copies the rest, as a server does that looks at
// the first bytes.
func copyOut(t *testing.T, s store.Layers) {
	data := content(13, 400_000)
	key, _ := finished(t, s, data)
	r, err := s.Open(t.Context(), key, 1000, 200_000)
	must(t, err)
	defer r.Close()
	var got bytes.Buffer
	if _, err = io.CopyN(&got, r, 512); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(&got, r)
	must(t, err)
	if n != 200_000-512 || !bytes.Equal(got.Bytes(), data[1000:201_000]) {
		t.Errorf("%d bytes after the first 512, or other ones", n)
	}
	if n, err = io.Copy(&got, r); n != 0 || err != nil {
		t.Errorf("%d more bytes, %v", n, err)
	}
}

func deleteObjects(t *testing.T, s store.Layers) {
	for _, size := range []int{0, 10, 6 << 20} {
		data := content(14, size)
		key, st := finished(t, s, data)
		other, _ := finished(t, s, data)
		must(t, s.Delete(t.Context(), key, st))
		wantNoObject(t, s, key)
		must(t, s.Delete(t.Context(), key, st))
		wantBytes(t, s, other, data)

		open := object()
		st = appendAll(t, s, open, store.State{}, data)
		must(t, s.Delete(t.Context(), open, st))
		wantNoObject(t, s, open)
		if size > 0 {
			if err := s.Finish(t.Context(), open, st); err == nil {
				t.Error("Finish of an object that was deleted succeeds")
			}
			if _, err := s.Append(t.Context(), open, st, strings.NewReader("x")); err == nil {
				t.Error("Append to an object that was deleted succeeds")
			}
			wantNoObject(t, s, open)
		}
	}
}

func deleteWhileRead(t *testing.T, s store.Layers) {
	data := content(15, 100_000)
	key, st := finished(t, s, data)
	r, err := s.Open(t.Context(), key, 0, -1)
	must(t, err)
	defer r.Close()
	first := make([]byte, 10)
	_, err = io.ReadFull(r, first)
	must(t, err)
	must(t, s.Delete(t.Context(), key, st))
	rest, err := io.ReadAll(r)
	if err == nil && !bytes.Equal(append(first, rest...), data) {
		t.Error("a reader of a deleted object reads other bytes, without an error")
	}
}

// gate is a reader that says when it is first read, and ends when it is opened.
type gate struct {
	reached, open chan struct{}
	first         bool
}

func (g *gate) Read(p []byte) (int, error) {
	if !g.first {
		g.first = true
		p[0] = 'x'
		return 1, nil
	}
	close(g.reached)
	<-g.open
	return 0, io.EOF
}

func busy(t *testing.T, s store.Layers) {
	key := object()
	st := appendAll(t, s, key, store.State{}, []byte("begin "))
	slow := &gate{reached: make(chan struct{}), open: make(chan struct{})}
	type result struct {
		st  store.State
		err error
	}
	done := make(chan result)
	go func() {
		st, err := s.Append(context.WithoutCancel(t.Context()), key, st, slow)
		done <- result{st, err}
	}()
	<-slow.reached
	if _, err := s.Append(t.Context(), key, st, strings.NewReader("second")); !errors.Is(err, store.ErrBusy) {
		t.Errorf("a second Append: %v, want ErrBusy", err)
	}
	if _, err := s.Append(t.Context(), key, store.State{}, strings.NewReader("second")); !errors.Is(err, store.ErrBusy) {
		t.Errorf("a second Append at the start: %v, want ErrBusy", err)
	}
	other, _ := finished(t, s, []byte("other"))
	wantBytes(t, s, other, []byte("other"))
	close(slow.open)
	first := <-done
	must(t, first.err)
	st = appendAll(t, s, key, first.st, []byte(" end"))
	must(t, s.Finish(t.Context(), key, st))
	wantBytes(t, s, key, []byte("begin x end"))
}

func manyObjects(t *testing.T, s store.Layers) {
	many(16, func(i int) {
		key, data := object(), content(uint64(i), 50_000+i)
		var st store.State
		var err error
		for _, piece := range [][]byte{data[:10], data[10:20_000], data[20_000:]} {
			if st, err = s.Append(t.Context(), key, st, bytes.NewReader(piece)); err != nil {
				t.Error(err)
				return
			}
		}
		if err = s.Finish(t.Context(), key, st); err != nil {
			t.Error(err)
			return
		}
		many(3, func(int) {
			if got, err := read(t, s, key, 0, -1); err != nil || !bytes.Equal(got, data) {
				t.Errorf("object %d reads %d bytes, %v", i, len(got), err)
			}
		})
		if err = s.Delete(t.Context(), key, st); err != nil {
			t.Error(err)
		}
	})
}

func objectKeys(t *testing.T, s store.Layers) {
	for _, bad := range []string{"", "short-7", strings.Repeat("a", 129), "../../../etc/passwd", "storetest/abc", "Storetest-abc", "storetest_abc", "storetest-é", "storetest.tmp"} {
		_, err := s.Append(t.Context(), bad, store.State{}, strings.NewReader("x"))
		wantLimit(t, "Append to "+bad, err)
		wantLimit(t, "Finish of "+bad, s.Finish(t.Context(), bad, store.State{}))
		wantLimit(t, "Delete of "+bad, s.Delete(t.Context(), bad, store.State{}))
		_, err = s.Open(t.Context(), bad, 0, -1)
		wantLimit(t, "Open of "+bad, err)
	}
	long := object()
	long += "-" + strings.Repeat("z", 127-len(long))
	st := appendAll(t, s, long, store.State{}, []byte("long"))
	must(t, s.Finish(t.Context(), long, st))
	wantBytes(t, s, long, []byte("long"))
}

func layersContext(t *testing.T, s store.Layers) {
	data := []byte("data")
	key, st := finished(t, s, data)
	open := object()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(ctx, open, store.State{}, bytes.NewReader(data)); !errors.Is(err, context.Canceled) {
		t.Errorf("Append: %v", err)
	}
	if err := s.Finish(ctx, open, store.State{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Finish: %v", err)
	}
	if _, err := s.Open(ctx, key, 0, -1); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
	if err := s.Delete(ctx, key, st); !errors.Is(err, context.Canceled) {
		t.Errorf("Delete: %v", err)
	}
	wantBytes(t, s, key, data)
	wantNoObject(t, s, open)

	// The bytes of an upload whose client went away are kept, though its context
	// has ended as well.
	ctx, cancel = context.WithCancel(t.Context())
	gone := io.MultiReader(bytes.NewReader(data), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, errBroken
	}))
	st, err := s.Append(ctx, open, store.State{}, gone)
	if !errors.Is(err, errBroken) || st.Size != int64(len(data)) {
		t.Fatalf("Append of a client that goes away: %+v, %v", st, err)
	}
	must(t, s.Finish(t.Context(), open, st))
	wantBytes(t, s, open, data)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Flat wants that writing and reading a long object takes no memory that grows
// with it: at most limit bytes are allocated in all, whether or not they are freed.
func Flat(t *testing.T, s store.Layers, size, limit int64) {
	key := object()
	warm, _ := finished(t, s, content(16, 1<<20)) // fills pools
	wantBytes(t, s, warm, content(16, 1<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	st, err := s.Append(t.Context(), key, store.State{}, io.LimitReader(zeros{}, size))
	must(t, err)
	must(t, s.Finish(t.Context(), key, st))
	r, err := s.Open(t.Context(), key, 0, -1)
	must(t, err)
	n, err := io.Copy(io.Discard, r)
	must(t, err)
	must(t, r.Close())
	runtime.ReadMemStats(&after)
	if st.Size != size || n != size {
		t.Errorf("%d bytes written, %d read, want %d", st.Size, n, size)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(limit) {
		t.Errorf("%d bytes allocated for an object of %d, want at most %d", took, size, limit)
	}
	must(t, s.Delete(t.Context(), key, st))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// ReopenLayers wants that closing a store and opening it again loses nothing, and
// that an unfinished object can be gone on with. place chooses an empty place and
// gives a function that opens it.
func ReopenLayers(t *testing.T, place func(t *testing.T) func(t *testing.T) store.Layers) {
	open := place(t)
	s := open(t)
	data := content(17, 7<<20)
	whole, wholeState := finished(t, s, data)
	half := object()
	st := appendAll(t, s, half, store.State{}, data[:6<<20])
	appendAll(t, s, half, st, []byte("lost"))
	must(t, s.Close())

	s = open(t)
	wantBytes(t, s, whole, data)
	wantNoObject(t, s, half)
	must(t, s.Finish(t.Context(), whole, wholeState))
	st = appendAll(t, s, half, st, data[6<<20:])
	must(t, s.Finish(t.Context(), half, st))
	must(t, s.Close())

	s = open(t)
	wantBytes(t, s, whole, data)
	wantBytes(t, s, half, data)
	must(t, s.Delete(t.Context(), whole, wholeState))
	must(t, s.Close())

	s = open(t)
	wantNoObject(t, s, whole)
	wantBytes(t, s, half, data)
	must(t, s.Close())
}
