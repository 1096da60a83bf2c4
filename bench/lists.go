package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The small ones that the large repository and the large catalog are compared with.
const few = 100

func (b *bench) tagRepo(n int) string { return fmt.Sprintf("%s/tags%d-%s", b.namespace, n, b.run) }

// seedTags makes repositories of one, few and many tags, with a manifest for each
// tag, by requests that are prepared before the clock starts. While it pushes the many it records how the rate changes from first
// to last, and what a tag costs in fsyncs of the same disk, probed before and after.
func (b *bench) seedTags(t *registry) error {
	for _, n := range []int{1, few, b.tags} {
		if err := b.ensureBlob(t, b.tagRepo(n), "", emptyConfig); err != nil {
			return err
		}
	}
	t.auth.forget() // those tokens are from before the repositories were made
	pushes := map[int][][]byte{}
	for _, n := range []int{1, few, b.tags} {
		var err error
		if pushes[n], err = t.tagPushes(b.tagRepo(n), n); err != nil {
			return err
		}
	}
	if err := t.pushAll(pushes[1], 1); err != nil {
		return err
	}
	start := time.Now()
	if err := t.pushAll(pushes[few], 1); err != nil {
		return err
	}
	b.res.add(t.name, "tag_push_lone_writer", "req/s", few/time.Since(start).Seconds())

	before, err := b.fsyncs()
	if err != nil {
		return err
	}
	took, err := b.timed(t, "tag_push", func() error { return b.pushManyTags(t, pushes[b.tags]) })
	if err != nil {
		return err
	}
	after, err := b.fsyncs()
	if err != nil {
		return err
	}
	b.res.add(t.name, "tag_push_all", "s", took.Seconds())
	if alone := (before + after) / 2; alone > 0 {
		b.res.add(t.name, "tags_per_fsync", "", float64(b.tags)/took.Seconds()/alone)
	}
	return nil
}

// fsyncs probes the servers' disk, if it is known.
func (b *bench) fsyncs() (appended float64, err error) {
	if b.fsyncDir == "" {
		return 0, nil
	}
	p, err := probeFsync(b.fsyncDir, b.fsyncFor)
	if err == nil {
		b.res.add("-", "fsync_append", "1/s", p.appended)
		b.res.add("-", "fsync_in_place", "1/s", p.inPlace)
	}
	return p.appended, err
}

func (b *bench) pushManyTags(t *registry, requests [][]byte) error {
	part := max(1, b.tags/10)
	for lo := 0; lo < b.tags; lo += part {
		n := min(part, b.tags-lo)
		start := time.Now()
		if err := t.pushAll(requests[lo:lo+n], b.writers); err != nil {
			return err
		}
		rate := float64(n) / time.Since(start).Seconds()
		if lo == 0 {
			b.res.add(t.name, "tag_push_first_tenth", "req/s", rate)
		}
		if lo+n == b.tags {
			b.res.add(t.name, "tag_push_last_tenth", "req/s", rate)
		}
	}
	return nil
}

// tagPushes prepares the pushes of n manifests, each under a tag of its own.
func (t *registry) tagPushes(repo string, n int) (requests [][]byte, err error) {
	requests = make([][]byte, n)
	for i := range requests {
		tag := fmt.Sprintf("t%05d", i)
		body, _ := manifestFor(emptyConfig, repo+tag)
		if requests[i], err = t.prepare("PUT", "/v2/"+repo+"/manifests/"+tag, body, manifestType); err != nil {
			return nil, err
		}
	}
	return requests, nil
}

// pushAll sends the requests over as many connections as there are writers.
func (t *registry) pushAll(requests [][]byte, writers int) error {
	wires := make(chan *wire, writers)
	for range min(writers, len(requests)) {
		w, err := t.dial()
		if err != nil {
			return err
		}
		defer w.Close()
		wires <- w
	}
	return each(len(requests), cap(wires), func(i int) error {
		w := <-wires
		defer func() { wires <- w }()
		return w.send(requests[i], "PUT", 201)
	})
}

func (b *bench) listTags(t *registry) error {
	many := "/v2/" + b.tagRepo(b.tags) + "/tags/list"
	for _, q := range []struct {
		metric, query string
		pages, want   int
	}{
		{"tags_first_100", "?n=100", 1, 100},
		{"tags_middle_100", fmt.Sprintf("?n=100&last=t%05d", b.tags/2), 1, min(100, b.tags-b.tags/2-1)},
		{"tags_all", "", 1 << 20, b.tags},
	} {
		if err := b.listOne(t, q.metric, many+q.query, "tags", q.pages, q.want, "t"); err != nil {
			return err
		}
	}
	for _, l := range []struct{ metric, path string }{
		{"tags_page_of_few", "/v2/" + b.tagRepo(few) + "/tags/list?n=100"},
		{"tags_page_of_many", many + "?n=100"},
		// A tag of a repository with many others should cost no more than any tag.
		{"get_manifest_one_tag", "/v2/" + b.tagRepo(1) + "/manifests/t00000"},
		{"get_manifest_many_tags", fmt.Sprintf("/v2/%s/manifests/t%05d", b.tagRepo(b.tags), b.tags/2)},
	} {
		if err := b.loadOne(t, l.metric, "GET", l.path); err != nil {
			return err
		}
	}
	return b.hubPages(t, "hub_tags_page_of_", b.tagRepo(few)+"/tags", b.tagRepo(b.tags)+"/tags")
}

// hubAPI is where Berth's own interface is; other registries have none.
const hubAPI = "/v1/"

// hasHubAPI reports whether the registry is one of Berth's.
func (b *bench) hasHubAPI(t *registry) (bool, error) {
	_, code, err := t.call("GET", hubAPI+"repositories/"+b.namespace+"/", nil, "", 200, 404)
	return code == 200, err
}

// hubPages loads a page of 100 of Berth's own interface, where there is one, of a
// list of few and of one of many. They take turns, each once before and once after the
// other, so that what changes in the meantime meets both alike.
func (b *bench) hubPages(t *registry, metric, ofFew, ofMany string) error {
	if there, err := b.hasHubAPI(t); err != nil || !there {
		return err
	}
	for _, l := range []struct{ of, list string }{{"few", ofFew}, {"many", ofMany}, {"many", ofMany}, {"few", ofFew}} {
		if err := b.loadFor(t, metric+l.of, "GET", hubAPI+"repositories/"+l.list+"?page_size=100", b.dur/2); err != nil {
			return err
		}
	}
	return nil
}

// seedRepos makes repositories with one tiny image each, and measures a page of
// the catalog while there are few. In Berth a namespace of few is made beside the one of
// many.
func (b *bench) seedRepos(t *registry) error {
	first := b.catalogRepo(b.namespace, 0)
	if err := b.ensureBlob(t, first, "", emptyConfig); err != nil {
		return err
	}
	begin := time.Now()
	if err := b.makeRepos(t, b.namespace, 0, few); err != nil {
		return err
	}
	took := time.Since(begin)
	for range b.rounds {
		if err := b.loadOne(t, "catalog_page_of_few", "GET", catalogPage); err != nil {
			return err
		}
	}
	begin = time.Now()
	if err := b.makeRepos(t, b.namespace, few, b.repos-few); err != nil {
		return err
	}
	b.res.add(t.name, "repo_create", "req/s", float64(b.repos)/(took+time.Since(begin)).Seconds())
	if there, err := b.hasHubAPI(t); err != nil || !there {
		return err
	}
	if _, _, err := t.call("POST", hubAPI+"orgs", fmt.Appendf(nil, `{"name":%q}`, b.fewNamespace()), "application/json", 201); err != nil {
		return err
	}
	return b.makeRepos(t, b.fewNamespace(), 0, few)
}

// fewNamespace is a namespace of few repositories.
func (b *bench) fewNamespace() string { return "few-" + b.run }

func (b *bench) makeRepos(t *registry, namespace string, lo, n int) error {
	first := b.catalogRepo(b.namespace, 0)
	return each(n, b.writers, func(i int) error {
		repo := b.catalogRepo(namespace, lo+i)
		if repo != first {
			if err := b.ensureBlob(t, repo, first, emptyConfig); err != nil {
				return err
			}
		}
		body, _ := manifestFor(emptyConfig, repo)
		return t.putManifest(repo, "latest", body)
	})
}

func (b *bench) catalogRepo(namespace string, i int) string {
	return fmt.Sprintf("%s/cat-%s-r%05d", namespace, b.run, i)
}

const catalogPage = "/v2/_catalog?n=100"

func (b *bench) listCatalog(t *registry) error {
	mid := b.catalogRepo(b.namespace, b.repos/2)
	for _, q := range []struct {
		metric, query string
		pages, want   int
	}{
		{"catalog_first_100", "?n=100", 1, 100},
		{"catalog_middle_100", "?n=100&last=" + mid, 1, min(100, b.repos-b.repos/2-1)},
		{"catalog_all", "?n=1000", 1 << 20, b.repos},
	} {
		if err := b.listOne(t, q.metric, "/v2/_catalog"+q.query, "repositories", q.pages, q.want, b.namespace+"/cat-"+b.run); err != nil {
			return err
		}
	}
	if err := b.loadOne(t, "catalog_page_of_many", "GET", catalogPage); err != nil {
		return err
	}
	return b.hubPages(t, "hub_repos_page_of_", b.fewNamespace()+"/", b.namespace+"/")
}

// listOne times a name list, several times over, and counts what came back.
func (b *bench) listOne(t *registry, metric, path, key string, pages, want int, prefix string) error {
	var lat []time.Duration
	var names []string
	var got int
	begin := time.Now()
	for i := 0; i < 10 && (i < 3 || time.Since(begin) < 5*time.Second); i++ {
		start := time.Now()
		var err error
		if names, got, err = t.list(path, key, pages); err != nil {
			return err
		}
		lat = append(lat, time.Since(start))
	}
	slices.Sort(lat)
	b.res.add(t.name, metric, "ms", percentile(lat, 50))
	if pages > 1 {
		b.res.add(t.name, metric+"_pages", "", float64(got))
		n := 0
		for _, name := range names {
			if strings.HasPrefix(name, prefix) {
				n++
			}
		}
		if n != want {
			b.res.add(t.name, metric+"_MISSING", "", float64(want-n))
		}
	} else if len(names) != want {
		b.res.add(t.name, metric+"_COUNT", "", float64(len(names)))
	}
	if !slices.IsSorted(names) {
		b.res.add(t.name, metric+"_UNSORTED", "", 1)
	}
	return nil
}

// list reads a name list (tags or catalog), following Link up to maxPages pages.
func (r *registry) list(path, key string, maxPages int) (names []string, pages int, err error) {
	for path != "" && pages < maxPages {
		resp, err := r.do("GET", path, nil, "", 200)
		if err != nil {
			return names, pages, err
		}
		var doc map[string]json.RawMessage
		err = json.NewDecoder(resp.Body).Decode(&doc)
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			return names, pages, err
		}
		var page []string
		if err := json.Unmarshal(doc[key], &page); err != nil {
			return names, pages, err
		}
		names = append(names, page...)
		pages++
		path = nextLink(resp.Header.Get("Link"))
	}
	return names, pages, nil
}

// nextLink returns the path and query of a Link header with rel=next.
func nextLink(link string) string {
	i, j := strings.IndexByte(link, '<'), strings.IndexByte(link, '>')
	if i < 0 || j < i || !strings.Contains(link[j:], "next") {
		return ""
	}
	u, err := url.Parse(link[i+1 : j])
	if err != nil {
		return ""
	}
	return u.RequestURI()
}
