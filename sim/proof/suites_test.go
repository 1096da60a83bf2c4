//go:build proof

package proof

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth/sim/dynamodb"
	"berth/sim/sqs"
	"berth/sim/stack"
)

// The registry on AWS conforms as the one on one machine does.
func TestConformance(t *testing.T) { suite(t, theStack(t), "./conformance") }

// Without ingest too: every chunk goes through a function.
func TestConformanceWithoutIngest(t *testing.T) {
	suite(t, ownStack(t, withoutIngest), "./conformance")
}

// The scenarios of real clients pass while DynamoDB throttles a fifth of its calls, a
// tenth of S3's fail, and queues deliver everything twice and in any order. Then all
// that was acknowledged is there, and each counter equals a recount.
func TestClientsBesideFaults(t *testing.T) {
	s := theStack(t)
	s.DynamoDB().Inject(dynamodb.Faults{Throttle: 0.2, Conflict: 0.02, Unprocessed: 0.2})
	s.SQS().Inject(sqs.Faults{Twice: 1, Shuffle: true})
	s.Inject(stack.Faults{S3: 0.1})
	defer func() {
		s.DynamoDB().Inject(dynamodb.Faults{})
		s.SQS().Inject(sqs.Faults{})
		s.Inject(stack.Faults{})
	}()
	suite(t, s, "-skip", "^("+strings.Join(ofTheirOwn(t), "|")+")$", ".")
	if s.DynamoDB().Injected() == 0 || s.Injected() == 0 || s.SQS().Twice() == 0 {
		t.Errorf("faults: %d of DynamoDB, %d of S3, %d messages twice", s.DynamoDB().Injected(), s.Injected(), s.SQS().Twice())
	}
	s.DynamoDB().Inject(dynamodb.Faults{})
	s.Inject(stack.Faults{})
	verify(t, s)
}

// suite runs tests of the module e2e against a stack.
func suite(t *testing.T, s *stack.Stack, args ...string) {
	t.Helper()
	test := exec.CommandContext(t.Context(), "go", append([]string{"test", "-count=1", "-timeout", "10m"}, args...)...)
	test.Dir = filepath.Join("..", "..", "e2e")
	test.Env = append(os.Environ(), "BERTH_E2E_URL="+s.URL, "BERTH_ADMIN_PASSWORD="+password)
	if out, err := test.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// ofTheirOwn are the scenarios that start a hub of their own, whatever they are told: they
// say nothing of this one.
func ofTheirOwn(t *testing.T) (names []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "e2e", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string][]string{}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && id.Name != f.Name.Name {
					calls[f.Name.Name] = append(calls[f.Name.Name], id.Name)
				}
				return true
			})
		}
	}
	var own func(name string, seen map[string]bool) bool
	own = func(name string, seen map[string]bool) bool {
		if name == "ownHub" {
			return true
		}
		if seen[name] || name == "theHub" || name == "buildingHub" {
			return false
		}
		seen[name] = true
		for _, called := range calls[name] {
			if own(called, seen) {
				return true
			}
		}
		return false
	}
	for name := range calls {
		if strings.HasPrefix(name, "Test") && own(name, map[string]bool{}) {
			names = append(names, name)
		}
	}
	if len(names) == 0 || len(names) == len(calls) {
		t.Fatal("it cannot be told which scenarios start a hub of their own")
	}
	return names
}
