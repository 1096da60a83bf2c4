package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// series holds the samples of one metric of one target.
type series struct {
	target, metric, unit string
	v                    []float64
}

// median is 0 where there is no sample.
func (s *series) median() float64 {
	if s == nil || len(s.v) == 0 {
		return 0
	}
	c := slices.Sorted(slices.Values(s.v))
	if n := len(c); n%2 == 0 {
		return (c[n/2-1] + c[n/2]) / 2
	}
	return c[len(c)/2]
}

// results gathers samples and prints them in the order they first appeared.
type results struct {
	out     io.Writer
	ref     string // the target that others are compared with
	order   []*series
	by      map[string]*series // by metric and target
	printed int                // how many of order are on paper
}

func (r *results) add(target, metric, unit string, v float64) {
	s := r.get(target, metric)
	if s == nil {
		if r.by == nil {
			r.by = map[string]*series{}
		}
		s = &series{target: target, metric: metric, unit: unit}
		r.by[metric+" "+target] = s
		r.order = append(r.order, s)
	}
	s.v = append(s.v, v)
}

// get returns nil for what was not measured.
func (r *results) get(target, metric string) *series { return r.by[metric+" "+target] }

// flush prints what was gathered since the last flush, one line per metric:
// target, metric, median, unit, then key=value extras.
func (r *results) flush() {
	for _, s := range r.order[r.printed:] {
		extra := ""
		if ref := r.get(r.ref, s.metric); ref != s && ref.median() != 0 {
			extra = fmt.Sprintf(" x%s=%s", r.ref, num(s.median()/ref.median()))
		}
		fmt.Fprintf(r.out, "%-10s %-26s %10s %-5s min=%s max=%s n=%d%s\n", s.target, s.metric,
			num(s.median()), s.unit, num(slices.Min(s.v)), num(slices.Max(s.v)), len(s.v), extra)
	}
	r.printed = len(r.order)
}

// num formats a float with about three significant digits.
func num(f float64) string {
	switch a := max(f, -f); {
	case a >= 100 || f == float64(int64(f)):
		return fmt.Sprintf("%.0f", f)
	case a >= 10:
		return fmt.Sprintf("%.1f", f)
	case a >= 1:
		return fmt.Sprintf("%.2f", f)
	}
	return fmt.Sprintf("%.3f", f)
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

// percentile returns the p-th percentile of sorted durations in milliseconds.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return ms(sorted[min(len(sorted)-1, int(p/100*float64(len(sorted))))])
}
