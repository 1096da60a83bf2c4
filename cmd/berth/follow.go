package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"berth/shared/client"
	"berth/shared/hub"

	"github.com/spf13/cobra"
)

// steps are those of a build, in their order.
var steps = []struct {
	at   int
	name string
}{
	{hub.StepQueued, "queued"}, {hub.StepCloning, "cloning"}, {hub.StepBuilding, "building"},
	{hub.StepTagging, "tagging"}, {hub.StepPushing, "pushing"}, {hub.StepDone, "done"},
}

func stepName(at int) string {
	for _, s := range steps {
		if s.at == at {
			return s.name
		}
	}
	return fmt.Sprint("step ", at)
}

// followed is a build that a person, or a script, watches.
type followed struct {
	screen *screen
	out    io.Writer
	line   func(client.Answer[client.LogLine])
	begun  time.Time
	part   strings.Builder // of a line that goes on in the next entry

	mu   sync.Mutex
	last client.Answer[client.Build]
	lost bool
}

// newFollowed prints lines to the command's output, as text or objects; silent, none.
func newFollowed(c *cobra.Command, json, silent bool) *followed {
	f := &followed{screen: newScreen(), out: c.OutOrStdout(), begun: time.Now()}
	switch {
	case silent:
		f.line = func(client.Answer[client.LogLine]) {}
	case json:
		f.line = lineWriter(f.out)
	case f.out == os.Stdout && isTerminal(os.Stdout):
		f.line = func(l client.Answer[client.LogLine]) { f.text(l.Of, true) }
	default:
		f.line = func(l client.Answer[client.LogLine]) { f.text(l.Of, false) }
	}
	return f
}

// text prints a line as it is; on a terminal without what would move the cursor.
func (f *followed) text(l client.LogLine, terminal bool) {
	if f.part.WriteString(l.Message); l.Continued {
		return
	}
	s := f.part.String()
	f.part.Reset()
	if l.Level != "INFO" {
		s = l.Level + " " + s
	}
	if terminal {
		s = shown(s)
		switch l.Level {
		case "WARN":
			s = styled(yellow, s)
		case "ERROR":
			s = styled(red, s)
		}
	}
	f.screen.line(f.out, s)
}

// until follows the build to its end; one that did not succeed is an error.
func (f *followed) until(c *cobra.Command, h *client.Client, id string) error {
	stop := make(chan struct{})
	var drawing sync.WaitGroup
	drawing.Go(func() { f.draw(stop) })
	b, err := h.Follow(c.Context(), id, client.Follower{
		Line: f.line,
		Now: func(b client.Build) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if b.Step != f.last.Of.Step && !f.screen.live {
				f.screen.say("%s", stepLine(b))
			}
			f.last.Of = b
		},
		Lost: f.connection,
	})
	f.mu.Lock()
	if b.Of.ID != "" {
		f.last = b
	}
	f.mu.Unlock()
	close(stop)
	drawing.Wait()
	switch {
	case err != nil:
		return err
	case b.Of.Status == hub.Deleted:
		return fmt.Errorf("build %s was cancelled", id)
	case b.Of.Status != hub.Succeeded:
		return fmt.Errorf("build %s failed while %s: %s", id, stepName(b.Of.Step), shown(strings.ReplaceAll(strings.TrimSpace(b.Of.Detail), "\n", "; ")))
	}
	return nil
}

// stepLine says on its own where a build is.
func stepLine(b client.Build) string {
	s := "[" + stepName(b.Step) + "]"
	if b.Status == hub.Succeeded {
		s += " " + b.Path + ":" + b.Tag + " " + text(b.Digest)
	}
	return s
}

func (f *followed) connection(err error) {
	f.mu.Lock()
	f.lost = err != nil
	f.mu.Unlock()
	if err != nil {
		f.screen.say("%v; asking again", err)
	} else {
		f.screen.say("the hub answers again")
	}
}

// draw shows the steps in one line that moves with the time.
func (f *followed) draw(stop chan struct{}) {
	if !f.screen.live {
		return
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		f.screen.show(f.picture())
		select {
		case <-tick.C:
		case <-stop:
			f.screen.show(f.picture())
			return
		}
	}
}

// picture is the build in one line: steps that are over, the one that goes on, those
// to come, and the time since it was begun to be watched or has run.
func (f *followed) picture() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.last.Of
	var parts []string
	for _, s := range steps {
		switch {
		case s.at < b.Step || b.Status == hub.Succeeded:
			parts = append(parts, styled(green, "✔ "+s.name))
		case s.at > b.Step:
			parts = append(parts, styled(dim, s.name))
		case b.Status == hub.Failed:
			parts = append(parts, styled(red, "✘ "+s.name))
		case b.Status == hub.Deleted:
			parts = append(parts, styled(yellow, "✘ "+s.name))
		default:
			parts = append(parts, styled(bold, "● "+s.name))
		}
	}
	elapsed := clock(time.Since(f.begun))
	if b.Status.Over() && b.StartedAt != nil {
		elapsed = took(b)
	}
	line := strings.Join(parts, " ") + "  " + elapsed
	if f.lost {
		line += "  " + styled(yellow, "no connection")
	}
	return line
}
