package manage

import (
	"net/http"
	"strings"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

func tagRoutes() []web.Route {
	const all = "/v2/manage/namespaces/{namespace}/repos/{repo}/tags"
	items := func(repoID string, _ *http.Request) []store.Key { return hub.TagListKeys(repoID) }
	return []web.Route{{
		Name: "manage-tag-list", Method: "GET", Pattern: all,
		Rule: web.RepositoryReader, Items: items,
		Needs: web.Needs{Read: tags},
		Doc: web.Doc{
			Summary: "List a repository's tags, newest push first",
			Query: append([]web.Param{{Name: "tag", About: "only this one"}},
				listParams("updated_at; the newest first if not given")...),
			Answers: map[int]any{200: []tagEntry{}},
		},
		Handle: listTags,
	}, {
		Name: "manage-tag-get", Method: "GET", Pattern: all + "/{tag}",
		Rule:   web.RepositoryReader,
		Needs:  web.Needs{Read: tags},
		Doc:    web.Doc{Summary: "Show a tag", Answers: map[int]any{200: tagView{}}},
		Handle: showTag,
	}, {
		Name: "manage-tag-create", Method: "POST", Pattern: all,
		Rule:  web.RepositoryWriter,
		Needs: web.Needs{Write: store.Tables, Sends: []web.Queue{web.Webhooks}}, // the outbox too
		Doc: web.Doc{
			Summary:  "Point a tag at the image of another one",
			Required: []string{"source_tag", "destination_tag"}, Body: retagBody{ptr("v1"), ptr("v2"), ptr(false)}, Answers: map[int]any{201: nil},
		},
		Handle: createTag,
	}, {
		Name: "manage-tag-delete", Method: "DELETE", Pattern: all + "/{tag}",
		Rule:   web.RepositoryWriter,
		Needs:  web.Needs{Write: tags},
		Doc:    web.Doc{Summary: "Delete a tag; other tags of its image stay", Answers: map[int]any{204: nil}},
		Handle: deleteTag,
	}}
}

// tagFields are what a tag shows alone and in lists. Its dates are those of its
// last push.
type tagFields struct {
	ID           int64    `json:"id"`
	RepositoryID int64    `json:"repo_id"`
	ImageID      string   `json:"image_id"` // hex of the image configuration's digest; of an index its own
	Manifest     string   `json:"manifest"` // its text; "" if that is longer than 256 KiB
	Digest       string   `json:"digest"`
	Schema       int      `json:"schema"`
	Path         string   `json:"path"` // as docker pull takes it
	InternalPath string   `json:"internal_path"`
	Size         int64    `json:"size"` // bytes of the manifest and all that it refers to
	Trusted      bool     `json:"is_trusted"`
	Created      hub.Time `json:"created"`
	Updated      hub.Time `json:"updated"`
	DomainID     string   `json:"domain_id"`
	Type         int      `json:"tag_type"` // 0 image, 1 index
}

// tagView is a tag as the Manage API shows it alone.
type tagView struct {
	Tag string `json:"tag"`
	tagFields
}

// tagEntry is a tag as lists show it: there the vendor writes its name with a capital.
type tagEntry struct {
	Tag string `json:"Tag"`
	tagFields
	Deleted *hub.Time `json:"deleted"`
	Scanned bool      `json:"scanned"`
}

func viewTag(c *web.Call, t hub.Tag, text string) tagFields {
	path := pullPath(c, c.Grant.Path()) + ":" + t.Name
	f := tagFields{
		ID: number53(c.Grant.RepoID + ":" + t.Name), RepositoryID: number31(c.Grant.RepoID), ImageID: t.ImageID,
		Manifest: text, Digest: t.Digest, Schema: 2, Path: path, InternalPath: path, Size: t.ImageSize,
		Created: t.PushedAt, Updated: t.PushedAt, DomainID: c.Grant.Namespace,
	}
	if strings.HasSuffix(t.MediaType, ".index.v1+json") || strings.HasSuffix(t.MediaType, ".manifest.list.v2+json") {
		f.Type = 1
	}
	return f
}

func listTags(c *web.Call) error {
	l, err := parseList(c.URLQuery(), "updated_at")
	if err != nil {
		return err
	}
	list := hub.TagList{}
	if name := l.values["tag"]; name != "" {
		if list, err = oneTag(c, name, l); err != nil {
			return err
		}
	} else {
		oldest := l.column != "" && !l.descending
		list, err = c.Hub.ListTags(c.Context(), c.Grant, hub.Window{Size: l.limit, Skip: l.offset, Reverse: oldest})
		if err != nil {
			return err
		}
	}
	texts, n, err := c.Hub.ManifestTexts(c.Context(), c.Grant, list.Tags, web.MaxAnswer)
	if err != nil {
		return err
	}
	entries := make([]tagEntry, 0, n)
	for _, t := range list.Tags[:n] {
		entries = append(entries, tagEntry{Tag: t.Name, tagFields: viewTag(c, t.Tag, texts[t.Digest])})
	}
	return c.JSON(200, fit(c, l, entries, len(list.Tags), list.Count))
}

// oneTag is the list of a tag's name: of one entry or none.
func oneTag(c *web.Call, name string, l listQuery) (hub.TagList, error) {
	list := hub.TagList{}
	t, err := c.Hub.Tag(c.Context(), c.Grant, name)
	if code := hub.CodeOf(err); code == hub.TagNotFound || code == hub.BadTag {
		return list, nil
	}
	if err != nil {
		return list, err
	}
	list.Count = 1
	if l.offset == 0 {
		list.Tags = []hub.TagView{{Tag: t}}
	}
	return list, nil
}

func showTag(c *web.Call) error {
	t, err := c.Hub.Tag(c.Context(), c.Grant, c.Var("tag"))
	if err != nil {
		return err
	}
	texts, _, err := c.Hub.ManifestTexts(c.Context(), c.Grant, []hub.TagView{{Tag: t}}, 1)
	if err != nil {
		return err
	}
	return c.JSON(200, tagView{t.Name, viewTag(c, t, texts[t.Digest])})
}

type retagBody struct {
	Source      *string `json:"source_tag"`
	Destination *string `json:"destination_tag"`
	Override    *bool   `json:"override,omitempty"`
}

func createTag(c *web.Call) error {
	var b retagBody
	if err := c.Decode(&b); err != nil {
		return err
	}
	switch {
	case deref(b.Source) == "":
		return hub.FailField("source_tag", "is required")
	case deref(b.Destination) == "":
		return hub.FailField("destination_tag", "is required")
	case *b.Source == *b.Destination:
		return hub.FailField("destination_tag", "must be another tag than source_tag")
	}
	if err := hub.Named("source_tag", hub.CheckTag(*b.Source)); err != nil {
		return err
	}
	if err := hub.Named("destination_tag", hub.CheckTag(*b.Destination)); err != nil {
		return err
	}
	override := b.Override != nil && *b.Override
	if err := c.Hub.Retag(c.Context(), c.Grant, *b.Source, *b.Destination, override); err != nil {
		return err
	}
	return c.Empty(201)
}

func deleteTag(c *web.Call) error {
	if err := c.Hub.DeleteTag(c.Context(), c.Grant, c.Var("tag")); err != nil {
		return err
	}
	return c.Empty(204)
}
