package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// rawServer answers just enough of the API for the measurements, with nothing
// between net/http and the file system: blobs are files, everything else is
// memory, nobody is asked for credentials. It is the limit of what a registry
// can reach on the machine; it is not a registry.
type rawServer struct {
	dir          string
	fsync, nosum bool
	mu           sync.RWMutex
	seq          int
	uploads      map[string]*rawUpload
	manifests    map[string][]byte   // "repo reference"
	tags         map[string][]string // sorted
	repos        []string            // sorted
}

type rawUpload struct {
	f *os.File
	h hash.Hash
}

func newRawServer() *rawServer {
	return &rawServer{uploads: map[string]*rawUpload{}, manifests: map[string][]byte{}, tags: map[string][]string{}}
}

func rawCmd(args []string) error {
	s := newRawServer()
	fs := flag.NewFlagSet("raw", flag.ExitOnError)
	addr := fs.String("listen", "127.0.0.1:5999", "address")
	fs.StringVar(&s.dir, "dir", "", "directory for blobs")
	fs.BoolVar(&s.fsync, "fsync", false, "flush each blob to the disk before answering")
	fs.BoolVar(&s.nosum, "nosum", false, "do not compute digests while receiving")
	fs.Parse(args)
	if s.dir == "" {
		return fmt.Errorf("raw needs -dir")
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	return http.ListenAndServe(*addr, s)
}

func (s *rawServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, _ := strings.CutPrefix(r.URL.Path, "/v2/")
	if p == "" {
		return
	}
	if p == "_catalog" {
		s.mu.RLock()
		defer s.mu.RUnlock()
		page(w, r, "repositories", s.repos)
		return
	}
	if repo, ok := strings.CutSuffix(p, "/tags/list"); ok {
		s.mu.RLock()
		defer s.mu.RUnlock()
		page(w, r, "tags", s.tags[repo])
		return
	}
	if i := strings.Index(p, "/blobs/uploads/"); i >= 0 {
		s.upload(w, r, p[i+len("/blobs/uploads/"):])
		return
	}
	if i := strings.Index(p, "/blobs/"); i >= 0 {
		s.blob(w, r, p[i+len("/blobs/"):])
		return
	}
	if i := strings.Index(p, "/manifests/"); i >= 0 {
		s.manifest(w, r, p[:i], p[i+len("/manifests/"):])
		return
	}
	http.NotFound(w, r)
}

func (s *rawServer) path(digest string) string {
	return filepath.Join(s.dir, filepath.Base(strings.Replace(digest, ":", "-", 1)))
}

func (s *rawServer) upload(w http.ResponseWriter, r *http.Request, id string) {
	if r.Method == "POST" {
		s.begin(w, r)
		return
	}
	s.mu.RLock()
	u := s.uploads[id]
	s.mu.RUnlock()
	if u == nil {
		http.NotFound(w, r)
		return
	}
	dst := io.Writer(u.f)
	if !s.nosum {
		dst = io.MultiWriter(u.f, u.h)
	}
	buf := bufs.Get().(*[]byte)
	_, err := io.CopyBuffer(writerOnly{dst}, r.Body, *buf)
	bufs.Put(buf)
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	if r.Method == "PATCH" {
		w.Header().Set("Location", r.URL.Path)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	s.mu.Lock()
	delete(s.uploads, id)
	s.mu.Unlock()
	s.finish(w, u, r.FormValue("digest"))
}

func (s *rawServer) begin(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("mount") != "" {
		w.WriteHeader(http.StatusCreated)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	id := strconv.Itoa(s.seq)
	f, err := os.Create(filepath.Join(s.dir, "upload-"+id))
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	s.uploads[id] = &rawUpload{f, sha256.New()}
	w.Header().Set("Location", r.URL.Path+id)
	w.WriteHeader(http.StatusAccepted)
}

func (s *rawServer) finish(w http.ResponseWriter, u *rawUpload, digest string) {
	defer u.f.Close()
	if !s.nosum && digest != "sha256:"+hex.EncodeToString(u.h.Sum(nil)) {
		http.Error(w, "digest mismatch", 400)
		return
	}
	var err error
	if s.fsync {
		err = u.f.Sync()
	}
	if err == nil {
		err = os.Rename(u.f.Name(), s.path(digest))
	}
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func (s *rawServer) blob(w http.ResponseWriter, r *http.Request, digest string) {
	if r.Method == "DELETE" {
		os.Remove(s.path(digest))
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", octets)
	http.ServeFile(w, r, s.path(digest))
}

func (s *rawServer) manifest(w http.ResponseWriter, r *http.Request, repo, ref string) {
	if r.Method == "PUT" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.manifests[repo+" "+ref] = body
		s.manifests[repo+" "+digestOf(body)] = body
		s.tags[repo] = insert(s.tags[repo], ref)
		s.repos = insert(s.repos, repo)
		w.WriteHeader(http.StatusCreated)
		return
	}
	s.mu.RLock()
	body, ok := s.manifests[repo+" "+ref]
	s.mu.RUnlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", manifestType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != "HEAD" {
		w.Write(body)
	}
}

func insert(list []string, name string) []string {
	i := sort.SearchStrings(list, name)
	if i < len(list) && list[i] == name {
		return list
	}
	list = append(list, "")
	copy(list[i+1:], list[i:])
	list[i] = name
	return list
}

func page(w http.ResponseWriter, r *http.Request, key string, list []string) {
	if last := r.FormValue("last"); last != "" {
		i := sort.SearchStrings(list, last)
		if i < len(list) && list[i] == last {
			i++
		}
		list = list[i:]
	}
	if n, err := strconv.Atoi(r.FormValue("n")); err == nil && n > 0 && n < len(list) {
		list = list[:n]
		q := url.Values{"n": {strconv.Itoa(n)}, "last": {list[n-1]}}
		w.Header().Set("Link", "<"+r.URL.Path+"?"+q.Encode()+`>; rel="next"`)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string][]string{key: list})
}
