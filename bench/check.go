package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

func checkCmd(args []string) error {
	fs := flag.NewFlagSet("check", flag.ExitOnError)
	state := fs.String("state", "bench-fill.json", "file that fill wrote")
	wait := fs.Duration("wait", 0, "keep looking this long for the deleted blobs to go")
	fs.Parse(args)
	if fs.NArg() != 1 {
		return errors.New("check needs one base URL")
	}
	t, err := newRegistry(fs.Arg(0))
	if err != nil {
		return err
	}
	var s seeded
	b, err := os.ReadFile(*state)
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return err
	}
	res := results{out: os.Stdout}
	begin := time.Now()
	left, gone, err := s.deleted(t)
	for ; err == nil && left > 0 && time.Since(begin) < *wait; left, gone, err = s.deleted(t) {
		time.Sleep(200 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	res.add(t.name, "deleted_blobs_gone", "", float64(gone))
	res.add(t.name, "deleted_blobs_left", "", float64(left))
	res.add(t.name, "waited", "s", time.Since(begin).Seconds())
	good, lost := s.kept(t)
	res.add(t.name, "kept_content_good", "", float64(good))
	res.add(t.name, "kept_content_LOST", "", float64(lost))
	res.flush()
	if lost > 0 {
		return fmt.Errorf("%d manifests or blobs of kept images are lost", lost)
	}
	return nil
}

// deleted counts the deleted images' own blobs that are still there, and those that are not.
func (s *seeded) deleted(t *registry) (left, gone int, err error) {
	for _, img := range s.Deleted {
		for _, d := range img.Blobs {
			ok, err := t.has(s.Repo, d)
			switch {
			case err != nil:
				return left, gone, err
			case ok:
				left++
			default:
				gone++
			}
		}
	}
	return left, gone, nil
}

// kept reads everything that the kept images consist of.
func (s *seeded) kept(t *registry) (good, lost int) {
	read := func(path, digest string) {
		if _, err := t.download("/v2/"+s.Repo+path, digest, true); err != nil {
			if lost++; lost < 4 {
				fmt.Fprintln(os.Stderr, "kept, but lost:", err)
			}
			return
		}
		good++
	}
	for _, img := range s.Kept {
		read("/manifests/"+img.Tag, img.Manifest)
		for _, d := range img.Blobs {
			read("/blobs/"+d, d)
		}
	}
	for _, d := range s.Shared {
		read("/blobs/"+d, d)
	}
	return good, lost
}
