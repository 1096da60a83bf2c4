package client

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
)

// Whoever follows a build hears its lines before the step that they led to.
func TestFollowTellsLinesFirst(t *testing.T) {
	builds := []string{`{"build_id":"b","status":"I","step_at":40}`, `{"build_id":"b","status":"S","step_at":50}`}
	logs := map[string][]string{
		"0": {`[{"seq":1,"message":"built"}]`},
		"1": {`[]`, `[{"seq":2,"message":"pushed"}]`},
		"2": {`[]`},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/v1/builds/b" {
			io.WriteString(w, builds[0])
			builds = builds[1:]
			return
		}
		after := r.URL.Query().Get("after")
		io.WriteString(w, logs[after][0])
		logs[after] = logs[after][1:]
	}))
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	b, err := (&Client{URL: at}).Follow(t.Context(), "b", Follower{
		Line: func(l Answer[LogLine]) { told = append(told, l.Of.Message) },
		Now:  func(b Build) { told = append(told, string(b.Status)) },
		Lost: func(err error) { t.Errorf("the hub is said to be away: %v", err) },
	})
	if err != nil || b.Of.Status != "S" {
		t.Fatalf("the build ended as %q, %v", b.Of.Status, err)
	}
	if want := []string{"built", "I", "pushed", "S"}; !slices.Equal(told, want) {
		t.Errorf("told %q, not %q", told, want)
	}
}
