package manage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"berth/shared/hub"
	"berth/shared/web"
)

func retentionRoutes() []web.Route {
	const all = "/v2/manage/namespaces/{namespace}/repos/{repo}/retentions"
	const one = all + "/{retention}"
	rule := hub.RetentionRule{
		Template: hub.DateRule, Params: map[string]string{"days": "30"},
		Selectors: []hub.TagSelector{{Kind: "label", Pattern: "v5"}, {Kind: "regexp", Pattern: "^123$"}},
	}
	body := map[string]any{"algorithm": "or", "rules": []hub.RetentionRule{rule}}
	view := viewRetention(hub.Retention{ID: 222, Rules: []hub.RetentionRule{rule}})
	return []web.Route{{
		Name: "manage-retention-create", Method: "POST", Pattern: all,
		Rule:  web.RepositoryWriter,
		Needs: web.Needs{Write: repositories},
		Doc: web.Doc{
			Summary: "Give a repository a policy by which old tags go",
			About: "A tag goes if any rule names it: date_rule those that were pushed longer ago than days, tag_rule those beyond the num " +
				"that were pushed last. Tags that a selector matches stay, and are not counted.",
			Required: []string{"algorithm", "rules"}, Body: body, Answers: map[int]any{201: retentionID{34}},
		},
		Handle: createRetention,
	}, {
		Name: "manage-retention-list", Method: "GET", Pattern: all,
		Rule:   web.RepositoryReader,
		Needs:  web.Needs{Read: repositories},
		Doc:    web.Doc{Summary: "List a repository's retention policies", Answers: map[int]any{200: []retentionView{view}}},
		Handle: listRetentions,
	}, {
		Name: "manage-retention-history", Method: "GET", Pattern: all + "/histories",
		Rule:  web.RepositoryReader,
		Needs: web.Needs{Read: repositories},
		Doc: web.Doc{
			Summary: "List the tags that retention policies took away, the latest first",
			Query:   listParams("has no meaning here"),
			Answers: map[int]any{200: retentionHistory{Log: []retentionEntry{}}},
		},
		Handle: listHistory,
	}, {
		Name: "manage-retention-get", Method: "GET", Pattern: one,
		Rule:   web.RepositoryReader,
		Needs:  web.Needs{Read: repositories},
		Doc:    web.Doc{Summary: "Show a retention policy", Answers: map[int]any{200: view}},
		Handle: showRetention,
	}, {
		Name: "manage-retention-update", Method: "PATCH", Pattern: one,
		Rule:   web.RepositoryWriter,
		Needs:  web.Needs{Write: repositories},
		Doc:    web.Doc{Summary: "Change a retention policy's rules", Required: []string{"algorithm", "rules"}, Body: body, Answers: map[int]any{201: nil}},
		Handle: updateRetention,
	}, {
		Name: "manage-retention-delete", Method: "DELETE", Pattern: one,
		Rule:   web.RepositoryWriter,
		Needs:  web.Needs{Write: repositories},
		Doc:    web.Doc{Summary: "Delete a retention policy", Answers: map[int]any{204: nil}},
		Handle: deleteRetention,
	}}
}

// retentionBody is a policy as clients send it.
type retentionBody struct {
	Algorithm *string     `json:"algorithm"`
	Rules     []givenRule `json:"rules"`
}

type givenRule struct {
	Template  string                     `json:"template"`
	Params    map[string]json.RawMessage `json:"params"`
	Selectors json.RawMessage            `json:"tag_selectors"`
}

// rules reads the policy's rules. The algorithm can only be "or".
func (b retentionBody) rules() ([]hub.RetentionRule, error) {
	if deref(b.Algorithm) != "or" {
		return nil, hub.FailField("algorithm", "must be or, not %q", deref(b.Algorithm))
	}
	rules := make([]hub.RetentionRule, 0, len(b.Rules))
	for i, given := range b.Rules {
		rule, err := given.rule(fmt.Sprintf("rules.%d.", i))
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// rule reads a rule at a place. A number may come as a string or as a number; a
// list of selectors must be there, but may be empty or null.
func (g givenRule) rule(at string) (hub.RetentionRule, error) {
	r := hub.RetentionRule{Template: g.Template, Params: make(map[string]string), Selectors: []hub.TagSelector{}}
	for name, raw := range g.Params {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		r.Params[name] = s
	}
	switch {
	case g.Selectors == nil:
		return r, hub.FailField(at+"tag_selectors", "is required; an empty list excepts no tag")
	case bytes.Equal(g.Selectors, []byte("null")):
		return r, nil
	}
	if err := json.Unmarshal(g.Selectors, &r.Selectors); err != nil {
		return r, hub.FailField(at+"tag_selectors", "must be a list of objects with kind and pattern")
	}
	return r, nil
}

type retentionID struct {
	ID int32 `json:"id"`
}

// retentionView is a policy as the Manage API shows it.
type retentionView struct {
	Algorithm string              `json:"algorithm"`
	ID        int32               `json:"id"`
	Rules     []hub.RetentionRule `json:"rules"`
	Scope     string              `json:"scope"`
}

func viewRetention(r hub.Retention) retentionView {
	return retentionView{Algorithm: "or", ID: r.ID, Rules: r.Rules}
}

func createRetention(c *web.Call) error {
	rules, err := decodeRules(c)
	if err != nil {
		return err
	}
	r, err := c.Hub.CreateRetention(c.Context(), c.Grant, rules)
	if err != nil {
		return err
	}
	return c.JSON(201, retentionID{r.ID})
}

func decodeRules(c *web.Call) ([]hub.RetentionRule, error) {
	var b retentionBody
	if err := c.Decode(&b); err != nil {
		return nil, err
	}
	return b.rules()
}

func listRetentions(c *web.Call) error {
	list, err := c.Hub.Retentions(c.Context(), c.Grant)
	if err != nil {
		return err
	}
	views := make([]retentionView, 0, len(list))
	for _, r := range list {
		views = append(views, viewRetention(r))
	}
	return c.JSON(200, views)
}

// retentionVar is the policy's id in the path. What is no id is no policy's.
func retentionVar(c *web.Call) (int32, error) {
	id, err := strconv.ParseInt(c.Var("retention"), 10, 32)
	if err != nil {
		return 0, hub.FailField("retention_id", "must be a number, not %q", c.Var("retention"))
	}
	return int32(id), nil
}

func showRetention(c *web.Call) error {
	id, err := retentionVar(c)
	if err != nil {
		return err
	}
	r, err := c.Hub.Retention(c.Context(), c.Grant, id)
	if err != nil {
		return err
	}
	return c.JSON(200, viewRetention(r))
}

func updateRetention(c *web.Call) error {
	id, err := retentionVar(c)
	if err != nil {
		return err
	}
	rules, err := decodeRules(c)
	if err != nil {
		return err
	}
	if err := c.Hub.UpdateRetention(c.Context(), c.Grant, id, rules); err != nil {
		return err
	}
	return c.Empty(201)
}

func deleteRetention(c *web.Call) error {
	id, err := retentionVar(c)
	if err != nil {
		return err
	}
	if err := c.Hub.DeleteRetention(c.Context(), c.Grant, id); err != nil {
		return err
	}
	return c.Empty(204)
}

type retentionHistory struct {
	Log   []retentionEntry `json:"retention_log"`
	Total int64            `json:"total"`
}

// retentionEntry is a tag that was taken away. Rule is the rule's JSON as a string.
type retentionEntry struct {
	Created   hub.Time `json:"created_at"`
	ID        int32    `json:"id"`
	Namespace string   `json:"namespace"`
	Repo      string   `json:"repo"`
	Retention int32    `json:"retention_id"`
	Rule      string   `json:"rule_type"`
	Tag       string   `json:"tag"`
}

func listHistory(c *web.Call) error {
	l, err := parseList(c.URLQuery())
	if err != nil {
		return err
	}
	list, total, err := c.Hub.RetentionHistory(c.Context(), c.Grant, hub.Window{Size: l.limit, Skip: l.offset})
	if err != nil {
		return err
	}
	entries := make([]retentionEntry, 0, len(list))
	for _, e := range list {
		rule, err := json.Marshal(e.Rule)
		if err != nil {
			return err
		}
		entries = append(entries, retentionEntry{
			Created: e.At, ID: e.Number, Namespace: c.Grant.Namespace, Repo: c.Grant.Repository,
			Retention: e.Policy, Rule: string(rule), Tag: e.Tag,
		})
	}
	entries = fit(c, l, entries, len(entries), total)
	return c.JSON(200, retentionHistory{entries, total})
}
