package local

import (
	"testing"
	"time"
)

// TestHasteEndsRests: whoever needs the journal at once does not wait for the rests of
// the checkpoint under way, neither the present one nor later ones.
func TestHasteEndsRests(t *testing.T) {
	m := newMove()
	go func() {
		for range 3 {
			m.rest(time.Hour)
		}
		m.result <- errClosed
	}()
	m.hurry()
	if err := m.end(); err != errClosed {
		t.Errorf("the checkpoint ended with %v", err)
	}
}
