package cloud_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"berth/shared/cloud"
	"berth/shared/hub"
	"berth/shared/store/memory"

	"github.com/aws/aws-lambda-go/events"
)

// event is what an HTTP API sends for a request without anything special.
func event(method, path string) events.APIGatewayV2HTTPRequest {
	return events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: path,
		Headers: map[string]string{"host": "hub.example.com"},
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			DomainName: "hub.example.com",
			HTTP:       events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: method, Path: path, SourceIP: "192.0.2.1", Protocol: "HTTP/1.1"},
		},
	}
}

// invoke serves one event with a handler.
func invoke(t *testing.T, e events.APIGatewayV2HTTPRequest, h http.HandlerFunc) events.APIGatewayV2HTTPResponse {
	t.Helper()
	public, err := url.Parse("https://hub.example.com")
	if err != nil {
		t.Fatal(err)
	}
	home := hub.New(memory.NewRecords(), memory.NewLayers(), hub.Keys{}, hub.Options{PublicURL: public})
	home.Log = slog.New(slog.DiscardHandler)
	out, err := cloud.Gateway(home, h)(t.Context(), e)
	if err != nil {
		t.Fatalf("an error of the function, which the gateway answers with its own 500: %v", err)
	}
	return out
}

// The handler sees the request that the client sent.
func TestRequest(t *testing.T) {
	var e events.APIGatewayV2HTTPRequest
	for _, c := range []struct {
		name  string
		set   func()
		check func(r *http.Request) (got, want any)
	}{
		{"path", func() {}, func(r *http.Request) (any, any) { return r.URL.Path, "/v1/x" }},
		{"percent in the path", func() { e.RawPath = "/v1/100%/%zz/%2F" }, func(r *http.Request) (any, any) { return r.URL.Path, "/v1/100%/%zz/%2F" }},
		{"question mark in the path", func() { e.RawPath, e.RawQueryString = "/v1/a?b=c", "d=e" }, func(r *http.Request) (any, any) {
			return r.URL.Path + " " + r.URL.RawQuery, "/v1/a?b=c d=e"
		}},
		{"hash in the path", func() { e.RawPath = "/v1/a#b" }, func(r *http.Request) (any, any) { return r.URL.Path + " " + r.URL.Fragment, "/v1/a#b " }},
		{"spaces and letters", func() { e.RawPath = "/v1/a b/é+\x01" }, func(r *http.Request) (any, any) { return r.URL.Path, "/v1/a b/é+\x01" }},
		{"slashes", func() { e.RawPath = "//v1//a/../b/" }, func(r *http.Request) (any, any) { return r.URL.Path, "//v1//a/../b/" }},
		{"request URI", func() { e.RawPath, e.RawQueryString = "/v1/a b", "q=1" }, func(r *http.Request) (any, any) { return r.RequestURI, "/v1/a%20b?q=1" }},
		{"no raw path", func() { e.RawPath, e.RequestContext.HTTP.Path = "", "/v1/50%" }, func(r *http.Request) (any, any) { return r.URL.Path, "/v1/50%" }},
		{"query as it came", func() { e.RawQueryString = "b=2&a=1&a=%20+&%zz" }, func(r *http.Request) (any, any) { return r.URL.RawQuery, "b=2&a=1&a=%20+&%zz" }},
		{"query without its raw form", func() { e.QueryStringParameters = map[string]string{"a": "1 2"} }, func(r *http.Request) (any, any) { return r.URL.Query().Get("a"), "1 2" }},
		{"date", func() { e.Headers["date"] = "Sat, 21 Nov 2026 09:00:00 GMT" }, func(r *http.Request) (any, any) {
			return r.Header.Values("Date"), []string{"Sat, 21 Nov 2026 09:00:00 GMT"}
		}},
		{"joined headers", func() { e.Headers["accept"] = "a/b,c/d;q=0.5, e/f" }, func(r *http.Request) (any, any) { return r.Header.Get("Accept"), "a/b,c/d;q=0.5, e/f" }},
		{"authorization", func() { e.Headers["authorization"] = "SDK-HMAC-SHA256 Access=a, Signature=b" }, func(r *http.Request) (any, any) {
			return r.Header.Values("Authorization"), []string{"SDK-HMAC-SHA256 Access=a, Signature=b"}
		}},
		{"cookies", func() { e.Cookies = []string{"a=1", "b=2"} }, func(r *http.Request) (any, any) {
			a, _ := r.Cookie("a")
			b, _ := r.Cookie("b")
			return fmt.Sprint(a, b), "a=1 b=2"
		}},
		{"host", func() {}, func(r *http.Request) (any, any) { return r.Host + r.Header.Get("Host"), "hub.example.com" }},
		{"address", func() {}, func(r *http.Request) (any, any) { return r.RemoteAddr, "192.0.2.1:0" }},
		{"address of version 6", func() { e.RequestContext.HTTP.SourceIP = "2001:db8::1" }, func(r *http.Request) (any, any) { return r.RemoteAddr, "[2001:db8::1]:0" }},
		{"body", func() { e.Body = "text é" }, func(r *http.Request) (any, any) {
			b, _ := io.ReadAll(r.Body)
			return fmt.Sprint(r.ContentLength, string(b)), "7text é"
		}},
		{"base64 body", func() { e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte{0, 255, 10}), true }, func(r *http.Request) (any, any) {
			b, _ := io.ReadAll(r.Body)
			return fmt.Sprint(r.ContentLength, b), "3 [0 255 10]"
		}},
		{"no body", func() {}, func(r *http.Request) (any, any) { b, _ := io.ReadAll(r.Body); return len(b), 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e = event("POST", "/v1/x")
			c.set()
			called := false
			out := invoke(t, e, func(w http.ResponseWriter, r *http.Request) {
				called = true
				if got, want := c.check(r); fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
					t.Errorf("%#v, want %#v", got, want)
				}
			})
			if !called || out.StatusCode != 200 {
				t.Errorf("status %d, the handler was called: %v", out.StatusCode, called)
			}
		})
	}
}

// The client gets the answer that net/http's server would have sent.
func TestAnswer(t *testing.T) {
	binary := bytes.Repeat([]byte{0, 0xff, '"'}, 1000)
	big := strings.Repeat("\x01", 1<<20+1)
	for _, c := range []struct {
		name    string
		method  string
		h       http.HandlerFunc
		status  int
		body    string
		base64  bool
		headers map[string]string // "" = not there
	}{
		{"nothing written", "GET", func(http.ResponseWriter, *http.Request) {}, 200, "", false, nil},
		{"status alone", "DELETE", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, 204, "", false, map[string]string{"Content-Type": ""}},
		{"header alone", "GET", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-A", "1") }, 200, "", false, map[string]string{"X-A": "1"}},
		{"body alone", "GET", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, 200, "<html>", false, map[string]string{"Content-Type": "text/html; charset=utf-8"}},
		{"too late", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(103)
			w.WriteHeader(201)
			w.Header().Set("X-Late", "1")
			w.WriteHeader(500)
		}, 201, "", false, map[string]string{"X-Late": ""}},
		{"several values", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("X-A", "1")
			w.Header().Add("X-A", "2")
		}, 200, "", false, map[string]string{"X-A": "1,2"}},
		{"binary", "GET", func(w http.ResponseWriter, _ *http.Request) { w.Write(binary) }, 200, string(binary), true, nil},
		{"text that JSON would inflate", "GET", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, big) }, 200, big, true, nil},
		{"HEAD with a length", "HEAD", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "12345")
			w.WriteHeader(200)
		}, 200, "", false, map[string]string{"Content-Length": "12345"}},
		{"HEAD with a body", "HEAD", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "123") }, 200, "", false, map[string]string{"Content-Length": "3"}},
		{"not modified", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(304)
			if _, err := io.WriteString(w, "x"); err == nil {
				t.Error("304 takes a body")
			}
		}, 304, "", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := invoke(t, event(c.method, "/v1/x"), c.h)
			body := out.Body
			if out.IsBase64Encoded {
				b, err := base64.StdEncoding.DecodeString(body)
				if err != nil {
					t.Fatal(err)
				}
				body = string(b)
			}
			if out.StatusCode != c.status || body != c.body || out.IsBase64Encoded != c.base64 {
				t.Errorf("%d, %.40q, base64 %v; want %d, %.40q, %v", out.StatusCode, body, out.IsBase64Encoded, c.status, c.body, c.base64)
			}
			for k, want := range c.headers {
				if got := out.Headers[k]; got != want {
					t.Errorf("%s: %q, want %q", k, got, want)
				}
			}
		})
	}
}

func TestCookies(t *testing.T) {
	out := invoke(t, event("GET", "/v1/x"), func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2", HttpOnly: true})
	})
	if want := []string{"a=1", "b=2; HttpOnly"}; !slices.Equal(out.Cookies, want) || out.Headers["Set-Cookie"] != "" {
		t.Errorf("cookies %q, want %q", out.Cookies, want)
	}
}

// What goes wrong is told in the surface's own words, with the request's id.
func TestWrong(t *testing.T) {
	unreadable := event("POST", "/v1/x")
	unreadable.Body, unreadable.IsBase64Encoded = "!", true
	for _, c := range []struct {
		name   string
		event  events.APIGatewayV2HTTPRequest
		h      http.HandlerFunc
		status int
		code   string
	}{
		{"panic", event("GET", "/v1/x"), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Request-Id", "id")
			io.WriteString(w, "half an answer")
			panic("secret")
		}, 500, `"code":"internal_error"`},
		{"aborted", event("GET", "/v2/a/b/manifests/c"), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 500, `"code":"UNKNOWN"`},
		{"too big", event("GET", "/v2/manage/x"), func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 5_000_000)) }, 500, `"errorCode":"SVCSTG.SWR.5000000"`},
		{"unreadable", unreadable, func(http.ResponseWriter, *http.Request) { t.Error("called") }, 400, `"code":"bad_request"`},
		{"no method at all", event("GE T", "/v1/x"), func(http.ResponseWriter, *http.Request) { t.Error("called") }, 400, `"code":"bad_request"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := invoke(t, c.event, c.h)
			if out.StatusCode != c.status || !strings.Contains(out.Body, c.code) || out.Headers["Content-Type"] != "application/json" || !json.Valid([]byte(out.Body)) {
				t.Errorf("%d %v %s; want %d with %s", out.StatusCode, out.Headers, out.Body, c.status, c.code)
			}
			if strings.Contains(out.Body, "secret") || strings.Contains(out.Body, "half") {
				t.Errorf("the answer tells too much: %s", out.Body)
			}
			if c.name == "panic" && (out.Headers["X-Request-Id"] != "id" || !strings.Contains(out.Body, "id")) {
				t.Errorf("the request's id is lost: %v %s", out.Headers, out.Body)
			}
		})
	}
}

// The path of any event reaches the handler, or the event is refused.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/v1/x", "", "/", "%", "/%zz", "?", "#", "//", "/\x00", "/\xff", "*", "/v2/a:b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		e := event("GET", path)
		e.RawPath = path
		out := invoke(t, e, func(_ http.ResponseWriter, r *http.Request) {
			if want := "/" + strings.TrimPrefix(path, "/"); r.URL.Path != want && path != "" {
				t.Errorf("path %q, want %q", r.URL.Path, want)
			}
		})
		if out.StatusCode != 200 {
			t.Errorf("status %d for path %q", out.StatusCode, path)
		}
	})
}
