package hub

import "testing"

// What is remembered is found again, and a full memory begins anew instead of growing.
func TestRemembered(t *testing.T) {
	var r remembered[int, string]
	if v, ok := r.get(1); ok {
		t.Errorf("an empty memory gives %q", v)
	}
	for i := range 3 * rememberedSize {
		r.put(i, "x")
		if v, ok := r.get(i); !ok || v != "x" {
			t.Fatalf("get(%d) after put is %q, %v", i, v, ok)
		}
		if len(r.m) > rememberedSize {
			t.Fatalf("%d entries, at most %d", len(r.m), rememberedSize)
		}
	}
}
