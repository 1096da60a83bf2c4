package codebuild

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Buildspec is what a project's builds do.
type Buildspec struct {
	Version any `json:"version"`
	Env     struct {
		Shell     string            `json:"shell"`
		Variables map[string]string `json:"variables"`
	} `json:"env"`
	Phases struct {
		Install   phase `json:"install"`
		PreBuild  phase `json:"pre_build"`
		Build     phase `json:"build"`
		PostBuild phase `json:"post_build"`
	} `json:"phases"`
}

type phase struct {
	Commands []string `json:"commands"`
}

// ParseBuildspec reads a buildspec in JSON, which is YAML as well, and the form in
// which the CDK writes it.
func ParseBuildspec(text string) (Buildspec, error) {
	var b Buildspec
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return b, fmt.Errorf("the buildspec: %w", err)
	}
	return b, nil
}

// script does the phases one after the other: the first command that fails ends its
// phase and those before post_build, which is done after a build that failed too.
func (b Buildspec) script() string {
	var s strings.Builder
	s.WriteString("status=0\n")
	for i, p := range []phase{b.Phases.Install, b.Phases.PreBuild, b.Phases.Build, b.Phases.PostBuild} {
		if len(p.Commands) == 0 {
			continue
		}
		// A list of || would take set -e its force.
		run := "( set -e\n" + strings.Join(p.Commands, "\n") + "\n)\n[ $? = 0 ] || status=1\n"
		if i < 3 {
			run = "if [ $status = 0 ]; then\n" + run + "fi\n"
		}
		s.WriteString(run)
	}
	s.WriteString("exit $status\n")
	return s.String()
}
