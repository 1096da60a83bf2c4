package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

func (s *server) oras(t *testing.T, c client, path string) *remote.Repository {
	t.Helper()
	repo, err := remote.NewRepository(s.host + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	repo.PlainHTTP = s.base[:5] == "http:"
	repo.Client = &auth.Client{
		Client: http.DefaultClient, Cache: auth.NewCache(),
		Credential: auth.StaticCredential(s.host, auth.Credential{Username: c.user, Password: c.password}),
	}
	return repo
}

func TestOrasArtifacts(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	ctx := t.Context()
	repo := hub.oras(t, c, c.repository(t, false))
	pack := func(kind string, content []byte, subject *ocispec.Descriptor) ocispec.Descriptor {
		t.Helper()
		layer, err := oras.PushBytes(ctx, repo, "application/x.file", content)
		if err != nil {
			t.Fatal(err)
		}
		d, err := oras.PackManifest(ctx, repo, oras.PackManifestVersion1_1, kind,
			oras.PackManifestOptions{Layers: []ocispec.Descriptor{layer}, Subject: subject})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	content := randomBytes(100_000)
	base := pack("application/x.thing", content, nil)
	if err := repo.Tag(ctx, base, "v1"); err != nil {
		t.Fatal(err)
	}
	signature := pack("application/x.signature", randomBytes(300), &base)

	to := memory.New()
	if got, err := oras.Copy(ctx, repo, "v1", to, "v1", oras.DefaultCopyOptions); err != nil || got.Digest != base.Digest {
		t.Fatalf("the copy is %s, not %s: %v", got.Digest, base.Digest, err)
	}
	r, err := to.Fetch(ctx, ocispec.Descriptor{MediaType: "application/x.file", Digest: digest.FromBytes(content), Size: int64(len(content))})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		t.Fatalf("the file comes back with %d bytes, %v", len(got), err)
	}
	var found []ocispec.Descriptor
	if err := repo.Referrers(ctx, base, "application/x.signature", func(page []ocispec.Descriptor) error {
		found = append(found, page...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].Digest != signature.Digest {
		t.Errorf("the referrers are %v, not %s", found, signature.Digest)
	}
	// The graph with what refers to it goes into another repository.
	other := hub.oras(t, c, c.repository(t, false))
	if _, err := oras.ExtendedCopy(ctx, repo, "v1", other, "v1", oras.DefaultExtendedCopyOptions); err != nil {
		t.Fatal(err)
	}
	if ok, err := other.Exists(ctx, signature); err != nil || !ok {
		t.Errorf("the signature did not come along: %v, %v", ok, err)
	}
	if err := repo.Delete(ctx, signature); err != nil {
		t.Fatal(err)
	}
	if ok, err := repo.Exists(ctx, signature); err != nil || ok {
		t.Errorf("the deleted signature exists: %v, %v", ok, err)
	}
}

// docker login keeps such a token in place of the password, and the other clients that
// read its configuration use it.
func TestIdentityToken(t *testing.T) {
	hub := theHub(t)
	c := hub.account(t)
	var given struct {
		RefreshToken string `json:"refresh_token"`
	}
	a := c.call(t, http.StatusOK, "GET", "/v2/token?service="+hub.host+"&offline_token=true", "")
	if err := json.Unmarshal(a.body, &given); err != nil || given.RefreshToken == "" {
		t.Fatalf("the token's answer is %s, %v", a, err)
	}
	repo := hub.oras(t, client{}, c.repository(t, false))
	repo.Client.(*auth.Client).Credential = auth.StaticCredential(hub.host, auth.Credential{RefreshToken: given.RefreshToken})
	content := randomBytes(1000)
	d, err := oras.PushBytes(t.Context(), repo, "application/x.file", content)
	if err != nil {
		t.Fatal(err)
	}
	_, r, err := oras.Fetch(t.Context(), repo.Blobs(), d.Digest.String(), oras.DefaultFetchOptions)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		t.Errorf("of %d bytes %d come back, %v", len(content), len(got), err)
	}
}
