package routestest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"berth/shared/hub"
	"berth/shared/routes"
	"berth/shared/store/memory"
)

// World is a hub in which there is something of everything, and somebody of every
// kind to ask for it. The organisation team has the repositories open (public) and
// closed, each with the tag v1, an upload under way a blob that nothing refers
// to and a build that waits, and bare-open and bare-closed without anything; the organisation bare has no
// repositories. team has the secret TOKEN and a webhook. Both have the members owner, writer and reader; stranger has no
// part in them, guest a reader's role in each repository. In the owner's organisation
// yard a build runs, that runner has claimed.
type World struct {
	Records *memory.Records
	Layers  *memory.Layers
	Options hub.Options
	Now     time.Time
	Tokens  map[string]string // access tokens by who has them
	Known   map[string]string // what samples name in braces
}

// Keys are the world's.
var Keys = hub.Keys{Registry: bytes.Repeat([]byte{7}, 32), SDK: bytes.Repeat([]byte{8}, 32), Seal: bytes.Repeat([]byte{9}, 32)}

// Password is everybody's.
const Password = "correct horse"

// OCIManifest is the media type of the manifests in the world.
const OCIManifest = "application/vnd.oci.image.manifest.v1+json"

type object = map[string]any

// Digest is that of some bytes.
func Digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Rand is the randomness that the world is made with: always the same, so that
// its ids and tokens are.
func Rand() io.Reader { return rand.NewChaCha8([32]byte{1}) }

// Make makes the world, once.
var Make = sync.OnceValue(New)

// New makes a world, which differs from every other in its deploy keys alone.
func New() *World {
	public, _ := url.Parse("https://hub.example")
	w := &World{
		Records: memory.NewRecords(), Layers: memory.NewLayers(), Options: hub.Options{PublicURL: public},
		Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Tokens: map[string]string{}, Known: map[string]string{"namespace": "team"},
	}
	h := hub.New(w.Records, w.Layers, Keys, w.Options)
	h.Log = slog.New(slog.DiscardHandler)
	h.Now, h.Rand = func() time.Time { return w.Now }, Rand()
	b := &builder{World: w, handler: routes.Handler(h, nil)}
	b.accounts(h)
	b.startBuild(h)
	b.repositories()
	b.ask("owner", "PUT", "/v1/namespaces/team/secrets/TOKEN", "application/json", object{"value": "hidden"}, 201)
	rec := b.ask("owner", "POST", "/v1/namespaces/team/webhooks", "application/json", object{"url": "https://1.1.1.1/hook", "events": []string{"image:push"}}, 201)
	var made struct{ ID string }
	json.Unmarshal(rec.Body.Bytes(), &made)
	w.Known["webhook"] = made.ID
	w.Now = w.Now.Add(2 * time.Hour)
	b.claim(h)
	return w
}

// builder makes a world by asking over HTTP.
type builder struct {
	*World
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
		req.SetBasicAuth(as, b.Tokens[as])
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
	b.Tokens[name] = made.Token
	return made.ID
}

func (b *builder) accounts(h *hub.Hub) {
	ctx := httptest.NewRequest("GET", "/", nil).Context()
	for _, name := range []string{"admin", "owner", "writer", "reader", "stranger", "guest"} {
		if _, err := h.CreateAccount(ctx, hub.NewAccount{Name: name, Password: Password, Email: name + "@example.com", Admin: name == "admin"}); err != nil {
			panic(err)
		}
		rec := b.ask("", "POST", "/v1/generate-api-token", "application/json", object{"username": name, "password": Password}, 200)
		var made struct{ Token string }
		json.Unmarshal(rec.Body.Bytes(), &made)
		b.Tokens[name] = made.Token
	}
	b.Tokens["administrator"] = b.Tokens["admin"]
	for _, org := range []string{"team", "bare"} {
		b.ask("owner", "POST", "/v1/orgs", "application/json", object{"name": org}, 201)
		roles := []object{{"user_id": "writer", "user_name": "writer", "auth": 3}, {"user_id": "reader", "user_name": "reader", "auth": 1}}
		b.ask("owner", "POST", "/v2/manage/namespaces/"+org+"/access", "application/json", roles, 201)
	}
	robot := object{"name": "ci", "namespace": "team", "permissions": []string{"pull"}}
	b.token("owner", "robot", robot)
	b.Known["other robot"] = b.token("owner", "other robot", robot)
	all := []string{"pull", "push", "admin"}
	b.token("owner", "expired", object{"name": "old", "permissions": all, "expires_at": b.Now.Add(time.Hour).Format(time.RFC3339)})
	id := b.token("owner", "revoked", object{"name": "gone", "permissions": all})
	b.ask("owner", "DELETE", "/v1/tokens/"+id, "application/json", nil, 204)
}

// startBuild starts the build in yard: no other waits yet.
func (b *builder) startBuild(h *hub.Hub) {
	b.ask("owner", "POST", "/v1/orgs", "application/json", object{"name": "yard"}, 201)
	b.ask("owner", "POST", "/v1/repositories/yard", "application/json", object{"repo_name": "site", "build_config": automated("site")}, 201)
	h.Builder = elsewhere{}
	b.Known["running build"] = b.build("yard", "site")
	h.Builder = nil
}

// claim gives the running build its runner. The code stays good until that reports.
func (b *builder) claim(h *hub.Hub) {
	ctx, id := context.Background(), b.Known["running build"]
	code, err := h.PrepareBuild(ctx, id)
	if err != nil {
		panic(err)
	}
	job, err := h.ClaimBuild(ctx, id, code)
	if err != nil {
		panic(err)
	}
	b.Known["claim"], b.Tokens["runner"] = code, job.Token
}

// elsewhere is a hub.Builder that leaves builds to runners that claim them.
type elsewhere struct{}

func (elsewhere) Start(context.Context, string) error { return nil }
func (elsewhere) Stop(context.Context, string) error  { return nil }
func (elsewhere) Look(context.Context, string) (hub.Stand, string, error) {
	return hub.UnderWay, "", nil
}

// build asks for a build, and tells its id.
func (b *builder) build(namespace, name string) string {
	rec := b.ask("owner", "POST", "/v1/builds", "application/json", object{"namespace": namespace, "repo_name": name, "tag": "latest"}, 201)
	var made struct {
		ID string `json:"build_id"`
	}
	json.Unmarshal(rec.Body.Bytes(), &made)
	return made.ID
}

func (b *builder) repositories() {
	for _, name := range []string{"open", "closed", "bare-open", "bare-closed"} {
		public := strings.HasSuffix(name, "open")
		rec := b.ask("owner", "POST", "/v1/repositories/team", "application/json", object{"repo_name": name, "is_public": public, "full_description": "# " + name, "build_config": automated(name)}, 201)
		var created struct {
			Config struct {
				Code   string `json:"code_repo_webhook_code"`
				Secret string `json:"code_repo_webhook_secret"`
			} `json:"build_config"`
		}
		json.Unmarshal(rec.Body.Bytes(), &created)
		b.Known["hook "+name], b.Known["hook secret "+name] = created.Config.Code, created.Config.Secret
		guest := []object{{"user_id": "guest", "user_name": "guest", "auth": 1}}
		b.ask("owner", "POST", "/v2/manage/namespaces/team/repos/"+name+"/access", "application/json", guest, 201)
		b.ask("owner", "POST", "/v2/manage/namespaces/team/repos/"+name+"/retentions", "application/json", []byte(Policy), 201)
		if strings.HasPrefix(name, "bare") {
			continue
		}
		b.Known["build "+name] = b.build("team", name)
		config := b.blob(name, []byte(`{"os":"linux","architecture":"amd64","history":[{"created":"2015-05-24T00:54:26.452Z","created_by":"ADD"}]}`), "application/vnd.oci.image.config.v1+json")
		layer := b.blob(name, []byte("a layer"), "application/vnd.oci.image.layer.v1.tar")
		b.Known["blob"] = b.blob(name, []byte("nothing refers to this"), "")["digest"].(string)
		manifest, _ := json.Marshal(object{
			"schemaVersion": 2, "mediaType": OCIManifest, "config": config, "layers": []object{layer},
		})
		b.ask("owner", "PUT", "/v2/team/"+name+"/manifests/v1", OCIManifest, manifest, 201)
		b.Known["manifest"], b.Known["manifest-body"] = Digest(string(manifest)), string(manifest)
		rec = b.ask("owner", "POST", "/v2/team/"+name+"/blobs/uploads", "application/octet-stream", nil, 202)
		b.Known["upload "+name] = strings.TrimPrefix(rec.Header().Get("Location"), "https://hub.example/v2/team/"+name+"/blobs/uploads/")
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
	b.ask("owner", "POST", "/v2/team/"+repo+"/blobs/uploads/?digest="+Digest(string(data)), "application/octet-stream", data, 201)
	return object{"mediaType": mediaType, "digest": Digest(string(data)), "size": len(data)}
}
