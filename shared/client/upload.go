package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"berth/shared/hub"
)

const (
	// wholeBelow is the size of blobs that are sent in the request that begins them.
	wholeBelow = 1 << 20
	// directBelow is the size up to which a store takes a blob in one piece.
	directBelow = 5 << 30
)

// upload is one blob on its way to the registry.
type upload struct {
	r       *registry
	d       hub.Descriptor
	content io.ReaderAt
	watch   Watch

	location string // of what was begun; "" = nothing
	sent     int64  // bytes that the registry has of it, as far as it has said
	misplace bool   // the last attempt began at another place than the registry wants
	direct   bool   // whether to ask for an address of the store's own
}

// uploadBlob brings a blob to the registry, which may have it already. What is cut
// off goes on where the registry says that it ended.
func (r *registry) uploadBlob(ctx context.Context, d hub.Descriptor, content io.ReaderAt, watch Watch) error {
	u := &upload{r: r, d: d, content: content, watch: watch, direct: d.Size >= wholeBelow && d.Size <= directBelow}
	var p patience
	for {
		before := u.sent
		state, err := u.attempt(ctx)
		if err == nil {
			watch(Event{d.Digest, state, d.Size, d.Size})
			return nil
		}
		if u.misplace = IsStatus(err, http.StatusRequestedRangeNotSatisfiable); u.misplace {
			err = connectionError{err}
		}
		if u.location != "" && IsStatus(err, http.StatusNotFound) {
			u.location, err = "", connectionError{err} // the registry has given this one up: from the beginning
		}
		if !passing(err) {
			return err
		}
		if u.location != "" && u.ask(ctx) != nil {
			u.location = ""
		}
		if err := p.after(ctx, err, u.location != "" && u.sent > before); err != nil {
			return err
		}
	}
}

func (u *upload) tell() { u.watch(Event{u.d.Digest, Moving, u.sent, u.d.Size}) }

// attempt does what is left of the upload. The registry may have the blob before it is
// begun, also because the answer to an earlier attempt was lost.
func (u *upload) attempt(ctx context.Context) (State, error) {
	if u.location == "" {
		if there, err := u.r.has(ctx, u.d.Digest); there || err != nil {
			return There, err
		}
	}
	return Moved, u.send(ctx)
}

// send sends what the registry does not have.
func (u *upload) send(ctx context.Context) error {
	u.tell()
	if u.d.Size < wholeBelow {
		return u.whole(ctx)
	}
	if u.location == "" {
		store, err := u.begin(ctx)
		if err != nil {
			return err
		}
		if store != nil {
			return u.toStore(ctx, *store)
		}
	}
	if u.sent < u.d.Size {
		header := http.Header{"Content-Type": {"application/octet-stream"}}
		header.Set("Content-Range", fmt.Sprintf("%d-%d", u.sent, u.d.Size-1))
		res, err := u.r.send(ctx, u.rest(request{method: http.MethodPatch, path: u.location, header: header}))
		if err != nil {
			return err
		}
		res.Body.Close()
		u.sent = u.d.Size
		u.moveTo(res)
	}
	return u.commit(ctx)
}

// whole sends the blob in one request.
func (u *upload) whole(ctx context.Context) error {
	u.sent = 0
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	res, err := u.r.send(ctx, u.rest(request{method: http.MethodPost, path: "blobs/uploads/", query: url.Values{"digest": {u.d.Digest}}, header: header}))
	if err == nil {
		res.Body.Close()
	}
	return err
}

// rest is a request with what the registry does not have yet as its body.
func (u *upload) rest(q request) request {
	q.size = u.d.Size - u.sent
	q.body = func() io.Reader {
		done := u.sent
		return &counted{io.NewSectionReader(u.content, u.sent, q.size), func(n int64) {
			done += n
			u.watch(Event{u.d.Digest, Moving, done, u.d.Size})
		}}
	}
	return q
}

// directAddress is where a store takes a blob by itself, and the headers to send.
type directAddress struct {
	at     *url.URL
	header http.Header
}

// begin starts an upload. The address is nil where the blob goes through the hub.
func (u *upload) begin(ctx context.Context) (*directAddress, error) {
	q := request{method: http.MethodPost, path: "blobs/uploads/"}
	if u.direct {
		q.query = url.Values{"digest": {u.d.Digest}, "direct": {"1"}, "size": {strconv.FormatInt(u.d.Size, 10)}}
	}
	res, err := u.r.send(ctx, q)
	if err != nil {
		return nil, err
	}
	res.Body.Close()
	u.sent = 0
	if u.moveTo(res); u.location == "" {
		return nil, fmt.Errorf("%s begins an upload without saying where", u.r.c.URL.Host)
	}
	address := res.Header.Get("Berth-Direct-Url")
	if !u.direct || address == "" {
		return nil, nil
	}
	d := &directAddress{header: http.Header{}}
	if d.at, err = url.Parse(address); err != nil || d.at.Host == "" || d.at.Scheme != "https" && d.at.Scheme != u.r.c.URL.Scheme {
		return nil, fmt.Errorf("%s sends the layer to %q, which is no address for it", u.r.c.URL.Host, address)
	}
	var headers map[string]string
	if err := json.Unmarshal([]byte(res.Header.Get("Berth-Direct-Headers")), &headers); err != nil {
		return nil, fmt.Errorf("%s says with broken headers where the layer goes: %w", u.r.c.URL.Host, err)
	}
	for name, value := range headers {
		d.header.Set(name, value)
	}
	return d, nil
}

// toStore sends the blob to the store, and lets the hub take it over from there. A
// store that cannot be reached is passed by.
func (u *upload) toStore(ctx context.Context, d directAddress) error {
	res, err := exchange(ctx, u.rest(request{method: http.MethodPut}), d.at, d.header)
	if err == nil {
		defer res.Body.Close()
		if res.StatusCode/100 != 2 {
			err = refusal(res)
		}
	}
	if err != nil {
		u.location, u.direct = "", false
		if ctx.Err() != nil {
			return err
		}
		return connectionError{err}
	}
	return u.commit(ctx)
}

// commit makes what was sent the blob.
func (u *upload) commit(ctx context.Context) error {
	res, err := u.r.send(ctx, request{method: http.MethodPut, path: u.location, query: url.Values{"digest": {u.d.Digest}}})
	if err == nil {
		res.Body.Close()
	}
	return err
}

func (u *upload) moveTo(res *http.Response) {
	if at := res.Header.Get("Location"); at != "" {
		u.location = at
	}
}

// ask asks how far the upload has come.
func (u *upload) ask(ctx context.Context) error {
	return again(ctx, func() error {
		res, err := u.r.send(ctx, request{method: http.MethodGet, path: u.location})
		if err != nil {
			return err
		}
		res.Body.Close()
		_, last, _ := strings.Cut(res.Header.Get("Range"), "-")
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n >= u.d.Size {
			return errors.New("the registry does not say how far the upload has come")
		}
		u.moveTo(res)
		if u.sent = n + 1; n == 0 && !u.misplace { // 0-0 is said of one byte, and of none
			u.sent = 0
		}
		u.tell()
		return nil
	})
}
