package sim

import (
	"bytes"
	"context"
	"fmt"
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
	url, stop, err := StartS3(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return url
}

// StartS3 runs an S3 gateway with Berth's bucket on a folder, until it is stopped.
func StartS3(dir string) (url string, stop func(), err error) { return StartBucket(dir, Bucket) }

// StartBucket runs an S3 gateway with one bucket on a folder, until it is stopped.
func StartBucket(dir, bucket string) (url string, stop func(), err error) {
	program, err := program("berth/sim/s3")
	if err != nil {
		return "", nil, err
	}
	addr, err := freeAddress()
	if err != nil {
		return "", nil, err
	}
	gateway := exec.Command(program, "-addr", addr, "-path", dir)
	var said bytes.Buffer
	gateway.Stdout, gateway.Stderr = &said, &said
	in, err := gateway.StdinPipe() // the gateway ends when this does
	if err != nil {
		return "", nil, err
	}
	if err := gateway.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		in.Close()
		gateway.Process.Kill()
		gateway.Wait()
	}
	url = "http://" + addr
	for range 500 {
		res, err := http.Get(url)
		if err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		res.Body.Close()
		if _, err = S3Client(url).CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			stop()
			return "", nil, err
		}
		return url, stop, nil
	}
	stop()
	return "", nil, fmt.Errorf("the S3 gateway does not answer:\n%s", said.String())
}

// S3Client is a client of the gateway at an address, as Berth makes one.
func S3Client(url string) *s3.Client {
	return s3.NewFromConfig(Config(url), cloud.ForLayers, func(o *s3.Options) { o.UsePathStyle = true })
}

// Layers is the cloud's store of layers in the gateway at an address.
func Layers(url string) *cloud.Layers { return cloud.NewLayers(S3Client(url), Bucket) }

// freeAddress is a loopback address that nobody listens on, a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Build builds a program, once for a test process, and tells where it is. It is
// built as functions are, for this machine.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	path, err := program(pkg)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Clean removes what Build has built. It is for the end of the process.
func Clean() {
	programs.Range(func(_, once any) bool {
		if path, err := once.(func() (string, error))(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
		return true
	})
}

var programs sync.Map // func() (string, error) by package

func program(pkg string) (string, error) {
	once, _ := programs.LoadOrStore(pkg, sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "berth-sim-")
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, filepath.Base(pkg))
		cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
		}
		return path, nil
	}))
	return once.(func() (string, error))()
}
