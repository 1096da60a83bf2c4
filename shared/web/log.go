package web

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"berth/shared/hub"
)

// recorder remembers what was answered, for the log and the metrics.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	route  string
	caller string
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// ReadFrom lets the server hand a file to the kernel instead of copying it.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := io.Copy(r.ResponseWriter, src)
	r.bytes += n
	return n, err
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Tag names the operation that serves the request, for the log and the metrics.
func Tag(w http.ResponseWriter, _ *http.Request, route string) {
	if r, ok := w.(*recorder); ok {
		r.route = route
	}
}

// Note names the caller, for the log.
func Note(w http.ResponseWriter, c hub.Caller) {
	if r, ok := w.(*recorder); ok {
		r.caller = c.Name()
	}
}

// Observer is told of each answered request: operation, status, body bytes sent, duration.
type Observer func(route string, status int, bytes int64, took time.Duration)

// Logged gives each request an id and writes one line about it when it is
// answered. observe may be nil.
func Logged(h *hub.Hub, next http.Handler, observe Observer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		start := time.Now()
		id := newRequestID()
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		rec := &recorder{ResponseWriter: w}
		defer func() {
			took := time.Since(start)
			h.Log.LogAttrs(req.Context(), slog.LevelInfo, "request",
				slog.String("request", id), slog.String("caller", rec.caller), slog.String("route", rec.route),
				slog.String("method", req.Method), slog.String("path", req.URL.Path), slog.String("from", remoteHost(req)),
				slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Duration("took", took))
			if observe != nil {
				observe(rec.route, rec.status, rec.bytes, took)
			}
		}()
		next.ServeHTTP(rec, req)
	})
}
