package store

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrNoObject is returned by Layers for a key that holds no finished object.
var ErrNoObject = errors.New("no such object")

// ErrFull is wrapped by errors that say that the storage has no room for what it was
// given. Nothing of it was kept.
var ErrFull = errors.New("the storage is full")

// ErrBusy is returned by Append where another Append of the same key is under way.
var ErrBusy = errors.New("another writer is appending to this object")

// State is how far the writing of an object has come. The caller keeps it between
// calls, and gives the last one it got. The zero State begins an object.
type State struct {
	Size int64  `json:"size"`           // bytes that are durable
	Data []byte `json:"data,omitempty"` // the backend's own notes
}

// URLOptions are what a client that follows a URL is answered with.
type URLOptions struct {
	ContentType string
	Lives       time.Duration
}

// Sent is an object that a client is to send past the hub.
type Sent struct {
	Size   int64 // at most [MaxSent]
	SHA256 [32]byte
}

// MaxSent is the most bytes of an object that a client may send past the hub.
const MaxSent = 5 << 30

// Address is where a client sends an object, by PUT, with a header.
type Address struct {
	URL    string // "" = nowhere
	Header map[string]string
}

// Layers keeps objects: long byte strings that are written once, piece by piece,
// and then never change. A key is 8 to 128 characters of [a-z0-9-], chosen by
// the caller, used for one object and never again. All methods are safe for
// concurrent use.
//
// Nothing here says that an object is wanted: records do. An object is therefore
// never listed; whoever begins one writes a record first that leads to it.
type Layers interface {
	// Append adds r's bytes at st.Size and returns the new state when they are
	// durable. Bytes beyond st.Size, left by a killed writer, are overwritten. If r
	// ends in an error, Append returns that error with the state of all bytes that r
	// gave before it, so that the upload can go on there; with any other error the
	// state that was given stays good. Memory does not depend on how much r gives.
	Append(ctx context.Context, key string, st State, r io.Reader) (State, error)

	// Finish makes the object readable. It copies no bytes, its cost does not depend
	// on the object's size, and it may be repeated. An object may have no bytes.
	Finish(ctx context.Context, key string, st State) error

	// Open reads length bytes from offset; a length < 0 means to the end. The
	// object must be finished, else ErrNoObject or what there is of it. The reader ends in io.ErrUnexpectedEOF
	// where the object is shorter than offset+length. It is an io.WriterTo or a
	// plain *os.File section where the backend can do better than a copy.
	Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// URL is an address at which a client can read the finished object itself, or ""
	// if this backend has none. It does not check that the object is there.
	URL(ctx context.Context, key string, o URLOptions) (string, error)

	// Address is where a client can send the whole object itself within so long; nowhere
	// if this backend has no such place. It takes those very bytes and no others.
	Address(ctx context.Context, key string, s Sent, lives time.Duration) (Address, error)

	// Arrived is the state of an object that was sent to its address, to be finished as
	// any other; ErrNoObject while it was not.
	Arrived(ctx context.Context, key string, s Sent) (State, error)

	// Delete removes the object, finished or not; one that is not there is no error.
	// st is the last known state, needed to free an unfinished one.
	Delete(ctx context.Context, key string, st State) error

	Close() error
}
