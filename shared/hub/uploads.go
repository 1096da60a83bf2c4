package hub

import (
	"context"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"math"
	"sync"
	"time"

	"berth/shared/store"
)

// Upload is a blob on its way in. Its id is also its object's key in Layers. The
// record and the work to sweep it are written before the first byte is, so that
// nothing is ever forgotten in Layers.
type Upload struct {
	ID          string      `json:"id"`
	RepoID      string      `json:"repo_id"`
	NamespaceID string      `json:"namespace_id"`
	Started     int64       `json:"started"` // milliseconds
	State       store.State `json:"state"`
	// Sums are the saved states of the sums over State.Size bytes, by algorithm:
	// sha256 always, sha512 if it was announced.
	Sums map[string][]byte `json:"sums"`
	// Whole is the digest that a Commit gave whose last chunk is in: repeated, it must
	// not add that chunk again.
	Whole string `json:"whole,omitempty"`
	// Sent is what the client sends past the hub; nil = it sends to the hub.
	Sent *store.Sent `json:"sent,omitempty"`
}

// addressLives is how long a client may begin to send past the hub.
const addressLives = 15 * time.Minute

func (u Upload) sweepKey() store.Key {
	return sweepKey(sweepUpload, timeKey(u.Started)+"/"+u.ID)
}

// timeKey writes milliseconds so that keys sort by time.
func timeKey(ms int64) string { return time.UnixMilli(ms).UTC().Format("20060102T150405.000") }

// StartUpload begins an upload (role Writer), and makes the repository if there is none
// yet. announced is the algorithm of the digest to come, "" if that is not known: a
// sha512 that was not announced costs reading the blob again at the end.
func (h *Hub) StartUpload(ctx context.Context, g Grant, announced string) (Upload, error) {
	g, err := h.pushedRepository(ctx, g)
	if err != nil {
		return Upload{}, err
	}
	u := Upload{
		ID: h.newID(), RepoID: g.RepoID, NamespaceID: g.NamespaceID, Started: h.Now().UnixMilli(),
		Sums: map[string][]byte{SHA256: nil},
	}
	if announced == SHA512 {
		u.Sums[SHA512] = nil
	}
	return u, h.Records.Write(ctx, store.Create(uploadKey(u.ID), encode(u)), store.Put(u.sweepKey(), encode(u)))
}

// StartDirect begins an upload (role Writer) that the client sends past the hub, to an
// address that takes the bytes with that digest alone; Commit without a chunk ends it.
// The address leads nowhere where that cannot be, and the upload is as any other. It
// makes the repository as StartUpload does.
func (h *Hub) StartDirect(ctx context.Context, g Grant, digest string, size int64) (Upload, store.Address, error) {
	if err := CheckDigest(digest); err != nil {
		return Upload{}, store.Address{}, err
	}
	if size < 0 {
		return Upload{}, store.Address{}, Fail(BadSize, "a direct upload needs its size")
	}
	g, err := h.pushedRepository(ctx, g)
	if err != nil {
		return Upload{}, store.Address{}, err
	}
	u := Upload{
		ID: h.newID(), RepoID: g.RepoID, NamespaceID: g.NamespaceID, Started: h.Now().UnixMilli(),
		Sent: &store.Sent{Size: size}, Whole: digest,
	}
	var a store.Address
	if algorithmOf(digest) == SHA256 && size > 0 && size <= store.MaxSent {
		_, err := hex.Decode(u.Sent.SHA256[:], []byte(hexOf(digest)))
		if err == nil {
			a, err = h.Layers.Address(ctx, u.ID, *u.Sent, addressLives)
		}
		if err != nil {
			return u, a, err
		}
	}
	if a.URL == "" {
		u, err := h.StartUpload(ctx, g, algorithmOf(digest))
		return u, a, err
	}
	return u, a, h.Records.Write(ctx, store.Create(uploadKey(u.ID), encode(u)), store.Put(u.sweepKey(), encode(u)))
}

// arrived is an upload that was sent past the hub, as one whose bytes are all there.
func (h *Hub) arrived(ctx context.Context, u Upload, digest string) (Upload, error) {
	if digest != u.Whole {
		return u, Fail(BadDigest, "the upload was begun for the digest %s", u.Whole)
	}
	st, err := h.Layers.Arrived(ctx, u.ID, *u.Sent)
	if errors.Is(err, store.ErrNoObject) {
		err = Fail(BadUpload, "nothing has arrived at the upload's address; send the bytes there first, with the headers that came with it")
	}
	if err == nil {
		u.State = st
	}
	return u, err
}

// Upload finds an upload of the granted repository: UploadNotFound if it has none
// of that id.
func (h *Hub) Upload(ctx context.Context, g Grant, id string) (Upload, error) {
	u, _, err := h.upload(ctx, g, id)
	return u, err
}

func (h *Hub) upload(ctx context.Context, g Grant, id string) (Upload, store.Item, error) {
	if store.CheckKey(id) != nil {
		return Upload{}, store.Item{}, noUpload(g)
	}
	item, err := h.get(ctx, uploadKey(id))
	if err != nil {
		return Upload{}, item, err
	}
	u, err := found[Upload](item)
	if err == nil && (u.ID == "" || u.RepoID != g.RepoID) {
		err = noUpload(g)
	}
	return u, item, err
}

func noUpload(g Grant) error {
	return Fail(UploadNotFound, "there is no such upload in %s; begin a new one", g.Path())
}

// openUploads keeps two requests of this process from writing to one upload at
// once: the bytes that one counts as received would be the other's.
type openUploads struct{ m sync.Map }

func (o *openUploads) lock(id string) (unlock func(), err error) {
	if _, busy := o.m.LoadOrStore(id, true); busy {
		return nil, busyUpload()
	}
	return func() { o.m.Delete(id) }, nil
}

// Chunk is a piece of an upload.
type Chunk struct {
	Body io.Reader
	// At is the offset that the sender believes it to have; -1 = wherever the upload is.
	At int64
	// Size is how many bytes the sender announced; -1 = it did not.
	Size int64
}

// Append adds a chunk to an upload and returns it as it is then, also with an
// error where its state is known: what arrived before a sender broke off is kept,
// and the upload goes on there. BadRange if the chunk is not the next one.
func (h *Hub) Append(ctx context.Context, g Grant, id string, c Chunk) (Upload, error) {
	unlock, err := h.uploads.lock(id)
	if err != nil {
		return Upload{}, err
	}
	defer unlock()
	u, item, err := h.upload(ctx, g, id)
	if err != nil {
		return u, err
	}
	if u.Sent != nil {
		return u, sentElsewhere()
	}
	if u.Whole != "" {
		return u, wholeUpload(u)
	}
	return h.append(ctx, u, item, c, "")
}

func wholeUpload(u Upload) error {
	return Fail(BadUpload, "the upload has all its bytes: end it with PUT and the digest %s", u.Whole)
}

func sentElsewhere() error {
	return Fail(BadUpload, "the bytes of this upload go to the address that came with it; begin another upload to send them here")
}

// append is Append for an upload that was read as item and is locked. whole is the
// digest that the upload should have with this chunk; "" if there are more to come.
func (h *Hub) append(ctx context.Context, u Upload, item store.Item, c Chunk, whole string) (Upload, error) {
	if c.At >= 0 && c.At != u.State.Size {
		return u, Fail(BadRange, "the upload has %d bytes: the next chunk must begin there, not at %d", u.State.Size, c.At)
	}
	if c.Size >= 0 && c.Size < math.MaxInt64 {
		c.Body = io.LimitReader(c.Body, c.Size+1)
	}
	received, err := h.receive(ctx, u, c.Body)
	got := received.State.Size - u.State.Size
	switch {
	case c.Size >= 0 && got > c.Size: // nobody knows which of them were meant
		return u, Fail(BadSize, "more than the %d bytes that were announced arrived; none of them was kept", c.Size)
	case err == nil && c.Size >= 0 && got < c.Size:
		err = Fail(BadSize, "%d bytes were announced, %d arrived", c.Size, got)
	case err == nil:
		received.Whole = whole
	}
	if got == 0 {
		return u, err
	}
	ctx = context.WithoutCancel(ctx) // a sender that broke off must not lose what arrived
	if failed := h.replaceUpload(ctx, item, received); failed != nil {
		return u, failed
	}
	return received, err
}

// replaceUpload writes an upload that was read as item, unless another process ended
// it or wrote to it.
func (h *Hub) replaceUpload(ctx context.Context, item store.Item, u Upload) error {
	err := h.Records.Write(ctx, store.Replace(item.Key, item.Version, encode(u)))
	if isConflict(err) {
		return h.overtaken(ctx, item.Key)
	}
	return err
}

// overtaken says why an upload is not as it was read.
func (h *Hub) overtaken(ctx context.Context, upload store.Key) error {
	item, err := h.get(ctx, upload)
	switch {
	case err != nil:
		return err
	case !item.Found():
		return Fail(UploadNotFound, "the upload was ended by another request; begin a new one")
	}
	return busyUpload()
}

func busyUpload() error {
	return &Error{
		Code: TooManyRequests, Wait: time.Second,
		Message: "another request is writing to this upload; ask how far it is when that has ended",
	}
}

// receive writes and sums a body, and returns the upload as it is then.
func (h *Hub) receive(ctx context.Context, u Upload, body io.Reader) (Upload, error) {
	sums, list, err := u.loadSums()
	if err != nil {
		return u, err
	}
	in := newHashReader(body, list...)
	st, err := h.Layers.Append(context.WithoutCancel(ctx), u.ID, u.State, in)
	in.Close()
	if errors.Is(err, store.ErrBusy) {
		return u, busyUpload()
	}
	if err != nil && in.Err() == nil { // not the sender's fault: the old state stays good
		return u, err
	}
	u.State, u.Sums = st, make(map[string][]byte, len(sums))
	for algorithm, sum := range sums {
		u.Sums[algorithm] = saveHash(sum)
	}
	if err != nil {
		err = Fail(BadSize, "the body ended too early; the upload has %d bytes and can go on from there", st.Size)
	}
	return u, err
}

func (u Upload) loadSums() (map[string]hash.Hash, []hash.Hash, error) {
	sums, list := make(map[string]hash.Hash, len(u.Sums)), make([]hash.Hash, 0, len(u.Sums))
	for algorithm, state := range u.Sums {
		sum, err := loadHash(algorithm, state)
		if err != nil {
			return nil, nil, err
		}
		sums[algorithm] = sum
		list = append(list, sum)
	}
	return sums, list, nil
}
