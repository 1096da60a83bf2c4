//go:build proof

package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"berth/shared/hub"
	"berth/shared/local"
	"berth/shared/routes"
	"berth/shared/store/memory"
	"berth/shared/store/storetest"
)

// counting is a hub in this process, whose calls of the store are counted. A call is
// one call of DynamoDB: every store refuses what DynamoDB does not do in one.
type counting struct {
	hub     *hub.Hub
	calls   *storetest.CountedRecords
	handler http.Handler
	secret  string
}

func newLocal(t *testing.T) *counting {
	t.Helper()
	key := []byte(strings.Repeat("k", 32))
	records, err := local.OpenRecords(filepath.Join(t.TempDir(), "records"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	l := &counting{calls: storetest.Count(records), secret: password}
	l.hub = hub.New(l.calls, memory.NewLayers(), hub.Keys{Registry: key, SDK: key, Seal: key}, hub.Options{
		PublicURL: &url.URL{Scheme: "https", Host: "hub.example.com"},
	})
	l.hub.Log = slog.New(slog.DiscardHandler)
	if _, err := l.hub.EnsureAdministrator(t.Context(), func() string { return password }); err != nil {
		t.Fatal(err)
	}
	l.handler = routes.Handler(l.hub, nil)
	var token struct{ Token string }
	if err := json.Unmarshal(l.do(t, 201, "POST", "/v1/tokens", `{"name":"scale","permissions":["pull","push","admin"]}`).body, &token); err != nil {
		t.Fatal(err)
	}
	l.secret = token.Token
	return l
}

func (l *counting) do(t *testing.T, want int, method, at, body string, contentType ...string) answer {
	t.Helper()
	r := httptest.NewRequest(method, at, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for _, ct := range contentType {
		r.Header.Set("Content-Type", ct)
	}
	r.SetBasicAuth("admin", l.secret)
	w := httptest.NewRecorder()
	l.handler.ServeHTTP(w, r)
	if w.Code != want {
		t.Fatalf("%s %s: %d %s, want %d", method, at, w.Code, w.Body, want)
	}
	return answer{w.Code, w.Header(), w.Body.Bytes()}
}

const few, many = 100, 100_000

// Of a hundred thousand tags, repositories and builds each page and each lookup costs
// the same number of reads as of a hundred, and no more items. Searches are not among
// them: they look at all compact entries of a namespace.
func TestCostOfMany(t *testing.T) {
	for _, c := range []struct {
		name  string
		fill  func(t *testing.T, l *counting, n int)
		pages []string // each with the next one that it links to
		finds []string
	}{
		{"tags", fillTags, []string{
			"/v2/admin/app/tags/list?n=30", "/v2/admin/app/tags/list?n=30&last=t000019", "/v1/repositories/admin/app/tags?page_size=30",
		}, []string{
			"/v2/admin/app/manifests/t000042", "/v1/repositories/admin/app/tags/t000042", "/v1/repositories/admin/app",
		}},
		{"repositories", fillRepositories, []string{
			"/v2/_catalog?n=30", "/v1/repositories/admin?page_size=30", "/v1/repositories/admin?page_size=30&is_public=true",
		}, []string{
			"/v1/repositories/admin/r000042", "/v2/admin/r000042/tags/list?n=10",
		}},
		{"builds", fillBuilds, []string{
			"/v1/builds?namespace=admin&page_size=30", "/v1/builds?namespace=admin&repo_name=b&page_size=30",
		}, []string{"/v1/builds/{last}", "/v1/builds/{last}/logs", "/v1/repositories/admin/b/build-config"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var costs [2][]string
			for i, n := range []int{few, many} {
				l := newLocal(t)
				c.fill(t, l, n)
				costs[i] = l.costs(t, c.pages, c.finds)
			}
			if !slices.Equal(costs[0], costs[1]) {
				t.Errorf("of %d:\n%s\nof %d:\n%s", few, strings.Join(costs[0], "\n"), many, strings.Join(costs[1], "\n"))
			}
			t.Logf("of %d as of %d:\n%s", many, few, strings.Join(costs[1], "\n"))
		})
	}
}

// next is where a page says that the next one is.
func next(t *testing.T, at string, a answer) string {
	t.Helper()
	link := ""
	if m := linked.FindStringSubmatch(a.header.Get("Link")); m != nil {
		link = m[1]
	} else {
		var body struct{ Next string }
		if err := json.Unmarshal(a.body, &body); err != nil {
			t.Fatal(err)
		}
		link = body.Next
	}
	if link == "" {
		t.Fatalf("%s has no next page: %v %.300s", at, a.header, a.body)
	}
	return strings.TrimPrefix(link, "https://hub.example.com")
}

var linked = regexp.MustCompile(`<([^>]+)>; *rel="?next"?`)

// costs asks, and tells what each answer cost.
func (l *counting) costs(t *testing.T, pages, finds []string) (costs []string) {
	t.Helper()
	cost := func(name, at string) answer {
		l.calls.Take()
		a := l.do(t, 200, "GET", at, "")
		c := l.calls.Take()
		costs = append(costs, fmt.Sprintf("%-70s %d reads, %d keys, %d items", name, c.Reads(), c.GetKeys, c.ListItems))
		return a
	}
	for _, at := range pages {
		a := cost(at, at)
		cost(at+" (next)", next(t, at, a))
	}
	for _, at := range finds {
		if strings.Contains(at, "{last}") {
			var list struct {
				Results []struct {
					BuildID string `json:"build_id"`
				}
			}
			a := l.do(t, 200, "GET", "/v1/builds?namespace=admin&page_size=1", "")
			if err := json.Unmarshal(a.body, &list); err != nil || len(list.Results) == 0 {
				t.Fatalf("%v: %s", err, a.body)
			}
			cost(at, strings.ReplaceAll(at, "{last}", list.Results[0].BuildID))
			continue
		}
		cost(at, at)
	}
	return costs
}

func fillTags(t *testing.T, l *counting, n int) {
	t.Helper()
	i := newImage(1)
	for _, blob := range [][]byte{i.config, i.layer} {
		l.do(t, 201, "POST", "/v2/admin/app/blobs/uploads/?digest="+digestOf(blob), string(blob), octets)
	}
	for k := range n {
		l.do(t, 201, "PUT", fmt.Sprintf("/v2/admin/app/manifests/t%06d", k), string(i.manifest), manifestType)
	}
}

func fillRepositories(t *testing.T, l *counting, n int) {
	t.Helper()
	for k := range n {
		l.do(t, 201, "POST", "/v1/repositories/admin", fmt.Sprintf(`{"repo_name":"r%06d","is_public":true}`, k))
	}
}

func fillBuilds(t *testing.T, l *counting, n int) {
	t.Helper()
	l.do(t, 201, "POST", "/v1/repositories/admin",
		`{"repo_name":"b","build_config":{"code_repo_client":"Simple","code_repo_clone_url":"https://code.example/a.git","tag_configs":[{}]}}`)
	for range n {
		a := l.do(t, 201, "POST", "/v1/builds", `{"namespace":"admin","repo_name":"b","tag":"latest"}`)
		var b struct {
			BuildID string `json:"build_id"`
		}
		if err := json.Unmarshal(a.body, &b); err != nil {
			t.Fatal(err)
		}
		if err := l.hub.EndBuild(context.Background(), b.BuildID, hub.BuildResult{Status: hub.Succeeded}); err != nil {
			t.Fatal(err)
		}
	}
}
