// Package console is the web console: a client of the hub API that runs in browsers,
// as files that are part of the program. They are built from src by `make console`;
// a program that was compiled before that has none.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:dist
var built embed.FS

//go:embed logo.png
var logo []byte

// Site is a console that can be served. The zero one has no page.
type Site struct {
	files map[string]file // by their paths below /console/
}

// file is one of the site's, packed with gzip.
type file struct {
	packed []byte
	kind   string
	tag    string // of its content, without quotes
}

const (
	page   = "index.html"
	assets = "assets/"
	packed = ".gz"
)

// kinds are the media types of what the console is made of.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

// Built is the console that this program was compiled with.
func Built() (Site, error) {
	dist, err := fs.Sub(built, "dist")
	if err != nil {
		return Site{}, err
	}
	return Open(dist)
}

// Open reads a site as the build leaves it: index.html and assets, each packed and
// with .gz behind its name. Other files are no part of it.
func Open(dist fs.FS) (Site, error) {
	s := Site{files: map[string]file{}}
	err := fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		name, isPacked := strings.CutSuffix(name, packed)
		if err != nil || d.IsDir() || !isPacked {
			return err
		}
		kind := kinds[path.Ext(name)]
		if kind == "" {
			return fmt.Errorf("console: there is no media type for %s", name)
		}
		b, err := fs.ReadFile(dist, name+packed)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		s.files[name] = file{packed: b, kind: kind, tag: base64.RawURLEncoding.EncodeToString(sum[:12])}
		return nil
	})
	if len(s.files) > 0 && s.files[page].packed == nil {
		err = errors.Join(err, errors.New("console: the build has no "+page))
	}
	return s, err
}

// Has reports whether there is a console to serve.
func (s Site) Has() bool { return s.files[page].packed != nil }

// policy lets the page load and ask nothing but the hub's own, run no script that is
// not a file of the console, and stand in no other page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Serve answers a GET or HEAD of what is at a path below /console/: a file among the
// assets, and the page for all other paths, which are places in it. It reports false,
// and has answered nothing, where there is no such file.
func (s Site) Serve(w http.ResponseWriter, r *http.Request, at string) bool {
	name, caching := page, "no-cache"
	if strings.HasPrefix(at, assets) {
		name, caching = at, "public, max-age=31536000, immutable" // their names change with their content
	}
	f, ok := s.files[name]
	if !ok {
		return false
	}
	h := w.Header()
	h.Set("Cache-Control", caching)
	h.Set("Content-Security-Policy", policy)
	h.Set("Content-Type", f.kind)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	f.answer(w, r)
	return true
}

// answer sends the content, packed to those who take that.
func (f file) answer(w http.ResponseWriter, r *http.Request) {
	h, content, tag := w.Header(), f.packed, `"`+f.tag+`-gzip"`
	takes := takesGzip(r.Header.Get("Accept-Encoding"))
	if !takes {
		content, tag = f.unpacked(), `"`+f.tag+`"`
	}
	h.Set("ETag", tag)
	if knows(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if takes {
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		w.Write(content)
	}
}

// unpacked is for the few clients that do not take gzip.
func (f file) unpacked() []byte {
	z, err := gzip.NewReader(bytes.NewReader(f.packed))
	if err != nil {
		panic(err) // of what the build packed
	}
	b, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	return b
}

// takesGzip reads an Accept-Encoding.
func takesGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if name := strings.TrimSpace(coding); !strings.EqualFold(name, "gzip") {
			continue
		}
		q, isWeight := strings.CutPrefix(strings.TrimSpace(weight), "q=")
		n, err := strconv.ParseFloat(q, 64)
		return !isWeight || err == nil && n > 0
	}
	return false
}

// knows reads an If-None-Match.
func knows(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if given := strings.TrimSpace(part); given == "*" || strings.TrimPrefix(given, "W/") == tag {
			return true
		}
	}
	return false
}

// Logo answers with the picture of repositories that have none of their own.
func (s Site) Logo(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=86400")
	h.Set("Content-Type", "image/png")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(logo)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		w.Write(logo)
	}
}
