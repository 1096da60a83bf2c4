package registry_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"berth/shared/hub"
	"berth/shared/store"
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

// beforeOpen does something at the first Open.
type beforeOpen struct {
	store.Layers
	once sync.Once
	do   func()
}

func (b *beforeOpen) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	b.once.Do(b.do)
	return b.Layers.Open(ctx, key, offset, length)
}

// What is deleted and swept between a pull's look at the records and its look at
// the bytes is not there, and no error of the hub.
func TestSweptInMidPull(t *testing.T) {
	for _, path := range []string{"/v2/alice/app/blobs/" + digestOf("blob"), "/v2/alice/app/manifests/long"} {
		r := start(t)
		as := r.pusher("alice", "alice/app")
		r.pushBlob(as, "alice/app", "blob")
		r.pushBlob(as, "alice/app", "{}")
		long := image("{}", nil, map[string]any{"annotations": map[string]string{"a": strings.Repeat("x", 300<<10)}})
		r.pushManifest(as, "alice/app", "long", long).is(201)
		layers := r.hub.Layers
		r.hub.Layers = &beforeOpen{Layers: layers, do: func() {
			r.do(as, "DELETE", "/v2/alice/app/blobs/"+digestOf("blob"), nil).is(202)
			r.do(as, "DELETE", "/v2/alice/app/manifests/"+digestOf(long), nil).is(202)
			r.sweep()
		}}
		a := r.do(as, "GET", path, nil, "Range", "bytes=1-2").is(404, "Content-Range", "")
		if !strings.Contains(path, "manifests") {
			a.fails(404, "BLOB_UNKNOWN")
		} else {
			a.fails(404, "MANIFEST_UNKNOWN")
		}
		r.hub.Layers = layers
	}
}

// beforeWrite does something before the first Write that deletes a record of a kind.
type beforeWrite struct {
	store.Records
	deletes string // how its sort key begins
	once    sync.Once
	do      func()
}

func (b *beforeWrite) Write(ctx context.Context, ops ...store.Op) error {
	if slices.ContainsFunc(ops, func(op store.Op) bool { return op.Kind == store.OpDelete && strings.HasPrefix(op.Key.Sort, b.deletes) }) {
		b.once.Do(b.do)
	}
	return b.Records.Write(ctx, ops...)
}

// Once an owner was told that tags are immutable none goes, also by a deletion that
// began before.
func TestImmutableInMidDeletion(t *testing.T) {
	m := index(nil, nil)
	for _, reference := range []string{"v1", digestOf(m)} {
		r := start(t)
		as := r.pusher("alice", "alice/app")
		r.pushManifest(as, "alice/app", "v1", m).is(201)
		r.hub.Records = &beforeWrite{Records: r.hub.Records, deletes: "tag/", do: func() {
			r.do(basic("alice"), "PUT", "/v1/repositories/alice/app", `{"immutable_tags":true}`, "Content-Type", "application/json").is(200)
		}}
		r.do(as, "DELETE", "/v2/alice/app/manifests/"+reference, nil).fails(403, "DENIED")
		if got := r.tags(as, "alice/app"); !slices.Equal(got, []string{"v1"}) {
			t.Errorf("tags %v", got)
		}
	}
}
