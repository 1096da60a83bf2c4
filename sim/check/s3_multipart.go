package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// multiparts checks conditions, multipart uploads, copies and lists.
func (s bucket) multiparts() []Check {
	c, ps, bk, data, put, get, part := s.c, s.ps, s.bk, s.data, s.put, s.get, s.part
	return []Check{
		{"If-None-Match:* create-only; 20 racers one wins", func(ctx context.Context) error {
			in := func() *s3.PutObjectInput {
				return &s3.PutObjectInput{Bucket: &bk, Key: aws.String("once"), Body: bytes.NewReader(data), IfNoneMatch: aws.String("*")}
			}
			if _, err := c.PutObject(ctx, in()); err != nil {
				return err
			}
			_, err := c.PutObject(ctx, in())
			if e := wantCode(err, "PreconditionFailed"); e != nil {
				return e
			}
			var win, lose int32
			var oth atomic.Value
			var wg sync.WaitGroup
			for i := 0; i < 20; i++ {
				wg.Add(1)
				go func() {
					defer wg.Done()
					_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bk, Key: aws.String("race"), Body: strings.NewReader(fmt.Sprint("w", i)), IfNoneMatch: aws.String("*")})
					switch {
					case err == nil:
						atomic.AddInt32(&win, 1)
					case errCode(err) == "PreconditionFailed" || errCode(err) == "ConditionalRequestConflict":
						atomic.AddInt32(&lose, 1)
					default:
						oth.Store(err)
					}
				}()
			}
			wg.Wait()
			if win != 1 || lose != 19 {
				return fmt.Errorf("win=%d lose=%d %v", win, lose, oth.Load())
			}
			return nil
		}},
		{"If-Match PUT wrong etag -> PreconditionFailed", func(ctx context.Context) error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bk, Key: aws.String("once"), Body: bytes.NewReader(data), IfMatch: aws.String(`"00000000000000000000000000000000"`)})
			return wantCode(err, "PreconditionFailed")
		}},
		{"conditional GET If-None-Match etag -> 304", func(ctx context.Context) error {
			h, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bk, Key: aws.String("once")})
			if err != nil {
				return err
			}
			u, _ := ps.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &bk, Key: aws.String("once")})
			st, _, _, err := doHTTP(ctx, "GET", u.URL, http.Header{"If-None-Match": {aws.ToString(h.ETag)}}, nil, -1)
			if err != nil || st != 304 {
				return fmt.Errorf("st=%d %v", st, err)
			}
			return nil
		}},
		{"Multipart 5MiB+5MiB+1MiB, ListParts, ETag -3", func(ctx context.Context) error {
			k := "mp/x"
			m, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bk, Key: &k})
			if err != nil {
				return err
			}
			var done []types.CompletedPart
			for i, b := range [][]byte{part, part, part[:1<<20]} {
				o, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, PartNumber: aws.Int32(int32(i + 1)), Body: bytes.NewReader(b)})
				if err != nil {
					return err
				}
				done = append(done, types.CompletedPart{ETag: o.ETag, PartNumber: aws.Int32(int32(i + 1)), ChecksumCRC32: o.ChecksumCRC32})
			}
			lp, err := c.ListParts(ctx, &s3.ListPartsInput{Bucket: &bk, Key: &k, UploadId: m.UploadId})
			if err != nil || len(lp.Parts) != 3 {
				return fmt.Errorf("listparts %v", err)
			}
			o, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
			if err != nil {
				return err
			}
			if !strings.HasSuffix(strings.Trim(aws.ToString(o.ETag), `"`), "-3") {
				return fmt.Errorf("etag %s", aws.ToString(o.ETag))
			}
			b, err := get(ctx, k)
			if err != nil || len(b) != 11<<20 || !bytes.Equal(b[5<<20:10<<20], part) {
				return fmt.Errorf("get %d %v", len(b), err)
			}
			return nil
		}},
		{"Multipart small middle part -> EntityTooSmall", func(ctx context.Context) error {
			k := "mp/small"
			m, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bk, Key: &k})
			if err != nil {
				return err
			}
			var done []types.CompletedPart
			for i := 1; i <= 2; i++ {
				o, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, PartNumber: aws.Int32(int32(i)), Body: bytes.NewReader(data)})
				if err != nil {
					return err
				}
				done = append(done, types.CompletedPart{ETag: o.ETag, PartNumber: aws.Int32(int32(i)), ChecksumCRC32: o.ChecksumCRC32})
			}
			_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
			return wantCode(err, "EntityTooSmall")
		}},
		{"Multipart wrong part ETag -> InvalidPart; Abort -> NoSuchUpload", func(ctx context.Context) error {
			k := "mp/wrong"
			m, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bk, Key: &k})
			if err != nil {
				return err
			}
			if _, err = c.UploadPart(ctx, &s3.UploadPartInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(data)}); err != nil {
				return err
			}
			_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: aws.String(`"0123456789abcdef0123456789abcdef"`), PartNumber: aws.Int32(1)}}}})
			if e := wantCode(err, "InvalidPart"); e != nil {
				return e
			}
			if _, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &bk, Key: &k, UploadId: m.UploadId}); err != nil {
				return err
			}
			_, err = c.UploadPart(ctx, &s3.UploadPartInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, PartNumber: aws.Int32(2), Body: bytes.NewReader(data)})
			return wantCode(err, "NoSuchUpload")
		}},
		{"UploadPart wrong checksum -> rejected", func(ctx context.Context) error {
			k := "mp/ck"
			m, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bk, Key: &k, ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
			if err != nil {
				return err
			}
			_, err = c.UploadPart(ctx, &s3.UploadPartInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(data), ChecksumSHA256: aws.String(sha([]byte("zz")))})
			if err == nil {
				return fmt.Errorf("accepted")
			}
			return wantCode(err, "BadDigest", "XAmzContentChecksumMismatch")
		}},
		{"presigned UploadPart via net/http", func(ctx context.Context) error {
			k := "mp/pre"
			m, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bk, Key: &k})
			if err != nil {
				return err
			}
			u, err := ps.PresignUploadPart(ctx, &s3.UploadPartInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, PartNumber: aws.Int32(1)})
			if err != nil {
				return err
			}
			st, h, b, err := doHTTP(ctx, "PUT", u.URL, u.SignedHeader, bytes.NewReader(part), int64(len(part)))
			if err != nil || st != 200 || h.Get("ETag") == "" {
				return fmt.Errorf("st=%d %v %.150s", st, err, b)
			}
			_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: aws.String(h.Get("ETag")), PartNumber: aws.Int32(1)}}}})
			return err
		}},
		{"UploadPartCopy (with range)", func(ctx context.Context) error {
			k := "mp/copy"
			m, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bk, Key: &k})
			if err != nil {
				return err
			}
			o1, err := c.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, PartNumber: aws.Int32(1), CopySource: aws.String(bk + "/mp/x"), CopySourceRange: aws.String("bytes=0-5242879")})
			if err != nil {
				return err
			}
			o2, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, PartNumber: aws.Int32(2), Body: bytes.NewReader(data)})
			if err != nil {
				return err
			}
			_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &bk, Key: &k, UploadId: m.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: o1.CopyPartResult.ETag, PartNumber: aws.Int32(1)}, {ETag: o2.ETag, PartNumber: aws.Int32(2), ChecksumCRC32: o2.ChecksumCRC32}}}})
			if err != nil {
				return err
			}
			b, err := get(ctx, k)
			if err != nil || len(b) != 5<<20+len(data) {
				return fmt.Errorf("len %d %v", len(b), err)
			}
			return nil
		}},
		{"CopyObject", func(ctx context.Context) error {
			if _, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &bk, Key: aws.String("copied"), CopySource: aws.String(bk + "/a/b.txt")}); err != nil {
				return err
			}
			b, err := get(ctx, "copied")
			if err != nil || !bytes.Equal(b, data) {
				return fmt.Errorf("%v", err)
			}
			return nil
		}},
		{"ListObjectsV2 prefix+paging MaxKeys=4, StartAfter, order", func(ctx context.Context) error {
			for i := 0; i < 11; i++ {
				if err := put(ctx, fmt.Sprintf("ls/%02d", i), []byte("x")); err != nil {
					return err
				}
			}
			var keys []string
			var tok *string
			pages := 0
			for {
				o, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bk, Prefix: aws.String("ls/"), MaxKeys: aws.Int32(4), ContinuationToken: tok})
				if err != nil {
					return err
				}
				for _, x := range o.Contents {
					keys = append(keys, aws.ToString(x.Key))
				}
				pages++
				if !aws.ToBool(o.IsTruncated) || pages > 9 {
					break
				}
				tok = o.NextContinuationToken
			}
			if len(keys) != 11 || pages != 3 || keys[10] != "ls/10" {
				return fmt.Errorf("keys=%d pages=%d", len(keys), pages)
			}
			o, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bk, Prefix: aws.String("ls/"), StartAfter: aws.String("ls/08")})
			if err != nil || len(o.Contents) != 2 {
				return fmt.Errorf("startafter %d %v", len(o.Contents), err)
			}
			return nil
		}},
		{"ListObjectsV2 delimiter CommonPrefixes", func(ctx context.Context) error {
			for _, k := range []string{"d/x/1", "d/x/2", "d/y/1", "d/z"} {
				if err := put(ctx, k, []byte("x")); err != nil {
					return err
				}
			}
			o, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bk, Prefix: aws.String("d/"), Delimiter: aws.String("/")})
			if err != nil || len(o.CommonPrefixes) != 2 || len(o.Contents) != 1 {
				return fmt.Errorf("cp=%d c=%d %v", len(o.CommonPrefixes), len(o.Contents), err)
			}
			return nil
		}},
		{"odd keys: sha256:…, space, +, unicode, trailing slash, a and a/b", func(ctx context.Context) error {
			for _, k := range []string{"blobs/sha256:" + strings.Repeat("ab", 32), "sp ace+plus&amp", "ünïcode/日本", "dir/", "conf/a", "conf/a/b", "a//b", "../up", strings.Repeat("k", 900)} {
				if err := put(ctx, k, []byte(k)); err != nil {
					return fmt.Errorf("put %.30q: %w", k, err)
				}
				b, err := get(ctx, k)
				if err != nil || string(b) != k {
					return fmt.Errorf("get %.30q: %v %.40q", k, err, b)
				}
			}
			return nil
		}},
		{"DeleteObject idempotent + DeleteObjects batch", func(ctx context.Context) error {
			if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bk, Key: aws.String("never-existed")}); err != nil {
				return err
			}
			o, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bk, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("ls/00")}, {Key: aws.String("ls/01")}, {Key: aws.String("not-there")}}}})
			if err != nil || len(o.Deleted) != 3 || len(o.Errors) != 0 {
				return fmt.Errorf("%v %+v", err, o)
			}
			l, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bk, Prefix: aws.String("ls/")})
			if err != nil || len(l.Contents) != 9 {
				return fmt.Errorf("left %d %v", len(l.Contents), err)
			}
			return nil
		}},
		{"DeleteBucket non-empty -> BucketNotEmpty", func(ctx context.Context) error {
			_, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bk})
			return wantCode(err, "BucketNotEmpty")
		}},
		{"presigned PUT truncated body (Content-Length larger) not stored", func(ctx context.Context) error {
			// abort mid-body: object must not appear
			u, _ := ps.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &bk, Key: aws.String("trunc")})
			pr, pw := io.Pipe()
			go func() { pw.Write(data); time.Sleep(100 * time.Millisecond); pw.CloseWithError(errors.New("abort")) }()
			_, _, _, _ = doHTTP(ctx, "PUT", u.URL, u.SignedHeader, pr, 1<<20)
			time.Sleep(200 * time.Millisecond)
			if b, err := get(ctx, "trunc"); err == nil {
				return fmt.Errorf("stored %d bytes", len(b))
			}
			return nil
		}},
	}
}
