package manage

import (
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"

	"berth/shared/hub"
	"berth/shared/web"
)

func repositoryRoutes() []web.Route {
	return []web.Route{{
		Name: "manage-repository-create", Surface: web.Manage,
		Method: "POST", Pattern: "/v2/manage/namespaces/{namespace}/repos",
		Rule:  web.NamespaceWriter,
		Needs: web.Needs{Write: repositories},
		Doc: web.Doc{
			Summary: "Create a repository",
			Body: repositoryBody{
				Repository: ptr("busybox"), Category: ptr("linux"), Description: ptr("this is a busybox repository"), Public: "true",
			},
			Form:    true,
			Answers: map[int]any{201: nil},
		},
		Handle: createRepository,
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
	r := hub.Repository{Name: name, Public: public, Category: "other"}
	if err := b.describe(&r); err != nil {
		return err
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
	// a field of the wrong type has its own number too
	var e *hub.Error
	if errors.As(err, &e) && e.Code == hub.BadField {
		if field, _ := e.Detail.(map[string]string); field["field"] == "repository" {
			e.Code = hub.BadRepository
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

// categories are the kinds of repositories. The vendor's documents print both arm
// and arms; a repository shows the one it was given.
var categories = []string{"app_server", "linux", "framework_app", "database", "lang", "other", "windows", "arms", "arm"}

const maxDescription = 100

// describe sets the category and description of a repository, where they are given.
func (b *repositoryBody) describe(r *hub.Repository) error {
	if b.Category != nil && *b.Category != "" {
		if !slices.Contains(categories, *b.Category) {
			return hub.FailField("category", "must be one of %v, not %q", categories, *b.Category)
		}
		r.Category = *b.Category
	}
	if b.Description != nil {
		if n := utf8.RuneCountInString(*b.Description); n > maxDescription {
			return hub.FailField("description", "may have at most %d characters, this one has %d", maxDescription, n)
		}
		r.Description = *b.Description
	}
	return nil
}

func ptr[T any](v T) *T { return &v }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
