package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"berth/shared/store"
)

// Open implements store.Layers. The reader is an io.WriterTo which hands the
// writer an *io.LimitedReader of an *os.File: a TCP connection, and net/http's
// ResponseWriter above one, then let the kernel copy (sendfile).
func (l *Layers) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	p, err := l.begin(ctx, key)
	if err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, fmt.Errorf("open %s at %d: an offset is not negative", key, offset)
	}
	f, err := l.disk.OpenFile(p.name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", key, store.ErrNoObject)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", key, err)
	}
	s, err := newSection(f, offset, length)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s: %w", key, err)
	}
	return s, nil
}

// section is a piece of a file. A read or copy to its end gives
// io.ErrUnexpectedEOF where the file is shorter.
type section struct {
	rest  io.LimitedReader
	file  File
	short bool // the file has less than was asked for
}

func newSection(f File, offset, length int64) (*section, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s := &section{file: f, rest: io.LimitedReader{R: f}}
	have := info.Size() - offset
	switch {
	case have < 0:
		s.short, have = true, 0
	case length < 0:
	case length > have:
		s.short = true
	default:
		have = length
	}
	s.rest.N = have
	if offset > 0 {
		_, err = f.Seek(offset, io.SeekStart)
	}
	return s, err
}

// end is err, or what the end of the section is.
func (s *section) end(err error) error {
	if err == io.EOF && (s.short || s.rest.N > 0) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (s *section) Read(p []byte) (int, error) {
	n, err := s.rest.Read(p)
	return n, s.end(err)
}

// WriteTo implements io.WriterTo.
func (s *section) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, &s.rest)
	if err == nil {
		err = s.end(io.EOF)
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func (s *section) Close() error { return s.file.Close() }
