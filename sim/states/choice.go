package states

import "berth/sim/glob"

// choice is a rule of a Choice state: a comparison, or several by And, Or and Not.
type choice struct {
	Variable, Next, Comment           string
	And, Or                           []choice
	Not                               *choice
	StringEquals, StringMatches       *string
	NumericEquals, NumericGreaterThan *float64
	BooleanEquals                     *bool
	IsPresent, IsNull, IsString       *bool
}

// choose is the next state.
func (s *state) choose(input any, about map[string]any) (string, error) {
	for i := range s.Choices {
		if s.Choices[i].holds(input, about) {
			return s.Choices[i].Next, nil
		}
	}
	if s.Default == "" {
		return "", &Error{"States.NoChoiceMatched", "no choice holds"}
	}
	return s.Default, nil
}

func (c *choice) holds(input any, about map[string]any) bool {
	switch {
	case c.Not != nil:
		return !c.Not.holds(input, about)
	case c.And != nil:
		for i := range c.And {
			if !c.And[i].holds(input, about) {
				return false
			}
		}
		return true
	case c.Or != nil:
		for i := range c.Or {
			if c.Or[i].holds(input, about) {
				return true
			}
		}
		return false
	}
	v, err := evaluate(c.Variable, input, about)
	if c.IsPresent != nil {
		return (err == nil) == *c.IsPresent
	}
	return err == nil && c.compares(v)
}

func (c *choice) compares(v any) bool {
	text, isText := v.(string)
	n, isNumber := v.(float64)
	b, isBool := v.(bool)
	switch {
	case c.StringEquals != nil:
		return isText && text == *c.StringEquals
	case c.StringMatches != nil:
		return isText && glob.Match(*c.StringMatches, text)
	case c.NumericEquals != nil:
		return isNumber && n == *c.NumericEquals
	case c.NumericGreaterThan != nil:
		return isNumber && n > *c.NumericGreaterThan
	case c.BooleanEquals != nil:
		return isBool && b == *c.BooleanEquals
	case c.IsNull != nil:
		return (v == nil) == *c.IsNull
	case c.IsString != nil:
		return isText == *c.IsString
	}
	return false
}
