package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/store/memory"
)

// world is a hub with the namespace ns and the repositories ns/one and ns/two.
type world struct {
	t       *testing.T
	hub     *hub.Hub
	records *memory.Records
	layers  *memory.Layers
	now     time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	w.over(memory.NewRecords(), memory.NewLayers())
	if _, err := w.hub.CreateAccount(t.Context(), hub.NewAccount{Name: "ns", Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		g, err := w.hub.Authorize(t.Context(), hub.Caller{Account: "ns"}, hub.Target{Namespace: "ns", Need: hub.Writer})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.hub.CreateRepository(t.Context(), g, hub.Repository{Name: name}, ""); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) over(r *memory.Records, l *memory.Layers) {
	key := bytes.Repeat([]byte{7}, 32)
	public, _ := url.Parse("https://hub.example")
	w.records, w.layers = r, l
	w.hub = hub.New(gatedRecords{r}, gatedLayers{l}, hub.Keys{Registry: key, SDK: key, Seal: key}, hub.Options{PublicURL: public})
	w.hub.Log = slog.New(slog.DiscardHandler)
	w.hub.Now = func() time.Time { return w.now }
}

// clone is the same world, which goes another way from here on.
func (w *world) clone() *world {
	c := &world{t: w.t, now: w.now}
	c.over(w.records.Clone(), w.layers.Clone())
	return c
}

func (w *world) grant(repo string) hub.Grant {
	g, err := w.hub.Authorize(context.Background(), hub.Caller{Account: "ns"}, hub.Target{Namespace: "ns", Repository: repo, Need: hub.Owner})
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

const (
	config   = `{"architecture":"amd64","os":"linux"}`
	layer    = "the bytes of a layer"
	ociImage = "application/vnd.oci.image.manifest.v1+json"
)

func digest(s string) string { return hub.DigestOf(hub.SHA256, []byte(s)) }

func image(note string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}],"annotations":{"note":%q}}`,
		ociImage, digest(config), len(config), digest(layer), len(layer), note)
}

func (w *world) push(ctx context.Context, g hub.Grant, content string) error {
	return w.hub.Push(ctx, g, digest(content), hub.Chunk{Body: strings.NewReader(content), At: -1, Size: int64(len(content))})
}

func (w *world) manifest(ctx context.Context, g hub.Grant, tag, body string) error {
	_, err := w.hub.PutManifest(ctx, g, hub.ManifestPush{Tags: []string{tag}, ContentType: ociImage, Body: []byte(body)})
	return err
}

// need pushes a blob unless the repository has it, as clients do.
func (w *world) need(ctx context.Context, g hub.Grant, content string) error {
	held, err := w.hub.Authorize(ctx, g.Caller, hub.Target{
		Namespace: g.Namespace, Repository: g.Repository, Need: hub.Writer,
		Items: func(id string) []store.Key { return hub.BlobKeys(id, digest(content)) },
	})
	if err != nil {
		return err
	}
	if _, err := w.hub.GrantedBlob(held, digest(content)); err == nil {
		if w.hub.TouchBlob(ctx, held, digest(content)) == nil {
			return nil
		}
	}
	return w.push(ctx, g, content)
}

// image pushes an image with all its blobs.
func (w *world) image(repo, tag, note string) {
	g, ctx := w.grant(repo), context.Background()
	if err := errors.Join(w.push(ctx, g, config), w.push(ctx, g, layer), w.manifest(ctx, g, tag, image(note))); err != nil {
		w.t.Fatal(err)
	}
}

// whole fails the test unless the hub obeys its rules now, and after a sweep in
// two days; tags are those that must be there.
func (w *world) whole(tags ...string) {
	w.t.Helper()
	ctx := context.Background()
	for _, when := range []string{"now", "after a sweep two days later", "after another one"} {
		report, err := w.hub.Verify(ctx, true)
		if err != nil {
			w.t.Errorf("%s: %v", when, err)
		}
		for _, p := range report.Problems {
			w.t.Errorf("%s: %s", when, p)
		}
		for _, tag := range tags {
			repo, name, _ := strings.Cut(tag, ":")
			if _, err := w.hub.Tag(ctx, w.grant(repo), name); err != nil {
				w.t.Errorf("%s: an acknowledged tag is gone: %v", when, err)
			}
		}
		w.now = w.now.Add(48 * time.Hour)
		if _, err := w.hub.Sweep(ctx); err != nil {
			w.t.Errorf("%s: sweep: %v", when, err)
		}
	}
}

// race is a scenario: actors at once over a world.
type race struct {
	name string
	// before makes the world, which then grows a day older.
	before func(w *world)
	actors func(w *world) []actor
	// after names the tags that must be there, given what the actors answered.
	after func(results []error) []string
}

func (w *world) sweeper(ctx context.Context) error {
	_, err := w.hub.Sweep(ctx)
	return err
}

// unused leaves config and layer in ns/one, with no manifest that refers to them.
func unused(w *world) {
	w.image("one", "gone", "gone")
	if err := w.hub.DeleteManifest(context.Background(), w.grant("one"), digest(image("gone"))); err != nil {
		w.t.Fatal(err)
	}
}

// acknowledged are the tags of those actors that succeeded.
func acknowledged(tags ...string) func([]error) []string {
	return func(results []error) (want []string) {
		for i, tag := range tags {
			if results[i] == nil && tag != "" {
				want = append(want, tag)
			}
		}
		return want
	}
}

var races = []race{{
	name: "push of a manifest beside a sweep", before: unused,
	actors: func(w *world) []actor {
		one := w.grant("one")
		return []actor{
			func(ctx context.Context) error { return w.manifest(ctx, one, "new", image("new")) },
			w.sweeper,
		}
	},
	after: acknowledged("one:new"),
}, {
	name: "push of an image as clients do it, beside a sweep", before: unused,
	actors: func(w *world) []actor {
		one := w.grant("one")
		return []actor{
			func(ctx context.Context) error {
				if err := errors.Join(w.need(ctx, one, config), w.need(ctx, one, layer)); err != nil {
					return err
				}
				if err := w.manifest(ctx, one, "new", image("new")); err != nil {
					w.t.Errorf("a client that pushed all blobs was refused: %v", err)
				}
				return nil
			},
			w.sweeper,
		}
	},
	after: acknowledged("one:new"),
}, {
	name: "mount and push beside a sweep of the source", before: unused,
	actors: func(w *world) []actor {
		two := w.grant("two")
		return []actor{
			func(ctx context.Context) error {
				for _, content := range []string{config, layer} {
					ok, err := w.hub.MountFrom(ctx, two, digest(content), "ns/one")
					if err != nil {
						return err
					}
					if !ok {
						if err := w.push(ctx, two, content); err != nil {
							return err
						}
					}
				}
				if err := w.manifest(ctx, two, "new", image("new")); err != nil {
					w.t.Errorf("a client that mounted or pushed all blobs was refused: %v", err)
				}
				return nil
			},
			w.sweeper,
		}
	},
	after: acknowledged("two:new"),
}, {
	name: "the same blob pushed to another repository beside a sweep", before: unused,
	actors: func(w *world) []actor {
		two := w.grant("two")
		return []actor{
			func(ctx context.Context) error {
				if err := errors.Join(w.push(ctx, two, config), w.push(ctx, two, layer)); err != nil {
					return err
				}
				if err := w.manifest(ctx, two, "new", image("new")); err != nil {
					w.t.Errorf("a client that pushed all blobs was refused: %v", err)
				}
				return nil
			},
			w.sweeper,
		}
	},
	after: acknowledged("two:new"),
}, {
	name: "two pushes of one new blob",
	actors: func(w *world) []actor {
		one, two := w.grant("one"), w.grant("two")
		return []actor{
			func(ctx context.Context) error { return w.push(ctx, one, "new bytes") },
			func(ctx context.Context) error { return w.push(ctx, two, "new bytes") },
		}
	},
	after: acknowledged("", ""),
}, {
	name:   "re-tag beside a deletion of its manifest and a sweep",
	before: func(w *world) { w.image("one", "v1", "v1") },
	actors: func(w *world) []actor {
		one := w.grant("one")
		return []actor{
			func(ctx context.Context) error { return w.hub.Retag(ctx, one, "v1", "v2", true) },
			func(ctx context.Context) error { return w.hub.DeleteManifest(ctx, one, digest(image("v1"))) },
			w.sweeper,
		}
	},
	after: func([]error) []string { return nil },
}, {
	name:   "push of a manifest beside its deletion and a sweep",
	before: func(w *world) { w.image("one", "v1", "v1") },
	actors: func(w *world) []actor {
		one := w.grant("one")
		return []actor{
			func(ctx context.Context) error { return w.manifest(ctx, one, "v2", image("v1")) },
			func(ctx context.Context) error { return w.hub.DeleteManifest(ctx, one, digest(image("v1"))) },
			w.sweeper,
		}
	},
	after: func([]error) []string { return nil },
}, {
	name:   "push of a manifest beside deletions of its blobs",
	before: unused,
	actors: func(w *world) []actor {
		one := w.grant("one")
		return []actor{
			func(ctx context.Context) error { return w.manifest(ctx, one, "new", image("new")) },
			func(ctx context.Context) error { return w.hub.DeleteBlob(ctx, one, digest(layer)) },
			func(ctx context.Context) error { return w.hub.DeleteBlob(ctx, one, digest(config)) },
		}
	},
	after: acknowledged("one:new", "", ""),
}, {
	name:   "deletion of a tag beside a move of it",
	before: func(w *world) { w.image("one", "v1", "v1"); w.image("one", "v2", "v2") },
	actors: func(w *world) []actor {
		one := w.grant("one")
		return []actor{
			func(ctx context.Context) error { return w.hub.DeleteTag(ctx, one, "v1") },
			func(ctx context.Context) error { return w.hub.Retag(ctx, one, "v2", "v1", true) },
			func(ctx context.Context) error { return w.hub.DeleteManifest(ctx, one, digest(image("v2"))) },
		}
	},
	after: func([]error) []string { return nil },
}, {
	name:   "push beside the deletion of its repository and a sweep",
	before: unused,
	actors: func(w *world) []actor {
		one := w.grant("one")
		return []actor{
			func(ctx context.Context) error { return w.manifest(ctx, one, "new", image("new")) },
			func(ctx context.Context) error { return w.hub.DeleteRepository(ctx, one, false) },
			w.sweeper,
		}
	},
	after: func([]error) []string { return nil },
}, {
	name: "two sweeps at once",
	before: func(w *world) {
		if err := w.push(context.Background(), w.grant("one"), layer); err != nil {
			w.t.Fatal(err)
		}
	},
	actors: func(w *world) []actor { return []actor{w.sweeper, w.sweeper} },
	after:  acknowledged("", ""),
}}

// All orders of the storage calls of pushes, mounts, re-tags, deletions and sweeps
// that go on at once: no blob that something refers to is ever lost, and every
// count is right.
func TestGarbageCollectionInEveryOrder(t *testing.T) {
	for _, r := range races {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			base := newWorld(t)
			if r.before != nil {
				r.before(base)
			}
			base.now = base.now.Add(25 * time.Hour)
			x := explorer{t: t, most: 200_000}
			x.fresh = func() ([]actor, func([]error)) {
				w := base.clone()
				return r.actors(w), func(results []error) { w.whole(r.after(results)...) }
			}
			x.explore(nil, nil)
			t.Logf("%d orders", x.runs)
		})
	}
}
