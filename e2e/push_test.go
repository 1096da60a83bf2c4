package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestUploadResumes(t *testing.T) {
	c := theHub(t).account(t)
	repo := c.repository(t, false)
	b := randomBytes(3 << 20)
	at := c.call(t, 202, "POST", "/v2/"+repo+"/blobs/uploads/", "").header.Get("Location")

	// A connection that breaks in the middle of a chunk. It tells where it begins, as
	// clients that resume do: it may reach the hub after what they send next.
	half := io.MultiReader(bytes.NewReader(b[:1<<20]), brokenReader{})
	if a, err := c.try(t.Context(), "PATCH", at, half,
		"Content-Type: application/octet-stream", fmt.Sprintf("Content-Range: 0-%d", len(b)-1)); err == nil {
		t.Fatalf("the broken PATCH was answered %s", a)
	}
	const to = 2 << 20
	a := c.resume(t, at, b[:to], 1<<20)
	if want := fmt.Sprintf("0-%d", to-1); a.status != 202 || a.header.Get("Range") != want {
		t.Fatalf("after a chunk up to %d the answer is %s with the range %q", to, a, a.header.Get("Range"))
	}
	at = a.header.Get("Location")
	if a := c.resume(t, at, b, to); a.status != 202 || status(t, c, at) != len(b) {
		t.Fatalf("the last chunk is answered %s", a)
	}
	// A chunk that leaves a gap changes nothing.
	c.call(t, 416, "PATCH", at, "xyz", "Content-Type: application/octet-stream", fmt.Sprintf("Content-Range: %d-%d", len(b)+5, len(b)+7))
	if have := status(t, c, at); have != len(b) {
		t.Fatalf("after a chunk that left a gap the hub has %d bytes of %d", have, len(b))
	}
	c.call(t, 400, "PUT", location(at, sha256Of([]byte("else"))), "")
	if a, err := c.try(t.Context(), "HEAD", "/v2/"+repo+"/blobs/"+sha256Of(b), nil); err != nil || a.status != 404 {
		t.Fatalf("after a wrong digest the blob is there: %s, %v", a, err)
	}
}

// resume sends what an upload lacks of b, of which the hub may have most bytes. It
// may still be busy with what came before a connection broke: whoever is told so
// asks again where to go on.
func (c client) resume(t *testing.T, at string, b []byte, most int) answer {
	t.Helper()
	for {
		from := status(t, c, at)
		if from > most {
			t.Fatalf("the hub has %d bytes of the %d that were sent", from, most)
		}
		a, err := c.try(t.Context(), "PATCH", at, bytes.NewReader(b[from:]),
			"Content-Type: application/octet-stream", fmt.Sprintf("Content-Range: %d-%d", from, len(b)-1))
		if err != nil {
			t.Fatal(err)
		}
		if a.status != http.StatusTooManyRequests && a.status != http.StatusRequestedRangeNotSatisfiable {
			return a
		}
	}
}

// status asks how many bytes of an upload the hub has.
func status(t *testing.T, c client, at string) int {
	t.Helper()
	a := c.call(t, 204, "GET", at, "")
	n, err := received(a, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestMountAcrossRepositories(t *testing.T) {
	hub := theHub(t)
	c, stranger := hub.account(t), hub.account(t)
	from, to := c.repository(t, false), c.repository(t, false)
	theirs := stranger.repository(t, false)
	b := randomBytes(1000)
	if err := c.pushBlob(t.Context(), from, sha256Of(b), b); err != nil {
		t.Fatal(err)
	}
	mount := "/blobs/uploads/?mount=" + sha256Of(b)
	c.call(t, 201, "POST", "/v2/"+to+mount+"&from="+from, "")
	if a := c.call(t, 200, "GET", "/v2/"+to+"/blobs/"+sha256Of(b), ""); !bytes.Equal(a.body, b) {
		t.Fatalf("the mounted blob has %d bytes", len(a.body))
	}
	// Who cannot pull it gets an upload, as for a blob that nobody has.
	stranger.call(t, 202, "POST", "/v2/"+theirs+mount+"&from="+from, "")
	stranger.call(t, 404, "HEAD", "/v2/"+theirs+"/blobs/"+sha256Of(b), "")
}

func TestReferrers(t *testing.T) {
	c := theHub(t).account(t)
	repo := c.repository(t, false)
	i := newImage(1, 100)
	c.mustPush(t, repo, "v1", i)
	empty := []byte("{}")
	if err := c.pushBlob(t.Context(), repo, sha256Of(empty), empty); err != nil {
		t.Fatal(err)
	}
	subject, config := describe(imageType, i.manifest), describe("application/vnd.oci.empty.v1+json", empty)
	refer := func(kind string) string {
		b, _ := json.Marshal(manifest{SchemaVersion: 2, MediaType: imageType, ArtifactType: kind, Config: &config,
			Layers: []descriptor{config}, Subject: &subject})
		a := c.call(t, 201, "PUT", "/v2/"+repo+"/manifests/"+sha256Of(b), string(b), "Content-Type: "+imageType)
		if got := a.header.Get("OCI-Subject"); got != i.digest {
			t.Fatalf("OCI-Subject is %q, not %q", got, i.digest)
		}
		return sha256Of(b)
	}
	sbom, signature := refer("application/spdx+json"), refer("application/x.signature")
	list := func(query string) (digests string, header http.Header) {
		a := c.call(t, 200, "GET", "/v2/"+repo+"/referrers/"+i.digest+query, "")
		var index manifest
		if err := json.Unmarshal(a.body, &index); err != nil {
			t.Fatal(err)
		}
		for _, d := range index.Manifests {
			digests += d.Digest + " " + d.ArtifactType + "\n"
		}
		return digests, a.header
	}
	all, _ := list("")
	for _, want := range []string{sbom + " application/spdx+json", signature + " application/x.signature"} {
		if !strings.Contains(all, want) {
			t.Errorf("the referrers miss %s:\n%s", want, all)
		}
	}
	one, header := list("?artifactType=application/x.signature")
	if one != signature+" application/x.signature\n" || header.Get("OCI-Filters-Applied") != "artifactType" {
		t.Errorf("filtered by type, the referrers are\n%s(OCI-Filters-Applied: %q)", one, header.Get("OCI-Filters-Applied"))
	}
	c.call(t, 202, "DELETE", "/v2/"+repo+"/manifests/"+sbom, "")
	if left, _ := list(""); left != signature+" application/x.signature\n" {
		t.Errorf("after the deletion the referrers are\n%s", left)
	}
}

func TestSHA512(t *testing.T) {
	c := theHub(t).account(t)
	repo := c.repository(t, false)
	config := []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`)
	d := descriptor{MediaType: configType, Digest: sha512Of(config), Size: len(config)}
	if err := c.pushBlob(t.Context(), repo, d.Digest, config); err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(manifest{SchemaVersion: 2, MediaType: imageType, Config: &d, Layers: []descriptor{}})
	if err := c.pushManifest(t.Context(), repo, sha512Of(b), imageType, b); err != nil {
		t.Fatal(err)
	}
	a := c.call(t, 200, "GET", "/v2/"+repo+"/manifests/"+sha512Of(b), "")
	if !bytes.Equal(a.body, b) || a.header.Get("Docker-Content-Digest") != sha512Of(b) {
		t.Fatalf("the manifest comes back as %s, %s", a.header.Get("Docker-Content-Digest"), a.body)
	}
	if a := c.call(t, 200, "GET", "/v2/"+repo+"/blobs/"+d.Digest, ""); !bytes.Equal(a.body, config) {
		t.Fatalf("the configuration comes back as %s", a.body)
	}
}

func TestDeletes(t *testing.T) {
	c := theHub(t).account(t)
	repo := c.repository(t, false)
	i := newImage(2, 1000)
	c.mustPush(t, repo, "one", i)
	c.mustPush(t, repo, "two", i)
	c.call(t, 202, "DELETE", "/v2/"+repo+"/manifests/one", "")
	c.call(t, 404, "GET", "/v2/"+repo+"/manifests/one", "")
	c.mustVerify(t, repo, "two", i)
	c.call(t, 204, "DELETE", "/v1/repositories/"+repo+"/tags/two", "")
	c.call(t, 404, "GET", "/v2/"+repo+"/manifests/two", "")
	c.mustVerify(t, repo, i.digest, i)
	c.call(t, 202, "DELETE", "/v2/"+repo+"/manifests/"+i.digest, "")
	c.call(t, 404, "GET", "/v2/"+repo+"/manifests/"+i.digest, "")
	c.call(t, 204, "DELETE", "/v1/repositories/"+repo+"/", "")
	c.call(t, 404, "GET", "/v1/repositories/"+repo, "")
	// A namesake sees nothing of it.
	c.call(t, 201, "POST", "/v1/repositories/"+c.user+"/", fmt.Sprintf(`{"repo_name":%q}`, strings.TrimPrefix(repo, c.user+"/")))
	for digest := range i.blobs {
		c.call(t, 404, "HEAD", "/v2/"+repo+"/blobs/"+digest, "")
	}
}
