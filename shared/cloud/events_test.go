package cloud_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/shared/cloud"
	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/routes/routestest"
	"berth/shared/web"

	"github.com/aws/aws-lambda-go/events"
)

var update = flag.Bool("update", false, "write the sample events anew, and the answers that they are given")

// sampleEvents are the events of ../../events by their file's name: a function's,
// and after a dot what is special of it.
func sampleEvents(t *testing.T) map[string]events.APIGatewayV2HTTPRequest {
	t.Helper()
	all := make(map[string]events.APIGatewayV2HTTPRequest)
	paths, err := filepath.Glob("../../events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		if _, isEvent := cloudEvent(name); isEvent || strings.HasSuffix(name, ".want") {
			continue
		}
		var e events.APIGatewayV2HTTPRequest
		readJSON(t, path, &e)
		all[name] = e
	}
	return all
}

// cloudEvent finds the function of an event that is no request.
func cloudEvent(name string) (routes.Event, bool) {
	function, _, _ := strings.Cut(name, ".")
	all := routes.Events()
	i := slices.IndexFunc(all, func(e routes.Event) bool { return e.Name == function })
	if i < 0 {
		return routes.Event{}, false
	}
	return all[i], true
}

// Every route has a sample event, as the gateway would send it, and its function
// gives the answer that lies beside it. In that a text that begins with * stands for
// what differs from time to time: *time for a time in the hub's form, * for any.
func TestEvents(t *testing.T) {
	if *update {
		writeEvents(t)
	}
	samples := sampleEvents(t)
	names := []string{cloud.Default}
	for _, r := range routes.Table() {
		names = append(names, r.Name)
	}
	for _, name := range names {
		if _, ok := samples[name]; !ok {
			t.Errorf("events/%s.json is missing: go test ./shared/cloud -run TestEvents -update makes it", name)
		}
	}
	for name, e := range samples {
		t.Run(name, func(t *testing.T) {
			function, _, _ := strings.Cut(name, ".")
			if !slices.Contains(names, function) {
				t.Fatalf("there is no function %s", function)
			}
			var want any
			readJSON(t, "../../events/"+name+".want.json", &want)
			if where := differs(want, replay(t, function, e, false), "answer"); where != "" {
				t.Error(where)
			}
		})
	}
}

var anotherWorld = sync.OnceValue(routestest.New)

// replay is what a function answers, as JSON; another is a function in another world,
// at another time and with other randomness, so that what depends on them can be told.
func replay(t *testing.T, function string, e events.APIGatewayV2HTTPRequest, another bool) any {
	t.Helper()
	w := routestest.Make()
	if another {
		w = anotherWorld()
	}
	h := hub.New(w.Records.Clone(), w.Layers.Clone(), routestest.Keys, w.Options)
	h.Log, h.Options.EdgeKey = slog.New(slog.DiscardHandler), edgeKey
	h.Now = func() time.Time { return w.Now }
	if another {
		h.Now = func() time.Time { return w.Now.Add(time.Minute) }
		h.Rand = rand.NewChaCha8([32]byte{2})
	}
	return answerOf(t, h, function, e)
}

func answerOf(t *testing.T, h *hub.Hub, function string, e events.APIGatewayV2HTTPRequest) any {
	t.Helper()
	handler := routes.Handler(h, nil, routestest.Console...)
	if function != cloud.Default {
		handler, _ = routes.One(h, function, routestest.Console...)
	}
	out, err := cloud.Gateway(h, handler)(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return shown(t, out)
}

// maxShown bounds an answer that a file shows; a longer one is only wanted to be there.
const maxShown = 64 << 10

// shown is an answer as it stands in a file: a body that is JSON as JSON.
func shown(t *testing.T, out events.APIGatewayV2HTTPResponse) any {
	t.Helper()
	answer := map[string]any{"statusCode": out.StatusCode, "headers": out.Headers, "body": out.Body, "isBase64Encoded": out.IsBase64Encoded}
	kind := out.Headers["Content-Type"]
	if strings.HasPrefix(kind, "application/json") && !out.IsBase64Encoded {
		answer["body"] = json.RawMessage(out.Body)
	}
	b, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > maxShown {
		answer["body"] = out.Body
		b, _ = json.Marshal(answer)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

var hubTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

// differs tells where an answer is not as wanted; "" = nowhere.
func differs(want, got any, where string) string {
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		for _, k := range slices.Sorted(maps.Keys(g)) {
			if _, ok := want[k]; !ok {
				return fmt.Sprintf("%s.%s is %v, and not wanted", where, k, g[k])
			}
		}
		for _, k := range slices.Sorted(maps.Keys(want)) {
			v, ok := g[k]
			if !ok {
				return fmt.Sprintf("%s.%s is missing, want %v", where, k, want[k])
			}
			if d := differs(want[k], v, where+"."+k); d != "" {
				return d
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(want) {
			break
		}
		for i := range want {
			if d := differs(want[i], g[i], fmt.Sprintf("%s[%d]", where, i)); d != "" {
				return d
			}
		}
		return ""
	case string:
		g, ok := got.(string)
		if ok && (want == "*" && g != "" || want == "*time" && hubTime.MatchString(g) || want == g) {
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("%s is %v, want %v", where, got, want)
}

// common is an answer with what differs from another one given as such.
func common(one, other any) any {
	switch one := one.(type) {
	case map[string]any:
		o, _ := other.(map[string]any)
		for k, v := range one {
			one[k] = common(v, o[k])
		}
	case []any:
		if o, ok := other.([]any); ok && len(o) == len(one) {
			for i, v := range one {
				one[i] = common(v, o[i])
			}
		}
	case string:
		o, _ := other.(string)
		switch {
		case hubTime.MatchString(one) && one != o:
			return "*time"
		case one != o, len(one) > maxShown/2:
			return "*"
		}
	}
	return one
}

// writeEvents makes the events of all routes from the samples that the tests of
// routes ask with, and the answers from what the functions answer.
func writeEvents(t *testing.T) {
	t.Helper()
	w := routestest.Make()
	for i, r := range routes.Table() {
		path, kind, body := w.Request(r, "open")
		e := requestEvent(w, i, r, path, kind, body)
		if r.Name == "code-hook" {
			e.Headers["user-agent"], e.Headers["x-gitlab-event"] = "GitLab/18.4.0", "Push Hook"
			e.Headers["x-gitlab-token"] = w.Known["hook secret open"]
		}
		writeEvent(t, r.Name, e)
		if r.Name == "console-get" { // as browsers ask, for what is no text then
			e.Headers["accept-encoding"] = "gzip, deflate, br, zstd"
			writeEvent(t, r.Name+".packed", e)
		}
	}
	odd := web.Route{Surface: web.Registry, Method: "GET", Pattern: "$default"}
	e := requestEvent(w, 3, odd, "/v2/team/open/a%2Fb/../%3Fx=1%23", "", "")
	writeEvent(t, cloud.Default, e)
	odd.Method, odd.Surface = "PATCH", web.HubAPI
	writeEvent(t, cloud.Default+".method", requestEvent(w, 4, odd, "/v1/repositories/team/open/", "", ""))
}

func writeEvent(t *testing.T, name string, e events.APIGatewayV2HTTPRequest) {
	t.Helper()
	function, _, _ := strings.Cut(name, ".")
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var sent map[string]any
	if err := json.Unmarshal(b, &sent); err != nil {
		t.Fatal(err)
	}
	delete(sent["requestContext"].(map[string]any), "authentication") // only with client certificates
	writeJSON(t, name+".json", sent)
	want := common(replay(t, function, e, false), replay(t, function, e, true)).(map[string]any)
	if headers := want["headers"].(map[string]any); want["body"] == "*" {
		headers["Content-Length"] = "*"
	}
	writeJSON(t, name+".want.json", want)
}

// edgeKey is what CloudFront proves itself with in the samples.
const edgeKey = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01"

// A change is logged as its viewer's, whom CloudFront names: not as CloudFront's, and
// not as somebody's whom a caller names.
func TestWhoAsks(t *testing.T) {
	w := routestest.Make()
	for _, c := range []struct{ name, header, value, want string }{
		{"through CloudFront", "", "", "192.0.2.1"},
		{"past CloudFront", "berth-edge", "0123456789", "130.176.0.9"},
		{"with what CloudFront does not say", "berth-viewer", "203.0.113.5,192.0.2.1", "130.176.0.9"},
		{"with a proxy in front", "x-forwarded-for", "203.0.113.5, 192.0.2.1, 130.176.0.9", "192.0.2.1"},
	} {
		var update, list events.APIGatewayV2HTTPRequest
		readJSON(t, "../../events/repository-update.json", &update)
		readJSON(t, "../../events/audit-list.json", &list)
		if c.header != "" {
			update.Headers[c.header] = c.value
		}
		h := hub.New(w.Records.Clone(), w.Layers.Clone(), routestest.Keys, w.Options)
		h.Log, h.Options.EdgeKey = slog.New(slog.DiscardHandler), edgeKey
		answerOf(t, h, "repository-update", update)
		b, err := json.Marshal(answerOf(t, h, "audit-list", list))
		var log struct {
			Body struct{ Results []struct{ What, From string } }
		}
		if err != nil || json.Unmarshal(b, &log) != nil || len(log.Body.Results) == 0 {
			t.Fatalf("%v: %s", err, b)
		}
		if got := log.Body.Results[0]; got.What != "repository-update" || got.From != c.want {
			t.Errorf("%s: the log has %+v, want one from %s", c.name, got, c.want)
		}
	}
}

// requestEvent is the event of a request as HTTP API sends it behind CloudFront: with decoded path,
// names of headers in small letters, and bodies other than text in base64. n makes
// one differ from the other in what clients do differently.
func requestEvent(w *routestest.World, n int, r web.Route, target, kind, body string) events.APIGatewayV2HTTPRequest {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: r.Method + " " + r.Pattern, RawPath: u.Path, RawQueryString: u.RawQuery,
		Headers: map[string]string{
			"accept": "*/*", "content-length": fmt.Sprint(len(body)), "host": "hub.example", "user-agent": "curl/8.14.1",
			"berth-edge": edgeKey, "berth-viewer": "192.0.2.1", "via": "2.0 0a1b2c3d4e5f.cloudfront.net (CloudFront)",
			"x-amzn-trace-id": "Root=1-6957345f-0a1b2c3d4e5f60718293a4b5", "x-forwarded-for": "192.0.2.1, 130.176.0.9",
			"x-forwarded-port": "443", "x-forwarded-proto": "https",
		},
		PathParameters: parameters(r.Pattern, u.Path),
	}
	if base, open := r.Base(); open {
		e.RouteKey = r.Method + " " + base + "/{proxy+}"
		e.PathParameters = map[string]string{"proxy": strings.TrimPrefix(u.Path, base+"/")}
	}
	if strings.HasPrefix(r.Pattern, "$") {
		e.RouteKey = r.Pattern
	} else if r.Method == "POST" && r.Surface != web.Registry { // the twin with the slash
		e.RawPath += "/"
		e.RouteKey += "/{proxy+}"
	}
	token := w.Tokens[routestest.Whole(r)]
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:"+token))
	switch {
	case r.Rule == web.Open && r.Name != "registry-catalog" && r.Name != "registry-token" && r.Name != "account-register":
	case r.Surface == web.Registry:
		e.Headers["authorization"], e.Headers["user-agent"] = basic, "containers/5.34.0 (github.com/containers/image)"
		e.Headers["accept"] = "application/vnd.oci.image.manifest.v1+json,application/vnd.oci.image.index.v1+json,application/vnd.docker.distribution.manifest.v2+json"
	case r.Surface == web.Manage:
		e.Headers["x-auth-token"] = token
	case n%3 == 0:
		e.Headers["authorization"] = "Bearer " + token
	default:
		e.Headers["authorization"] = "Token " + token
	}
	if r.Surface == web.HubAPI && r.Method == "GET" {
		e.Cookies = []string{"seen=1", "theme=dark"}
	}
	for k, v := range u.Query() {
		if e.QueryStringParameters == nil {
			e.QueryStringParameters = map[string]string{}
		}
		e.QueryStringParameters[k] = strings.Join(v, ",")
	}
	if kind != "" {
		e.Headers["content-type"] = kind
	}
	e.Body = body
	if body != "" && !strings.HasPrefix(kind, "text/") && kind != "application/json" {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(body)), true
	}
	at := w.Now
	e.RequestContext = events.APIGatewayV2HTTPRequestContext{
		RouteKey: e.RouteKey, AccountID: "000000000000", Stage: "$default", RequestID: "UcPQ7hQzFiAEJ9A=", APIID: "a1b2c3d4e5",
		DomainName: "hub.example", DomainPrefix: "hub", Time: at.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: at.UnixMilli(),
		HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
			Method: r.Method, Path: e.RawPath, Protocol: "HTTP/1.1", SourceIP: "130.176.0.9", UserAgent: e.Headers["user-agent"],
		},
	}
	return e
}

// parameters are the variables of a route's pattern in a path.
func parameters(pattern, path string) map[string]string {
	var found map[string]string
	have := strings.Split(path, "/")
	for i, segment := range strings.Split(pattern, "/") {
		if strings.HasPrefix(segment, "{") && i < len(have) {
			if found == nil {
				found = map[string]string{}
			}
			found[strings.Trim(segment, "{}.")] = have[i]
		}
	}
	return found
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func writeJSON(t *testing.T, name string, v any) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("../../events/"+name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
