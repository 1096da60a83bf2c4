package templates_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"berth/infra/stacks"
)

// docs/aws.md tells of every key of the context, and of no others.
func TestContextIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	var told, read []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(string(text), -1) {
		for _, key := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			told = append(told, key[1])
		}
	}
	stacks.ReadConfig(func(key string) any {
		if key != "built" { // for tests
			read = append(read, key)
		}
		return nil
	})
	slices.Sort(told)
	slices.Sort(read)
	if !slices.Equal(told, read) {
		t.Errorf("docs/aws.md tells of %q, read are %q", told, read)
	}
}
