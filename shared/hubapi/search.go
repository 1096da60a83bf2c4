package hubapi

import (
	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

// searchAnswer has the shape that docker search and podman search read.
type searchAnswer struct {
	NumResults int            `json:"num_results"`
	NumPages   int            `json:"num_pages"`
	Page       int            `json:"page"`
	PageSize   int            `json:"page_size"`
	Query      string         `json:"query"`
	More       bool           `json:"more"` // there were more repositories than a search looks at
	Results    []searchResult `json:"results"`
}

type searchResult struct {
	Name        string `json:"name"` // namespace/repository
	Description string `json:"description"`
	StarCount   int64  `json:"star_count"`
	IsOfficial  bool   `json:"is_official"`
	IsAutomated bool   `json:"is_automated"`
	IsTrusted   bool   `json:"is_trusted"`
}

func searchRoutes() []web.Route {
	return []web.Route{{
		Name: "search", Method: "GET", Pattern: "/v1/search", Rule: web.Open,
		Needs: web.Needs{Read: []store.Table{store.Repositories}},
		Doc: web.Doc{
			Summary: "Search the repositories that the caller may read",
			Query: []web.Param{
				{Name: "q", About: "part of a repository's path or description, in any case; must be given, empty finds all"},
				{Name: "n", About: "results of a page: 25 if not given; 100 is the most, also where more are asked for", Type: "integer"},
				{Name: "page", About: "number of the page, from 1", Type: "integer"},
			},
			Answers: map[int]any{200: searchAnswer{}},
		},
		Handle: search,
	}}
}

func search(c *web.Call) error {
	q := c.URLQuery()
	if !q.Has("q") {
		return hub.FailField("q", "say what to search for")
	}
	n, err := c.Number("n", 1, 1<<31-1, 25)
	if err != nil {
		return err
	}
	n = min(n, web.MaxPage)
	page, err := c.Number("page", 1, 1<<31-1, 1)
	if err != nil {
		return err
	}
	found, err := c.Hub.Search(c.Context(), c.Caller, q.Get("q"), (page-1)*n, n)
	if err != nil {
		return err
	}
	a := searchAnswer{
		NumResults: found.Count, NumPages: (found.Count + n - 1) / n, Page: page, PageSize: n,
		Query: q.Get("q"), More: found.More, Results: []searchResult{},
	}
	for _, v := range found.Repositories {
		a.Results = append(a.Results, searchResult{Name: v.Path(), Description: v.Description, StarCount: v.Stats.Stars, IsAutomated: v.Automated})
	}
	return c.JSON(200, a)
}
