package routes_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store/memory"
	"berth/shared/store/storetest"
)

// world is a hub in which there is something of everything, and somebody of every
// kind to ask for it. The organisation team has the repositories open (public) and
// closed, each with the tag v1, an upload under way a blob that nothing refers
// to and a build that waits, and bare-open and bare-closed without anything; the organisation bare has no
// repositories. team has the secret TOKEN and a webhook. Both have the members owner, writer and reader; stranger has no
// part in them, guest a reader's role in each repository.
type world struct {
	records *memory.Records
	layers  *memory.Layers
	options hub.Options
	now     time.Time
	tokens  map[string]string // access tokens by who has them: see callers
	known   map[string]string // what samples name in braces
}

var keys = hub.Keys{Registry: bytes.Repeat([]byte{7}, 32), SDK: bytes.Repeat([]byte{8}, 32), Seal: bytes.Repeat([]byte{9}, 32)}

const worldPassword = "correct horse"

// testHub is a hub that began as a world.
type testHub struct {
	hub     *hub.Hub
	handler http.Handler
	calls   *storetest.CountedRecords
	used    *use
}

// open is a hub of its own that begins as the world.
func (w *world) open() *testHub {
	u := &use{}
	h := &testHub{calls: storetest.Count(usedRecords{w.records.Clone(), u}), used: u}
	h.hub = hub.New(h.calls, usedLayers{w.layers.Clone(), u}, keys, w.options)
	h.hub.Log = slog.New(slog.DiscardHandler)
	h.hub.Now = func() time.Time { return w.now }
	h.handler = routes.Handler(h.hub, nil)
	return h
}

// theWorld is made once.
var theWorld = sync.OnceValue(func() *world {
	public, _ := url.Parse("https://hub.example")
	w := &world{
		records: memory.NewRecords(), layers: memory.NewLayers(), options: hub.Options{PublicURL: public},
		now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), tokens: map[string]string{}, known: map[string]string{"namespace": "team"},
	}
	h := hub.New(w.records, w.layers, keys, w.options)
	h.Log = slog.New(slog.DiscardHandler)
	h.Now = func() time.Time { return w.now }
	b := &builder{world: w, handler: routes.Handler(h, nil)}
	b.accounts(h)
	b.repositories()
	b.ask("owner", "PUT", "/v1/namespaces/team/secrets/TOKEN", "application/json", object{"value": "hidden"}, 201)
	rec := b.ask("owner", "POST", "/v1/namespaces/team/webhooks", "application/json", object{"url": "https://1.1.1.1/hook", "events": []string{"image:push"}}, 201)
	var made struct{ ID string }
	json.Unmarshal(rec.Body.Bytes(), &made)
	w.known["webhook"] = made.ID
	w.now = w.now.Add(2 * time.Hour)
	return w
})

// builder makes a world by asking over HTTP.
type builder struct {
	*world
	handler http.Handler
}

func (b *builder) ask(as, method, path, kind string, body any, status int) *httptest.ResponseRecorder {
	var data []byte
	switch v := body.(type) {
	case nil:
	case []byte:
		data = v
	default:
		data, _ = json.Marshal(v)
	}
	req := httptest.NewRequest(method, path, bytes.NewReader(data))
	req.Header.Set("Content-Type", kind)
	if as != "" {
		req.SetBasicAuth(as, b.tokens[as])
	}
	rec := httptest.NewRecorder()
	b.handler.ServeHTTP(rec, req)
	if rec.Code != status {
		panic(method + " " + path + ": " + rec.Body.String())
	}
	return rec
}

// token asks for a token and keeps it under a name.
func (b *builder) token(as, name string, body object) (id string) {
	rec := b.ask(as, "POST", "/v1/tokens", "application/json", body, 201)
	var made struct{ ID, Token string }
	json.Unmarshal(rec.Body.Bytes(), &made)
	b.tokens[name] = made.Token
	return made.ID
}

func (b *builder) accounts(h *hub.Hub) {
	ctx := httptest.NewRequest("GET", "/", nil).Context()
	for _, name := range []string{"admin", "owner", "writer", "reader", "stranger", "guest"} {
		if _, err := h.CreateAccount(ctx, hub.NewAccount{Name: name, Password: worldPassword, Email: name + "@example.com", Admin: name == "admin"}); err != nil {
			panic(err)
		}
		rec := b.ask("", "POST", "/v1/generate-api-token", "application/json", object{"username": name, "password": worldPassword}, 200)
		var made struct{ Token string }
		json.Unmarshal(rec.Body.Bytes(), &made)
		b.tokens[name] = made.Token
	}
	b.tokens["administrator"] = b.tokens["admin"]
	for _, org := range []string{"team", "bare"} {
		b.ask("owner", "POST", "/v1/orgs", "application/json", object{"name": org}, 201)
		roles := []object{{"user_id": "writer", "user_name": "writer", "auth": 3}, {"user_id": "reader", "user_name": "reader", "auth": 1}}
		b.ask("owner", "POST", "/v2/manage/namespaces/"+org+"/access", "application/json", roles, 201)
	}
	robot := object{"name": "ci", "namespace": "team", "permissions": []string{"pull"}}
	b.token("owner", "robot", robot)
	b.known["other robot"] = b.token("owner", "other robot", robot)
	all := []string{"pull", "push", "admin"}
	b.token("owner", "expired", object{"name": "old", "permissions": all, "expires_at": b.now.Add(time.Hour).Format(time.RFC3339)})
	id := b.token("owner", "revoked", object{"name": "gone", "permissions": all})
	b.ask("owner", "DELETE", "/v1/tokens/"+id, "application/json", nil, 204)
}

func (b *builder) repositories() {
	for name, public := range map[string]bool{"open": true, "closed": false, "bare-open": true, "bare-closed": false} {
		rec := b.ask("owner", "POST", "/v1/repositories/team", "application/json", object{"repo_name": name, "is_public": public, "full_description": "# " + name, "build_config": automated(name)}, 201)
		var created struct {
			Config struct {
				Code   string `json:"code_repo_webhook_code"`
				Secret string `json:"code_repo_webhook_secret"`
			} `json:"build_config"`
		}
		json.Unmarshal(rec.Body.Bytes(), &created)
		b.known["hook "+name], b.known["hook secret "+name] = created.Config.Code, created.Config.Secret
		guest := []object{{"user_id": "guest", "user_name": "guest", "auth": 1}}
		b.ask("owner", "POST", "/v2/manage/namespaces/team/repos/"+name+"/access", "application/json", guest, 201)
		b.ask("owner", "POST", "/v2/manage/namespaces/team/repos/"+name+"/retentions", "application/json", []byte(policy), 201)
		if strings.HasPrefix(name, "bare") {
			continue
		}
		build := b.ask("owner", "POST", "/v1/builds", "application/json", object{"namespace": "team", "repo_name": name, "tag": "latest"}, 201)
		var made struct {
			ID string `json:"build_id"`
		}
		json.Unmarshal(build.Body.Bytes(), &made)
		b.known["build "+name] = made.ID
		config := b.blob(name, []byte(`{"os":"linux","architecture":"amd64","history":[{"created":"2015-05-24T00:54:26.452Z","created_by":"ADD"}]}`), "application/vnd.oci.image.config.v1+json")
		layer := b.blob(name, []byte("a layer"), "application/vnd.oci.image.layer.v1.tar")
		b.known["blob"] = b.blob(name, []byte("nothing refers to this"), "")["digest"].(string)
		manifest, _ := json.Marshal(object{
			"schemaVersion": 2, "mediaType": ociType, "config": config, "layers": []object{layer},
		})
		b.ask("owner", "PUT", "/v2/team/"+name+"/manifests/v1", ociType, manifest, 201)
		b.known["manifest"], b.known["manifest-body"] = digest(string(manifest)), string(manifest)
		rec = b.ask("owner", "POST", "/v2/team/"+name+"/blobs/uploads", "application/octet-stream", nil, 202)
		b.known["upload "+name] = strings.TrimPrefix(rec.Header().Get("Location"), "https://hub.example/v2/team/"+name+"/blobs/uploads/")
	}
}

// automated is the build configuration of a repository; nil for the bare ones.
func automated(name string) any {
	if strings.HasPrefix(name, "bare") {
		return nil
	}
	return object{
		"code_repo_client": "Simple", "code_repo_clone_url": "https://git.example/team/" + name + ".git",
		"tag_configs": []object{{"docker_repo_tag": "latest", "is_active": true}},
	}
}

func (b *builder) blob(repo string, data []byte, mediaType string) object {
	b.ask("owner", "POST", "/v2/team/"+repo+"/blobs/uploads/?digest="+digest(string(data)), "application/octet-stream", data, 201)
	return object{"mediaType": mediaType, "digest": digest(string(data)), "size": len(data)}
}

// do sends a request with the credentials of somebody: see callers.
func (w *world) do(h *testHub, who, method, path, kind string, body io.Reader) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, body)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if who != "anonymous" {
		req.SetBasicAuth(who, w.tokens[who])
	}
	rec := httptest.NewRecorder()
	h.calls.Take()
	h.used.take()
	h.handler.ServeHTTP(rec, req)
	return rec
}

// decode reads a JSON answer.
func decode(t *testing.T, rec *httptest.ResponseRecorder) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Errorf("%v in %q", err, rec.Body)
	}
	return v
}
