package cloud

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"berth/shared/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	leastPart = 5 << 20 // bytes that S3 wants of every part but the last
	partSize  = 8 << 20 // bytes of a part where there are enough
	keepIdle  = 2 * (inFlight + 1)
	inFlight  = 2 // parts that one Append uploads at a time, beside the one it fills
	// maxParts keeps the state within an item of the records. Parts are at least
	// 5 MiB, so an object may have at least 40 GiB.
	maxParts = 8000
	// lastWords is how long what was read may take to become durable when the
	// caller's context has ended.
	lastWords = time.Minute
)

// notes are the Data of an object's state.
type notes struct {
	Upload string   `json:"u,omitempty"` // S3's id of the multipart upload, if begun
	Parts  []string `json:"p,omitempty"` // entity tags of parts 1, 2, …
	Tail   string   `json:"t,omitempty"` // the object that holds what follows the parts
	Tag    string   `json:"e,omitempty"` // its entity tag, where it lies under the object's own key
	Rest   int      `json:"r,omitempty"` // its length
	// Before is the tail of the state before this one. It is kept until this state
	// comes back: until then the caller may still go on from the earlier one.
	Before string `json:"b,omitempty"`
	Whole  bool   `json:"w,omitempty"` // a client sent it to its own address, and S3 has checked it
}

// readNotes reads the state of an object with bytes, or the zero notes of one without.
func readNotes(st store.State) (notes, error) {
	var n notes
	if st.Size == 0 && len(st.Data) == 0 {
		return n, nil
	}
	if err := json.Unmarshal(st.Data, &n); err != nil || st.Size < 0 || st.Size > 0 && n.Upload == "" && n.Tail == "" {
		return n, fmt.Errorf("the state of the upload leads nowhere: %w", store.ErrNoObject)
	}
	return n, nil
}

func (n notes) state(size int64) store.State {
	data, _ := json.Marshal(n)
	return store.State{Size: size, Data: data}
}

func (n notes) completed() []types.CompletedPart {
	parts := make([]types.CompletedPart, len(n.Parts), len(n.Parts)+1)
	for i := range n.Parts {
		parts[i] = types.CompletedPart{ETag: aws.String(n.Parts[i]), PartNumber: aws.Int32(int32(i + 1))}
	}
	return parts
}

// Append uploads what r gives in parts of 8 MiB, a few at a time, the last one with
// what is too short for another. Less than 5 MiB in all it leaves as the tail. It holds
// three parts in memory.
func (l *Layers) Append(ctx context.Context, key string, st store.State, r io.Reader) (store.State, error) {
	if err := check(ctx, key); err != nil {
		return st, err
	}
	n, err := readNotes(st)
	if err != nil {
		return st, err
	}
	if !l.begin(key) {
		return st, store.ErrBusy
	}
	defer l.end(key)
	a := &appending{l: l, key: key, notes: n, slots: make(chan struct{}, inFlight)}
	// A client that goes away takes the context with it, but not what it has sent.
	var stop context.CancelFunc
	a.ctx, stop = context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastWords, stop) })()
	got, readErr := a.take(r)
	a.wait.Wait()
	if err := a.failure(); err != nil {
		return st, l.failed(a.ctx, "append to", key, err)
	}
	if got == 0 {
		return st, readErr
	}
	l.drop(a.ctx, n.Before)
	return a.notes.state(st.Size + got), readErr
}

func (l *Layers) begin(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[key] {
		return false
	}
	l.busy[key] = true
	return true
}

func (l *Layers) end(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, key)
}

// buffer is room for one part, and for what would be too short for another.
func (l *Layers) buffer() []byte {
	select {
	case b := <-l.idle:
		return b
	default:
		return make([]byte, partSize+leastPart)
	}
}

func (l *Layers) release(b []byte) {
	select {
	case l.idle <- b:
	default:
	}
}

// appending is one Append under way.
type appending struct {
	l     *Layers
	ctx   context.Context
	key   string
	notes notes         // as they will be
	slots chan struct{} // one for each part that is being uploaded
	wait  sync.WaitGroup

	mu  sync.Mutex // of notes.Parts and err
	err error      // why not all can be stored
}

// take stores all that r gives before it ends or fails, and returns r's failure.
// Its own is in a.err, once a.wait is over.
func (a *appending) take(r io.Reader) (got int64, failed error) {
	buf := a.l.buffer()
	have, err := a.takeTail(buf)
	if err != nil {
		a.stop(err)
		return 0, nil
	}
	for parts := 0; ; parts++ {
		n, err := fill(r, buf[have:])
		have += n
		got += int64(n)
		if err == nil {
			next := a.l.buffer()
			have = copy(next, buf[partSize:])
			a.upload(buf, partSize)
			buf = next
			if a.failure() != nil {
				return got, nil
			}
			continue
		}
		if err != io.EOF {
			failed = err
		}
		if got > 0 {
			a.rest(buf, have, parts)
		} else {
			a.l.release(buf)
		}
		return got, failed
	}
}

// fill reads until buf is full, or r ends or fails.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	if n == len(buf) && err == io.EOF {
		err = nil // r will say so again
	}
	return n, err
}

// takeTail reads the tail into buf: it is uploaded again with what follows it.
func (a *appending) takeTail(buf []byte) (int, error) {
	if a.notes.Tail == "" {
		return 0, nil
	}
	tail := &body{ctx: a.ctx, l: a.l, name: a.notes.Tail, tag: a.notes.Tag, end: int64(a.notes.Rest)}
	if err := tail.open(); err != nil {
		return 0, err
	}
	defer tail.Close()
	return io.ReadFull(tail, buf[:a.notes.Rest])
}

// rest stores what came after the last whole part. parts tells how many this
// Append has uploaded. A first piece that is short lies under the object's own key:
// most small objects come in one, and are finished with no further write.
func (a *appending) rest(buf []byte, have, parts int) {
	first := a.notes.Upload == "" && a.notes.Tail == ""
	a.notes.Before, a.notes.Tail, a.notes.Tag, a.notes.Rest = a.notes.Tail, "", "", 0
	if have >= leastPart {
		a.upload(buf, have)
		return
	}
	if have > 0 {
		a.notes.Tail, a.notes.Rest = TailPrefix+a.key+"-"+rand.Text(), have
		if first {
			a.notes.Tail = LayerPrefix + a.key
		}
		tag, err := a.l.put(a.ctx, a.notes.Tail, buf[:have])
		a.l.release(buf)
		if first {
			a.notes.Tag = tag
		}
		a.stop(err)
	}
	if parts == 0 && a.notes.Upload != "" { // nothing else asks whether it is still there
		_, err := a.l.client.ListParts(a.ctx, &s3.ListPartsInput{
			Bucket: &a.l.bucket, Key: aws.String(LayerPrefix + a.key), UploadId: &a.notes.Upload, MaxParts: aws.Int32(1),
		})
		a.stop(err)
	}
}

// upload begins to upload the next part, and gives buf back when it is done.
func (a *appending) upload(buf []byte, have int) {
	if a.notes.Upload == "" {
		out, err := a.l.client.CreateMultipartUpload(a.ctx, &s3.CreateMultipartUploadInput{
			Bucket: &a.l.bucket, Key: aws.String(LayerPrefix + a.key),
		})
		if err != nil {
			a.stop(err)
			return
		}
		a.notes.Upload = *out.UploadId
	}
	a.mu.Lock()
	i := len(a.notes.Parts)
	a.notes.Parts = append(a.notes.Parts, "")
	a.mu.Unlock()
	if i >= maxParts {
		a.stop(&store.LimitError{What: fmt.Sprintf("an object of more than %d parts", maxParts)})
		return
	}
	a.slots <- struct{}{}
	a.wait.Go(func() {
		defer func() { <-a.slots }()
		out, err := a.l.client.UploadPart(a.ctx, &s3.UploadPartInput{
			Bucket: &a.l.bucket, Key: aws.String(LayerPrefix + a.key), UploadId: &a.notes.Upload,
			PartNumber: aws.Int32(int32(i + 1)), Body: bytes.NewReader(buf[:have]),
		})
		a.l.release(buf)
		if err != nil {
			a.stop(err)
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.notes.Parts[i] = aws.ToString(out.ETag)
	})
}

// stop notes the first failure.
func (a *appending) stop(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
	}
}

func (a *appending) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}
