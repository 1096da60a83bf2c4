package cloud

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// breaks is how often in a row a body may break off without a byte between.
const breaks = 5

// body reads a range of an S3 object, which never changes: where the connection
// breaks, it goes on with another.
type body struct {
	ctx  context.Context
	l    *Layers
	name string
	tag  string // the entity tag that it must have; "" = any
	at   int64  // of the next byte
	end  int64  // of the range; < 0 = the object's
	left int64  // bytes that S3 has still to send
	in   io.ReadCloser
	lost int
}

// open asks for what is still wanted. S3 cuts a range that passes the object's end.
func (b *body) open() error {
	in := &s3.GetObjectInput{Bucket: &b.l.bucket, Key: &b.name}
	if b.tag != "" {
		in.IfMatch = &b.tag
	}
	switch {
	case b.end >= 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", b.at, b.end-1))
	case b.at > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", b.at))
	}
	out, err := b.l.client.GetObject(b.ctx, in)
	if err != nil {
		return err
	}
	b.in, b.left = out.Body, aws.ToInt64(out.ContentLength)
	return nil
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		if b.at < b.end {
			return 0, io.ErrUnexpectedEOF
		}
		return 0, io.EOF
	}
	n, err := b.in.Read(p)
	b.at, b.left = b.at+int64(n), b.left-int64(n)
	if n > 0 {
		b.lost = 0
	}
	if err == nil || b.left == 0 {
		return n, nil
	}
	if b.lost++; b.lost > breaks || b.ctx.Err() != nil {
		return n, b.l.failed(b.ctx, "read", b.name, err)
	}
	b.in.Close()
	if err := b.open(); err != nil {
		return n, b.l.failed(b.ctx, "read", b.name, err)
	}
	return n, nil
}

func (b *body) Close() error { return b.in.Close() }
