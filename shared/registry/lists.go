package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"berth/shared/hub"
	"berth/shared/web"
)

// maxNames is how many names one answer lists at most.
const maxNames = 10_000

// pageSize reads n; unset is as many as an answer has room for.
func pageSize(c *web.Call) (int, error) {
	n, err := c.Number("n", 0, 1<<31-1, maxNames)
	return min(n, maxNames), err
}

// next sets Link to the page that goes on after last. See the OCI Distribution
// Specification, "Listing Tags", and RFC 8288.
func next(c *web.Call, set url.Values) {
	q := c.URLQuery()
	for name, value := range set {
		q[name] = value
	}
	c.W.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, c.URL(c.R.URL.Path, q)))
}

type tagList struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

func listTags(c *web.Call) error {
	n, err := pageSize(c)
	if err != nil {
		return err
	}
	list := tagList{Name: c.Grant.Path(), Tags: []string{}}
	if n == 0 {
		return c.JSON(http.StatusOK, list)
	}
	var more bool
	if list.Tags, more, err = c.Hub.TagNames(c.Context(), c.Grant, validUTF8(c.URLQuery().Get("last")), n); err != nil {
		return err
	}
	if more {
		next(c, url.Values{"last": list.Tags[len(list.Tags)-1:]})
	}
	return c.JSON(http.StatusOK, list)
}

type catalogList struct {
	Repositories []string `json:"repositories"`
}

func catalog(c *web.Call) error {
	n, err := pageSize(c)
	if err != nil {
		return err
	}
	paths, more, err := c.Hub.Catalog(c.Context(), c.Caller, validUTF8(c.URLQuery().Get("last")), n)
	if err != nil {
		return err
	}
	if more {
		next(c, url.Values{"last": paths[len(paths)-1:]})
	}
	return c.JSON(http.StatusOK, catalogList{paths})
}

// maxLast is longer than any name or place in a list.
const maxLast = 512

// validUTF8 makes what a client calls the last name one that can be compared with.
func validUTF8(last string) string {
	last = strings.ToValidUTF8(last[:min(len(last), maxLast)], "\uFFFD") // can be longer by now
	return strings.ToValidUTF8(last[:min(len(last), maxLast)], "")
}

// referrerIndex is the answer of the referrers API: an OCI image index.
type referrerIndex struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []json.RawMessage `json:"manifests"`
}

func listReferrers(c *web.Call) error {
	q := c.URLQuery()
	// A media type has no spaces: one there is a + that the client did not escape.
	kind := strings.ReplaceAll(q.Get("artifactType"), " ", "+")
	list, after, err := c.Hub.Referrers(c.Context(), c.Grant, c.Var("digest"), kind, validUTF8(q.Get("last")))
	if err != nil {
		return err
	}
	if kind != "" {
		c.W.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	if after != "" {
		next(c, url.Values{"last": {after}})
	}
	b, err := json.Marshal(referrerIndex{2, hub.MediaOCIIndex, list})
	if err != nil {
		return err
	}
	c.W.Header().Set("Content-Type", hub.MediaOCIIndex)
	c.W.WriteHeader(http.StatusOK)
	c.W.Write(b)
	return nil
}
