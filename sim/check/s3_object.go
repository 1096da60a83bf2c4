package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// objects checks objects, presigned addresses and checksums.
func (s bucket) objects() []Check {
	c, ps, bk, data, get := s.c, s.ps, s.bk, s.data, s.get
	return []Check{
		{"CreateBucket/HeadBucket/ListBuckets", func(ctx context.Context) error {
			if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bk}); err != nil {
				return err
			}
			if _, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bk}); err != nil {
				return err
			}
			o, err := c.ListBuckets(ctx, &s3.ListBucketsInput{})
			if err != nil || len(o.Buckets) == 0 {
				return fmt.Errorf("%v", err)
			}
			return nil
		}},
		{"Put/Get/Head + metadata + ETag=md5", func(ctx context.Context) error {
			o, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bk, Key: aws.String("a/b.txt"), Body: bytes.NewReader(data), ContentType: aws.String("application/vnd.oci.image.manifest.v1+json"), Metadata: map[string]string{"digest": "sha256:abc"}})
			if err != nil {
				return err
			}
			m := md5.Sum(data)
			if strings.Trim(aws.ToString(o.ETag), `"`) != hex.EncodeToString(m[:]) {
				return fmt.Errorf("etag %s", aws.ToString(o.ETag))
			}
			b, err := get(ctx, "a/b.txt")
			if err != nil || !bytes.Equal(b, data) {
				return fmt.Errorf("get %v", err)
			}
			h, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bk, Key: aws.String("a/b.txt")})
			if err != nil {
				return err
			}
			if aws.ToInt64(h.ContentLength) != int64(len(data)) || aws.ToString(h.ContentType) != "application/vnd.oci.image.manifest.v1+json" || h.Metadata["digest"] != "sha256:abc" || h.LastModified == nil {
				return fmt.Errorf("head len=%d ct=%s md=%v", aws.ToInt64(h.ContentLength), aws.ToString(h.ContentType), h.Metadata)
			}
			return nil
		}},
		{"GetObject missing -> NoSuchKey; HeadObject -> NotFound", func(ctx context.Context) error {
			_, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bk, Key: aws.String("nope")})
			var nk *types.NoSuchKey
			if !errors.As(err, &nk) {
				return fmt.Errorf("%v", err)
			}
			_, err = c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bk, Key: aws.String("nope")})
			var nf *types.NotFound
			if !errors.As(err, &nf) {
				return fmt.Errorf("head %v", err)
			}
			return nil
		}},
		{"Range 206: mid, suffix, open; 416", func(ctx context.Context) error {
			for _, t := range []struct{ r, want string }{{"bytes=6-10", string(data[6:11])}, {"bytes=-5", string(data[len(data)-5:])}, {"bytes=18-", string(data[18:])}} {
				o, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bk, Key: aws.String("a/b.txt"), Range: &t.r})
				if err != nil {
					return fmt.Errorf("%s: %w", t.r, err)
				}
				b, _ := io.ReadAll(o.Body)
				o.Body.Close()
				if string(b) != t.want || aws.ToString(o.ContentRange) == "" {
					return fmt.Errorf("%s: %q cr=%s", t.r, b, aws.ToString(o.ContentRange))
				}
			}
			_, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bk, Key: aws.String("a/b.txt"), Range: aws.String("bytes=999-")})
			return wantCode(err, "InvalidRange")
		}},
		{"presigned GET via net/http (+Range, +response-content-disposition)", func(ctx context.Context) error {
			u, err := ps.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &bk, Key: aws.String("a/b.txt"), ResponseContentDisposition: aws.String(`attachment; filename="x"`)}, s3.WithPresignExpires(5*time.Minute))
			if err != nil {
				return err
			}
			st, h, b, err := doHTTP(ctx, "GET", u.URL, http.Header{"Range": {"bytes=0-4"}}, nil, -1)
			if err != nil || st != 206 || string(b) != "hello" {
				return fmt.Errorf("st=%d %v %.100s", st, err, b)
			}
			if h.Get("Content-Disposition") == "" {
				return fmt.Errorf("no Content-Disposition override")
			}
			return nil
		}},
		{"presigned PUT via net/http", func(ctx context.Context) error {
			u, err := ps.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &bk, Key: aws.String("pre/put")}, s3.WithPresignExpires(5*time.Minute))
			if err != nil {
				return err
			}
			st, _, b, err := doHTTP(ctx, "PUT", u.URL, u.SignedHeader, bytes.NewReader(data), int64(len(data)))
			if err != nil || st != 200 {
				return fmt.Errorf("st=%d %v %.200s", st, err, b)
			}
			g, err := get(ctx, "pre/put")
			if err != nil || !bytes.Equal(g, data) {
				return fmt.Errorf("%v", err)
			}
			return nil
		}},
		{"presigned URL expired -> 403", func(ctx context.Context) error {
			u, err := ps.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &bk, Key: aws.String("a/b.txt")}, s3.WithPresignExpires(1*time.Second))
			if err != nil {
				return err
			}
			time.Sleep(2200 * time.Millisecond)
			st, _, _, err := doHTTP(ctx, "GET", u.URL, nil, nil, -1)
			if err != nil || st != 403 {
				return fmt.Errorf("st=%d %v", st, err)
			}
			return nil
		}},
		{"presigned URL for another key (tampered) -> 403", func(ctx context.Context) error {
			u, err := ps.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &bk, Key: aws.String("nope/x")}, s3.WithPresignExpires(5*time.Minute))
			if err != nil {
				return err
			}
			st, _, _, err := doHTTP(ctx, "GET", strings.Replace(u.URL, "nope/x", "a/b.txt", 1), nil, nil, -1)
			if err != nil || st != 403 {
				return fmt.Errorf("st=%d %v", st, err)
			}
			return nil
		}},
		{"unsigned anonymous GET -> 403", func(ctx context.Context) error {
			st, _, _, err := doHTTP(ctx, "GET", *endpoint+"/"+bk+"/a/b.txt", nil, nil, -1)
			if err != nil || st != 403 {
				return fmt.Errorf("st=%d %v", st, err)
			}
			return nil
		}},
		{"PUT x-amz-checksum-sha256 wrong -> rejected, not stored", func(ctx context.Context) error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bk, Key: aws.String("bad/sum"), Body: bytes.NewReader(data), ChecksumSHA256: aws.String(sha([]byte("other")))})
			if err == nil {
				return fmt.Errorf("accepted")
			}
			if _, e := get(ctx, "bad/sum"); e == nil {
				return fmt.Errorf("rejected (%s) but stored", errCode(err))
			}
			return wantCode(err, "BadDigest", "XAmzContentChecksumMismatch")
		}},
		{"PUT x-amz-checksum-sha256 right; HEAD ChecksumMode returns it", func(ctx context.Context) error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bk, Key: aws.String("good/sum"), Body: bytes.NewReader(data), ChecksumSHA256: aws.String(sha(data))})
			if err != nil {
				return err
			}
			h, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bk, Key: aws.String("good/sum"), ChecksumMode: types.ChecksumModeEnabled})
			if err != nil {
				return err
			}
			if aws.ToString(h.ChecksumSHA256) != sha(data) {
				return fmt.Errorf("head checksum=%q", aws.ToString(h.ChecksumSHA256))
			}
			return nil
		}},
		{"presigned PUT with signed checksum, wrong body -> rejected", func(ctx context.Context) error {
			u, err := ps.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &bk, Key: aws.String("pre/sum"), ChecksumSHA256: aws.String(sha(data))}, s3.WithPresignExpires(5*time.Minute))
			if err != nil {
				return err
			}
			h := u.SignedHeader.Clone()
			if h.Get("X-Amz-Checksum-Sha256") == "" && !strings.Contains(strings.ToLower(u.URL), "x-amz-checksum-sha256") {
				return fmt.Errorf("sdk did not sign checksum: %s", u.URL)
			}
			evil := []byte("evil body")
			st, _, b, err := doHTTP(ctx, "PUT", u.URL, h, bytes.NewReader(evil), int64(len(evil)))
			if err != nil || st != 400 {
				return fmt.Errorf("st=%d %v %.120s", st, err, b)
			}
			st, _, b, err = doHTTP(ctx, "PUT", u.URL, h, bytes.NewReader(data), int64(len(data)))
			if err != nil || st != 200 {
				return fmt.Errorf("right body st=%d %v %.120s", st, err, b)
			}
			return nil
		}},
		{"Content-MD5 wrong -> BadDigest", func(ctx context.Context) error {
			m := md5.Sum([]byte("other"))
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bk, Key: aws.String("bad/md5"), Body: bytes.NewReader(data), ContentMD5: aws.String(base64.StdEncoding.EncodeToString(m[:]))})
			return wantCode(err, "BadDigest")
		}},
	}
}
