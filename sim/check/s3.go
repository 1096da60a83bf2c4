package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func s3Client() *s3.Client {
	return s3.NewFromConfig(awsCfg(), func(o *s3.Options) { o.UsePathStyle = true })
}

func sha(b []byte) string { h := sha256.Sum256(b); return base64.StdEncoding.EncodeToString(h[:]) }

func doHTTP(ctx context.Context, method, url string, hdr http.Header, body io.Reader, n int64) (int, http.Header, []byte, error) {
	rq, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return 0, nil, nil, err
	}
	for k, v := range hdr {
		if strings.EqualFold(k, "host") {
			continue
		}
		rq.Header[k] = v
	}
	if n >= 0 {
		rq.ContentLength = n
	}
	rs, err := http.DefaultClient.Do(rq)
	if err != nil {
		return 0, nil, nil, err
	}
	defer rs.Body.Close()
	b, err := io.ReadAll(rs.Body)
	return rs.StatusCode, rs.Header, b, err
}

// bucket is the state that the checks of S3 share; they run in order.
type bucket struct {
	c          *s3.Client
	ps         *s3.PresignClient
	bk         string
	data, part []byte
}

func s3Checks() []Check {
	c := s3Client()
	s := bucket{c, s3.NewPresignClient(c), "bkt-" + runID, []byte("hello layer bytes 0123456789"), bytes.Repeat([]byte("abcdefgh"), 5<<20/8)}
	return slices.Concat(s.objects(), s.multiparts())
}

func (s bucket) put(ctx context.Context, k string, b []byte) error {
	_, err := s.c.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bk, Key: &k, Body: bytes.NewReader(b)})
	return err
}

func (s bucket) get(ctx context.Context, k string) ([]byte, error) {
	o, err := s.c.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bk, Key: &k})
	if err != nil {
		return nil, err
	}
	defer o.Body.Close()
	return io.ReadAll(o.Body)
}
