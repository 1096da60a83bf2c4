package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestFullDisk fills the disk of a hub. What it refuses it says why, and what it has it
// goes on to serve, through a kill too; it is mended by deleting and gc, without a restart.
func TestFullDisk(t *testing.T) {
	data := t.TempDir()
	if err := syscall.Mount("berth-test", data, "tmpfs", 0, "size=80m,mode=0700"); err != nil {
		t.Fatalf("a small disk wants root, and a container that may mount: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(data, syscall.MNT_DETACH) })
	s := ownHubOn(t, data)
	c := s.robotlike(t)
	repo, other := c.repository(t, false), c.repository(t, false)
	kept := newImage(2, 100_000)
	c.mustPush(t, repo, "kept", kept)

	var tags []string
	for n := range 40 {
		tag := fmt.Sprint("tag", n)
		if err := c.push(t.Context(), other, tag, newImage(1, 4<<20)); err != nil {
			if !strings.Contains(err.Error(), "507") || !strings.Contains(err.Error(), "storage is full") {
				t.Errorf("a push into the full disk: %v", err)
			}
			break
		}
		tags = append(tags, tag)
	}
	if len(tags) < 5 || len(tags) > 25 {
		t.Fatalf("%d images of 4 MiB went into 80 MiB", len(tags))
	}
	c.refusedOnFullDisk(t, repo)
	img, err := random.Image(4<<20, 2)
	if err != nil {
		t.Fatal(err)
	}
	once := func(o *crane.Options) {
		o.Remote = append(o.Remote, remote.WithRetryBackoff(remote.Backoff{Duration: time.Millisecond, Steps: 1}))
	}
	if err := crane.Push(img, s.host+"/"+repo+":crane", crane.Insecure, crane.WithAuth(c.auth()), once); err == nil || !strings.Contains(err.Error(), "storage is full") {
		t.Errorf("crane's push into the full disk: %v", err)
	}

	c.mustVerify(t, repo, "kept", kept)
	// Records have room yet, for objects leave it to them.
	if err := c.pushManifest(t.Context(), repo, "again", imageType, kept.manifest); err != nil {
		t.Errorf("a tag in the full disk: %v", err)
	}
	s.kill()
	if err := s.again(); err != nil {
		t.Fatalf("a hub that was killed while its disk was full: %v", err)
	}
	c.mustVerify(t, repo, "kept", kept)
	c.mustVerify(t, repo, "again", kept)
	for _, tag := range tags {
		c.call(t, 200, "HEAD", "/v2/"+other+"/manifests/"+tag, "", "Accept: "+imageType)
	}

	c.call(t, 204, "DELETE", "/v1/repositories/"+other, "")
	s.call(t, 200, "POST", "/v1/admin/gc", "")
	c.mustPush(t, repo, "new", newImage(1, 4<<20))
	s.verify(t)
}

// refusedOnFullDisk sends bytes in each of the ways that there are.
func (c client) refusedOnFullDisk(t *testing.T, repo string) {
	t.Helper()
	b := randomBytes(12 << 20)
	at := c.call(t, 202, "POST", "/v2/"+repo+"/blobs/uploads/", "").header.Get("Location")
	for name, send := range map[string]func() (answer, error){
		"a chunk": func() (answer, error) {
			return c.try(t.Context(), "PATCH", at, bytes.NewReader(b), "Content-Range: "+fmt.Sprintf("0-%d", len(b)-1))
		},
		"a stream": func() (answer, error) { return c.try(t.Context(), "PATCH", at, io.MultiReader(bytes.NewReader(b))) },
		"an upload's end": func() (answer, error) {
			return c.try(t.Context(), "PUT", location(at, sha256Of(b)), bytes.NewReader(b))
		},
		"a whole blob": func() (answer, error) {
			return c.try(t.Context(), "POST", "/v2/"+repo+"/blobs/uploads/?digest="+sha256Of(b), bytes.NewReader(b))
		},
	} {
		a, err := send()
		if err != nil {
			t.Errorf("%s into the full disk: %v", name, err)
			continue
		}
		if a.status != http.StatusInsufficientStorage || !strings.Contains(string(a.body), "storage is full") {
			t.Errorf("%s into the full disk is answered %s", name, a)
		}
	}
	if have := status(t, c, at); have != 0 {
		t.Errorf("the hub kept %d bytes of what it refused", have)
	}
	c.call(t, 204, "DELETE", at, "")
}
