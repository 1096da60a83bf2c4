package hub

import (
	"strings"
	"testing"
)

func FuzzDigest(f *testing.F) {
	for _, s := range []string{DigestOf(SHA256, nil), DigestOf(SHA512, nil), "sha256:", "sha256:abc", "md5:00", "latest", "sha256:" + strings.Repeat("A", 64), "sha256:" + strings.Repeat("g", 64), ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if CheckDigest(s) != nil {
			return
		}
		if algorithmOf(s)+":"+hexOf(s) != s || len(hexOf(s)) != 2*newHash(algorithmOf(s)).Size() {
			t.Fatalf("%q is taken for a digest", s)
		}
		for _, c := range hexOf(s) {
			if !strings.ContainsRune("0123456789abcdef", c) {
				t.Fatalf("%q is taken for a digest", s)
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	digest := DigestOf(SHA256, []byte("{}"))
	d := `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + digest + `","size":2}`
	for _, kind := range []string{MediaOCIManifest, MediaDockerManifest} {
		f.Add(kind, `{"schemaVersion":2,"mediaType":"`+kind+`","config":`+d+`,"layers":[`+d+`],"subject":`+d+`}`)
	}
	for _, kind := range []string{MediaOCIIndex, MediaDockerList} {
		f.Add(kind, `{"schemaVersion":2,"mediaType":"`+kind+`","manifests":[`+d+`],"annotations":{"a":"b"}}`)
	}
	f.Add("", `{"schemaVersion":2}`)
	f.Add("application/json; x", `null`)
	f.Add(MediaOCIManifest, `[]`)
	f.Add(MediaOCIManifest, ` {"config":null,"CONFIG":{}}`)
	f.Fuzz(func(t *testing.T, kind, body string) {
		c, err := ParseManifest(kind, []byte(body))
		if err != nil {
			if !is(err, BadManifest) {
				t.Fatalf("%q %q: %v", kind, body, err)
			}
			return
		}
		if !isManifestType(c.MediaType) || c.Index != (c.Config == nil) || c.Index && c.Layers != nil || !c.Index && c.Manifests != nil {
			t.Fatalf("%q %q gives %+v", kind, body, c)
		}
		p := push{content: c}
		for _, r := range p.references() {
			if CheckDigest(r.Digest) != nil || r.Size < 0 {
				t.Fatalf("%q %q refers to %+v", kind, body, r)
			}
		}
		if c.Subject != nil && CheckDigest(c.Subject.Digest) != nil {
			t.Fatalf("%q %q has the subject %+v", kind, body, c.Subject)
		}
	})
}
