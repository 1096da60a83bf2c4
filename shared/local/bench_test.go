package local

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"berth/shared/store"
)

// filled is a database of tags with values of 300 bytes.
func filled(b *testing.B, items int) *Records {
	r := openRecords(b, filepath.Join(b.TempDir(), "records.db"))
	value := bytes.Repeat([]byte("v"), 300)
	var ops []store.Op
	for i := range items {
		ops = append(ops, store.Put(tag(i), value))
		if len(ops) == store.MaxWrite || i == items-1 {
			if err := r.Write(b.Context(), ops...); err != nil {
				b.Fatal(err)
			}
			ops = ops[:0]
		}
	}
	return r
}

func tag(i int) store.Key {
	return store.Key{Table: store.Tags, Part: "0123456789abcdef", Sort: fmt.Sprintf("tag/t%06d", i)}
}

func BenchmarkGet(b *testing.B) {
	r := filled(b, 20_000)
	for _, n := range []int{1, 2, 10} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			var keys []store.Key
			for i := range n {
				keys = append(keys, tag(i*997))
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Get(b.Context(), keys...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			key := tag(rand.IntN(20_000))
			for p.Next() {
				if _, err := r.Get(b.Context(), key); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

func BenchmarkList(b *testing.B) {
	for _, items := range []int{100, 20_000} {
		r := filled(b, items)
		b.Run(fmt.Sprintf("page=100/of=%d", items), func(b *testing.B) {
			b.ReportAllocs()
			in := store.Prefix(store.Tags, "0123456789abcdef", "tag/", 100).After(tag(items / 2).Sort)
			if items == 100 {
				in = store.Prefix(store.Tags, "0123456789abcdef", "tag/", 100)
			}
			for b.Loop() {
				if page, err := r.List(b.Context(), in); err != nil || len(page.Items) != 100 {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFlush is what the disk can do alone: a page appended and flushed.
func BenchmarkFlush(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for b.Loop() {
		f.Write(page)
		if err := syscall.Fsync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "flushes/s")
}

// BenchmarkWrite writes what a tag's push does: a few items and a count.
func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 8, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			r := filled(b, 10_000)
			value := bytes.Repeat([]byte("v"), 300)
			var next atomic.Int64
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for range writers {
				all.Go(func() {
					for n := int(next.Add(1)); n <= b.N; n = int(next.Add(1)) {
						k, m := tag(n), tag(n)
						m.Sort = "manifest/" + m.Sort
						err := r.Write(b.Context(), store.Put(k, value), store.Put(m, value),
							store.Add(store.Key{Table: store.Repositories, Part: "repo", Sort: fmt.Sprint("shard", n%16)}, map[string]int64{"upload": 1}))
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int64{4 << 10, 1 << 20, 256 << 20} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			l := openLayers(b, b.TempDir())
			data := make([]byte, 1<<20)
			b.SetBytes(size)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				key := fmt.Sprintf("object-%d", n)
				st, err := l.Append(b.Context(), key, store.State{}, io.LimitReader(repeat{data}, size))
				if err == nil {
					err = l.Finish(b.Context(), key, st)
				}
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				l.Delete(b.Context(), key, st)
				b.StartTimer()
			}
		})
	}
}

// repeat gives its bytes for ever.
type repeat struct{ data []byte }

func (r repeat) Read(p []byte) (int, error) { return copy(p, r.data), nil }

func BenchmarkOpen(b *testing.B) {
	for _, size := range []int64{4 << 10, 1 << 20, 64 << 20} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			l := openLayers(b, b.TempDir())
			st, err := l.Append(b.Context(), "object-1", store.State{}, io.LimitReader(repeat{make([]byte, 1<<20)}, size))
			if err != nil {
				b.Fatal(err)
			}
			l.Finish(b.Context(), "object-1", st)
			conn := sink(b)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				rc, err := l.Open(b.Context(), "object-1", 0, -1)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(conn, rc); n != size || err != nil {
					b.Fatal(n, err)
				}
				rc.Close()
			}
		})
	}
}

// sink is a connection whose other end reads everything.
func sink(t testing.TB) net.Conn {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := ln.Accept()
		if err == nil {
			buf := make([]byte, 1<<20)
			for err == nil {
				_, err = c.Read(buf)
			}
			c.Close()
		}
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); ln.Close() })
	return conn
}

// BenchmarkOpenRecords opens a hub of 5,000 repositories, as a process that was
// stopped left it and as one that was killed did.
func BenchmarkOpenRecords(b *testing.B) {
	for _, killed := range []bool{false, true} {
		b.Run(fmt.Sprint("killed=", killed), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "records.db")
			process := &mortal{Disk: System}
			r, err := OpenRecordsOn(process, path, journalSize)
			if err != nil {
				b.Fatal(err)
			}
			value := bytes.Repeat([]byte("v"), 600)
			for i := range 5000 {
				err := r.Write(b.Context(),
					store.Put(store.Key{Table: store.Repositories, Part: fmt.Sprint("repo", i), Sort: "repo"}, value),
					store.Put(store.Key{Table: store.Repositories, Part: "names", Sort: fmt.Sprintf("%06d", i)}, value[:60]))
				if err != nil {
					b.Fatal(err)
				}
			}
			process.dead.Store(killed)
			r.Close()
			for b.Loop() {
				process = &mortal{Disk: System}
				process.dead.Store(killed)
				r, err := OpenRecordsOn(process, path, journalSize)
				if err != nil {
					b.Fatal(err)
				}
				if items, err := r.Get(b.Context(), store.Key{Table: store.Repositories, Part: "repo77", Sort: "repo"}); err != nil || !items[0].Found() {
					b.Fatal(err)
				}
				b.StopTimer()
				r.Close()
				b.StartTimer()
			}
		})
	}
}
