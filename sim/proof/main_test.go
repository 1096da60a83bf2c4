//go:build proof

package proof

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/sim"
	"berth/sim/stack"
)

// made is where the templates and programs lie.
func made(name string) string { return filepath.Join("..", "..", ".make", "sim", name) }

// Templates of two deployments.
const (
	withIngest    = "cdk.out"
	withoutIngest = "cdk.out-ingest-off"
)

const password = "correct horse battery"

// shared is the stack that most tests use.
var shared struct {
	once  sync.Once
	stack *stack.Stack
	dir   string
	err   error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if s := shared.stack; s != nil {
		if refused := s.Refusals(); len(refused) > 0 {
			fmt.Printf("FAIL: refused or failed in the simulation:\n%s\n", strings.Join(refused, "\n"))
			code = 1
		}
		unused := s.Unused()
		fmt.Printf("%d rights were never used in this run; they are listed in %s\n", len(unused), made("unused-rights.txt"))
		if err := os.WriteFile(made("unused-rights.txt"), []byte(strings.Join(unused, "\n")+"\n"), 0o644); err != nil {
			fmt.Println(err)
			code = 1
		}
		s.Close()
		os.RemoveAll(shared.dir)
	}
	sim.Clean()
	os.Exit(code)
}

// theStack is one stack with ingest for all tests that do not need their own.
func theStack(t *testing.T) *stack.Stack {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "berth-proof-"); shared.err == nil {
			shared.stack, shared.err = start(shared.dir, withIngest)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.stack
}

// ownStack is a stack for this test alone, in which nothing may be refused.
func ownStack(t *testing.T, templates string) *stack.Stack {
	t.Helper()
	s, err := start(t.TempDir(), templates)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, refused := range s.Refusals() {
			t.Error("refused or failed in the simulation: ", refused)
		}
		s.Close()
	})
	return s
}

func start(dir, templates string) (*stack.Stack, error) {
	s, err := stack.Start(stack.Options{Templates: made(templates), Programs: made(""), Data: dir})
	if err == nil {
		_, err = s.Administrator(context.Background(), password)
	}
	return s, err
}

// verify holds the hub's records against each other and reads every blob.
func verify(t *testing.T, s *stack.Stack) {
	t.Helper()
	settle(t, s)
	h, err := s.Operator()
	if err != nil {
		t.Fatal(err)
	}
	report, err := h.Verify(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range report.Problems {
		if i == 20 {
			t.Errorf("and %d more", len(report.Problems)-i)
			break
		}
		t.Error("verify: ", p)
	}
	t.Logf("verified %d namespaces, %d repositories, %d tags, %d manifests, %d blobs", report.Namespaces, report.Repositories, report.Tags, report.Manifests, report.Blobs)
	if report.Repositories == 0 {
		t.Error("there was nothing to verify")
	}
	for _, body := range s.SQS().Dead() {
		t.Error("a message was received in vain: ", body)
	}
}

// settle waits until nothing is under way.
func settle(t *testing.T, s *stack.Stack) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	if err := s.Settle(ctx); err != nil {
		t.Fatal(err)
	}
}
