package web

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// deadlines notes when they are set.
type deadlines struct {
	http.ResponseWriter
	read, write []time.Duration
	start       time.Time
}

func (d *deadlines) Header() http.Header         { return http.Header{} }
func (d *deadlines) WriteHeader(int)             {}
func (d *deadlines) Write(b []byte) (int, error) { return len(b), nil }
func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = append(d.read, t.Sub(d.start))
	return nil
}
func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.write = append(d.write, t.Sub(d.start))
	return nil
}

// slow gives a byte a minute.
type slow struct{ left int }

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Minute)
	s.left--
	return 1, nil
}

func TestDeadlinesMoveWithProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &deadlines{start: time.Now()}
		req, _ := http.NewRequest("PUT", "/", io.NopCloser(&slow{left: 3}))
		Patient(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Write([]byte("at once"))
			io.Copy(w, &slow{left: 2})
		})).ServeHTTP(d, req)
		want := []time.Duration{time.Minute + Patience, 2*time.Minute + Patience, 3*time.Minute + Patience, 4*time.Minute + Patience, 5*time.Minute + Patience}
		if !slices.Equal(d.read, want) || !slices.Equal(d.write, want) {
			t.Errorf("deadlines for reading %v, for writing %v, not %v", d.read, d.write, want)
		}
	})
}

func TestPatientReadFromCopiesAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, bytes.Repeat([]byte("abc"), leastPiece), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	whole := int64(3 * leastPiece)
	for _, c := range []struct {
		src  io.Reader
		want int64
	}{
		{file, whole}, {io.LimitReader(file, 0), 0}, {io.LimitReader(file, 5), 5}, {io.LimitReader(file, leastPiece), leastPiece},
		{io.LimitReader(file, leastPiece+1), leastPiece + 1}, {io.LimitReader(file, whole+1), whole},
		{io.MultiReader(io.LimitReader(file, leastPiece+7)), leastPiece + 7},
	} {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		to := &answerTo{}
		n, err := (&patientWriter{ResponseWriter: to}).ReadFrom(c.src)
		if n != c.want || err != nil || to.n != c.want {
			t.Errorf("of %d bytes %d were copied, and %d arrived: %v", c.want, n, to.n, err)
		}
	}
}

// answerTo counts an answer's bytes.
type answerTo struct {
	http.ResponseWriter
	n int64
}

func (a *answerTo) Write(b []byte) (int, error) { a.n += int64(len(b)); return len(b), nil }
