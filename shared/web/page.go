package web

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"

	"berth/shared/hub"
)

// Limits of a page on /v1.
const (
	DefaultPage = 20
	MaxPage     = 100
)

// PageParams document what [Call.PageQuery] reads.
var PageParams = []Param{
	{Name: "page", About: "number of the page, from 1", Type: "integer"},
	{Name: "page_size", About: "entries of a page: 20 if not given; 100 is the most, also where more are asked for", Type: "integer"},
	{Name: "cursor", About: "where the page begins, as a next link says it; reading on by cursor costs the same on every page"},
}

// PageQuery is what a client asks of a list.
type PageQuery struct {
	Page   int    // from 1
	Size   int    // 1 to MaxPage
	Cursor string // where the page begins, as a link said; "" = count from the start
}

// Skip is how many entries lie before the page.
func (p PageQuery) Skip() int { return (p.Page - 1) * p.Size }

// PageQuery reads page, page_size and cursor.
func (c *Call) PageQuery() (PageQuery, error) {
	q := c.URLQuery()
	p := PageQuery{Page: 1, Size: DefaultPage}
	var err error
	if q.Has("page") {
		if p.Page, err = number(q, "page", 1, 1<<31-1); err != nil {
			return p, err
		}
	}
	if q.Has("page_size") {
		if p.Size, err = number(q, "page_size", 1, 1<<31-1); err != nil {
			return p, err
		}
		p.Size = min(p.Size, MaxPage)
	}
	if s := q.Get("cursor"); s != "" {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			return p, hub.FailField("cursor", "is not one that the hub gave")
		}
		p.Cursor = string(b)
	}
	return p, nil
}

// URLQuery is the request's query.
func (c *Call) URLQuery() url.Values { return c.R.URL.Query() }

func number(q url.Values, name string, least, most int) (int, error) {
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < least || n > most {
		return 0, hub.FailField(name, "must be a whole number from %d to %d, not %q", least, most, q.Get(name))
	}
	return n, nil
}

// Number reads a whole number from the query; unset is otherwise.
func (c *Call) Number(name string, least, most, otherwise int) (int, error) {
	q := c.URLQuery()
	if !q.Has(name) {
		return otherwise, nil
	}
	return number(q, name, least, most)
}

// Bool reads true or false from the query; nil if it is not given.
func (c *Call) Bool(name string) (*bool, error) {
	q := c.URLQuery()
	if !q.Has(name) {
		return nil, nil
	}
	switch s := q.Get(name); s {
	case "true", "false":
		b := s == "true"
		return &b, nil
	default:
		return nil, hub.FailField(name, "must be true or false, not %q", s)
	}
}

// Page is a list's answer on /v1.
type Page[T any] struct {
	Count    int64   `json:"count"`
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Results  []T     `json:"results"`
}

// Paged answers with one page. cursor is where the next page begins; "" = there
// is none. A page beyond the first that has no entries is NotFound.
func Paged[T any](c *Call, p PageQuery, count int64, results []T, cursor string) error {
	if len(results) == 0 && p.Page > 1 {
		return hub.Fail(hub.NotFound, "page %d is past the end of the list", p.Page)
	}
	if results == nil {
		results = []T{}
	}
	page := Page[T]{Count: count, Results: results}
	if cursor != "" {
		page.Next = c.pageLink(p.Page+1, cursor)
	}
	if p.Page > 1 {
		page.Previous = c.pageLink(p.Page-1, "")
	}
	return c.JSON(200, page)
}

// pageLink is the absolute address of another page, with every other parameter
// kept; page 0 = a list without numbered pages.
func (c *Call) pageLink(page int, cursor string) *string {
	q := c.URLQuery()
	if page > 0 {
		q.Set("page", strconv.Itoa(page))
	}
	q.Del("cursor")
	if cursor != "" {
		q.Set("cursor", base64.RawURLEncoding.EncodeToString([]byte(cursor)))
	}
	s := c.URL(c.R.URL.Path, q)
	return &s
}

// Links sets the header Link of a list that is a bare array: where it goes on, and
// with paged also the page before. next is the next page's cursor; "" = there is none.
func (c *Call) Links(p PageQuery, next string, paged bool) {
	add := func(page int, cursor, rel string) {
		if !paged {
			page = 0
		}
		c.W.Header().Add("Link", "<"+*c.pageLink(page, cursor)+`>; rel="`+rel+`"`)
	}
	if next != "" {
		add(p.Page+1, next, "next")
	}
	if paged && p.Page > 1 {
		add(p.Page-1, "", "prev")
	}
}

// Limits of a list that is no page, and of a page too: what a list has beyond is
// had by its link to the next.
const (
	MaxAnswer  = 4 << 20 // bytes
	MaxEntries = 10_000
)

// Fit is how many of the entries make a list of at most [MaxAnswer] bytes, and of
// at most [MaxEntries] entries. It is at least 1 where there is any.
func Fit[T any](entries []T) int {
	size := 0
	for i, e := range entries {
		b, _ := json.Marshal(e)
		if size += len(b) + 1; i > 0 && size > MaxAnswer || i == MaxEntries {
			return i
		}
	}
	return len(entries)
}
