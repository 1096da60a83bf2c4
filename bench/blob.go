package main

import (
	"fmt"
	"slices"
	"strings"
)

// blob pushes the large blob as docker does, and pulls it.
func (b *bench) blob(t *registry) error {
	path, err := b.pushBlob(t, "push", false)
	if err != nil {
		return err
	}
	return b.pullBlob(t, path)
}

// mono pushes the large blob as containerd does.
func (b *bench) mono(t *registry) error {
	path, err := b.pushBlob(t, "push_mono", true)
	t.reclaim(path)
	return err
}

// pushBlob uploads the large blob and returns its path.
func (b *bench) pushBlob(t *registry, metric string, mono bool) (string, error) {
	repo := b.namespace + "/blob"
	if err := t.warm(repo); err != nil {
		return "", err
	}
	data := b.fresh(0, b.size<<20)
	digest := digestOf(data)
	metric = fmt.Sprintf("%s_%dm", metric, b.size)
	took, err := b.timed(t, metric, func() error { return t.upload(repo, digest, data, mono) })
	if err == nil {
		b.res.add(t.name, metric, "MB/s", float64(len(data))/1e6/took.Seconds())
	}
	return "/v2/" + repo + "/blobs/" + digest, err
}

func (b *bench) pullBlob(t *registry, path string) error {
	if b.verify {
		if _, err := t.download(path, path[strings.LastIndexByte(path, '/')+1:], true); err != nil {
			return err
		}
	}
	defer t.reclaim(path)
	metric := fmt.Sprintf("pull_%dm", b.size)
	for range pulls {
		var n int64
		took, err := b.timed(t, metric, func() (err error) { n, err = t.download(path, "", false); return err })
		if err != nil {
			return err
		}
		b.res.add(t.name, metric, "MB/s", float64(n)/1e6/took.Seconds())
	}
	return nil
}

// pulls is how often a round pulls the large blob: one pull is over in a fifth of a
// second, and by itself says more of the machine's mood than of the server.
const pulls = 5

// manyLayers pushes an image as clients do (HEAD, then upload, of some layers at once), and pulls it.
func (b *bench) manyLayers(t *registry) error {
	repo, tag := b.namespace+"/layers", "t"+b.run
	if err := t.warm(repo); err != nil {
		return err
	}
	n := b.layerSize << 10
	var layers [][]byte
	for i := range b.layers {
		layers = append(layers, b.fresh(i*n, n))
	}
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","run":"%s-%d"}`, b.run, b.seq)
	body, _ := manifestFor(config, "", layers...)
	blobs := append(slices.Clone(layers), config)
	var digests []string
	for _, l := range blobs {
		digests = append(digests, digestOf(l))
	}
	shape := fmt.Sprintf("%dx%dk", b.layers, b.layerSize)
	took, err := b.timed(t, "push_"+shape, func() error {
		err := each(len(blobs), b.jobs, func(i int) error {
			if ok, err := t.has(repo, digests[i]); ok || err != nil {
				return err
			}
			return t.upload(repo, digests[i], blobs[i], false)
		})
		if err != nil {
			return err
		}
		return t.putManifest(repo, tag, body)
	})
	if err != nil {
		return err
	}
	b.res.add(t.name, "push_"+shape, "ms", ms(took))

	took, err = b.timed(t, "pull_"+shape, func() error {
		if _, err := t.download("/v2/"+repo+"/manifests/"+tag, "", false); err != nil {
			return err
		}
		return each(len(blobs), b.jobs, func(i int) error {
			_, err := t.download("/v2/"+repo+"/blobs/"+digests[i], digests[i], false)
			return err
		})
	})
	if err == nil {
		b.res.add(t.name, "pull_"+shape, "ms", ms(took))
	}
	return err
}
