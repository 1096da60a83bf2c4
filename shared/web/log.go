package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
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

// Answered is what became of a request.
type Answered struct {
	Route    string // the operation, or NoOperation
	Status   int
	Sent     int64 // bytes of the answer's body
	Received int64 // bytes of the request's body
	Took     time.Duration
}

// NoOperation stands for the operation of a request that no route serves.
const NoOperation = "none"

// Observer is told of each answered request.
type Observer func(Answered)

// counted counts what is read of a request's body.
type counted struct {
	io.ReadCloser
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	return n, err
}

// Logged gives each request an id and writes one line about it when it is
// answered. The line has the path but not the query, which may hold secrets.
// observe may be nil.
func Logged(h *hub.Hub, next http.Handler, observe Observer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		start := time.Now()
		throughProxies(req, h.Options.TrustedProxies)
		throughEdge(req, h.Options.EdgeKey)
		id := newRequestID()
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		rec := &recorder{ResponseWriter: w, route: NoOperation}
		var body counted
		if req.Body != nil && req.Body != http.NoBody {
			body.ReadCloser = req.Body
			req.Body = &body
		}
		defer func() {
			took := time.Since(start)
			if rec.status == 0 { // the server answers 200 for a handler that writes nothing
				rec.status = http.StatusOK
			}
			logLine(req.Context(), h.Log.Handler(), start.Add(took),
				slog.String("request", id), slog.String("caller", rec.caller), slog.String("route", rec.route),
				slog.String("method", req.Method), slog.String("path", loggedPath(req.URL.Path)), slog.String("from", remoteHost(req)),
				slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Int64("received", body.n),
				slog.Float64("ms", float64(took.Microseconds())/1000))
			if observe != nil {
				observe(Answered{rec.route, rec.status, rec.bytes, body.n, took})
			}
		}()
		next.ServeHTTP(rec, req)
	})
}

// hookPath begins the addresses of Git hosts' webhooks. What follows is a code that
// only writers of a repository are shown.
const hookPath = "/v1/hooks/code/"

// loggedPath is a request's path as the log may have it.
func loggedPath(path string) string {
	if strings.HasPrefix(path, hookPath) {
		return hookPath + "***"
	}
	return path
}

// logLine writes the line about a request. It goes to the handler, and not through
// a Logger, which would find out what line of the source each record comes from.
func logLine(ctx context.Context, log slog.Handler, at time.Time, attrs ...slog.Attr) {
	if log.Enabled(ctx, slog.LevelInfo) {
		r := slog.NewRecord(at, slog.LevelInfo, "request", 0)
		r.AddAttrs(attrs...)
		log.Handle(ctx, r)
	}
}
