package conformance

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"testing"
)

type referrer struct {
	MediaType, Digest, ArtifactType string
	Size                            int
	Annotations                     map[string]string
}

// referrers asks for a subject's referrers, by digest.
func (w *wire) referrers(t *testing.T, repo, subject, query string) (map[string]referrer, answer) {
	t.Helper()
	a := w.send(t, "GET", repo+"/referrers/"+subject+query, nil).want(200).has("Content-Type", indexType)
	var doc struct {
		SchemaVersion int
		MediaType     string
		Manifests     []referrer
	}
	if err := json.Unmarshal(a.body, &doc); err != nil || doc.SchemaVersion != 2 || doc.MediaType != indexType || doc.Manifests == nil {
		t.Fatalf("%s: %v: %s is no index", a.what, err, a.body)
	}
	found := map[string]referrer{}
	for _, r := range doc.Manifests {
		found[r.Digest] = r
	}
	if len(found) != len(doc.Manifests) {
		t.Errorf("%s: a referrer twice in %s", a.what, a.body)
	}
	return found, a
}

// Referrers are listed with all that clients choose them by, whether the subject
// came before, after or never; deleting one takes it off the list.
func TestReferrers(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			m := maker{algorithm}
			w, repo, subject := newWire(), newRepo(), m.image(1, nil)
			to := object{"mediaType": imageType, "digest": subject.digest, "size": len(subject.body)}
			if found, _ := w.referrers(t, repo, subject.digest, ""); len(found) != 0 {
				t.Errorf("a repository that does not exist has referrers %v", found)
			}
			notes := map[string]string{"org.example.note": "kept", "once": digestOf("sha256", newBlob(4))}
			refer := map[string]content{ // by the type to be listed with
				"application/vnd.example.sign": m.artifact("application/vnd.example.sign", object{"subject": to, "annotations": notes}),
				"application/vnd.example.sbom": m.artifact("application/vnd.example.sbom", object{"subject": to, "annotations": notes}),
				configType:                     m.image(1, object{"subject": to, "annotations": notes}),
				"application/vnd.example.set":  m.index(object{"subject": to, "artifactType": "application/vnd.example.set", "annotations": notes}, m.image(1, nil)),
			}
			for _, c := range refer {
				c.pushParts(t, w, repo)
				w.send(t, "PUT", repo+"/manifests/"+c.digest, c.body, "Content-Type: "+c.kind).want(201).has("OCI-Subject", subject.digest)
				if algorithm == "sha256" {
					w.send(t, "PUT", repo+"/manifests/also", c.body, "Content-Type: "+c.kind).want(201).has("OCI-Subject", subject.digest)
				}
			}
			for range 2 { // without the subject, and with it
				all, _ := w.referrers(t, repo, subject.digest, "")
				if len(all) != len(refer) {
					t.Errorf("%d referrers, want %d", len(all), len(refer))
				}
				for kind, c := range refer {
					want := referrer{c.kind, c.digest, kind, len(c.body), notes}
					if got := all[c.digest]; got.MediaType != want.MediaType || got.ArtifactType != kind || got.Size != want.Size || !maps.Equal(got.Annotations, notes) {
						t.Errorf("got %+v, want %+v", got, want)
					}
					some, a := w.referrers(t, repo, subject.digest, "?artifactType="+url.QueryEscape(kind))
					if a.has("OCI-Filters-Applied", "artifactType"); len(some) != 1 || some[c.digest].Digest == "" {
						t.Errorf("artifactType=%s gives %v", kind, slices.Collect(maps.Keys(some)))
					}
				}
				if some, _ := w.referrers(t, repo, subject.digest, "?artifactType=application/vnd.example.none"); len(some) != 0 {
					t.Errorf("a type that nothing has gives %v", some)
				}
				subject.push(t, w, repo)
			}
			c := refer["application/vnd.example.sign"]
			w.send(t, "DELETE", repo+"/manifests/"+c.digest, nil).want(202)
			if all, _ := w.referrers(t, repo, subject.digest, ""); len(all) != len(refer)-1 || all[c.digest].Digest != "" {
				t.Errorf("after the deletion of %s: %v", c.digest, slices.Collect(maps.Keys(all)))
			}
		})
	}
	w := newWire()
	w.send(t, "GET", newRepo()+"/referrers/sha256:abc", nil).fails(400, "DIGEST_INVALID")
}
