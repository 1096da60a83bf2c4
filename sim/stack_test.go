package sim_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"berth/shared/cloud"
	"berth/sim"
	"berth/sim/httpapi"
)

// The registry on AWS conforms as the one on one machine does: the requests of
// e2e/conformance go to a function for each route, and to ingest.
func TestConformance(t *testing.T) {
	account := sim.NewAccount(t)
	account.Seed(t)
	server := httptest.NewUnstartedServer(nil)
	defer server.Close()
	public := "http://" + server.Listener.Addr().String()
	account.Settings[cloud.Settings.PublicURL] = public
	api, err := httpapi.New(account.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = api
	server.Start()
	test := exec.Command("go", "test", "-count=1", "./conformance")
	test.Dir = "../e2e"
	test.Env = append(os.Environ(), "BERTH_E2E_URL="+public, "BERTH_ADMIN_PASSWORD="+sim.SeedPassword)
	if out, err := test.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
