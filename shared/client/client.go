// Package client speaks to a hub over HTTP: to its hub API, and to its registry,
// where it pushes and pulls images.
package client

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client calls one hub as one account. The zero Username is nobody.
type Client struct {
	// URL is the hub's address, as [ParseURL] reads it.
	URL *url.URL
	// Username and Secret are the account's name and its password or an access token.
	Username, Secret string
}

// web follows no redirect with the hub's credentials: another host that sends a
// blob has its own in the address. It has no limit of time, because a layer may
// take hours, but waits for no answer longer than answerWithin.
var web = &http.Client{
	Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 20 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: answerWithin,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   16,
		ForceAttemptHTTP2:     true,
	},
	CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > 5 {
			return errors.New("too many redirects")
		}
		if req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
			req.Header.Del("Authorization")
		}
		return nil
	},
}

const answerWithin = 5 * time.Minute

// maxAnswer bounds an answer of the hub API, which sends at most 4 MiB of a list.
const maxAnswer = 16 << 20

// ParseURL reads a hub's address: https://hub.example.com, or the host alone. Without
// a scheme it is https, and http on this machine.
func ParseURL(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		scheme := "https"
		if here(s) {
			scheme = "http"
		}
		s = scheme + "://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("a hub's address is like https://hub.example.com, not %q", s)
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

// here reports whether a host, with or without a port, is this machine.
func here(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Error is a refusal by the hub at that address.
type Error struct {
	Hub       string
	Status    int
	Code      string // the hub's own for what is wrong; "" where what answers is no hub
	Message   string
	Anonymous bool // it was nobody who asked
}

func (e *Error) Error() string { return e.Message }

// IsStatus reports whether err is a refusal with that status.
func IsStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// refusal is the error that an answer tells of.
func refusal(res *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	at := res.Request.URL
	e := &Error{Hub: at.Scheme + "://" + at.Host, Status: res.StatusCode, Anonymous: res.Request.Header.Get("Authorization") == ""}
	var told struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(b, &told) == nil && len(told.Errors) > 0 && told.Errors[0].Message != "" {
		e.Code, e.Message = told.Errors[0].Code, told.Errors[0].Message
		return e
	}
	text := strings.Join(strings.Fields(string(b[:min(len(b), 300)])), " ")
	if strings.Contains(text, "HTTP request to an HTTPS server") { // net/http and nginx answer so
		e.Message = fmt.Sprintf("%s speaks https: its address is https://%s", at.Host, at.Host)
		return e
	}
	e.Message = strings.TrimSuffix(fmt.Sprintf("%s answers %s: %s", at.Host, res.Status, text), ": ")
	return e
}

// Do sends a request to the hub API and decodes its answer into out. in, where it
// is not nil, is sent as JSON, and out may be nil. A refusal is an *Error.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	_, err := c.do(ctx, method, path, in, out)
	return err
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	at, err := c.URL.Parse(path)
	if err == nil && at.Host != c.URL.Host {
		err = fmt.Errorf("%s is not on %s", path, c.URL.Host)
	}
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Secret != "" {
		req.SetBasicAuth(c.Username, c.Secret)
	}
	res, err := web.Do(req)
	if err != nil {
		return nil, unreachable(err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return nil, refusal(res)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, unreachable(err)
	}
	if out == nil || len(b) == 0 {
		return res.Header, nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return nil, fmt.Errorf("%s answers with something else than the hub API: %w; is its address right?", c.URL.Host, err)
	}
	return res.Header, nil
}

// connectionError is a request that found no answer: asking again may help.
type connectionError struct{ error }

func (e connectionError) Unwrap() error { return e.error }

func unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // its text repeats the address with its query, where another host's credentials may be
		if at, bad := url.Parse(u.URL); bad == nil {
			err = fmt.Errorf("%s does not answer: %w%s", at.Host, u.Err, advice(u.Err, at))
		}
	}
	return connectionError{err}
}

// advice is what to do about a connection that failed, where that is known.
func advice(err error, at *url.URL) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Sprintf("; give its address as http://%s if it speaks no https", at.Host)
	case errors.As(err, &unknown):
		return "; if the hub has a certificate of its own making, have this machine trust it, or name its file in SSL_CERT_FILE"
	case errors.As(err, &name):
		return "; use the address that its certificate is for"
	}
	return ""
}

// passing reports whether a failure may be gone when the request is sent again.
func passing(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var lost connectionError
	if errors.As(err, &lost) {
		return true
	}
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusInternalServerError:
		return true
	}
	return false
}

// Answer is what the hub answered: what the client reads of it, and all of it, for
// scripts.
type Answer[T any] struct {
	Of    T
	whole json.RawMessage
}

// UnmarshalJSON keeps the text beside what is read of it.
func (a *Answer[T]) UnmarshalJSON(b []byte) error {
	a.whole = bytes.Clone(b)
	return json.Unmarshal(b, &a.Of)
}

// MarshalJSON is the answer as the hub sent it.
func (a Answer[T]) MarshalJSON() ([]byte, error) {
	if a.whole == nil {
		return json.Marshal(a.Of)
	}
	return a.whole, nil
}

// list reads the pages of a list until it has most entries; most 0 = all of them.
func list[T any](ctx context.Context, c *Client, path string, q url.Values, most int) (all []Answer[T], err error) {
	const pageSize = 100
	all = []Answer[T]{}
	size := pageSize
	if most > 0 {
		size = min(size, most)
	}
	q.Set("page_size", fmt.Sprint(size))
	for next := path + "?" + q.Encode(); next != ""; {
		var page struct {
			Next    *string
			Results []Answer[T]
		}
		if err := c.Do(ctx, http.MethodGet, next, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Results...)
		if most > 0 && len(all) >= most {
			return all[:most], nil
		}
		if next = ""; page.Next != nil {
			if next, err = c.own(*page.Next); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// own is a link of the hub's as a path: whatever address it has there, it is asked
// for at the one that the client knows.
func (c *Client) own(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", fmt.Errorf("%s answers with a link that is none: %w", c.URL.Host, err)
	}
	return u.RequestURI(), nil
}
