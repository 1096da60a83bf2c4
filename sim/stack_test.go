package sim_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"berth/sim"
)

// The registry on AWS conforms as the one on one machine does, although DynamoDB
// fails now and then: the requests of e2e/conformance go to a function for each
// route, and to ingest.
func TestConformance(t *testing.T) {
	const password = "BERTH_ADMIN_PASSWORD=" + sim.SeedPassword
	stack := exec.Command(sim.Build(t, "berth/sim/stack"), "-listen", "127.0.0.1:0", "-faults", "0.02")
	stack.Env = append(os.Environ(), password)
	var said bytes.Buffer
	stack.Stderr = &said
	out, err := stack.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stack.Process.Signal(os.Interrupt)
		stack.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	_, url, ok := strings.Cut(strings.TrimSpace(line), "answers at ")
	if err != nil || !ok {
		t.Fatalf("the stack says %q, %v\n%s", line, err, said.String())
	}
	test := exec.Command("go", "test", "-count=1", "./conformance")
	test.Dir = "../e2e"
	test.Env = append(os.Environ(), "BERTH_E2E_URL="+url, password)
	if out, err := test.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
