package sim_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"berth/shared/cloud"
	"berth/shared/cloud/sealing"
	"berth/shared/hub"
	"berth/sim"
	standin "berth/sim/kms"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// What is sealed with KMS opens for the place that it was sealed for, with one call,
// and nowhere else; the secret itself never goes to KMS, so that it may be long.
func TestSealing(t *testing.T) {
	const key, other = "arn:aws:kms:eu-central-1:000000000000:key/one", "arn:aws:kms:eu-central-1:000000000000:key/two"
	var calls atomic.Int32
	service := standin.New(key, other)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		service.ServeHTTP(w, r)
	}))
	defer server.Close()
	client := kms.NewFromConfig(sim.Config(server.URL))
	s := sealing.New(client, key)
	secret := bytes.Repeat([]byte("secret"), 10_000)
	sealed, err := s.Seal(t.Context(), "here", secret)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Seal(t.Context(), "here", secret)
	if err != nil || bytes.Equal(again, sealed) || bytes.Contains(sealed, secret[:60]) {
		t.Errorf("%v; sealed twice, the same comes out, or the secret shows", err)
	}
	calls.Store(0)
	if got, err := s.Open(t.Context(), "here", sealed); err != nil || !bytes.Equal(got, secret) || calls.Load() != 1 {
		t.Errorf("%d bytes opened by %d calls, %v", len(got), calls.Load(), err)
	}
	refused := func(what string, s hub.Sealer, place string, sealed []byte) {
		t.Helper()
		if got, err := s.Open(t.Context(), place, sealed); !errors.Is(err, hub.ErrSealed) {
			t.Errorf("%s opened: %d bytes, %v", what, len(got), err)
		}
	}
	refused("at another place, it", s, "there", sealed)
	refused("with another key, it", sealing.New(client, other), "here", sealed)
	for _, i := range []int{0, 1, 2, 40, len(sealed) - 1} {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		refused("changed, it", s, "here", bad)
		refused("cut, it", s, "here", sealed[:i])
	}
}

// A function reads the hub's secret once, when it starts; one that knows no callers
// never does.
func TestSecretIsReadOnce(t *testing.T) {
	account := sim.NewAccount(t)
	secret := account.Settings[cloud.Settings.Secret]
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") == "secretsmanager.GetSecretValue" {
			calls.Add(1)
		}
		w.Write([]byte(`{"SecretString": "` + secret + `"}`))
	}))
	defer server.Close()
	delete(account.Settings, cloud.Settings.Secret)
	account.Settings[cloud.Settings.SecretARN] = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:hub"
	account.Settings[cloud.Settings.SecretsManager] = server.URL
	account.Seed(t)
	before := calls.Load()
	f, err := cloud.NewFunction("registry-ping", account.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	ping := events.APIGatewayV2HTTPRequest{RawPath: "/v2/", Headers: map[string]string{
		"authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(sim.SeedUser+":"+sim.SeedPassword)),
	}}
	ping.RequestContext.HTTP.Method, ping.RequestContext.HTTP.SourceIP = "GET", "192.0.2.1"
	for range 3 {
		out, err := f(t.Context(), ping)
		if err != nil || out.StatusCode != 200 {
			t.Errorf("%+v, %v", out, err)
		}
	}
	if n := calls.Load() - before; n != 1 {
		t.Errorf("the secret was read %d times, want once", n)
	}
	if _, err := cloud.NewFunction(cloud.Default, account.Getenv); err != nil || calls.Load()-before != 1 {
		t.Errorf("the default function: %v, and %d reads", err, calls.Load()-before)
	}
}
