package client

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth/shared/hub"
)

// dockerArchive is an archive of `docker save` with one image.
type dockerArchive struct {
	t       *testing.T
	entries []*tar.Header
	bodies  map[*tar.Header][]byte
}

func (a *dockerArchive) add(h tar.Header, body []byte) {
	h.Size, h.Mode = int64(len(body)), 0o644
	a.entries = append(a.entries, &h)
	if a.bodies == nil {
		a.bodies = map[*tar.Header][]byte{}
	}
	a.bodies[&h] = body
}

func (a *dockerArchive) file(name string, body []byte) {
	a.add(tar.Header{Name: name, Typeflag: tar.TypeReg}, body)
}

// image adds what describes an image of these layers with these contents.
func (a *dockerArchive) image(layers []string, contents ...[]byte) {
	var ids []string
	for _, c := range contents {
		ids = append(ids, fmt.Sprintf("%q", fmt.Sprintf("sha256:%x", sha256.Sum256(c))))
	}
	a.file("config.json", fmt.Appendf(nil, `{"rootfs":{"type":"layers","diff_ids":[%s]}}`, strings.Join(ids, ",")))
	a.file("manifest.json", fmt.Appendf(nil, `[{"Config":"config.json","RepoTags":["a:1"],"Layers":["%s"]}]`, strings.Join(layers, `","`)))
}

func (a *dockerArchive) write() string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range a.entries {
		if err := w.WriteHeader(h); err != nil {
			a.t.Fatal(err)
		}
		if _, err := w.Write(a.bodies[h]); err != nil {
			a.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		a.t.Fatal(err)
	}
	path := filepath.Join(a.t.TempDir(), "saved.tar")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

func compressed(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// packedLayers packs the only image of an archive, and tells what its layers hold.
func packedLayers(t *testing.T, path string) (contents []string, err error) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	s, err := OpenSource(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
			t.Errorf("%s is left", left[0].Name())
		}
	}()
	root, err := s.image("")
	if err != nil {
		return nil, err
	}
	if root, err = s.pack(t.Context(), s.docker[root.Digest], func(Event) {}); err != nil {
		return nil, err
	}
	body, err := s.manifest(root)
	if err != nil {
		t.Fatal(err)
	}
	m, err := hub.ParseManifest(root.MediaType, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Layers {
		b, err := s.blob(d.Digest)
		if err != nil || b.Size() != d.Size || matches(d.Digest, b) != nil {
			t.Fatalf("the layer %s: %v, %d bytes", d.Digest, err, b.Size())
		}
		b.Seek(0, 0)
		z, err := gzip.NewReader(b)
		if err != nil {
			t.Fatal(err)
		}
		var content bytes.Buffer
		if _, err := content.ReadFrom(z); err != nil {
			t.Fatal(err)
		}
		contents = append(contents, content.String())
	}
	return contents, nil
}

// The layers of an archive, plain or compressed, by links and under a name that comes
// twice, are packed as what the configuration says that they are.
func TestDockerArchive(t *testing.T) {
	one, two := []byte(strings.Repeat("one", 1000)), []byte("two")
	a := &dockerArchive{t: t}
	a.file("a/layer.tar", []byte("an older one"))
	a.file("a/layer.tar", one)
	a.add(tar.Header{Name: "b/layer.tar", Typeflag: tar.TypeSymlink, Linkname: "../a/layer.tar"}, nil)
	a.add(tar.Header{Name: "c/layer.tar", Typeflag: tar.TypeSymlink, Linkname: "../a/layer.tar"}, nil)
	a.file("c/layer.tar", two)
	a.add(tar.Header{Name: "d/layer.tar", Typeflag: tar.TypeLink, Linkname: "c/layer.tar"}, nil)
	a.file("e/layer.tar", compressed(t, two))
	a.image([]string{"a/layer.tar", "b/layer.tar", "c/layer.tar", "./d//layer.tar", "e/layer.tar"}, one, one, two, two, two)
	got, err := packedLayers(t, a.write())
	if want := fmt.Sprintf("%q", []string{string(one), string(one), "two", "two", "two"}); err != nil || fmt.Sprintf("%q", got) != want {
		t.Errorf("%v, %.80q", err, got)
	}
}

// What an archive says of itself must be so, and nothing outside of it is read.
func TestDamagedDockerArchive(t *testing.T) {
	layer := []byte(strings.Repeat("layer", 1000))
	other := bytes.Replace(layer, []byte("layer"), []byte("later"), 1)
	for name, test := range map[string]struct {
		make func(*dockerArchive)
		says string
	}{
		"another content":     {func(a *dockerArchive) { a.file("l", other); a.image([]string{"l"}, layer) }, "damaged or replaced"},
		"another, compressed": {func(a *dockerArchive) { a.file("l", compressed(t, other)); a.image([]string{"l"}, layer) }, "damaged or replaced"},
		"compressed, cut off": {func(a *dockerArchive) { a.file("l", compressed(t, layer)[:40]); a.image([]string{"l"}, layer) }, "unexpected EOF"},
		"a layer too many":    {func(a *dockerArchive) { a.file("l", layer); a.image([]string{"l", "l"}, layer) }, "tells of 1 layers"},
		"a layer is missing":  {func(a *dockerArchive) { a.image([]string{"l"}, layer) }, "l: file does not exist"},
		"a layer elsewhere":   {func(a *dockerArchive) { a.image([]string{"/etc/passwd"}, layer) }, "does not exist"},
		"a layer above":       {func(a *dockerArchive) { a.image([]string{"../../../../etc/passwd"}, layer) }, "does not exist"},
		"a link that leads out": {func(a *dockerArchive) {
			a.add(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../../../../etc/passwd"}, nil)
			a.image([]string{"l"}, layer)
		}, "does not exist"},
		"a link to itself": {func(a *dockerArchive) {
			a.add(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "l"}, nil)
			a.image([]string{"l"}, layer)
		}, "does not exist"},
		"no configuration": {func(a *dockerArchive) {
			a.file("config.json", []byte("x"))
			a.file("manifest.json", []byte(`[{"Config":"config.json","Layers":[]}]`))
		}, "no image configuration"},
		"no digest": {func(a *dockerArchive) {
			a.file("l", layer)
			a.file("config.json", []byte(`{"rootfs":{"diff_ids":["sha256:x"]}}`))
			a.file("manifest.json", []byte(`[{"Config":"config.json","Layers":["l"]}]`))
		}, "digest"},
		"no list":        {func(a *dockerArchive) { a.file("manifest.json", []byte(`{}`)) }, "manifest.json"},
		"nothing":        {func(a *dockerArchive) { a.file("manifest.json", []byte(`[null]`)) }, "does not exist"},
		"no image":       {func(a *dockerArchive) { a.file("manifest.json", []byte(`[]`)) }, "has no image"},
		"a long list":    {func(a *dockerArchive) { a.file("manifest.json", bytes.Repeat([]byte(" "), hub.MaxManifest+1)) }, "too long"},
		"no description": {func(a *dockerArchive) { a.file("l", layer) }, "neither an OCI layout nor"},
		"an upward name": {func(a *dockerArchive) { a.file("../manifest.json", []byte(`[]`)) }, "neither an OCI layout nor"},
	} {
		t.Run(name, func(t *testing.T) {
			a := &dockerArchive{t: t}
			test.make(a)
			if got, err := packedLayers(t, a.write()); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, %.80q; want %q", err, got, test.says)
			}
		})
	}
	// Wherever an archive is cut off, that is noticed.
	a := &dockerArchive{t: t}
	a.image([]string{"l"}, layer)
	a.file("l", layer)
	path := a.write()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := len(whole) - 1024 // what ends an archive is not needed
	for _, at := range []int{1, 511, 513, end - 513, end - 512 - len(layer)%512, end - 600} {
		if err := os.WriteFile(path, whole[:at], 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := packedLayers(t, path); err == nil {
			t.Errorf("cut off at %d of %d: %.80q", at, len(whole), got)
		}
	}
}

// A file with holes is shorter in the archive than it is.
func TestSparseArchive(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "manifest.json"))
	if err != nil || file.Truncate(1<<20) != nil || file.Close() != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"posix", "gnu"} {
		path := filepath.Join(dir, format+".tar")
		if out, err := exec.Command("tar", "-C", dir, "--sparse", "--format="+format, "-cf", path, "manifest.json").CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		if _, err := OpenSource(path); err == nil || !strings.Contains(err.Error(), "without --sparse") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// A platform without a variant is the only variant that there is of it.
func TestPlatformOfAnIndex(t *testing.T) {
	digest := func(n int) string { return fmt.Sprintf("sha256:%064d", n) }
	index := func(platforms ...string) []byte {
		var list []string
		for n, p := range platforms {
			parts := append(strings.Split(p, "/"), "")
			list = append(list, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":2,"platform":{"os":%q,"architecture":%q,"variant":%q}}`,
				hub.MediaOCIManifest, digest(n), parts[0], parts[1], parts[2]))
		}
		return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, hub.MediaOCIIndex, strings.Join(list, ","))
	}
	for _, test := range []struct {
		has, wanted string
		n           int // which of them; -1 = none
	}{
		{"linux/amd64 linux/arm64/v8", "linux/arm64", 1},
		{"linux/arm64/v8 linux/arm64", "linux/arm64", 1},
		{"linux/arm/v6 linux/arm/v7", "linux/arm/v7", 1},
		{"linux/arm/v6 linux/arm/v7", "linux/arm", -1},
		{"linux/amd64 linux/arm64/v8", "linux/arm", -1},
		{"linux/amd64", "linux", -1},
		{"linux/amd64", "linux/amd64/v3", -1},
	} {
		got, err := (&registry{}).onPlatform(t.Context(), hub.Descriptor{MediaType: hub.MediaOCIIndex}, index(strings.Fields(test.has)...), test.wanted)
		if test.n < 0 && err == nil || test.n >= 0 && (err != nil || got.Digest != digest(test.n)) {
			t.Errorf("%s of %s is %s, %v", test.wanted, test.has, got.Digest, err)
		}
	}
}
