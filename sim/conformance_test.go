package sim_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"berth/shared/cloud"
	"berth/shared/routes"
	"berth/shared/web"
	"berth/sim"
	emulator "berth/sim/dynamodb"
	"berth/sim/httpapi"

	"github.com/aws/aws-lambda-go/events"
)

// The registry on AWS conforms as the one on one machine does, although DynamoDB
// fails now and then: the requests of e2e/conformance go to a function for each
// route, here in one process, and uploads to the handlers of ingest. Package proof
// does the same with processes, templates and rights.
func TestConformance(t *testing.T) {
	account := sim.NewAccount(t)
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	defer server.Close()
	account.Settings[cloud.Settings.PublicURL] = server.URL
	keys, functions := map[string]string{"$default": cloud.Default}, map[string]cloud.Function{}
	for _, r := range routes.Table() {
		if r.Surface != web.Registry && r.Surface != web.HubAPI {
			continue
		}
		keys[r.Method+" "+r.Pattern], keys[r.Method+" "+r.Pattern+"/{proxy+}"] = r.Name, r.Name
		if r.Method == http.MethodGet {
			keys["HEAD "+r.Pattern] = r.Name
		}
	}
	for _, name := range keys {
		f, err := cloud.NewFunction(name, account.Getenv, cloud.WithLayers)
		if err != nil {
			t.Fatal(err)
		}
		functions[name] = f
	}
	api, err := httpapi.New("api.example.com", keys, func(ctx context.Context, function string, event []byte) ([]byte, error) {
		var in events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(event, &in); err != nil {
			return nil, err
		}
		out, err := functions[function](ctx, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	})
	if err != nil {
		t.Fatal(err)
	}
	h := account.Hub(t)
	ingest := routes.Handler(h, nil)
	handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if web.SurfaceOf(r.URL.Path) == web.Registry && strings.Contains(r.URL.Path, "/blobs/uploads/") {
			ingest.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
	if _, err := h.EnsureAdministrator(t.Context(), func() string { return sim.SeedPassword }); err != nil {
		t.Fatal(err)
	}
	account.DB.Inject(emulator.Faults{Throttle: 0.02, Conflict: 0.02, Unprocessed: 0.02, LostRequest: 0.02, LostAnswer: 0.02})
	test := exec.Command("go", "test", "-count=1", "./conformance")
	test.Dir = "../e2e"
	test.Env = append(os.Environ(), "BERTH_E2E_URL="+server.URL, "BERTH_ADMIN_PASSWORD="+sim.SeedPassword)
	if out, err := test.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
