package hubapi

import (
	"net/http"
	"strconv"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

// tag is how the hub API shows a tag.
type tag struct {
	Tag       string   `json:"tag"`
	ImageID   string   `json:"image_id" about:"hex of the digest of the image's configuration; of an index, of the index itself"`
	Digest    string   `json:"digest"`
	MediaType string   `json:"media_type"`
	Size      int64    `json:"size" about:"bytes of the manifest and all that it refers to"`
	Platforms []string `json:"platforms"`
	PushedAt  hub.Time `json:"pushed_at"`
	PulledAt  hub.Time `json:"pulled_at"`
}

func showTag(v hub.TagView) tag {
	t := tag{
		Tag: v.Name, ImageID: v.ImageID, Digest: v.Digest, MediaType: v.MediaType, Size: v.ImageSize,
		Platforms: v.Platforms, PushedAt: v.PushedAt, PulledAt: v.PulledAt,
	}
	if t.Platforms == nil {
		t.Platforms = []string{}
	}
	return t
}

// wholeTag is a tag with what it points at.
type wholeTag struct {
	tag
	Config    *content  `json:"config"`    // null for an index
	Layers    []content `json:"layers"`    // of an image, the lowest first
	Manifests []content `json:"manifests"` // of an index
	History   []step    `json:"history"`   // how the image came to be, as its configuration tells it
}

type content struct {
	MediaType string  `json:"media_type"`
	Digest    string  `json:"digest"`
	Size      int64   `json:"size"`
	Platform  *string `json:"platform"` // os/architecture, of an index's manifests
}

type step struct {
	CreatedAt  hub.Time `json:"created_at"`
	CreatedBy  string   `json:"created_by"`
	Author     string   `json:"author"`
	Comment    string   `json:"comment"`
	EmptyLayer bool     `json:"empty_layer"`
}

func tagRoutes() []web.Route {
	const pattern = "/v1/repositories/{namespace}/{repo}/tags"
	read := []store.Table{store.Repositories, store.Tags}
	items := func(repoID string, _ *http.Request) []store.Key { return hub.TagListKeys(repoID) }
	return []web.Route{
		{
			Name: "tag-list", Method: "GET", Pattern: pattern, Rule: web.RepositoryReader,
			Needs: web.Needs{Read: read}, Items: items,
			Doc: web.Doc{
				Summary: "List a repository's tags, newest push first",
				About: "X-Total-Count says how many there are. Without page and page_size all are listed, up to 10,000 tags or 4 MiB; " +
					"Link then leads to the rest, and else to the next and previous pages.",
				Query: append([]web.Param{{Name: "prefix", About: "only tags whose names begin with it, by name; X-Total-Count is not given then"}},
					web.PageParams...),
				Answers: map[int]any{200: []tag{}},
			},
			Handle: listTags,
		},
		{
			Name: "tag-get", Method: "GET", Pattern: pattern + "/{tag}", Rule: web.RepositoryReader,
			Needs: web.Needs{Read: read, Layers: web.ReadLayers},
			Doc: web.Doc{
				Summary: "Show a tag with its layers and history",
				Query:   []web.Param{{Name: "digest", About: "of one of the manifests of an index: shows this one in the index's place"}},
				Answers: map[int]any{200: wholeTag{}},
			},
			Handle: getTag,
		},
		{
			Name: "tag-delete", Method: "DELETE", Pattern: pattern + "/{tag}", Rule: web.RepositoryWriter,
			Needs:  web.Needs{Write: read},
			Doc:    web.Doc{Summary: "Delete a tag; other tags of its manifest stay", Answers: map[int]any{204: nil}},
			Handle: deleteTag,
		},
	}
}

func listTags(c *web.Call) error {
	p, err := c.PageQuery()
	if err != nil {
		return err
	}
	q := c.URLQuery()
	paged := q.Has("page") || q.Has("page_size")
	if !paged {
		p.Size = web.MaxEntries
	}
	window := hub.Window{Size: p.Size, Skip: p.Skip(), After: p.Cursor}
	prefix, after := q.Get("prefix"), hub.TagView.Place
	var list hub.TagList
	if prefix == "" {
		list, err = c.Hub.ListTags(c.Context(), c.Grant, window)
	} else {
		after = func(v hub.TagView) string { return v.Name }
		list, err = c.Hub.TagsNamed(c.Context(), c.Grant, prefix, window)
	}
	if err != nil {
		return err
	}
	if len(list.Tags) == 0 && p.Page > 1 {
		return hub.Fail(hub.NotFound, "page %d is past the end of the list", p.Page)
	}
	tags := make([]tag, len(list.Tags))
	for i, v := range list.Tags {
		tags[i] = showTag(v)
	}
	if !paged {
		if n := web.Fit(tags); n < len(tags) {
			tags, list.Next = tags[:n], after(list.Tags[n-1])
		}
	}
	if prefix == "" {
		c.W.Header().Set("X-Total-Count", strconv.FormatInt(list.Count, 10))
	}
	c.Links(p, list.Next, paged)
	return c.JSON(200, tags)
}

func getTag(c *web.Call) error {
	v, err := c.Hub.ViewTag(c.Context(), c.Grant, c.Var("tag"), c.URLQuery().Get("digest"))
	if err != nil {
		return err
	}
	t := wholeTag{tag: showTag(v.TagView), Layers: contents(v.Layers), Manifests: contents(v.Manifests), History: []step{}}
	if v.Config != nil {
		t.Config = &contents([]hub.Descriptor{*v.Config})[0]
	}
	for _, s := range v.History {
		created := hub.Time{}
		if s.Created != nil {
			created = *s.Created
		}
		t.History = append(t.History, step{created, s.CreatedBy, s.Author, s.Comment, s.EmptyLayer})
	}
	return c.JSON(200, t)
}

func contents(list []hub.Descriptor) []content {
	all := make([]content, len(list))
	for i, d := range list {
		all[i] = content{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
		if d.Platform != nil {
			if p := d.Platform.String(); p != "" {
				all[i].Platform = &p
			}
		}
	}
	return all
}

func deleteTag(c *web.Call) error {
	if err := c.Hub.DeleteTag(c.Context(), c.Grant, c.Var("tag")); err != nil {
		return err
	}
	return c.Empty(204)
}
