package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// ---- big streaming ----

type patReader struct {
	n, off int64
	h      hash.Hash
}

func (p *patReader) Read(b []byte) (int, error) {
	if p.off >= p.n {
		return 0, io.EOF
	}
	m := int64(len(b))
	if m > p.n-p.off {
		m = p.n - p.off
	}
	for i := int64(0); i < m; i++ {
		x := p.off + i
		b[i] = byte(x*2654435761>>7) ^ byte(x>>20)
	}
	p.off += m
	if p.h != nil {
		p.h.Write(b[:m])
	}
	return int(m), nil
}

func rss(pid int, field string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return -1
	}
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, field+":") {
			var v int64
			fmt.Sscanf(strings.TrimSpace(strings.TrimPrefix(l, field+":")), "%d", &v)
			return v / 1024
		}
	}
	return -1
}

func resetHWM(pid int) { _ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) }

func s3BigChecks() []Check {
	c := s3Client()
	ps := s3.NewPresignClient(c)
	bk := "big-" + runID
	n := int64(*bigMiB) << 20
	var sum []byte
	return []Check{
		{fmt.Sprintf("presigned streaming PUT %dMiB", *bigMiB), func(ctx context.Context) error {
			if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bk}); err != nil {
				return err
			}
			fmt.Printf("   server RSS before %d MiB\n", rss(*srvPid, "VmRSS"))
			resetHWM(*srvPid)
			u, err := ps.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &bk, Key: aws.String("big")})
			if err != nil {
				return err
			}
			r := &patReader{n: n, h: sha256.New()}
			t0 := time.Now()
			st, _, b, err := doHTTP(ctx, "PUT", u.URL, u.SignedHeader, r, n)
			if err != nil || st != 200 {
				return fmt.Errorf("st=%d %v %.200s", st, err, b)
			}
			sum = r.h.Sum(nil)
			fmt.Printf("   PUT %.0f MiB/s, server peak RSS %d MiB, RSS now %d\n", float64(*bigMiB)/time.Since(t0).Seconds(), rss(*srvPid, "VmHWM"), rss(*srvPid, "VmRSS"))
			return nil
		}},
		{fmt.Sprintf("streaming GET %dMiB", *bigMiB), func(ctx context.Context) error {
			resetHWM(*srvPid)
			t0 := time.Now()
			o, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bk, Key: aws.String("big")})
			if err != nil {
				return err
			}
			defer o.Body.Close()
			h := sha256.New()
			m, err := io.Copy(h, o.Body)
			if err != nil || m != n || !bytes.Equal(h.Sum(nil), sum) {
				return fmt.Errorf("n=%d err=%v", m, err)
			}
			fmt.Printf("   GET %.0f MiB/s, server peak RSS %d MiB\n", float64(*bigMiB)/time.Since(t0).Seconds(), rss(*srvPid, "VmHWM"))
			return nil
		}},
		{"Range GET tail of big object (latency)", func(ctx context.Context) error {
			t0 := time.Now()
			o, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bk, Key: aws.String("big"), Range: aws.String(fmt.Sprintf("bytes=%d-%d", n-1024, n-1))})
			if err != nil {
				return err
			}
			b, _ := io.ReadAll(o.Body)
			o.Body.Close()
			if len(b) != 1024 {
				return fmt.Errorf("%d", len(b))
			}
			fmt.Printf("   range latency %v\n", time.Since(t0))
			return nil
		}},
		{"delete it", func(ctx context.Context) error {
			for _, k := range []string{"big"} {
				if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bk, Key: &k}); err != nil {
					return err
				}
			}
			_, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bk})
			return err
		}},
	}
}

func s3PersistWrite() []Check {
	c := s3Client()
	return []Check{{"write 20 objects", func(ctx context.Context) error {
		b := "persist-bkt"
		if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b}); err != nil {
			return err
		}
		for i := 0; i < 20; i++ {
			if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String(fmt.Sprintf("blobs/sha256:%02d", i)), Body: strings.NewReader(fmt.Sprint("v", i)), ContentType: aws.String("x/y"), Metadata: map[string]string{"d": "1"}}); err != nil {
				return err
			}
		}
		return nil
	}}}
}

func s3PersistRead() []Check {
	c := s3Client()
	return []Check{{"read 20 objects after restart (body, type, metadata, etag)", func(ctx context.Context) error {
		b := "persist-bkt"
		l, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b})
		if err != nil || len(l.Contents) != 20 {
			return fmt.Errorf("list %v %v", l, err)
		}
		o, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &b, Key: aws.String("blobs/sha256:07")})
		if err != nil {
			return err
		}
		x, _ := io.ReadAll(o.Body)
		if string(x) != "v7" || aws.ToString(o.ContentType) != "x/y" || o.Metadata["d"] != "1" || len(strings.Trim(aws.ToString(o.ETag), `"`)) != 32 {
			return fmt.Errorf("body=%q ct=%s md=%v etag=%s", x, aws.ToString(o.ContentType), o.Metadata, aws.ToString(o.ETag))
		}
		return nil
	}}}
}
