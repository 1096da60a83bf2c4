package main

import "fmt"

// bar is a figure that Berth is to reach.
type bar struct {
	what string
	got  func(*results) (float64, bool) // false where it was not measured
	most bool                           // want is the greatest good value, not the least
	want float64
}

// noise is how much two measurements of the same thing differ on a quiet
// machine: "no slower" means at least this share of the other's rate.
const noise = 0.9

// bars are Berth's own aims. They inform; no test depends on them.
func (b *bench) bars() []bar {
	push, pull := fmt.Sprintf("push_%dm", b.size), fmt.Sprintf("pull_%dm", b.size)
	return []bar{
		{"manifest GET, authenticated, ratio to raw", toRef("get_manifest"), false, 0.5},
		{"manifest HEAD, authenticated, ratio to raw", toRef("head_manifest"), false, 0.5},
		{"manifest GET among many tags, ratio to one tag", ratio("get_manifest_many_tags", "get_manifest_one_tag"), false, noise},
		{push + ", ratio to raw with fsync", toRef(push), false, 0.95},
		{pull + ", ratio to raw", toRef(pull), false, 0.97},
		{"peak memory while pushing it, MiB", median(push + "_peak"), true, 40},
		{"peak memory while pulling it, MiB", median(pull + "_peak"), true, 40},
		{"tags pushed per fsync of the disk alone", median("tags_per_fsync"), false, 3},
		{"last tenth of the tags, ratio to the first", ratio("tag_push_last_tenth", "tag_push_first_tenth"), false, noise},
		{"page of many tags, ratio to a page of few", ratio("tags_page_of_many", "tags_page_of_few"), false, noise},
		{"page of many repositories, ratio to a page of few", ratio("catalog_page_of_many", "catalog_page_of_few"), false, noise},
		{"the hub's page of many tags, ratio to few", ratio("hub_tags_page_of_many", "hub_tags_page_of_few"), false, noise},
		{"the hub's page of many repositories, ratio to few", ratio("hub_repos_page_of_many", "hub_repos_page_of_few"), false, noise},
		{"start to first answer with all of it, ms", startFull, true, 50},
	}
}

func median(metric string) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) {
		s := r.get(subject, metric)
		return s.median(), s != nil
	}
}

// startFull is the start with the repositories that the catalog phase made.
func startFull(r *results) (float64, bool) {
	if r.get(subject, "repo_create") == nil {
		return 0, false
	}
	return median("start_to_answer")(r)
}

// ratio compares two metrics of Berth.
func ratio(metric, to string) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) {
		return quotient(r.get(subject, metric), r.get(subject, to))
	}
}

// toRef compares Berth with the reference.
func toRef(metric string) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) {
		return quotient(r.get(subject, metric), r.get(r.ref, metric))
	}
}

func quotient(a, b *series) (float64, bool) {
	if b.median() == 0 || a == nil {
		return 0, false
	}
	return a.median() / b.median(), true
}

// judge prints each bar with what was reached, and returns how many were missed.
func (b *bench) judge() (missed int) {
	fmt.Fprintf(b.res.out, "\n%-52s %10s %8s\n", "bar", "reached", "wanted")
	for _, x := range b.bars() {
		got, ok := x.got(&b.res)
		verdict, sign, reached := "met", "≥", num(got)
		if x.most {
			sign = "≤"
		}
		switch {
		case !ok:
			verdict, reached = "not measured", "-"
		case x.most && got > x.want, !x.most && got < x.want:
			verdict = "MISSED"
			missed++
		}
		fmt.Fprintf(b.res.out, "%-52s %10s %8s  %s\n", x.what, reached, sign+" "+num(x.want), verdict)
	}
	return missed
}
