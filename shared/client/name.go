package client

import (
	"errors"
	"fmt"
	"strings"

	"berth/shared/hub"
)

// Name is a repository's.
type Name struct{ Namespace, Repository string }

func (n Name) String() string { return n.Namespace + "/" + n.Repository }

// ParseName reads NAMESPACE/REPOSITORY.
func ParseName(s string) (Name, error) {
	namespace, repository, ok := strings.Cut(s, "/")
	n := Name{namespace, repository}
	if !ok || strings.Contains(repository, "/") {
		return n, fmt.Errorf("a repository is NAMESPACE/NAME, not %q", s)
	}
	return n, firstOf(hub.CheckNamespace(namespace), hub.CheckRepository(repository))
}

// firstOf is the first error, in its words for people.
func firstOf(errs ...error) error {
	for _, err := range errs {
		var bad *hub.Error
		if errors.As(err, &bad) {
			return errors.New(bad.Message)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Reference is an image's name: a repository, perhaps the host of its hub, and a tag
// or digest.
type Reference struct {
	Host string // "" = not given
	Name
	Tag    string
	Digest string // instead of the tag
}

// ParseReference reads [HOST/]NAMESPACE/REPOSITORY[:TAG|@DIGEST]; the tag is latest
// if none is given.
func ParseReference(s string) (r Reference, err error) {
	rest := s
	if first, after, _ := strings.Cut(s, "/"); strings.ContainsAny(first, ".:") || first == "localhost" {
		r.Host, rest = first, after
	}
	rest, digest, hasDigest := strings.Cut(rest, "@")
	rest, tag, hasTag := strings.Cut(rest, ":")
	if r.Name, err = ParseName(rest); err != nil {
		return r, err
	}
	switch {
	case hasDigest && hasTag:
		return r, fmt.Errorf("%s: give a tag or a digest, not both", s)
	case hasDigest:
		r.Digest = digest
		return r, firstOf(hub.CheckDigest(digest))
	case !hasTag:
		tag = "latest"
	}
	r.Tag = tag
	return r, firstOf(hub.CheckTag(tag))
}

// pointer is what the registry's addresses call the reference by.
func (r Reference) pointer() string {
	if r.Digest != "" {
		return r.Digest
	}
	return r.Tag
}

func (r Reference) String() string {
	s := r.Name.String()
	if r.Host != "" {
		s = r.Host + "/" + s
	}
	if r.Digest != "" {
		return s + "@" + r.Digest
	}
	return s + ":" + r.Tag
}
