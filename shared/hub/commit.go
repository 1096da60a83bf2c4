package hub

import (
	"context"
	"errors"
	"hash"
	"io"
	"time"

	"berth/shared/store"
)

// Commit ends an upload with its last chunk, if there is one, and makes it a blob
// of the repository. The bytes are not copied. DigestInvalid where they are not
// what the digest says: the upload is over then. A repeated Commit succeeds.
func (h *Hub) Commit(ctx context.Context, g Grant, id, digest string, last Chunk) (Upload, error) {
	if err := CheckDigest(digest); err != nil {
		return Upload{}, err
	}
	unlock, err := h.uploads.lock(id)
	if err != nil {
		return Upload{}, err
	}
	defer unlock()
	u, item, err := h.upload(ctx, g, id)
	if is(err, UploadNotFound) {
		// The answer to the commit may have been lost: the blob is there then.
		if _, missing := h.Blob(ctx, g, digest); missing == nil {
			return u, nil
		}
	}
	if err != nil {
		return u, err
	}
	switch {
	case u.Sent != nil && last.Body != nil:
		return u, sentElsewhere()
	case u.Sent != nil:
		if u, err = h.arrived(ctx, u, digest); err != nil {
			return u, err
		}
	case last.Body != nil && u.Whole != "" && u.Whole != digest:
		return u, wholeUpload(u)
	case last.Body != nil && u.Whole == "":
		if u, err = h.append(ctx, u, item, last, digest); err != nil {
			return u, err
		}
	}
	if u.Whole == "" && !u.sums(digest) {
		if u, err = h.close(ctx, u, item, digest); err != nil {
			return u, err
		}
	}
	err = h.commit(ctx, g, u, digest)
	if is(err, BadDigest) { // there is no upload any more to go on with
		u = Upload{}
	}
	return u, err
}

// sums reports whether the digest's algorithm was summed as the bytes came in.
func (u Upload) sums(digest string) bool {
	_, ok := u.Sums[algorithmOf(digest)]
	return ok
}

// close notes that an upload that was read as item has all its bytes. A commit that
// has to read them again finishes the object first, which then takes no more.
func (h *Hub) close(ctx context.Context, u Upload, item store.Item, digest string) (Upload, error) {
	whole := u
	whole.Whole = digest
	if err := h.replaceUpload(ctx, item, whole); err != nil {
		return u, err
	}
	return whole, nil
}

// Push is a whole blob in one request: StartUpload and Commit at once.
func (h *Hub) Push(ctx context.Context, g Grant, digest string, c Chunk) error {
	if err := CheckDigest(digest); err != nil {
		return err
	}
	g, err := h.pushedRepository(ctx, g)
	if err != nil {
		return err
	}
	u, err := h.StartUpload(ctx, g, algorithmOf(digest))
	if err != nil {
		return err
	}
	received, err := h.receive(ctx, u, c.Body)
	if err == nil && c.Size >= 0 && received.State.Size != c.Size {
		err = Fail(BadSize, "%d bytes were announced, %d arrived", c.Size, received.State.Size)
	}
	if err == nil {
		err = h.commit(ctx, g, received, digest)
	}
	if err != nil { // nobody knows this upload's id: it cannot go on
		return errors.Join(err, h.drop(context.WithoutCancel(ctx), u.ID))
	}
	return nil
}

// commit makes a blob of an upload whose bytes are all there.
func (h *Hub) commit(ctx context.Context, g Grant, u Upload, digest string) error {
	ctx = context.WithoutCancel(ctx)
	finished, err := h.verify(ctx, u, digest)
	if err != nil {
		if is(err, BadDigest) {
			return errors.Join(err, h.drop(ctx, u.ID))
		}
		return err
	}
	var spare bool // the hub had the blob already
	err = h.again(ctx, func() error {
		items, err := h.Records.Get(ctx, repositoryKey(g.RepoID), blobKey(digest), linkKey(g.RepoID, digest), uploadKey(u.ID), namespaceKey(g.Namespace))
		if err != nil {
			return err
		}
		repo, blob, link, upload := items[0], items[1], items[2], items[3]
		switch {
		case !repo.Found():
			return Fail(RepositoryNotFound, "there is no repository %s", g.Path())
		case !upload.Found() && link.Found(): // a write that was reported failed had happened
			spare = false
			return nil
		case !upload.Found():
			return noUpload(g)
		}
		if !link.Found() {
			if err := h.checkQuota(ctx, g, items[4], u.State.Size); err != nil {
				return err
			}
		}
		if spare = blob.Found(); !spare && !finished {
			if err := h.Layers.Finish(ctx, u.ID, u.State); err != nil {
				return err
			}
			finished = true
		}
		ops, err := h.hold(g, digest, blob, link, Blob{Object: u.ID, Size: u.State.Size})
		if err != nil {
			return err
		}
		ops = append(ops, store.CheckExists(repo.Key), store.DeleteAt(upload.Key, upload.Version), store.Delete(u.sweepKey()))
		if spare {
			ops = append(ops, u.unwanted())
		}
		return h.Records.Write(ctx, ops...)
	})
	if err == nil && spare && u.Sent == nil { // what is sent past the hub may still arrive
		h.removeLater(ctx, u.ID, u.State)
	}
	return err
}

// verify holds an upload's bytes against the digest that it should have. finished
// says that it had to finish the object in order to read it again.
func (h *Hub) verify(ctx context.Context, u Upload, digest string) (finished bool, err error) {
	if u.Sent != nil { // the storage has held them against it
		return false, nil
	}
	algorithm := algorithmOf(digest)
	var sum hash.Hash
	if state, ok := u.Sums[algorithm]; ok {
		if sum, err = loadHash(algorithm, state); err != nil {
			return false, err
		}
	} else {
		if err := h.Layers.Finish(ctx, u.ID, u.State); err != nil {
			return false, err
		}
		finished = true
		r, err := h.Layers.Open(ctx, u.ID, 0, u.State.Size)
		if err != nil {
			return true, err
		}
		defer r.Close()
		sum = newHash(algorithm)
		if _, err := io.Copy(sum, r); err != nil {
			return true, err
		}
	}
	if got := digestText(algorithm, sum); got != digest {
		return finished, &Error{
			Code: BadDigest, Detail: map[string]string{"digest": digest, "received": got},
			Message: "the bytes received do not have this digest; send them again",
		}
	}
	return finished, nil
}

// CancelUpload ends an upload and drops its bytes.
func (h *Hub) CancelUpload(ctx context.Context, g Grant, id string) error {
	unlock, err := h.uploads.lock(id)
	if err != nil {
		return err
	}
	defer unlock()
	u, err := h.Upload(ctx, g, id)
	if err != nil {
		return err
	}
	return h.drop(ctx, u.ID)
}

// drop ends an upload without a blob, unless it was ended already. Whatever of it
// fails is left to the sweep.
func (h *Hub) drop(ctx context.Context, id string) error {
	var u Upload
	err := h.again(ctx, func() error {
		item, err := h.get(ctx, uploadKey(id))
		if err != nil {
			return err
		}
		if u, err = found[Upload](item); err != nil || !item.Found() {
			return err
		}
		return h.Records.Write(ctx, store.DeleteAt(item.Key, item.Version), store.Delete(u.sweepKey()), u.unwanted())
	})
	if err == nil && u.ID != "" && u.Sent == nil {
		h.removeLater(ctx, u.ID, u.State)
	}
	return err
}

// unwantedObject is an object that no record leads to. Until After a client may still
// send it past the hub, so that removing it earlier would be too early.
type unwantedObject struct {
	store.State
	After Time `json:"after"`
}

// unwanted notes that no record leads to the upload's object any more.
func (u Upload) unwanted() store.Op {
	o := unwantedObject{State: u.State}
	if u.Sent != nil {
		o.After = At(time.UnixMilli(u.Started).Add(addressLives + sendingTime))
	}
	return store.Put(sweepKey(sweepObject, u.ID), encode(o))
}

// sendingTime is how long a client may take to send what it has begun to.
const sendingTime = 24 * time.Hour

// remove deletes an object that was noted as unwanted, and then the note.
func (h *Hub) remove(ctx context.Context, object string, st store.State) error {
	if err := h.Layers.Delete(ctx, object, st); err != nil {
		return err
	}
	return h.Records.Write(ctx, store.Delete(sweepKey(sweepObject, object)))
}

// removeLater is remove where the request has succeeded already: a failure is
// left to the sweep.
func (h *Hub) removeLater(ctx context.Context, object string, st store.State) {
	if err := h.remove(ctx, object, st); err != nil {
		h.Log.WarnContext(ctx, "an object is left to the sweep", "object", object, "err", err)
	}
}
