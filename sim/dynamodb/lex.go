package dynamodb

import "strings"

type tok struct {
	k string // id, #, :, num, punct, eof
	v string
}

const expressionBytes = 4096

func lex(s string) ([]tok, error) {
	if len(s) > expressionBytes {
		return nil, validation("Invalid expression: Expression size has exceeded the maximum allowed size; expression size: %d", len(s))
	}
	var out []tok
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case isAl(c) || c == '#' || c == ':' || isDig(c):
			j := i + 1
			for j < len(s) && (isAl(s[j]) || isDig(s[j])) {
				j++
			}
			k := "id"
			if c == '#' || c == ':' {
				k = string(c)
			} else if isDig(c) {
				k = "num"
			}
			out = append(out, tok{k, s[i:j]})
			i = j
		case c == '<' || c == '>':
			if i+1 < len(s) && (s[i+1] == '=' || c == '<' && s[i+1] == '>') {
				out = append(out, tok{"p", s[i : i+2]})
				i += 2
			} else {
				out = append(out, tok{"p", s[i : i+1]})
				i++
			}
		case strings.IndexByte("=(),.[]+-", c) >= 0:
			out = append(out, tok{"p", string(c)})
			i++
		default:
			return nil, validation("Invalid expression: Syntax error; token: %q", string(c))
		}
	}
	return append(out, tok{"eof", ""}), nil
}
func isAl(c byte) bool  { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func isDig(c byte) bool { return c >= '0' && c <= '9' }
