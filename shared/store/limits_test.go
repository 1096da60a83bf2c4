package store

import (
	"errors"
	"strings"
	"testing"
)

func TestRangeAfter(t *testing.T) {
	for _, c := range []struct {
		name     string
		r        Range
		after    string
		from, to string
		empty    bool
	}{
		{"forward", Range{From: "a", To: "z"}, "k", "k\x00", "z", false},
		{"forward, before the range", Range{From: "m", To: "z"}, "k", "m", "z", false},
		{"forward, at the end", Range{From: "a", To: "k"}, "k", "k\x00", "k", true},
		{"reverse", Range{From: "a", To: "z", Reverse: true}, "k", "a", "k", false},
		{"reverse, open end", Range{From: "a", Reverse: true}, "k", "a", "k", false},
		{"reverse, at the start", Range{From: "a", To: "z", Reverse: true}, "a", "a", "a", true},
	} {
		got := c.r.After(c.after)
		if got.From != c.from || got.To != c.to || got.Empty() != c.empty {
			t.Errorf("%s: From %q To %q Empty %v, want %q %q %v", c.name, got.From, got.To, got.Empty(), c.from, c.to, c.empty)
		}
	}
	if r := Prefix(Tags, "p", "tag/", 1); r.From != "tag/" || r.To != "tag0" {
		t.Errorf("Prefix: %q to %q", r.From, r.To)
	}
}

func TestCheckWriteNamesWhatIsWrong(t *testing.T) {
	k := Key{Tags, "p", "s"}
	for _, c := range []struct {
		op   Op
		want string
	}{
		{Op{Kind: 0, Key: k}, "no operation of kind 0"},
		{Op{Kind: OpCheck, Key: k}, "without a condition"},
		{Op{Kind: OpDelete, Key: k, Value: []byte("x")}, "only a put"},
		{Op{Kind: OpPut, Key: k, Add: map[string]int64{"n": 1}}, "only an add"},
		{Op{Kind: OpAdd, Key: k, Add: map[string]int64{"n": 1}, Set: map[string]int64{"n": 1}}, "both added to and set"},
		{Put(Key{"other", "p", "s"}, nil), `no table "other"`},
		{Put(Key{Tags, "", "s"}, nil), "partition key"},
		{Put(Key{Tags, "p", "\xff"}, nil), "sort key"},
	} {
		err := CheckWrite([]Op{c.op})
		var over *LimitError
		if !errors.As(err, &over) || !strings.Contains(over.What, c.want) {
			t.Errorf("%+v: %v, want a LimitError with %q", c.op, err, c.want)
		}
	}
}
