package build

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// tool builds images: one of the programs that the machine may have. Whichever it
// is, steps run confined to the sandbox's network, and nothing of it outlives close.
type tool interface {
	// build makes the image from a context directory and a Dockerfile, both checked,
	// calls built, and sends the image to the hub under the build's tag, with what later
	// builds may reuse.
	build(ctx context.Context, contextDir, dockerfile string) error
	// close ends what the tool has running, and waits for that.
	close()
}

// A maker makes a tool of what the machine has; its error is a missing where the
// machine does not have it.
type maker struct {
	name string
	make func(ctx context.Context, s *sandbox) (tool, error)
}

// makers are the tools in the order in which they are looked for.
var makers = []maker{{buildxName, newBuildx}, {"buildkit", newBuildKit}, {buildahName, newBuildah}}

// missing says which program a builder lacks, and how to get it.
type missing string

func (m missing) Error() string { return string(m) }

// Auto is the builder's name that stands for the first that the machine has.
const Auto = "auto"

// Builders are the names that hub.Job.Builder may have; "" is Auto.
func Builders() []string {
	names := []string{Auto}
	for _, m := range makers {
		names = append(names, m.name)
	}
	return names
}

// tool is the builder that the job names, or the first that the machine has and that
// works.
func (s *sandbox) tool(ctx context.Context) (tool, error) {
	var why []string
	for _, m := range makers {
		named := s.Builder == m.name
		if !named && s.Builder != "" && s.Builder != Auto {
			continue
		}
		t, err := m.make(ctx, s)
		var absent missing
		switch {
		case err == nil:
			if m.name != buildxName {
				hideEngine()
			}
			s.log.info("building with %s", m.name)
			return t, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case named:
			return nil, fmt.Errorf("%s cannot build here: %w", m.name, err)
		case !errors.As(err, &absent):
			s.log.warn("%s cannot build here: %v", m.name, err)
		}
		why = append(why, fmt.Sprintf("%s: %v", m.name, err))
	}
	if len(why) == 0 {
		return nil, fmt.Errorf("there is no builder %q; there are %s", s.Builder, strings.Join(Builders(), ", "))
	}
	return nil, fmt.Errorf("this machine has nothing that builds images, of which it needs one: %s", strings.Join(why, "; "))
}
