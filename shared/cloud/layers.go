package cloud

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"berth/shared/store"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Where objects lie in the bucket. What an upload leaves behind, because it was
// killed or its state was lost, the bucket must drop after some days: objects
// under [TailPrefix], and unfinished multipart uploads.
const (
	LayerPrefix = "layers/"
	TailPrefix  = "tails/"
)

// Layers keeps objects in an S3 bucket. It implements [store.Layers].
//
// An object is a multipart upload. S3 wants parts of at least 5 MiB, all but the
// last, while the pieces of an upload come in any size: a short one is an object of
// its own, the tail, that the next piece begins with. An object that comes in one
// short piece is a plain one, written under its key at once.
//
// That two Appends of one key are under way is noticed within one process; of
// two processes, the one whose state the caller keeps wins, and Finish fails if
// the other has overwritten a part of it.
type Layers struct {
	client *s3.Client
	bucket string

	mu   sync.Mutex
	busy map[string]bool
	idle chan []byte // buffers of partSize bytes that nobody uses
}

// NewLayers keeps layers in a bucket.
func NewLayers(client *s3.Client, bucket string) *Layers {
	return &Layers{client: client, bucket: bucket, busy: map[string]bool{}, idle: make(chan []byte, keepIdle)}
}

// ForLayers sets an S3 client up for [NewLayers]. Every request's body is signed
// by its SHA-256, which S3 verifies; the checksums that the SDK adds by itself
// would have to be kept for every part.
func ForLayers(o *s3.Options) {
	o.HTTPClient = HTTPClient(30 * time.Second)
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.Retryer = retry.NewStandard(patiently)
}

// Close does nothing: the client belongs to the caller.
func (l *Layers) Close() error { return nil }

// Finish is one call: it completes the multipart upload, or looks whether the plain
// object is the one that was written. Where short pieces came last, what they left
// as the tail, less than 5 MiB, becomes a part or the object first.
func (l *Layers) Finish(ctx context.Context, key string, st store.State) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	n, err := readNotes(st)
	if err != nil {
		return err
	}
	switch {
	case st.Size == 0:
		_, err = l.put(ctx, LayerPrefix+key, nil)
	case n.Whole:
		return nil
	case n.Tail == LayerPrefix+key:
		return l.unchanged(ctx, key, st.Size, n.Tag)
	case n.Upload == "":
		err = l.gather(ctx, key, n)
	default:
		err = l.complete(ctx, key, n)
	}
	if missing(err) {
		// What it was made of is gone: it was finished before, or deleted.
		size, known := l.size(ctx, key)
		if known != nil {
			return known
		}
		if size != st.Size {
			return fmt.Errorf("finish %s: the object has %d bytes, not %d: %w", key, size, st.Size, store.ErrNoObject)
		}
		return nil
	}
	if err != nil {
		return l.failed(ctx, "finish", key, err)
	}
	l.drop(ctx, n.Tail, n.Before)
	return nil
}

// unchanged wants the plain object to be the one that was written: two processes may
// have written to it at once.
func (l *Layers) unchanged(ctx context.Context, key string, size int64, tag string) error {
	out, err := l.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &l.bucket, Key: aws.String(LayerPrefix + key)})
	if err != nil {
		return l.failed(ctx, "finish", key, err)
	}
	if aws.ToInt64(out.ContentLength) != size || aws.ToString(out.ETag) != tag {
		return fmt.Errorf("finish %s: another writer has overwritten it: %w", key, store.ErrNoObject)
	}
	return nil
}

// gather makes a plain object of a tail that several short pieces left.
func (l *Layers) gather(ctx context.Context, key string, n notes) error {
	tail := &body{ctx: ctx, l: l, name: n.Tail, end: int64(n.Rest)}
	if err := tail.open(); err != nil {
		return err
	}
	defer tail.Close()
	data := make([]byte, n.Rest)
	if _, err := io.ReadFull(tail, data); err != nil {
		return err
	}
	_, err := l.put(ctx, LayerPrefix+key, data)
	return err
}

// complete makes the object of its parts, the tail being the last.
func (l *Layers) complete(ctx context.Context, key string, n notes) error {
	parts := n.completed()
	if n.Tail != "" {
		number := aws.Int32(int32(len(parts) + 1))
		out, err := l.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: &l.bucket, Key: aws.String(LayerPrefix + key), UploadId: &n.Upload, PartNumber: number,
			CopySource: aws.String(l.bucket + "/" + n.Tail),
		})
		if err != nil {
			return err
		}
		parts = append(parts, types.CompletedPart{ETag: out.CopyPartResult.ETag, PartNumber: number})
	}
	_, err := l.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &l.bucket, Key: aws.String(LayerPrefix + key), UploadId: &n.Upload,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

// Open is one GetObject; at or past the end of the object a HeadObject tells which.
func (l *Layers) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := check(ctx, key); err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, fmt.Errorf("open %s at %d: %w", key, offset, errors.ErrUnsupported)
	}
	if length == 0 {
		return l.openEnd(ctx, key, offset, length)
	}
	b := &body{ctx: ctx, l: l, name: LayerPrefix + key, at: offset, end: -1}
	if length > 0 {
		b.end = offset + length
	}
	err := b.open()
	var answer *smithyhttp.ResponseError
	switch {
	case err == nil:
		return b, nil
	case errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusRequestedRangeNotSatisfiable:
		return l.openEnd(ctx, key, offset, length)
	}
	return nil, l.failed(ctx, "open", key, err)
}

// openEnd opens a range in which no byte is.
func (l *Layers) openEnd(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	size, err := l.size(ctx, key)
	if err != nil {
		return nil, err
	}
	if offset > size || length > 0 {
		return io.NopCloser(short{}), nil
	}
	return io.NopCloser(bytes.NewReader(nil)), nil
}

// short is a reader of something that is not there.
type short struct{}

func (short) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// URL is a presigned address of the object.
func (l *Layers) URL(ctx context.Context, key string, o store.URLOptions) (string, error) {
	if err := check(ctx, key); err != nil {
		return "", err
	}
	in := &s3.GetObjectInput{Bucket: &l.bucket, Key: aws.String(LayerPrefix + key)}
	if o.ContentType != "" {
		in.ResponseContentType = &o.ContentType
	}
	req, err := s3.NewPresignClient(l.client).PresignGetObject(ctx, in, s3.WithPresignExpires(o.Lives))
	if err != nil {
		return "", l.failed(ctx, "presign", key, err)
	}
	return req.URL, nil
}

// Address is a presigned address that takes the bytes of that length and SHA-256
// alone: both are signed, and S3 checks what it receives against them. It takes them
// once: each repeat would stay in the bucket as a version that no quota counts.
func (l *Layers) Address(ctx context.Context, key string, s store.Sent, lives time.Duration) (store.Address, error) {
	if err := check(ctx, key); err != nil {
		return store.Address{}, err
	}
	sum := base64.StdEncoding.EncodeToString(s.SHA256[:])
	req, err := s3.NewPresignClient(l.client).PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket: &l.bucket, Key: aws.String(LayerPrefix + key), ContentLength: &s.Size, ChecksumSHA256: &sum, IfNoneMatch: aws.String("*"),
	}, s3.WithPresignExpires(lives))
	if err != nil {
		return store.Address{}, l.failed(ctx, "presign", key, err)
	}
	a := store.Address{URL: req.URL, Header: map[string]string{}}
	for name := range req.SignedHeader {
		if name != "Host" && name != "Content-Length" { // which every client sends by itself
			a.Header[name] = req.SignedHeader.Get(name)
		}
	}
	return a, nil
}

// Arrived asks for the object and the sum that S3 has checked.
func (l *Layers) Arrived(ctx context.Context, key string, s store.Sent) (store.State, error) {
	if err := check(ctx, key); err != nil {
		return store.State{}, err
	}
	name := LayerPrefix + key
	out, err := l.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &l.bucket, Key: &name, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return store.State{}, l.failed(ctx, "find", key, err)
	}
	if aws.ToInt64(out.ContentLength) != s.Size || aws.ToString(out.ChecksumSHA256) != base64.StdEncoding.EncodeToString(s.SHA256[:]) {
		return store.State{}, fmt.Errorf("find %s: it is not what was to be sent: %w", key, store.ErrNoObject)
	}
	return notes{Tail: name, Whole: true}.state(s.Size), nil
}

// Delete removes the object, its tail, and the parts of one that is not finished.
func (l *Layers) Delete(ctx context.Context, key string, st store.State) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	var n notes
	if len(st.Data) > 0 {
		var err error
		if n, err = readNotes(st); err != nil {
			return err
		}
	}
	if n.Upload != "" {
		_, err := l.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
			Bucket: &l.bucket, Key: aws.String(LayerPrefix + key), UploadId: &n.Upload,
		})
		if err != nil && !missing(err) {
			return l.failed(ctx, "abort", key, err)
		}
	}
	l.drop(ctx, n.Tail, n.Before)
	if err := l.remove(ctx, LayerPrefix+key); err != nil {
		return l.failed(ctx, "delete", key, err)
	}
	return nil
}

// put writes a small object, and tells its entity tag.
func (l *Layers) put(ctx context.Context, name string, data []byte) (tag string, err error) {
	out, err := l.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &l.bucket, Key: &name, Body: bytes.NewReader(data)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ETag), nil
}

func (l *Layers) remove(ctx context.Context, name string) error {
	_, err := l.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &l.bucket, Key: &name})
	if missing(err) {
		return nil
	}
	return err
}

// drop removes tails that nobody needs any more, and leaves alone the one that lies
// where the object does. The bucket drops what stays.
func (l *Layers) drop(ctx context.Context, names ...string) {
	for _, n := range names {
		if strings.HasPrefix(n, TailPrefix) {
			l.remove(ctx, n)
		}
	}
}

// size is the length of the finished object, or ErrNoObject.
func (l *Layers) size(ctx context.Context, key string) (int64, error) {
	out, err := l.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &l.bucket, Key: aws.String(LayerPrefix + key)})
	if err != nil {
		return 0, l.failed(ctx, "find", key, err)
	}
	return aws.ToInt64(out.ContentLength), nil
}

// missing reports whether S3 said that an object or a multipart upload is not there.
func missing(err error) bool {
	var answer *smithyhttp.ResponseError
	return errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound
}

// changed reports whether S3 said that an object is not the one that was asked for.
func changed(err error) bool {
	var answer *smithyhttp.ResponseError
	return errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusPreconditionFailed
}

// failed is what a call that S3 did not do returns.
func (l *Layers) failed(ctx context.Context, what, key string, err error) error {
	var limit *store.LimitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &limit):
		return err
	case missing(err), changed(err):
		return fmt.Errorf("%s %s: %w", what, key, store.ErrNoObject)
	}
	return fmt.Errorf("%w: S3: %s %s: %w", store.ErrUnavailable, what, key, err)
}

func check(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return store.CheckKey(key)
}
