package e2e_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// Clients push, mount, pull and delete the same few layers while gc runs in a
// loop: nothing that is wanted may go, and at last everything else must have.
func TestSweepBesidePushes(t *testing.T) {
	s := ownHub(t)
	owner := s.robotlike(t)
	kept, passing := []image{newImage(2, 20_000), newImage(1, 300_000)}, []image{newImage(2, 20_000), newImage(3, 5_000)}
	passing = append(passing, kept...) // so that they share layers with what is deleted
	var sweeps atomic.Int64
	end := make(chan struct{})
	var sweeper, clients sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-end:
				return
			default:
			}
			if a, err := owner.try(t.Context(), "POST", "/v1/admin/gc", nil); err != nil || a.status != 200 {
				t.Errorf("gc answers %s, %v", a, err)
				return
			}
			sweeps.Add(1)
		}
	})
	for worker := range 4 {
		clients.Go(func() {
			for round := range 8 {
				if err := owner.comeAndGo(t, passing[(worker+round)%len(passing)]); err != nil {
					t.Errorf("worker %d, round %d: %v", worker, round, err)
					return
				}
			}
		})
	}
	home := owner.repository(t, false)
	for n, i := range kept {
		owner.mustPush(t, home, fmt.Sprintf("kept%d", n), i)
	}
	clients.Wait()
	close(end)
	sweeper.Wait()
	for n, i := range kept {
		owner.mustVerify(t, home, fmt.Sprintf("kept%d", n), i)
	}
	wanted := map[string]bool{}
	for _, i := range kept {
		for digest := range i.blobs {
			wanted[digest] = true
		}
	}
	for { // what one sweep leaves behind for the next
		a := owner.call(t, 200, "POST", "/v1/admin/gc", "")
		var left struct{ Repositories, Links, Blobs, Objects, Uploads int }
		if err := json.Unmarshal(a.body, &left); err != nil {
			t.Fatal(err)
		}
		if left.Repositories+left.Links+left.Blobs+left.Objects+left.Uploads == 0 {
			break
		}
	}
	files := 0
	filepath.WalkDir(filepath.Join(s.data, "layers"), func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			t.Error(err)
		} else if !e.IsDir() {
			files++
		}
		return nil
	})
	if files != len(wanted) {
		t.Errorf("%d files of layers are on the disk; %d are wanted", files, len(wanted))
	}
	s.verify(t)
	t.Logf("%d sweeps", sweeps.Load())
}

// comeAndGo pushes an image, mounts it elsewhere, pulls it from there and deletes both.
func (c client) comeAndGo(t *testing.T, i image) error {
	from, to := c.repository(t, false), c.repository(t, false)
	if err := c.push(t.Context(), from, "v1", i); err != nil {
		return err
	}
	for digest, b := range i.blobs {
		a, err := c.try(t.Context(), "POST", "/v2/"+to+"/blobs/uploads/?mount="+digest+"&from="+from, nil)
		if err != nil || a.status != 201 {
			return fmt.Errorf("the mount of %d bytes answers %s, %w", len(b), a, err)
		}
	}
	if a, err := c.try(t.Context(), "DELETE", "/v1/repositories/"+from, nil); err != nil || a.status != 204 {
		return fmt.Errorf("DELETE answers %s, %w", a, err)
	}
	if err := c.pushManifest(t.Context(), to, "v1", imageType, i.manifest); err != nil {
		return err
	}
	if err := c.verify(t.Context(), to, "v1", i); err != nil {
		return err
	}
	if a, err := c.try(t.Context(), "DELETE", "/v1/repositories/"+to, nil); err != nil || a.status != 204 {
		return fmt.Errorf("DELETE answers %s, %w", a, err)
	}
	return nil
}
