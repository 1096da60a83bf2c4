package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"berth/shared/hub"
)

// directHub is the part of a hub that direct uploads speak to, over a store of its
// own: it notes each request as METHOD place and the bytes of its body.
type directHub struct {
	t          *testing.T
	hub, store *httptest.Server
	refuse     bool // whether the store takes nothing
	plain      bool // whether the hub has no store to offer

	mu   sync.Mutex
	came []string
	got  []byte
}

func newDirectHub(t *testing.T) *directHub {
	d := &directHub{t: t}
	d.hub, d.store = httptest.NewServer(http.HandlerFunc(d.serveHub)), httptest.NewServer(http.HandlerFunc(d.serveStore))
	t.Cleanup(d.hub.Close)
	t.Cleanup(d.store.Close)
	return d
}

func (d *directHub) note(r *http.Request, place string) []byte {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		d.t.Error(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.came = append(d.came, fmt.Sprintf("%s %s %d", r.Method, place, len(b)))
	return b
}

func (d *directHub) serveHub(w http.ResponseWriter, r *http.Request) {
	const uploads = "/v2/a/b/blobs/uploads/"
	switch {
	case r.URL.Path == "/v2/token":
		io.WriteString(w, `{"token":"secret","expires_in":300}`)
		return
	case r.Header.Get("Authorization") != "Bearer secret":
		d.t.Errorf("%s %s comes with the credentials %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}
	switch {
	case r.Method == http.MethodHead:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPost && r.URL.Path == uploads:
		q := r.URL.Query()
		d.note(r, "upload direct="+q.Get("direct"))
		w.Header().Set("Location", uploads+"one")
		if q.Get("direct") == "1" && !d.plain {
			if hub.CheckDigest(q.Get("digest")) != nil || q.Get("size") == "" {
				d.t.Errorf("the upload is announced as %s", r.URL.RawQuery)
			}
			w.Header().Set("Berth-Direct-Url", d.store.URL+"/bucket/key?signature=x")
			w.Header().Set("Berth-Direct-Headers", `{"X-Amz-Checksum-Sha256":"sum"}`)
		}
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPatch && r.URL.Path == uploads+"one":
		d.got = d.note(r, "chunk")
		w.Header().Set("Location", uploads+"two")
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, uploads):
		d.note(r, "commit "+strings.TrimPrefix(r.URL.Path, uploads))
		if hub.CheckDigest(r.URL.Query().Get("digest")) != nil {
			d.t.Errorf("the upload is committed as %s", r.URL.RawQuery)
		}
		w.WriteHeader(http.StatusCreated)
	default:
		d.t.Errorf("%s %s", r.Method, r.URL)
		w.WriteHeader(http.StatusNotFound)
	}
}

func (d *directHub) serveStore(w http.ResponseWriter, r *http.Request) {
	if h := r.Header; h.Get("Authorization") != "" || h.Get("Cookie") != "" || h.Get("X-Amz-Checksum-Sha256") != "sum" || r.ContentLength < 0 {
		d.t.Errorf("the store is sent the headers %v and the length %d", h, r.ContentLength)
	}
	if r.URL.RequestURI() != "/bucket/key?signature=x" {
		d.t.Errorf("the store is sent %s", r.URL)
	}
	b := d.note(r, "store")
	if d.refuse {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	d.got = b
}

func TestDirectUpload(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), wholeBelow/16)
	for _, c := range []struct {
		name    string
		content []byte
		set     func(*directHub)
		want    []string
	}{
		{"to the store", big, func(*directHub) {}, []string{"POST upload direct=1 0", "PUT store 1048576", "PUT commit one 0"}},
		{"a hub without one", big, func(d *directHub) { d.plain = true }, []string{"POST upload direct=1 0", "PATCH chunk 1048576", "PUT commit two 0"}},
		{
			"a store that refuses", big, func(d *directHub) { d.refuse = true },
			[]string{"POST upload direct=1 0", "PUT store 1048576", "POST upload direct= 0", "PATCH chunk 1048576", "PUT commit two 0"},
		},
		{"a small one", big[:len(big)-1], func(d *directHub) {}, []string{"POST upload direct= 1048575"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDirectHub(t)
			c.set(d)
			at, err := url.Parse(d.hub.URL)
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			h.Write(c.content)
			blob := hub.Descriptor{Digest: sumOf(h), Size: int64(len(c.content))}
			r := &registry{c: &Client{URL: at, Username: "ann", Secret: "password"}, name: Name{"a", "b"}, push: true}
			var last Event
			var mu sync.Mutex
			err = r.uploadBlob(context.Background(), blob, bytes.NewReader(c.content), func(e Event) {
				mu.Lock()
				defer mu.Unlock()
				last = e
			})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(d.came, c.want) {
				t.Errorf("what came is %q, not %q", d.came, c.want)
			}
			if len(c.content) >= wholeBelow && !bytes.Equal(d.got, c.content) {
				t.Errorf("of %d bytes %d arrived, or others", len(c.content), len(d.got))
			}
			if (last != Event{blob.Digest, Moved, blob.Size, blob.Size}) {
				t.Errorf("the last event is %+v", last)
			}
		})
	}
}

// No answer of a hub sends its credentials to another host.
func TestCredentialsStayWithTheHub(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s %s brings %q to another host", r.Method, r.URL, r.Header.Get("Authorization"))
		}
		io.WriteString(w, "a blob")
	}))
	defer other.Close()
	sum := sha256.Sum256([]byte("a blob"))
	digest := fmt.Sprintf("sha256:%x", sum)
	mux := http.NewServeMux()
	mux.HandleFunc("/v2/token", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"token":"secret","expires_in":300}`) })
	mux.HandleFunc("POST /v2/a/b/blobs/uploads/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", other.URL+"/v2/a/b/blobs/uploads/one")
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /v2/a/b/blobs/"+digest, func(w http.ResponseWriter, r *http.Request) { // a HEAD finds nothing
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		http.Redirect(w, r, other.URL+"/signed", http.StatusTemporaryRedirect)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := &registry{c: &Client{URL: at, Username: "ann", Secret: "password"}, name: Name{"a", "b"}}
	l := layout{t.TempDir()}
	if err := l.begin(); err != nil {
		t.Fatal(err)
	}
	d := hub.Descriptor{Digest: digest, Size: 6}
	if err := r.download(context.Background(), d, l, func(Event) {}); err != nil {
		t.Errorf("a blob from another host: %v", err)
	}
	content := bytes.NewReader(make([]byte, wholeBelow))
	d.Size = wholeBelow
	err = r.uploadBlob(context.Background(), d, content, func(Event) {})
	if err == nil || !strings.Contains(err.Error(), "another host") {
		t.Errorf("an upload to another host ends with %v", err)
	}
}
