package registry_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"berth/shared/hub"
)

// Clients that push, tag, mount and delete the same few things at once, beside
// sweeps and flushes, leave a hub that is whole, and never meet an error of its own.
func TestManyAtOnce(t *testing.T) {
	r := start(t)
	r.repository("alice", "alice/a", nil)
	r.repository("alice", "alice/b", nil)
	as := r.pusher("alice", "alice/a", "alice/b")
	const workers, steps = 6, 50
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			for range steps {
				if a := r.step(as, random); a.status >= 500 {
					t.Errorf("%s: %d %s", a.what, a.status, a.body)
				}
			}
		})
	}
	group.Go(func() {
		for range steps / 2 {
			r.sweep()
			if err := r.hub.FlushPulls(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	r.whole()
	for _, repo := range []string{"alice/a", "alice/b"} {
		for _, tag := range r.tags(as, repo) {
			m := r.do(as, "GET", "/v2/"+repo+"/manifests/"+tag, nil).is(200)
			r.do(as, "GET", "/v2/"+repo+"/manifests/"+m.header.Get("Docker-Content-Digest"), nil).is(200)
		}
	}
	r.later(72 * 3600e9)
	r.sweep()
	r.whole()
}

// step is one request of a client who does not know what the others do.
func (r *registry) step(as auth, random *rand.Rand) answer {
	repos := []string{"alice/a", "alice/b"}
	i := random.IntN(2)
	repo, other := repos[i], repos[1-i]
	n := random.IntN(3)
	config := fmt.Sprintf(`{"architecture":"arm64","os":"linux","n":%d}`, n)
	layer := fmt.Sprint("layer ", n)
	m := image(config, []string{layer}, nil)
	tag := fmt.Sprint("t", random.IntN(3))
	push := func(content string) answer {
		return r.do(as, "POST", "/v2/"+repo+"/blobs/uploads/?digest="+digestOf(content), content)
	}
	switch random.IntN(10) {
	case 0, 1:
		push(config)
		push(layer)
		return r.pushManifest(as, repo, tag, m)
	case 2:
		return r.pushManifest(as, repo, digestOf(m), m)
	case 3:
		return r.do(as, "POST", "/v2/"+repo+"/blobs/uploads/?mount="+digestOf(layer)+"&from="+other, nil)
	case 4:
		return r.do(as, "DELETE", "/v2/"+repo+"/manifests/"+tag, nil)
	case 5:
		return r.do(as, "DELETE", "/v2/"+repo+"/manifests/"+digestOf(m), nil)
	case 6:
		return r.do(as, "DELETE", "/v2/"+repo+"/blobs/"+digestOf(layer), nil)
	case 7:
		return r.do(as, "HEAD", "/v2/"+repo+"/blobs/"+digestOf(layer), nil)
	case 8:
		return r.do(as, "PUT", "/v2/"+repo+"/manifests/"+digestOf(m)+"?tag=x&tag="+tag, m, "Content-Type", hub.MediaOCIManifest)
	}
	return r.do(as, "GET", "/v2/"+repo+"/manifests/"+tag, nil)
}
