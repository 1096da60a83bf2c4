package main

import (
	"encoding/json"
	"time"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

// manifestFor makes an image manifest; note makes it unique.
func manifestFor(config []byte, note string, layers ...[]byte) (body []byte, digest string) {
	m := struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Config        descriptor        `json:"config"`
		Layers        []descriptor      `json:"layers"`
		Annotations   map[string]string `json:"annotations,omitempty"`
	}{2, manifestType, descriptor{configType, digestOf(config), len(config)}, []descriptor{}, nil}
	for _, l := range layers {
		m.Layers = append(m.Layers, descriptor{layerType, digestOf(l), len(l)})
	}
	if note != "" {
		m.Annotations = map[string]string{"bench": note}
	}
	body, _ = json.Marshal(m)
	return body, digestOf(body)
}

func (r *registry) putManifest(repo, ref string, body []byte) error {
	_, _, err := r.call("PUT", "/v2/"+repo+"/manifests/"+ref, body, manifestType, 201)
	return err
}

var emptyConfig = []byte("{}")

func (b *bench) manifestRepo() string { return b.namespace + "/manifest-" + b.run }

// seedImage pushes one image under one tag. Ten layer entries make a manifest of
// an ordinary size, about 1.9 kB.
func (b *bench) seedImage(t *registry) error {
	repo := b.manifestRepo()
	layer := b.fresh(0, 4096)
	for _, d := range [][]byte{emptyConfig, layer} {
		if err := b.ensureBlob(t, repo, "", d); err != nil {
			return err
		}
	}
	body, _ := manifestFor(emptyConfig, "", layer, layer, layer, layer, layer, layer, layer, layer, layer, layer)
	return t.putManifest(repo, "latest", body)
}

// ensureBlob puts a small blob into a repository, mounting it from another if that works.
func (b *bench) ensureBlob(t *registry, repo, from string, data []byte) error {
	d := digestOf(data)
	if from != "" {
		_, code, err := t.call("POST", "/v2/"+repo+"/blobs/uploads/?mount="+d+"&from="+from, []byte{}, "", 201, 202)
		if err != nil || code == 201 {
			return err
		}
	}
	return t.upload(repo, d, data, true)
}

func (b *bench) manifestLoad(t *registry) error {
	prefix := "/v2/" + b.manifestRepo()
	for _, l := range []struct{ metric, method, path string }{
		{"get_manifest", "GET", prefix + "/manifests/latest"},
		{"head_manifest", "HEAD", prefix + "/manifests/latest"},
		{"head_blob", "HEAD", prefix + "/blobs/" + digestOf(emptyConfig)},
	} {
		if err := b.loadOne(t, l.metric, l.method, l.path); err != nil {
			return err
		}
	}
	return nil
}

// loadOne measures one request sent again and again over b.conns connections.
func (b *bench) loadOne(t *registry, metric, method, path string) error {
	return b.loadFor(t, metric, method, path, b.dur)
}

func (b *bench) loadFor(t *registry, metric, method, path string, d time.Duration) error {
	if _, _, err := t.load(method, path, b.conns, min(d, 200*time.Millisecond)); err != nil { // warm up
		return err
	}
	resetPeak(t.pid)
	cpu := cpuTime(t.pid)
	rps, lat, err := t.load(method, path, b.conns, d)
	if err != nil {
		return err
	}
	b.res.add(t.name, metric, "req/s", rps)
	b.res.add(t.name, metric+"_p50", "ms", percentile(lat, 50))
	b.res.add(t.name, metric+"_p99", "ms", percentile(lat, 99))
	if t.pid > 0 {
		b.res.add(t.name, metric+"_cpu", "us/rq", (cpuTime(t.pid)-cpu).Seconds()*1e6/float64(len(lat)))
		_, peak := memMiB(t.pid)
		b.res.add(t.name, metric+"_peak", "MiB", peak)
	}
	return nil
}
