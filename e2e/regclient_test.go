package e2e_test

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/regclient/regclient"
	"github.com/regclient/regclient/config"
	regdescriptor "github.com/regclient/regclient/types/descriptor"
	"github.com/regclient/regclient/types/ref"
)

func (s *server) regclient(c client) *regclient.RegClient {
	h := config.HostNewName(s.host)
	if s.base[:5] == "http:" {
		h.TLS = config.TLSDisabled
	}
	h.User, h.Pass = c.user, c.password
	h.BlobChunk, h.BlobMax = 256<<10, 512<<10 // so that large blobs go in chunks
	return regclient.New(regclient.WithConfigHost(*h))
}

func TestRegclient(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	rc := hub.regclient(c)
	ctx := t.Context()
	path, other := c.repository(t, false), c.repository(t, false)
	i := newImage(3, 5000)
	c.mustPush(t, path, "v1", i)
	at := func(s string) ref.Ref {
		t.Helper()
		r, err := ref.New(hub.host + "/" + s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if err := rc.ImageCopy(ctx, at(path+":v1"), at(other+":v1"), regclient.ImageWithReferrers()); err != nil {
		t.Fatal(err)
	}
	c.mustVerify(t, other, "v1", i)
	var archive bytes.Buffer
	if err := rc.ImageExport(ctx, at(other+":v1"), &archive); err != nil {
		t.Fatal(err)
	}
	if err := rc.ImageImport(ctx, at(other+":imported"), bytes.NewReader(archive.Bytes())); err != nil {
		t.Fatal(err)
	}
	c.mustVerify(t, other, "imported", i)
	list, err := rc.TagList(ctx, at(other))
	if err != nil || !slices.Equal(list.Tags, []string{"imported", "v1"}) {
		t.Fatalf("the tags are %v, %v", list, err)
	}
	if err := rc.TagDelete(ctx, at(other+":imported")); err != nil {
		t.Fatal(err)
	}
	c.call(t, 404, "HEAD", "/v2/"+other+"/manifests/imported", "")
	c.mustVerify(t, other, "v1", i)
}

func TestRegclientChunks(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	rc := hub.regclient(c)
	path := c.repository(t, false)
	r, err := ref.New(hub.host + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	b := randomBytes(2_000_000)
	d := regdescriptor.Descriptor{Digest: digest.FromBytes(b), Size: int64(len(b))}
	if _, err := rc.BlobPut(t.Context(), r, d, bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	got, err := rc.BlobGet(t.Context(), r, d)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if all, err := io.ReadAll(got); err != nil || !bytes.Equal(all, b) {
		t.Errorf("of %d bytes %d come back, %v", len(b), len(all), err)
	}
}
