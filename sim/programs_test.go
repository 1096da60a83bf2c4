package sim_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/sim"
)

// ingest runs the program over an account, and tells where it listens.
func ingest(t *testing.T, account *sim.Account) (url string, process *exec.Cmd) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	process = exec.Command(sim.Build(t, "berth/cmd/ingest"))
	process.Env = append(account.Environment(), "BERTH_LISTEN="+at)
	var said bytes.Buffer
	process.Stderr = &said
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Process.Kill() })
	for range 500 {
		if res, err := http.Get("http://" + at + "/healthz"); err == nil {
			res.Body.Close()
			return "http://" + at, process
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("ingest does not answer:\n%s", said.String())
	return "", nil
}

func push(t *testing.T, method, url string, body io.Reader, size int64) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Expect", "100-continue")
	req.SetBasicAuth(sim.SeedUser, sim.SeedPassword)
	res, err := (&http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res
}

// Ingest streams a layer of 200 MB to S3 in flat memory, and at SIGTERM finishes what
// runs. It serves nothing but uploads.
func TestIngest(t *testing.T) {
	account := sim.NewAccount(t)
	account.Seed(t)
	url, process := ingest(t, account)
	path := "/v2/" + sim.SeedUser + "/" + sim.SeedRepository
	const size = 200 << 20
	sum := sha256.New()
	io.Copy(sum, io.LimitReader(zeros{}, size))
	digest := fmt.Sprintf("sha256:%x", sum.Sum(nil))
	if res := push(t, "POST", url+path+"/blobs/uploads/?digest="+digest, io.LimitReader(zeros{}, size), size); res.StatusCode != 201 {
		t.Fatalf("the upload: %s", res.Status)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	fmt.Sscan(peak, &kib)
	t.Logf("at the most %d MiB resident", kib>>10)
	if kib == 0 || kib > 128<<10 {
		t.Errorf("%d KiB were resident, want at most 128 MiB", kib)
	}
	if res := push(t, "GET", url+"/v1/auth/profile", nil, 0); res.StatusCode != 404 {
		t.Errorf("what is no upload: %s, want 404", res.Status)
	}
	r, w := io.Pipe()
	done := make(chan int)
	go func() {
		sum := sha256.Sum256([]byte("half and half"))
		res := push(t, "POST", fmt.Sprintf("%s%s/blobs/uploads/?digest=sha256:%x", url, path, sum), r, 13)
		done <- res.StatusCode
	}()
	io.WriteString(w, "half ") // it is taken when the server reads the body
	process.Process.Signal(syscall.SIGTERM)
	io.WriteString(w, "and half")
	w.Close()
	if got := <-done; got != 201 {
		t.Errorf("an upload that ran at SIGTERM: %d, want 201", got)
	}
	if err := process.Wait(); err != nil {
		t.Errorf("ingest ended with %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// The first administrator is made with credentials of AWS alone.
func TestFirstAdministrator(t *testing.T) {
	account := sim.NewAccount(t)
	create := func(name string) (string, error) {
		cmd := exec.Command(sim.Build(t, "berth/cmd/berth-aws"), "admin", "create", "--table", "berth-repositories", name)
		cmd.Env = append(account.Environment(), "BERTH_ADMIN_PASSWORD=correct horse")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := create("chief"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := create("chief"); err == nil || !strings.Contains(out, "chief") {
		t.Errorf("made twice: %v, %s", err, out)
	}
	url, _ := ingest(t, account)
	req, err := http.NewRequest("POST", url+"/v2/chief/made/blobs/uploads/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("chief", "correct horse")
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != 202 {
		t.Errorf("the administrator begins an upload: %v, %v", res, err)
	}
}
