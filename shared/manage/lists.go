package manage

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"berth/shared/hub"
	"berth/shared/web"
)

func listRoutes() []web.Route {
	return []web.Route{{
		Name: "manage-repository-list", Method: "GET", Pattern: "/v2/manage/repos",
		Rule:  web.Open,
		Needs: web.Needs{Read: tags},
		Doc: web.Doc{
			Summary: "List the repositories that the caller may read, over all namespaces",
			Query: append([]web.Param{
				{Name: "namespace", About: "only those in this namespace"},
				{Name: "name", About: "part of the name"},
				{Name: "category", About: "only those filed there"},
				{Name: "is_public", About: "only public, or only private ones", Type: "boolean"},
			}, listParams("name, updated_at, updated_time or tag_count; by namespace and name if not given")...),
			Answers: map[int]any{200: []repositoryEntry{}},
		},
		Handle: listRepositories,
	}}
}

// listParams document what every list of the Manage API takes.
func listParams(columns string) []web.Param {
	return []web.Param{
		{Name: "limit", About: "most entries: 100 if not given; 1000 is the most, also where more are asked for", Type: "integer"},
		{Name: "offset", About: "how many entries to leave out", Type: "integer"},
		{Name: "order_column", About: columns},
		{Name: "order_type", About: "asc or desc; asc if not given"},
		{Name: "filter", About: "these parameters as name::value|name::value; they win over plain ones"},
	}
}

const (
	defaultLimit = 100
	maxLimit     = 1000
	maxOffset    = 1 << 31
)

// listQuery is what every list of the Manage API is asked for.
type listQuery struct {
	values     map[string]string // plain parameters, and over them those of the filter
	limit      int
	offset     int
	column     string
	descending bool
}

func parseList(q url.Values, columns ...string) (listQuery, error) {
	l := listQuery{limit: defaultLimit}
	var err error
	if l.values, err = parseFilter(q); err != nil {
		return l, err
	}
	if s := l.values["limit"]; s != "" {
		if l.limit, err = strconv.Atoi(s); err != nil || l.limit < 1 {
			return l, hub.FailField("limit", "must be a whole number from 1 to %d, not %q", maxLimit, s)
		}
		l.limit = min(l.limit, maxLimit)
	}
	if s := l.values["offset"]; s != "" {
		if l.offset, err = strconv.Atoi(s); err != nil || l.offset < 0 || l.offset > maxOffset {
			return l, hub.FailField("offset", "must be a whole number from 0, not %q", s)
		}
	}
	l.column = l.values["order_column"]
	if l.column != "" && len(columns) > 0 && !strings.Contains(" "+strings.Join(columns, " ")+" ", " "+l.column+" ") {
		return l, hub.FailField("order_column", "must be %s, not %q", strings.Join(columns, ", "), l.column)
	}
	switch s := l.values["order_type"]; s {
	case "", "asc":
	case "desc":
		l.descending = true
	default:
		return l, hub.FailField("order_type", "must be asc or desc, not %q", s)
	}
	return l, nil
}

// fit cuts a list to what an answer holds. Content-Range says which entries of how
// many these are, the first counted as 0: 0-9/57. What an answer cannot hold of the
// entries that were wanted is had from the link to the next.
func fit[T any](c *web.Call, l listQuery, entries []T, wanted int, total int64) []T {
	n := web.Fit(entries)
	if n < wanted {
		entries = entries[:n]
		q := c.URLQuery()
		q.Set("offset", strconv.Itoa(l.offset+n))
		if f := q.Get("filter"); f != "" {
			q.Set("filter", f+"|offset::"+q.Get("offset"))
		}
		c.W.Header().Set("Link", "<"+c.URL(c.R.URL.Path, q)+`>; rel="next"`)
	}
	c.W.Header().Set("Content-Range", fmt.Sprintf("%d-%d/%d", l.offset, max(l.offset+n-1, l.offset), total))
	return entries
}

// markerParam documents how lists by name go on that have no offset.
var markerParam = []web.Param{{Name: "marker", About: "the name that a further piece of the list comes after, as its link says"}}

// marker is the name after which a piece of a list begins: a namespace's or an
// account's.
func marker(c *web.Call) (string, error) {
	name := c.URLQuery().Get("marker")
	if name != "" && hub.CheckNamespace(name) != nil {
		return "", hub.FailField("marker", "is not one that the hub gave")
	}
	return name, nil
}

// linkNext leads to what follows a name.
func linkNext(c *web.Call, name string) {
	q := c.URLQuery()
	q.Set("marker", name)
	c.W.Header().Set("Link", "<"+c.URL(c.R.URL.Path, q)+`>; rel="next"`)
}

// repositoryEntry is a repository as lists show it.
type repositoryEntry struct {
	Name         string   `json:"name"`
	Category     string   `json:"category"`
	Description  string   `json:"description"`
	Size         int64    `json:"size"`
	Public       bool     `json:"is_public"`
	Images       int64    `json:"num_images"`
	Downloads    int64    `json:"num_download"`
	Created      hub.Time `json:"created_at"`
	Updated      hub.Time `json:"updated_at"`
	Logo         string   `json:"logo"`
	URL          string   `json:"url"`
	Path         string   `json:"path"`
	InternalPath string   `json:"internal_path"`
	DomainName   string   `json:"domain_name"`
	Namespace    string   `json:"namespace"`
	Tags         []string `json:"tags"` // the newest, at most shownTags
	Status       bool     `json:"status"`
	Total        int64    `json:"total_range"` // of the whole list
}

func listRepositories(c *web.Call) error {
	l, err := parseList(c.URLQuery(), "name", "updated_at", "updated_time", "tag_count")
	if err != nil {
		return err
	}
	ns := l.values["namespace"]
	if ns != "" {
		if err := hub.CheckNamespace(ns); err != nil {
			return err
		}
	}
	f := hub.RepositoryFilter{Name: l.values["name"], Category: l.values["category"]}
	switch s := l.values["is_public"]; s {
	case "":
	case "true", "false":
		f.Public = ptr(s == "true")
	default:
		return hub.Fail(hub.BadIsPublic, "is_public: must be true or false, not %q", s)
	}
	if f.Category != "" {
		if err := hub.CheckCategory(f.Category); err != nil {
			return err
		}
	}
	list, err := c.Hub.FindRepositories(c.Context(), c.Caller, ns, f, orders[l.column], l.descending, hub.Window{Size: l.limit, Skip: l.offset})
	if err != nil {
		return err
	}
	entries := make([]repositoryEntry, 0, len(list.Repositories))
	newest, err := newestTags(c, list.Repositories)
	if err != nil {
		return err
	}
	for i, r := range list.Repositories {
		entries = append(entries, repositoryEntry{
			Name: r.Name, Category: r.Category, Description: r.Description, Size: r.Stats.Bytes, Public: r.Public,
			Images: r.Stats.Tags, Downloads: r.Stats.Downloads, Created: r.CreatedAt, Updated: r.UpdatedAt,
			Logo: r.Logo, URL: r.Logo, Path: pullPath(c, r.Path()), InternalPath: pullPath(c, r.Path()),
			DomainName: r.Namespace, Namespace: r.Namespace, Tags: newest[i], Total: list.Count,
		})
	}
	return c.JSON(200, fit(c, l, entries, len(entries), list.Count))
}

// shownTags is how many tags a list shows of each repository.
const shownTags = 20

// newestTags reads the tags that a list shows, of some repositories at once.
func newestTags(c *web.Call, list []hub.RepositoryView) ([][]string, error) {
	newest := make([][]string, len(list))
	failed := make([]error, len(list))
	free := make(chan struct{}, 8)
	var wg sync.WaitGroup
	for i, r := range list {
		free <- struct{}{}
		wg.Go(func() {
			newest[i], failed[i] = c.Hub.NewestTags(c.Context(), r, shownTags)
			<-free
		})
	}
	wg.Wait()
	return newest, errors.Join(failed...)
}

// orders are the columns that lists of repositories may be sorted by.
var orders = map[string]hub.RepositoryOrder{
	"name": hub.ByName, "updated_at": hub.ByUpdated, "updated_time": hub.ByUpdated, "tag_count": hub.ByTags,
}
