package cloudfront

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDistribution(t *testing.T) {
	f, err := NewFunction(`function handler(event) {
		var length = event.request.headers['content-length'];
		if (length && Number(length.value) > 3) {
			return {statusCode: 413, headers: {'x-by': {value: 'edge'}}, body: {encoding: 'text', data: event.request.method + event.request.uri}};
		}
		return event.request;
	}`)
	if err != nil {
		t.Fatal(err)
	}
	origin := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte(name + " " + r.Header.Get("X-Forwarded-For") + " " + r.RemoteAddr))
		})
	}
	d := Distribution{
		{Pattern: "/v2/*/*/blobs/uploads*", Origin: origin("uploads"), Function: f},
		{Origin: origin("all")},
	}
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/v2/a/b/blobs/uploads/", "", "200 uploads 192.0.2.1 130.176.0.9:443"},
		{"PUT", "/v2/a/b/blobs/uploads/x", "123", "200 uploads 192.0.2.1 130.176.0.9:443"},
		{"PUT", "/v2/a/b/blobs/uploads/x", "1234", "413 PUT/v2/a/b/blobs/uploads/x"},
		{"PUT", "/v2/a/b/manifests/x", "1234", "200 all 192.0.2.1 130.176.0.9:443"},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if got := fmt.Sprint(w.Code, " ", w.Body); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.method, c.path, got, c.want)
		}
	}
}

// What a viewer sends under a name that CloudFront writes is overwritten, by its function
// and by what its origin is to get. The rest goes on.
func TestHeaders(t *testing.T) {
	f, err := NewFunction(`function handler(event) {
		event.request.headers['seen'] = {value: event.viewer.ip};
		delete event.request.headers['gone'];
		return event.request;
	}`)
	if err != nil {
		t.Fatal(err)
	}
	var got http.Header
	d := Distribution{{Function: f, Headers: map[string]string{"Proof": "key"}, Origin: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r.Header
	})}}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{"Seen": {"203.0.113.9", "203.0.113.8"}, "Proof": {"guess"}, "Gone": {"x"}, "Kept": {"a", "b"}, "X-Forwarded-For": {"203.0.113.9", "203.0.113.8"}}
	d.ServeHTTP(httptest.NewRecorder(), r)
	for name, want := range map[string]string{
		"Seen": "[192.0.2.1]", "Proof": "[key]", "Gone": "[]", "Kept": "[a b]", "X-Forwarded-For": "[203.0.113.9, 203.0.113.8, 192.0.2.1]",
	} {
		if v := fmt.Sprint(got.Values(name)); v != want {
			t.Errorf("%s is %s, want %s", name, v, want)
		}
	}
}
