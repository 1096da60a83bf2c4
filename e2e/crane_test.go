package e2e_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// auth are the client's credentials as crane takes them.
func (c client) auth() authn.Authenticator {
	if c.user == "" {
		return authn.Anonymous
	}
	return &authn.Basic{Username: c.user, Password: c.password}
}

func TestCraneImage(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	repo := hub.host + "/" + c.repository(t, true)
	with := []crane.Option{crane.WithAuth(c.auth()), crane.Insecure, crane.WithContext(t.Context())}
	img, err := random.Image(200_000, 5)
	if err != nil {
		t.Fatal(err)
	}
	if err := crane.Push(img, repo+":v1", with...); err != nil {
		t.Fatal(err)
	}
	pulled, err := crane.Pull(repo+":v1", crane.Insecure, crane.WithAuth(authn.Anonymous), crane.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	sameImage(t, img, pulled)
	if err := crane.Tag(repo+":v1", "v2", with...); err != nil {
		t.Fatal(err)
	}
	if tags, err := crane.ListTags(repo, with...); err != nil || !slices.Equal(tags, []string{"v1", "v2"}) {
		t.Fatalf("the tags are %v, %v", tags, err)
	}
	other := hub.host + "/" + c.repository(t, false)
	if err := crane.Copy(repo+":v2", other+":copy", with...); err != nil { // by mounts
		t.Fatal(err)
	}
	copied, err := crane.Pull(other+":copy", with...)
	if err != nil {
		t.Fatal(err)
	}
	sameImage(t, img, copied)
	if err := crane.Delete(repo+":v1", with...); err != nil {
		t.Fatal(err)
	}
	if tags, err := crane.ListTags(repo, with...); err != nil || !slices.Equal(tags, []string{"v2"}) {
		t.Fatalf("after a deletion the tags are %v, %v", tags, err)
	}
}

// sameImage reads the whole image, and compares it with what was pushed.
func sameImage(t *testing.T, want, got v1.Image) {
	t.Helper()
	if err := validate.Image(got); err != nil {
		t.Errorf("the image came back damaged: %v", err)
	}
	w, err := want.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if g, err := got.Digest(); err != nil || g != w {
		t.Errorf("the image came back as %s, not %s (%v)", g, w, err)
	}
}

func TestCraneIndex(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	ref, err := name.NewTag(hub.host+"/"+c.repository(t, false)+":multi", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	index, err := random.Index(10_000, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	with := []remote.Option{remote.WithAuth(c.auth()), remote.WithContext(t.Context())}
	if err := remote.WriteIndex(ref, index, with...); err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Index(ref, with...)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(pulled); err != nil {
		t.Error(err)
	}
	want, _ := index.Digest()
	if got, err := pulled.Digest(); err != nil || got != want {
		t.Errorf("the index came back as %s, not %s (%v)", got, want, err)
	}
}

func TestCraneWrongPassword(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	repo := hub.host + "/" + c.repository(t, false)
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	wrong := hub.as(c.user, "not the password")
	for who, auth := range map[string]authn.Authenticator{"wrong password": wrong.auth(), "nobody": authn.Anonymous, "stranger": hub.account(t).auth()} {
		err := crane.Push(img, repo+":v1", crane.WithAuth(auth), crane.Insecure, crane.WithContext(t.Context()))
		var refused *transport.Error
		if !errors.As(err, &refused) || refused.StatusCode != http.StatusUnauthorized && refused.StatusCode != http.StatusForbidden {
			t.Errorf("%s: the push ends with %v", who, err)
		}
	}
	c.call(t, 404, "GET", "/v2/"+repo[len(hub.host)+1:]+"/manifests/v1", "")
}
