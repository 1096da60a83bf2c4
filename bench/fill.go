package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

// seeded is what fill did, for check to read.
type seeded struct {
	Repo          string
	Kept, Deleted []seededImage
	Shared        []string // blobs that both kept and deleted images use
}

type seededImage struct {
	Tag, Manifest string
	Blobs         []string // its own blobs
}

// filling is what fill is asked to do.
type filling struct {
	repo                       string
	images, layers, size, jobs int
}

func fillCmd(args []string) error {
	var f filling
	fs := flag.NewFlagSet("fill", flag.ExitOnError)
	fs.IntVar(&f.images, "images", 200, "images to push")
	fs.IntVar(&f.layers, "layers", 24, "layers of each image, besides its config")
	fs.IntVar(&f.size, "size", 4096, "bytes in each layer")
	fs.IntVar(&f.jobs, "jobs", 8, "images pushed at once")
	fs.StringVar(&f.repo, "repo", "bench/gc", "repository")
	del := fs.Int("delete", 100, "images to delete afterwards, by manifest digest")
	state := fs.String("state", "bench-fill.json", "file to note in what was done")
	fs.Parse(args)
	if fs.NArg() != 1 {
		return errors.New("fill needs one base URL")
	}
	t, err := newRegistry(fs.Arg(0))
	if err != nil {
		return err
	}
	shared := make([]byte, f.size)
	rand.Read(shared)
	start := time.Now()
	images, err := f.push(t, shared)
	if err != nil {
		return err
	}
	res := results{out: os.Stdout}
	res.add(t.name, "fill_blobs", "req/s", float64(f.images*(f.layers+1))/time.Since(start).Seconds())
	s := seeded{Repo: f.repo, Shared: []string{digestOf(shared)}, Deleted: images[:*del], Kept: images[*del:]}
	start = time.Now()
	for _, img := range s.Deleted {
		if _, _, err := t.call("DELETE", "/v2/"+f.repo+"/manifests/"+img.Manifest, nil, "", 202, 200, 204); err != nil {
			return err
		}
	}
	if *del > 0 {
		res.add(t.name, "delete_manifest", "req/s", float64(*del)/time.Since(start).Seconds())
	}
	res.flush()
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(*state, b, 0o644)
}

// push makes the images, each of its own layers and one that all share.
func (f *filling) push(t *registry, shared []byte) ([]seededImage, error) {
	if err := t.upload(f.repo, digestOf(shared), shared, true); err != nil {
		return nil, err
	}
	images := make([]seededImage, f.images)
	err := each(f.images, f.jobs, func(i int) error {
		img := &images[i]
		img.Tag = fmt.Sprintf("i%05d", i)
		config := fmt.Appendf(nil, `{"image":"%s-%d"}`, f.repo, i)
		blobs := [][]byte{config}
		for range f.layers {
			b := make([]byte, f.size)
			rand.Read(b)
			blobs = append(blobs, b)
		}
		for _, b := range blobs {
			img.Blobs = append(img.Blobs, digestOf(b))
			if err := t.upload(f.repo, digestOf(b), b, true); err != nil {
				return err
			}
		}
		var body []byte
		body, img.Manifest = manifestFor(config, "", append(blobs[1:], shared)...)
		return t.putManifest(f.repo, img.Tag, body)
	})
	return images, err
}
