package hub

import (
	"context"
	"errors"
	"io"
	"time"

	"berth/shared/store"
)

// Blob is a content that some repository holds, kept once for the whole hub. Its
// item counts used: when it was last wanted, in milliseconds. It exists as long
// as a repository links to it, and until the next sweep.
type Blob struct {
	Object string `json:"object"` // its key in Layers
	Size   int64  `json:"size"`
}

// Link is a repository's hold of a blob: the only way to reach one. It says what
// the Blob says, so that reading a blob takes one read. Its item counts used too,
// from the second use on; the first is Since.
type Link struct {
	Blob
	Since Time `json:"since"`
}

const (
	countUsed = "used"
	// A hold that was touched lately need not be touched again: the sweep lets
	// alone what was wanted within sweepAfter, which is much longer.
	touchEvery = time.Hour
	sweepAfter = 24 * time.Hour
)

// touch says that an item is wanted now, and fails if it is gone.
func (h *Hub) touch(k store.Key) store.Op {
	return store.Op{Kind: store.OpAdd, Cond: store.Exists, Key: k, Set: map[string]int64{countUsed: h.Now().UnixMilli()}}
}

// stale reports whether the last touch of a link is so long ago that it
// must be touched before anything relies on it.
func (h *Hub) stale(i store.Item) bool {
	at := AtMilli(i.Counts[countUsed])
	if i.Counts[countUsed] == 0 {
		l, _ := h.link(i)
		at = l.Since
	}
	return h.Now().Sub(at.Time) > touchEvery
}

// link decodes a link of a request. Those that are used most are decoded once.
func (h *Hub) link(i store.Item) (Link, error) { return decodeOnce(&h.links, i) }

// lastUsed is when a link was last touched or made.
func lastUsed(link store.Item) Time {
	if at := link.Counts[countUsed]; at != 0 {
		return AtMilli(at)
	}
	l, _ := found[Link](link) // one that is damaged counts as old, and fails whoever reads it
	return l.Since
}

// BlobKeys is what a route that serves a blob has read along with the rights, for
// [Hub.GrantedBlob].
func BlobKeys(repoID, digest string) []store.Key {
	if CheckDigest(digest) != nil {
		return nil
	}
	return []store.Key{linkKey(repoID, digest)}
}

// GrantedBlob is the blob of a grant that asked for BlobKeys: BlobNotFound unless
// the repository links to it.
func (h *Hub) GrantedBlob(g Grant, digest string) (Link, error) {
	if err := CheckDigest(digest); err != nil {
		return Link{}, err
	}
	if len(g.items) == 0 || !g.items[0].Found() {
		return Link{}, noBlob(g, digest)
	}
	return h.link(g.items[0])
}

func noBlob(g Grant, digest string) error {
	return &Error{
		Code: BlobNotFound, Detail: map[string]string{"digest": digest},
		Message: "there is no blob " + digest + " in " + g.Path(),
	}
}

// TouchBlob keeps a granted blob from being swept for the next hours, for a pusher
// who asked whether it is there: BlobNotFound if it is gone by now.
func (h *Hub) TouchBlob(ctx context.Context, g Grant, digest string) error {
	if !h.stale(g.items[0]) {
		return nil
	}
	err := h.Records.Write(ctx, h.touch(g.items[0].Key), h.touch(blobKey(digest)))
	if isConflict(err) {
		return noBlob(g, digest)
	}
	return err
}

// Blob finds a blob of a repository: BlobNotFound unless it links to it.
func (h *Hub) Blob(ctx context.Context, g Grant, digest string) (Link, error) {
	if err := CheckDigest(digest); err != nil {
		return Link{}, err
	}
	item, err := h.get(ctx, linkKey(g.RepoID, digest))
	if err != nil {
		return Link{}, err
	}
	if !item.Found() {
		return Link{}, noBlob(g, digest)
	}
	return decode[Link](item)
}

// ReadGranted reads length bytes of a granted blob from offset: BlobNotFound if it
// was taken from the repository and swept since the grant.
func (h *Hub) ReadGranted(ctx context.Context, g Grant, digest string, l Link, offset, length int64) (io.ReadCloser, error) {
	r, err := h.ReadBlob(ctx, l, offset, length)
	if errors.Is(err, store.ErrNoObject) {
		if _, gone := h.Blob(ctx, g, digest); gone != nil {
			return nil, gone
		}
	}
	return r, err
}

// ReadBlob reads length bytes of a blob from offset; length < 0 means to the end.
func (h *Hub) ReadBlob(ctx context.Context, l Link, offset, length int64) (io.ReadCloser, error) {
	return h.Layers.Open(ctx, l.Object, offset, length)
}

// addressLife is how long a download address that leads past the hub lives.
const addressLife = 60 * time.Second

// BlobURL is an address at which the blob can be read past the hub; "" = none.
func (h *Hub) BlobURL(ctx context.Context, l Link) (string, error) {
	return h.Layers.URL(ctx, l.Object, store.URLOptions{ContentType: "application/octet-stream", Lives: addressLife})
}

// hold are the operations that link a repository to a blob. blob and link are what
// was read of them; object is used if the blob is new. The blob's version moves
// with each new link, so that no sweep that saw it without links can remove it.
func (h *Hub) hold(g Grant, digest string, blob, link store.Item, object Blob) ([]store.Op, error) {
	used := map[string]int64{countUsed: h.Now().UnixMilli()}
	var ops []store.Op
	if blob.Found() {
		was, err := decode[Blob](blob)
		if err != nil {
			return nil, err
		}
		object = was
		op := store.Op{Kind: store.OpAdd, Cond: store.IsAt, Key: blob.Key, Version: blob.Version, Set: used}
		if !h.stale(blob) { // no sweep can remove it meanwhile, so that many may link to it at once
			op.Cond, op.Version = store.Exists, 0
		}
		ops = append(ops, op)
	} else {
		ops = append(ops, store.Create(blob.Key, encode(object)))
	}
	if link.Found() {
		return append(ops, h.touch(link.Key)), nil
	}
	ops = append(ops,
		store.Create(link.Key, encode(Link{object, h.now()})),
		store.Put(backLinkKey(digest, g.NamespaceID, g.RepoID), nil),
		store.Put(sweepKey(sweepLinks, g.RepoID), nil))
	return append(ops, charge(g, digest, map[string]int64{statBytes: object.Size})...), nil
}

// DeleteBlob unlinks a blob from the repository (role Writer). One that a manifest
// of the repository refers to stays: BlobInUse. The bytes go with the last link,
// at a sweep.
//
// A manifest that is pushed meanwhile cannot come to refer to it: this write moves
// the repository's version, which a manifest's write checks, and wants the
// repository's counts as they were read before its manifests were, which every
// manifest's write moves.
func (h *Hub) DeleteBlob(ctx context.Context, g Grant, digest string) error {
	if err := CheckDigest(digest); err != nil {
		return err
	}
	return h.again(ctx, func() error {
		items, err := h.Records.Get(ctx, repositoryKey(g.RepoID), statsKey(g.RepoID), linkKey(g.RepoID, digest))
		if err != nil {
			return err
		}
		repo, stats, link := items[0], items[1], items[2]
		if !repo.Found() {
			return Fail(RepositoryNotFound, "there is no repository %s", g.Path())
		}
		if !link.Found() {
			return noBlob(g, digest)
		}
		l, err := decode[Link](link)
		if err != nil {
			return err
		}
		if err := h.unused(ctx, g, digest); err != nil {
			return err
		}
		ops := unhold(g.NamespaceID, g.RepoID, digest, link)
		ops = append(ops, store.Replace(repo.Key, repo.Version, repo.Value))
		for _, op := range charge(g, digest, map[string]int64{statBytes: -l.Size}) {
			if op.Key == stats.Key {
				op = addFrom(stats, op.Add)
			}
			ops = append(ops, op)
		}
		return h.change(ctx, ops...)
	})
}

// unused fails with BlobInUse if a manifest of the repository refers to the digest.
func (h *Hub) unused(ctx context.Context, g Grant, digest string) error {
	return h.each(ctx, manifestRange(g.RepoID), func(i store.Item) error {
		m, err := decode[Manifest](i)
		if err != nil {
			return err
		}
		for _, blob := range m.Blobs {
			if blob == digest {
				return &Error{
					Code: BlobInUse, Detail: map[string]string{"digest": digest, "manifest": m.Digest},
					Message: "the manifest " + m.Digest + " refers to this blob; delete that first",
				}
			}
		}
		return nil
	})
}

// unhold are the operations that take a repository's link to a blob away, if the
// link is as it was read, and have the sweep look after the blob.
func unhold(nsID, repoID, digest string, link store.Item) []store.Op {
	return []store.Op{
		store.DeleteAt(link.Key, link.Version),
		store.Delete(backLinkKey(digest, nsID, repoID)),
		store.Put(sweepKey(sweepBlob, digest), nil),
	}
}
