package manage

import (
	"encoding/json"
	"errors"

	"berth/shared/hub"
	"berth/shared/web"
)

func repositoryRoutes() []web.Route {
	const one = "/v2/manage/namespaces/{namespace}/repos/{repo}"
	body := repositoryBody{Category: ptr("linux"), Description: ptr("this is a busybox repository"), Public: "true"}
	created := body
	created.Repository = ptr("busybox")
	query := []web.Param{
		{Name: "category", About: "as in the body, which wins"},
		{Name: "description", About: "as in the body, which wins"},
		{Name: "is_public", About: "as in the body, which wins", Type: "boolean"},
	}
	return []web.Route{{
		Name: "manage-repository-create", Method: "POST", Pattern: "/v2/manage/namespaces/{namespace}/repos",
		Rule:  web.NamespaceWriter,
		Needs: web.Needs{Write: repositories},
		Doc: web.Doc{
			Summary:  "Create a repository",
			About:    "A query that has the fields will do in place of the body.",
			Query:    append([]web.Param{{Name: "repository", About: "as in the body, which wins"}}, query...),
			Required: []string{"repository", "is_public"}, Body: created, Form: true, Optional: true, Answers: map[int]any{201: nil},
		},
		Handle: createRepository,
	}, {
		Name: "manage-repository-get", Method: "GET", Pattern: one,
		Rule:   web.RepositoryReader,
		Needs:  web.Needs{Read: repositories},
		Doc:    web.Doc{Summary: "Show a repository", Answers: map[int]any{200: repositoryView{}}},
		Handle: showRepository,
	}, {
		Name: "manage-repository-update", Method: "PATCH", Pattern: one,
		Rule:  web.RepositoryWriter,
		Needs: web.Needs{Write: repositories},
		Doc: web.Doc{
			Summary: "Change a repository; is_public wants an owner",
			About:   "What is left out stays as it is. A query that has the fields will do in place of the body.",
			Query:   query, Body: body, Form: true, Optional: true, Answers: map[int]any{201: nil},
		},
		Handle: updateRepository,
	}, {
		Name: "manage-repository-delete", Method: "DELETE", Pattern: one,
		Rule:   web.RepositoryOwner,
		Needs:  web.Needs{Write: tags}, // with the note for the sweep
		Doc:    web.Doc{Summary: "Delete a repository that has no tags", Answers: map[int]any{204: nil}},
		Handle: deleteRepository,
	}}
}

// repositoryBody is what creating and changing a repository take.
type repositoryBody struct {
	Repository  *string `json:"repository,omitempty"`
	Category    *string `json:"category,omitempty"`
	Description *string `json:"description,omitempty"`
	Public      any     `json:"is_public,omitempty"` // true, false, "true" or "false"
}

// createRepository follows the vendor's "create repository": the fields come as a
// form, as JSON or in the query, and the answer has no body.
func createRepository(c *web.Call) error {
	var b repositoryBody
	if err := decodeRepository(c, &b); err != nil {
		return err
	}
	name := deref(b.Repository)
	if err := hub.CheckManagedRepository(name); err != nil {
		return err
	}
	public, err := b.public()
	if err != nil {
		return err
	}
	r := hub.Repository{Name: name, Public: public, Category: hub.DefaultCategory}
	if b.Description != nil {
		if err := hub.CheckDescription(*b.Description); err != nil {
			return err
		}
		r.Description = *b.Description
	}
	if deref(b.Category) != "" {
		if err := hub.CheckCategory(*b.Category); err != nil {
			return err
		}
		r.Category = *b.Category
	}
	if _, err := c.Hub.CreateRepository(c.Context(), c.Grant, r, ""); err != nil {
		return err
	}
	return c.Empty(201)
}

// decodeRepository reads the query, and over it the body.
func decodeRepository(c *web.Call, b *repositoryBody) error {
	err := web.DecodeValues(c.URLQuery(), b)
	if err == nil && (c.R.ContentLength != 0 || c.R.URL.RawQuery == "") {
		err = c.Decode(b)
	}
	return recode(err, "repository", hub.BadRepository)
}

// recode gives the error about a field of the wrong type the field's own number.
func recode(err error, name string, code hub.Code) error {
	var e *hub.Error
	if errors.As(err, &e) && e.Code == hub.BadField {
		if field, _ := e.Detail.(map[string]string); field["field"] == name {
			e.Code = code
		}
	}
	return err
}

// public reads is_public, which must be there.
func (b *repositoryBody) public() (bool, error) {
	switch b.Public {
	case true, "true":
		return true, nil
	case false, "false":
		return false, nil
	case nil:
		return false, hub.Fail(hub.BadIsPublic, "is_public: is required, true or false")
	}
	given, _ := json.Marshal(b.Public)
	return false, hub.Fail(hub.BadIsPublic, "is_public: must be true or false, not %s", given)
}

// repositoryView is a repository as the Manage API shows it alone.
type repositoryView struct {
	ID           int64    `json:"id"`
	NamespaceID  int64    `json:"ns_id"`
	Name         string   `json:"name"`
	Category     string   `json:"category"`
	Description  string   `json:"description"`
	CreatorID    string   `json:"creator_id"`
	CreatorName  string   `json:"creator_name"`
	Size         int64    `json:"size"` // bytes of its distinct blobs and manifests
	Public       bool     `json:"is_public"`
	Images       int64    `json:"num_images"` // tags
	Downloads    int64    `json:"num_download"`
	URL          string   `json:"url"`  // of a logo
	Path         string   `json:"path"` // as docker pull takes it
	InternalPath string   `json:"internal_path"`
	Created      hub.Time `json:"created"`
	Updated      hub.Time `json:"updated"`
	DomainID     string   `json:"domain_id"`
	Priority     int      `json:"priority"`
}

func showRepository(c *web.Call) error {
	r, err := c.Hub.ViewRepository(c.Context(), c.Grant)
	if err != nil {
		return err
	}
	return c.JSON(200, repositoryView{
		ID: number31(r.ID), NamespaceID: number31(r.NamespaceID), Name: r.Name, Category: r.Category,
		Description: r.Description, CreatorID: r.CreatedBy, CreatorName: r.CreatedBy,
		Size: r.Stats.Bytes, Public: r.Public, Images: r.Stats.Tags, Downloads: r.Stats.Downloads,
		URL: r.Logo, Path: pullPath(c, r.Path()), InternalPath: pullPath(c, r.Path()),
		Created: r.CreatedAt, Updated: r.UpdatedAt, DomainID: r.Namespace,
	})
}

// pullPath is a repository or tag as docker pull takes it.
func pullPath(c *web.Call, name string) string { return c.Hub.Options.PublicURL.Host + "/" + name }

// updateRepository changes what is given. The vendor wants is_public each time; here
// what is left out stays as it is.
func updateRepository(c *web.Call) error {
	var b repositoryBody
	if err := decodeRepository(c, &b); err != nil {
		return err
	}
	change := hub.RepositoryChange{Description: b.Description, Category: b.Category}
	if b.Public != nil {
		public, err := b.public()
		if err != nil {
			return err
		}
		change.Public = &public
	}
	if _, err := c.Hub.UpdateRepository(c.Context(), c.Grant, change); err != nil {
		return err
	}
	return c.Empty(201)
}

func deleteRepository(c *web.Call) error {
	if err := c.Hub.DeleteRepository(c.Context(), c.Grant, true); err != nil {
		return err
	}
	return c.Empty(204)
}

func ptr[T any](v T) *T { return &v }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
