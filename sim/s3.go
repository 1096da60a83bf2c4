package sim

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"berth/shared/cloud"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Bucket is the name of the layers' bucket in the simulated account.
const Bucket = "berth-layers"

// S3 runs an S3 gateway with Berth's bucket until the test ends, and tells its address.
func S3(t testing.TB) (url string) {
	t.Helper()
	addr := freeAddress(t)
	gateway := exec.Command(Build(t, "berth/sim/s3"), "-addr", addr, "-path", t.TempDir())
	var said bytes.Buffer
	gateway.Stdout, gateway.Stderr = &said, &said
	in, err := gateway.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		gateway.Process.Kill()
		gateway.Wait()
	})
	url = "http://" + addr
	client := S3Client(url)
	for range 500 {
		if res, err := http.Get(url); err == nil {
			res.Body.Close()
			bucket := Bucket
			if _, err = client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
				t.Fatal(err)
			}
			return url
		}
		time.Sleep(20 * time.Millisecond)
	}
	gateway.Process.Kill()
	gateway.Wait()
	t.Fatalf("the S3 gateway does not answer:\n%s", said.String())
	return ""
}

// S3Client is a client of the gateway at an address, as Berth makes one.
func S3Client(url string) *s3.Client {
	return s3.NewFromConfig(Config(url), cloud.ForLayers, func(o *s3.Options) { o.UsePathStyle = true })
}

// Layers is the cloud's store of layers in the gateway at an address.
func Layers(url string) *cloud.Layers { return cloud.NewLayers(S3Client(url), Bucket) }

// freeAddress is a loopback address that nobody listens on, a moment ago.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var builds sync.Map // func() (string, error) by package

// Build builds a program, once for a test process, and tells where it is. It is
// built as functions are, for this machine.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	once, _ := builds.LoadOrStore(pkg, sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "berth-sim-")
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, filepath.Base(pkg))
		cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("%s", out)
			return "", err
		}
		return path, nil
	}))
	path, err := once.(func() (string, error))()
	if err != nil {
		t.Fatalf("building %s: %v", pkg, err)
	}
	return path
}
