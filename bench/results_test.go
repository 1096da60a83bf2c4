package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}} {
		if got := (&series{v: c.v}).median(); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.v, got, c.want)
		}
	}
}

func TestFlush(t *testing.T) {
	var out bytes.Buffer
	r := results{out: &out, ref: "raw"}
	r.add("berth", "get", "req/s", 30)
	r.add("berth", "get", "req/s", 10)
	r.add("raw", "get", "req/s", 40)
	r.flush()
	want := "berth      get                                20 req/s min=10 max=30 n=2 xraw=0.500\n" +
		"raw        get                                40 req/s min=40 max=40 n=1\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	r.flush()
	if out.Len() != 0 {
		t.Errorf("a second flush printed again: %s", &out)
	}
}

func TestJudge(t *testing.T) {
	var out bytes.Buffer
	b := bench{size: 512, res: results{out: &out, ref: "raw"}}
	b.res.add("raw", "get_manifest", "req/s", 100)
	b.res.add("berth", "get_manifest", "req/s", 50)
	b.res.add("raw", "head_manifest", "req/s", 100)
	b.res.add("berth", "head_manifest", "req/s", 49)
	b.res.add("berth", "push_512m_peak", "MiB", 40)
	b.res.add("berth", "pull_512m_peak", "MiB", 41)
	b.res.add("berth", "start_to_answer", "ms", 10) // of a hub that has nothing
	if got, want := b.judge(), 2; got != want {
		t.Errorf("%d missed, want %d", got, want)
	}
	for what, verdict := range map[string]string{
		"manifest GET, authenticated, ratio to raw":  "0.500  ≥ 0.500  met",
		"manifest HEAD, authenticated, ratio to raw": "0.490  ≥ 0.500  MISSED",
		"peak memory while pushing it, MiB":          "40     ≤ 40  met",
		"peak memory while pulling it, MiB":          "41     ≤ 40  MISSED",
		"start to first answer with all of it, ms":   "-     ≤ 50  not measured",
		"tags pushed per fsync of the disk alone":    "-      ≥ 3  not measured",
	} {
		var line string
		for l := range strings.Lines(out.String()) {
			if strings.HasPrefix(l, what) {
				line = strings.TrimSpace(l)
			}
		}
		if !strings.HasSuffix(line, verdict) {
			t.Errorf("%q: got %q, want it to end in %q", what, line, verdict)
		}
	}
}

func TestNextLink(t *testing.T) {
	for in, want := range map[string]string{
		"":                                      "",
		`</v2/_catalog?last=b&n=2>; rel="next"`: "/v2/_catalog?last=b&n=2",
		`<http://r.example/v2/a/tags/list?n=2>; rel=next`: "/v2/a/tags/list?n=2",
		`</v2/_catalog?last=b&n=2>; rel="prev"`:           "",
	} {
		if got := nextLink(in); got != want {
			t.Errorf("nextLink(%q) is %q, want %q", in, got, want)
		}
	}
}

func TestFsyncProbe(t *testing.T) {
	p, err := probeFsync(t.TempDir(), 0)
	if err != nil || p.appended <= 0 || p.inPlace <= 0 {
		t.Errorf("got %+v, %v", p, err)
	}
	if _, err := probeFsync("/nonexistent", 0); err == nil {
		t.Error("a missing directory gave no error")
	}
}
