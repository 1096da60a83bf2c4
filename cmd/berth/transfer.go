package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"berth/shared/client"
)

// transfer shows how the layers of an image come along.
type transfer struct {
	screen *screen
	quiet  bool
	begun  time.Time
	stop   chan struct{}
	done   sync.WaitGroup

	mu     sync.Mutex
	order  []string
	layers map[string]client.Event
	moved  int64 // bytes, for the speed
}

// watchTransfer begins to show a transfer; end ends it. A quiet one shows nothing.
func watchTransfer(quiet bool) *transfer {
	t := &transfer{screen: newScreen(), quiet: quiet, begun: time.Now(), stop: make(chan struct{}), layers: map[string]client.Event{}}
	if quiet || !t.screen.live {
		return t
	}
	t.done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			t.screen.show(t.picture()...)
			select {
			case <-tick.C:
			case <-t.stop:
				t.screen.show(t.picture()...)
				return
			}
		}
	})
	return t
}

func (t *transfer) end() {
	close(t.stop)
	t.done.Wait()
}

func (t *transfer) event(e client.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, known := t.layers[e.Digest]
	if !known {
		t.order = append(t.order, e.Digest)
	}
	if e.State == client.Moving && e.Done > before.Done {
		t.moved += e.Done - before.Done
	}
	t.layers[e.Digest] = e
	if !t.quiet && !t.screen.live && (e.State == client.Moved || e.State == client.There) {
		t.screen.say("%s  %s  %s", short(e.Digest), bytesOf(e.Size), e.State)
	}
}

// picture is a line for each layer, and one for all of them.
func (t *transfer) picture() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	var done, size int64
	ended := 0
	for _, digest := range t.order {
		e := t.layers[digest]
		if e.State == client.Packing {
			if e.Done < e.Size {
				lines = append(lines, fmt.Sprintf("%s  %s  %s", short(digest), bar(e.Done, e.Size), "compressing"))
			}
			continue
		}
		done, size = done+e.Done, size+e.Size
		what := fmt.Sprintf("%s of %s", bytesOf(e.Done), bytesOf(e.Size))
		switch e.State {
		case client.Moved:
			ended++
			what = styled(green, "✔") + " " + bytesOf(e.Size)
		case client.There:
			ended++
			what = styled(dim, "✔ "+bytesOf(e.Size)+", already there")
		}
		lines = append(lines, fmt.Sprintf("%s  %s  %s", short(digest), bar(e.Done, e.Size), what))
	}
	if len(lines) == 0 {
		return nil
	}
	took := time.Since(t.begun)
	total := fmt.Sprintf("%d of %d  %s of %s", ended, len(lines), bytesOf(done), bytesOf(size))
	if s := took.Seconds(); s > 0.5 && t.moved > 0 {
		total += fmt.Sprintf("  %s/s", bytesOf(int64(float64(t.moved)/s)))
	}
	return append(lines, styled(bold, total)+"  "+clock(took))
}

const barWidth = 24

func bar(done, size int64) string {
	full := barWidth
	if size > 0 {
		full = int(min(done, size) * barWidth / size)
	}
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}

// short is a digest, or a file's name, in twelve characters.
func short(digest string) string {
	if _, hex, ok := strings.Cut(digest, ":"); ok {
		digest = hex
	}
	digest = strings.TrimPrefix(digest, "blobs/sha256/")
	return fmt.Sprintf("%-12.12s", digest)
}
