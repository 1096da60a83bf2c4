//go:build proof

package proof

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Bounds of every function.
const (
	mostZip      = 5 << 20  // bytes
	mostResident = 25 << 20 // bytes
	// hashing is what a password's hash (argon2id) takes for a moment.
	hashing = 19 << 20
)

// hashes are the functions whose sample event has a password that is hashed.
var hashes = []string{"account-register", "generate-api-token", "registry-token-post"}

// Each function is small. How long it takes from the start of its process to its first
// answer, to its sample event, is told and decides nothing: it depends on the machine.
func TestColdStarts(t *testing.T) {
	s := theStack(t)
	var times []time.Duration
	lines := []string{fmt.Sprintf("%-34s %8s %10s %12s", "function", "zip", "resident", "first answer")}
	for _, name := range s.Functions() {
		event, err := os.ReadFile(filepath.Join("..", "..", "events", name+".json"))
		if err != nil {
			event = []byte("{}")
		}
		if !json.Valid(event) {
			t.Errorf("the sample event of %s is no JSON", name)
		}
		var took [3]time.Duration
		var most int64
		for i := range took {
			var resident int64
			if took[i], resident, err = s.Cold(t.Context(), name, event); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			most = max(most, resident)
		}
		slices.Sort(took[:])
		times = append(times, took[1])
		zipped := zipSize(t, s.Program(name))
		lines = append(lines, fmt.Sprintf("%-34s %5.2f MB %7.1f MB %12v", name, float64(zipped)/(1<<20), float64(most)/(1<<20), took[1].Round(100*time.Microsecond)))
		if zipped > mostZip {
			t.Errorf("%s has %d bytes zipped, more than %d", name, zipped, mostZip)
		}
		bound := int64(mostResident)
		if slices.Contains(hashes, name) {
			bound += hashing
		}
		if most > bound {
			t.Errorf("%s has had %d bytes of memory, more than %d", name, most, bound)
		}
	}
	slices.Sort(times)
	t.Logf("the median of all is %v\n%s", times[len(times)/2].Round(100*time.Microsecond), strings.Join(lines, "\n"))
}

// zipSize is how long a program is as a function's package.
func zipSize(t *testing.T, program string) (n counter) {
	t.Helper()
	in, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z := zip.NewWriter(&n)
	w, err := z.Create("bootstrap")
	if err == nil {
		_, err = io.Copy(w, in)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
