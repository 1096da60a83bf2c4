// Package glob matches texts against the patterns that AWS uses: * stands for any
// text, the empty one too, and ? for any byte.
package glob

// Match tells whether a text fits a pattern.
func Match(pattern, text string) bool {
	for pattern != "" {
		if pattern[0] == '*' {
			for i := 0; i <= len(text); i++ {
				if Match(pattern[1:], text[i:]) {
					return true
				}
			}
			return false
		}
		if text == "" || pattern[0] != '?' && pattern[0] != text[0] {
			return false
		}
		pattern, text = pattern[1:], text[1:]
	}
	return text == ""
}
