package manage_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

type object map[string]any

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
)

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// blob pushes a blob as the administrator, and returns its descriptor.
func (a *api) blob(repo, mediaType string, b []byte) object {
	a.t.Helper()
	r := a.do("admin", "POST", "/v2/"+repo+"/blobs/uploads/?digest="+digest(b), string(b), "Content-Type", "application/octet-stream")
	if r.status != 201 {
		a.t.Fatalf("%s: %d %s", r.what, r.status, r.body)
	}
	return object{"mediaType": mediaType, "digest": digest(b), "size": len(b)}
}

// manifest pushes a manifest under a tag or its digest, if the reference is "", and
// returns its bytes.
func (a *api) manifest(repo, reference string, manifest object) []byte {
	a.t.Helper()
	b, _ := json.Marshal(manifest)
	if reference == "" {
		reference = digest(b)
	}
	r := a.do("admin", "PUT", "/v2/"+repo+"/manifests/"+reference, string(b), "Content-Type", manifest["mediaType"].(string))
	if r.status != 201 {
		a.t.Fatalf("%s: %d %s", r.what, r.status, r.body)
	}
	return b
}

// image is an image of one layer, different for each seed.
func (a *api) image(repo string, seed any) object {
	a.t.Helper()
	config := fmt.Sprintf(`{"os":"linux","architecture":"amd64","seed":"%v"}`, seed)
	return object{
		"schemaVersion": 2, "mediaType": ociManifest,
		"config": a.blob(repo, "application/vnd.oci.image.config.v1+json", []byte(config)),
		"layers": []object{a.blob(repo, "application/vnd.oci.image.layer.v1.tar+gzip", []byte(fmt.Sprint("layer of ", seed)))},
	}
}

// push pushes an image of its own under each tag, a minute apart, and returns their digests.
func (a *api) push(repo string, tags ...string) (digests []string) {
	a.t.Helper()
	for _, tag := range tags {
		digests = append(digests, digest(a.manifest(repo, tag, a.image(repo, tag))))
		a.now = a.now.Add(time.Minute)
	}
	return digests
}
