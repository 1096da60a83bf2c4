package manage

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// Whatever a list is asked for, it is refused or has a sane window, and what a
// filter says wins over the plain parameter.
func FuzzList(f *testing.F) {
	f.Add("limit=10&offset=20&order_column=name&order_type=desc")
	f.Add("filter=namespace::group|name::b|limit::5|offset::1|order_column::updated_at|order_type::asc")
	f.Add("filter=mode::visible|namespace::x&namespace=y")
	f.Add("filter=||::&limit=99999999999999999999")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		l, err := parseList(q, "name", "updated_at")
		if err != nil {
			return
		}
		if l.limit < 1 || l.limit > maxLimit || l.offset < 0 || l.offset > maxOffset {
			t.Errorf("%q: limit %d, offset %d", query, l.limit, l.offset)
		}
		if l.column != "" && l.column != "name" && l.column != "updated_at" {
			t.Errorf("%q: column %q", query, l.column)
		}
		parts := strings.Split(q.Get("filter"), "|")
		if name, value, ok := strings.Cut(parts[len(parts)-1], "::"); ok && l.values[name] != value {
			t.Errorf("%q: %s is %q", query, name, l.values[name])
		}
	})
}

// A policy's body is refused or makes rules that can be shown and read again.
func FuzzRetention(f *testing.F) {
	f.Add(`{"algorithm":"or","rules":[{"params":{"days":"30"},"tag_selectors":[{"kind":"label","pattern":"v5"}],"template":"date_rule"}]}`)
	f.Add(`{"algorithm":"or","rules":[{"params":{"num":7},"tag_selectors":null,"template":"tag_rule"}]}`)
	f.Add(`{"algorithm":"or","rules":[{"params":{"num":{}},"tag_selectors":[7],"template":"x"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		var b retentionBody
		if json.Unmarshal([]byte(body), &b) != nil {
			return
		}
		rules, err := b.rules()
		if err != nil {
			return
		}
		shown, err := json.Marshal(map[string]any{"algorithm": "or", "rules": rules})
		if err != nil {
			t.Fatal(err)
		}
		var again retentionBody
		if err := json.Unmarshal(shown, &again); err != nil {
			t.Fatalf("%s: %v", shown, err)
		}
		if same, err := again.rules(); err != nil || len(same) != len(rules) {
			t.Errorf("%s is refused: %v", shown, err)
		}
	})
}
