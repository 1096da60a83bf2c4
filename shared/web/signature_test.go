package web_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/store/memory"
	"berth/shared/web"
)

// signedRequest is a request as the vendor's SDK sent it, signed by the access key
// "aaaaaaaaaaaaaaaaaaaa" and the secret key that a hub whose key is 32 bytes of 7
// derives from it.
type signedRequest struct {
	Method string      `json:"method"`
	URL    string      `json:"url"`
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
}

func signedRequests(t testing.TB) []signedRequest {
	t.Helper()
	b, err := os.ReadFile("testdata/signed.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []signedRequest
	if err := json.Unmarshal(b, &all); err != nil || len(all) == 0 {
		t.Fatalf("%d requests, %v", len(all), err)
	}
	return all
}

func (s signedRequest) send(handler http.Handler, change func(*http.Request)) *httptest.ResponseRecorder {
	req := httptest.NewRequest(s.Method, s.URL, strings.NewReader(s.Body))
	req.Header = s.Header.Clone()
	if change != nil {
		change(req)
	}
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, req)
	return rec
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// newSigned is a hub with the token that signed the requests, and routes that
// answer with who called and what body came.
func newSigned(t testing.TB) (h *hub.Hub, handler http.Handler, now *time.Time) {
	t.Helper()
	key := bytes.Repeat([]byte{7}, 32)
	public, _ := url.Parse("https://hub.example:8443")
	h = hub.New(memory.NewRecords(), memory.NewLayers(), hub.Keys{Registry: key, SDK: key, Seal: key}, hub.Options{PublicURL: public})
	h.Log = slog.New(slog.DiscardHandler)
	date, err := time.Parse("20060102T150405Z", signedRequests(t)[0].Header.Get("X-Sdk-Date"))
	if err != nil {
		t.Fatal(err)
	}
	now = &date
	h.Now = func() time.Time { return *now }
	if _, err := h.CreateAccount(context.Background(), hub.NewAccount{Name: "madams", Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	random := h.Rand
	h.Rand = zeros{}
	_, _, err = h.CreateToken(context.Background(), hub.Caller{Account: "madams"}, hub.NewToken{Name: "sdk", Permissions: []string{"admin"}})
	if err != nil {
		t.Fatal(err)
	}
	h.Rand = random
	echo := func(c *web.Call) error {
		body, err := io.ReadAll(c.R.Body)
		if err != nil {
			return err
		}
		return c.JSON(200, map[string]string{"caller": c.Caller.Name(), "body": string(body)})
	}
	var table []web.Route
	for _, method := range []string{"GET", "POST", "DELETE", "PUT"} {
		table = append(table,
			web.Route{Name: "manage-" + method, Surface: web.Manage, Method: method, Pattern: "/v2/manage/{rest...}", Rule: web.SignedIn, Handle: echo},
			web.Route{Name: "hub-" + method, Surface: web.HubAPI, Method: method, Pattern: "/v1/{rest...}", Rule: web.SignedIn, Handle: echo})
	}
	return h, web.Mux(h, table), now
}

func TestSignedRequests(t *testing.T) {
	_, handler, now := newSigned(t)
	date := *now
	for _, s := range signedRequests(t) {
		for _, at := range []time.Duration{-15 * time.Minute, 0, 15 * time.Minute} {
			*now = date.Add(at)
			rec := s.send(handler, nil)
			var got map[string]string
			json.Unmarshal(rec.Body.Bytes(), &got)
			if rec.Code != 200 || got["caller"] != "madams" || got["body"] != s.Body {
				t.Errorf("%s %s: %d %s", s.Method, s.URL, rec.Code, rec.Body)
			}
		}
		slash := s.send(handler, func(r *http.Request) { r.URL.Path += "/" })
		if slash.Code != 200 {
			t.Errorf("%s %s with a slash: %d %s", s.Method, s.URL, slash.Code, slash.Body)
		}
	}
}

// Whatever is changed on the way, and whatever was signed too long ago or ahead, is
// refused.
func TestChangedRequestsAreRefused(t *testing.T) {
	h, handler, now := newSigned(t)
	date := *now
	all := signedRequests(t)
	s := all[1] // a POST
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	authorization := s.Header.Get("Authorization")
	for name, change := range map[string]func(*http.Request){
		"method":          func(r *http.Request) { r.Method = "PUT" },
		"path":            func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, "madams", "others", 1) },
		"query":           func(r *http.Request) { r.URL.RawQuery = "a=b" },
		"broken query":    func(r *http.Request) { r.URL.RawQuery = "%zz" },
		"body":            func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(s.Body + " ")) },
		"no body":         func(r *http.Request) { r.Body = http.NoBody },
		"project":         set("X-Project-Id", "another"),
		"second project":  func(r *http.Request) { r.Header.Add("X-Project-Id", "another") },
		"no project":      func(r *http.Request) { r.Header.Del("X-Project-Id") },
		"date":            set("X-Sdk-Date", date.Add(time.Second).Format("20060102T150405Z")),
		"no date":         set("X-Sdk-Date", ""),
		"another date":    set("X-Sdk-Date", "2015-09-02"),
		"unsigned body":   set("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD"),
		"another key":     set("Authorization", strings.Replace(authorization, "=aaaa", "=aaab", 1)),
		"no key":          set("Authorization", strings.Replace(authorization, "Access=aaaaaaaaaaaaaaaaaaaa, ", "", 1)),
		"key of bytes":    set("Authorization", strings.Replace(authorization, "=aaaa", "=\xff/..", 1)),
		"fewer headers":   set("Authorization", strings.Replace(authorization, "user-agent;", "", 1)),
		"date not signed": set("Authorization", strings.Replace(authorization, ";x-sdk-date", "", 1)),
		"signature":       set("Authorization", authorization[:len(authorization)-1]+"g"),
		"short signature": set("Authorization", authorization[:len(authorization)-2]),
		"two signatures":  set("Authorization", authorization+", Signature="+strings.Repeat("00", 32)),
		"nothing":         set("Authorization", "SDK-HMAC-SHA256"),
		"on v1":           func(r *http.Request) { r.URL.Path = "/v1/orgs" },
	} {
		if rec := s.send(handler, change); rec.Code != 401 && !(name == "broken query" && rec.Code == 400) {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	for _, at := range []time.Duration{-15*time.Minute - time.Millisecond, 15*time.Minute + time.Millisecond} {
		*now = date.Add(at)
		if rec := s.send(handler, nil); rec.Code != 401 || !strings.Contains(rec.Body.String(), "X-Sdk-Date") {
			t.Errorf("%v off: %d %s", at, rec.Code, rec.Body)
		}
	}
	*now = date
	if rec := s.send(handler, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", web.MaxBody+1))) }); rec.Code != 413 {
		t.Errorf("a large body: %d %s", rec.Code, rec.Body)
	}
	if err := h.DeleteToken(context.Background(), hub.Caller{Account: "madams"}, strings.Repeat("a", 20)); err != nil {
		t.Fatal(err)
	}
	if rec := s.send(handler, nil); rec.Code != 401 {
		t.Errorf("a revoked key: %d %s", rec.Code, rec.Body)
	}
}

// Other SDKs of the vendor sign the host: it is the public address's, whatever
// address the request came to.
func TestSignedHost(t *testing.T) {
	_, handler, now := newSigned(t)
	h, _, _ := newSigned(t)
	s := signedRequest{Method: "GET", URL: "/v2/manage/namespaces?b=2&a=1&a=0", Header: http.Header{}}
	date := now.Format("20060102T150405Z")
	s.Header.Set("X-Sdk-Date", date)
	for host, status := range map[string]int{"hub.example:8443": 200, "elsewhere.example": 401} {
		canonical := "GET\n/v2/manage/namespaces/\na=0&a=1&b=2\nhost:" + host + "\nx-sdk-date:" + date + "\n\nhost;x-sdk-date\n" + hexSHA256("")
		text := "SDK-HMAC-SHA256\n" + date + "\n" + hexSHA256(canonical)
		id := strings.Repeat("a", 20)
		s.Header.Set("Authorization", "SDK-HMAC-SHA256 Access="+id+", SignedHeaders=host;x-sdk-date, Signature="+hexHMAC(h.SecretKey(id), text))
		if rec := s.send(handler, func(r *http.Request) { r.Host = "10.0.0.1" }); rec.Code != status {
			t.Errorf("signed for %s: %d %s, want %d", host, rec.Code, rec.Body, status)
		}
	}
}

// No header can do more than be refused.
func FuzzSignatureHeader(f *testing.F) {
	_, handler, now := newSigned(f)
	s := signedRequests(f)[0]
	good := s.Header.Get("Authorization")
	f.Add(good, s.Header.Get("X-Sdk-Date"))
	f.Add("SDK-HMAC-SHA256 Access=, SignedHeaders=;;, Signature=", "")
	f.Add("SDK-HMAC-SHA256 ,,,===", "20060102T150405Z")
	*now = now.Add(time.Hour) // too late for the good one
	f.Fuzz(func(t *testing.T, header, date string) {
		rec := s.send(handler, func(r *http.Request) {
			r.Header["Authorization"] = []string{"SDK-HMAC-SHA256 " + strings.TrimPrefix(header, "SDK-HMAC-SHA256 ")}
			r.Header["X-Sdk-Date"] = []string{date}
		})
		if rec.Code != 401 {
			t.Errorf("%q, %q: %d %s", header, date, rec.Code, rec.Body)
		}
	})
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func hexHMAC(key, text string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}
