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
	// build makes the image from a context directory and a Dockerfile, both checked.
	build(ctx context.Context, contextDir, dockerfile string) error
	// push sends the image to the hub, under the build's tag, and what later builds may
	// reuse.
	push(ctx context.Context) error
	// close ends what the tool has running, and waits for that.
	close()
}

// builders are the tools in the order in which they are looked for.
var builders = []struct {
	name string
	find func(ctx context.Context, s *sandbox) (tool, error) // the error says what to install
}{
	{"buildah", newBuildah},
}

// tool is the first builder that the machine has.
func (s *sandbox) tool(ctx context.Context) (tool, error) {
	var missing []string
	for _, b := range builders {
		t, err := b.find(ctx, s)
		if err == nil {
			s.log.info("building with %s", b.name)
			return t, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		missing = append(missing, fmt.Sprintf("%s: %v", b.name, err))
	}
	return nil, errors.New("this machine has nothing that builds images: " + strings.Join(missing, "; "))
}
