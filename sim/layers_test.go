package sim_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth/shared/store"
	"berth/shared/store/storetest"
	"berth/sim"
)

func TestLayers(t *testing.T) {
	url := sim.S3(t)
	storetest.Layers(t, func(*testing.T) store.Layers { return sim.Layers(url) })
	t.Run("reopen", func(t *testing.T) {
		storetest.ReopenLayers(t, func(*testing.T) func(*testing.T) store.Layers {
			return func(*testing.T) store.Layers { return sim.Layers(url) }
		})
	})
	t.Run("flat", func(t *testing.T) { storetest.Flat(t, sim.Layers(url), 200<<20, 64<<20) })
}

// Over a bad line all is the same, only slower.
func TestLayersOverABadLine(t *testing.T) {
	url, injected := sim.Unreliable(t, sim.S3(t), 0.2, 1)
	storetest.Layers(t, func(*testing.T) store.Layers { return sim.Layers(url) })
	if injected() == 0 {
		t.Error("the line was good")
	}
}

// Whoever has an object's address reads it, or a piece of it, without credentials.
func TestLayersURL(t *testing.T) {
	s := sim.Layers(sim.S3(t))
	const key = "layer-with-an-address"
	st, err := s.Append(t.Context(), key, store.State{}, strings.NewReader("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), key, st); err != nil {
		t.Fatal(err)
	}
	url, err := s.URL(t.Context(), key, store.URLOptions{ContentType: "application/vnd.berth.test", Lives: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=3-5")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusPartialContent || string(got) != "345" {
		t.Errorf("%d %q, %v; want 206 and 345", res.StatusCode, got, err)
	}
	if ct := res.Header.Get("Content-Type"); ct != "application/vnd.berth.test" {
		t.Errorf("Content-Type %q", ct)
	}
	if plain, err := http.Get(strings.Split(url, "?")[0]); err != nil || plain.StatusCode != http.StatusForbidden {
		t.Errorf("without the signature: %v, %v; want 403", plain, err)
	}
}
