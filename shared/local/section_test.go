package local

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"berth/shared/store"
)

// reading is a ResponseWriter that takes note of what its ReadFrom is given.
type reading struct {
	http.ResponseWriter
	from []io.Reader
}

func (r *reading) ReadFrom(src io.Reader) (int64, error) {
	r.from = append(r.from, src)
	return io.Copy(r.ResponseWriter, src)
}

// What net/http and net know how to hand to the kernel is an *io.LimitedReader of an
// *os.File, and nothing else.
func TestOpenGivesWhatTheKernelCanSend(t *testing.T) {
	l := openLayers(t, t.TempDir())
	data := bytes.Repeat([]byte("0123456789"), 100_000)
	st, err := l.Append(t.Context(), "object-1", store.State{}, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err = l.Finish(t.Context(), "object-1", st); err != nil {
		t.Fatal(err)
	}
	var taken *reading
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		taken = &reading{ResponseWriter: w}
		rc, err := l.Open(r.Context(), "object-1", 7, 900_000)
		if err != nil {
			t.Error(err)
			return
		}
		defer rc.Close()
		w.Header().Set("Content-Length", "900000")
		if n, err := io.Copy(taken, rc); n != 900_000 || err != nil {
			t.Errorf("%d bytes copied, %v", n, err)
		}
	}))
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || !bytes.Equal(got, data[7:900_007]) {
		t.Errorf("%d bytes, or other ones: %v", len(got), err)
	}
	if len(taken.from) != 1 {
		t.Fatalf("ReadFrom was called %d times", len(taken.from))
	}
	limited, ok := taken.from[0].(*io.LimitedReader)
	if !ok {
		t.Fatalf("ReadFrom was given a %T", taken.from[0])
	}
	if _, ok = limited.R.(*os.File); !ok {
		t.Fatalf("ReadFrom was given a piece of a %T", limited.R)
	}
}

func TestAppendToWhatIsFinished(t *testing.T) {
	l := openLayers(t, t.TempDir())
	st, err := l.Append(t.Context(), "object-1", store.State{}, strings.NewReader("abc"))
	if err == nil {
		err = l.Finish(t.Context(), "object-1", st)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range []store.State{{}, st} {
		if _, err = l.Append(t.Context(), "object-1", st, strings.NewReader("x")); err == nil {
			t.Errorf("Append at %d of a finished object succeeds", st.Size)
		}
	}
	if err = l.Finish(t.Context(), "object-1", store.State{Size: 2}); err == nil {
		t.Error("Finish with another size succeeds")
	}
	r, err := l.Open(t.Context(), "object-1", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); string(got) != "abc" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
