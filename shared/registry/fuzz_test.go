package registry

import (
	"fmt"
	"testing"
)

func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-9", "bytes=5-", "bytes=-5", "bytes=9-5", "bytes=-0", "bytes=0-1,3-4", "lines=1-2", "bytes=99999999999999999999-", "bytes", "=-", "bytes=--1"} {
		f.Add(s, int64(10))
		f.Add(s, int64(0))
	}
	f.Fuzz(func(t *testing.T, s string, size int64) {
		if size < 0 {
			return
		}
		from, length, kind := parseRange(s, size)
		switch kind {
		case rangeIgnored:
			if from != 0 || length != size {
				t.Fatalf("%q of %d is ignored, but %d+%d", s, size, from, length)
			}
		case rangeValid:
			if from < 0 || length < 1 || from > size-length {
				t.Fatalf("%q of %d gives %d+%d", s, size, from, length)
			}
		case rangeUnsatisfiable:
		default:
			t.Fatalf("%q: kind %d", s, kind)
		}
	})
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"0-1023", "bytes 0-1023/2048", "bytes=0-1023", "5-2", "-5", "0-", "bytes */10", "99999999999999999999-5", "+1-+2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		from, to, err := parseContentRange(s)
		if err != nil {
			return
		}
		if from < 0 || to < from || to-from+1 < 1 {
			t.Fatalf("%q gives %d-%d", s, from, to)
		}
		again, end, err := parseContentRange(fmt.Sprintf("%d-%d", from, to))
		if err != nil || again != from || end != to {
			t.Fatalf("%q gives %d-%d, and that %d-%d, %v", s, from, to, again, end, err)
		}
	})
}
