package sim

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"berth/shared/cloud"
	"berth/shared/hub"
	"berth/shared/routes"
	emulator "berth/sim/dynamodb"
)

// Account is a simulated AWS account with a stack of Berth in it.
type Account struct {
	DB       *emulator.DB
	Settings map[string]string // the environment of its functions
}

// NewAccount makes an account that lasts until the test ends.
func NewAccount(t testing.TB) *Account {
	t.Helper()
	a, stop, err := StartAccount(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return a
}

// StartAccount makes an account on a folder, until it is stopped.
func StartAccount(dir string) (a *Account, stop func(), err error) {
	db, tables, stopDB, err := StartDynamoDB(dir)
	if err != nil {
		return nil, nil, err
	}
	bucket, stopS3, err := StartS3(dir)
	if err != nil {
		stopDB()
		return nil, nil, err
	}
	s := cloud.Settings
	settings := map[string]string{
		s.Bucket:                Bucket,
		s.PublicURL:             "https://hub.example.com",
		s.Secret:                "0123456789abcdef0123456789abcdef",
		s.DynamoDB:              tables,
		s.S3:                    bucket,
		"AWS_REGION":            "eu-central-1",
		"AWS_ACCESS_KEY_ID":     "test",
		"AWS_SECRET_ACCESS_KEY": "testtest",
	}
	for t, name := range s.Tables {
		settings[name] = TableNames[t]
	}
	_, queues, addresses, stopSQS := StartSQS()
	settings[s.SQS] = queues
	for q, name := range s.Queues {
		settings[name] = addresses[q]
	}
	return &Account{db, settings}, func() { stopSQS(); stopS3(); stopDB() }, nil
}

// Getenv is [os.Getenv] of the account's functions.
func (a *Account) Getenv(name string) string { return a.Settings[name] }

// Environment is the settings as a process takes them.
func (a *Account) Environment() (env []string) {
	for k, v := range a.Settings {
		env = append(env, k+"="+v)
	}
	return env
}

// Hub is a hub as each function opens it.
func (a *Account) Hub(t testing.TB) *hub.Hub {
	t.Helper()
	h, err := cloud.Open(a.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// What Seed makes: an account, and a repository with a tag.
const (
	SeedUser       = "admin"
	SeedPassword   = "correct-horse"
	SeedRepository = "hello"
	SeedTag        = "1.0"
	SeedManifest   = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.berth.hello",` +
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},` +
		`"layers":[{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}]}`
)

// Seed fills the hub with what the sample events ask for.
func (a *Account) Seed(t testing.TB) {
	t.Helper()
	h := a.Hub(t)
	if _, err := h.EnsureAdministrator(context.Background(), func() string { return SeedPassword }); err != nil {
		t.Fatal(err)
	}
	handler := routes.Handler(h, nil)
	path := "/v2/" + SeedUser + "/" + SeedRepository
	for _, push := range []struct{ method, path, contentType, body string }{
		{"POST", path + "/blobs/uploads/?digest=sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "application/octet-stream", "{}"},
		{"PUT", path + "/manifests/" + SeedTag, "application/vnd.oci.image.manifest.v1+json", SeedManifest},
	} {
		r := httptest.NewRequest(push.method, push.path, bytes.NewReader([]byte(push.body)))
		r.Header.Set("Content-Type", push.contentType)
		r.SetBasicAuth(SeedUser, SeedPassword)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusCreated {
			t.Fatal(fmt.Sprint(push.method, " ", push.path, ": ", w.Code, " ", w.Body))
		}
	}
}
