package hub

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"berth/shared/store"
)

// Retention is a policy by which a repository's old tags go: those that any of
// its rules names.
type Retention struct {
	ID    int32           `json:"id"` // in its repository, never used again
	Rules []RetentionRule `json:"rules"`
}

// RetentionRule names tags: by date those that were pushed longer ago than so
// many days, by number those beyond so many pushed last. Tags that a selector
// matches stay, and do not count among the number.
type RetentionRule struct {
	Template  string            `json:"template"` // DateRule or TagRule
	Params    map[string]string `json:"params"`   // "days" or "num"
	Selectors []TagSelector     `json:"tag_selectors"`
}

// Templates of rules, with the one parameter that each has.
const (
	DateRule = "date_rule" // days
	TagRule  = "tag_rule"  // num
)

var retentionParams = map[string]struct {
	name string
	most int
}{DateRule: {"days", 36_500}, TagRule: {"num", 100_000}}

// TagSelector matches tags: "label" the one of that name, "regexp" those in which
// the expression (RE2) is found.
type TagSelector struct {
	Kind    string `json:"kind"`
	Pattern string `json:"pattern"`
}

// Limits of a repository's policies.
const (
	maxRetentions     = 10
	maxRetentionRules = 10
	maxSelectors      = 100
	maxPattern        = 512 // bytes
	maxRetentionSize  = 64 << 10
)

// retentionState is all policies of a repository, in one record: a policy that is
// being executed is known to be as it was read by the record's version.
type retentionState struct {
	Policies []Retention `json:"policies"`
	Last     int32       `json:"last"`      // id that was given last
	LastLog  int32       `json:"histories"` // number of the last RetentionLog
}

// retentionRef is what the index of all policies says of a repository.
type retentionRef struct {
	Namespace   string `json:"namespace"`
	NamespaceID string `json:"ns"`
	Repository  string `json:"repo"`
}

func retentionKey(repoID string) store.Key      { return rkey("repo/"+repoID, "retention") }
func retentionIndexKey(repoID string) store.Key { return rkey("index/retention", repoID) }
func retentionLogKey(repoID string, n int32) store.Key {
	return rkey("repo/"+repoID, fmt.Sprintf("retained/%08x", math.MaxInt32-n))
}

// RetentionLog tells of a tag that a policy took away.
type RetentionLog struct {
	Number int32         `json:"number"` // 1 for the repository's first
	At     Time          `json:"at"`
	Policy int32         `json:"policy"`
	Rule   RetentionRule `json:"rule"`
	Tag    string        `json:"tag"`
	Digest string        `json:"digest"`
}

// check says whether the policy can be kept, and puts its numbers in plain form.
func (p *Retention) check() error {
	if len(p.Rules) == 0 || len(p.Rules) > maxRetentionRules {
		return FailField("rules", "must be 1 to %d rules, not %d", maxRetentionRules, len(p.Rules))
	}
	for i := range p.Rules {
		if err := p.Rules[i].check(fmt.Sprintf("rules.%d.", i)); err != nil {
			return err
		}
	}
	return nil
}

func (r *RetentionRule) check(at string) error {
	param, ok := retentionParams[r.Template]
	if !ok {
		return FailField(at+"template", "must be %s or %s, not %q", DateRule, TagRule, r.Template)
	}
	n, err := strconv.Atoi(r.Params[param.name])
	if err != nil || n < 1 || n > param.most {
		return FailField(at+"params."+param.name, "must be a whole number from 1 to %d, not %q", param.most, r.Params[param.name])
	}
	r.Params = map[string]string{param.name: strconv.Itoa(n)}
	if len(r.Selectors) > maxSelectors {
		return FailField(at+"tag_selectors", "may be at most %d, not %d", maxSelectors, len(r.Selectors))
	}
	for i, s := range r.Selectors {
		if err := s.check(fmt.Sprintf("%stag_selectors.%d.", at, i)); err != nil {
			return err
		}
	}
	return nil
}

func (s TagSelector) check(at string) error {
	if s.Pattern == "" || len(s.Pattern) > maxPattern || !utf8.ValidString(s.Pattern) {
		return FailField(at+"pattern", "must be 1 to %d bytes", maxPattern)
	}
	switch s.Kind {
	case "label":
		return nil
	case "regexp":
		if _, err := regexp.Compile(s.Pattern); err != nil {
			return FailField(at+"pattern", "is no regular expression: %v", err)
		}
		return nil
	}
	return FailField(at+"kind", "must be label or regexp, not %q", s.Kind)
}

// Retentions lists the granted repository's policies (role Reader), the oldest first.
func (h *Hub) Retentions(ctx context.Context, g Grant) ([]Retention, error) {
	_, s, err := h.retentionState(ctx, g.RepoID)
	return s.Policies, err
}

// Retention reads one of the granted repository's policies (role Reader): NotFound.
func (h *Hub) Retention(ctx context.Context, g Grant, id int32) (Retention, error) {
	_, s, err := h.retentionState(ctx, g.RepoID)
	if err != nil {
		return Retention{}, err
	}
	i := s.find(id)
	if i < 0 {
		return Retention{}, noRetention(g, id)
	}
	return s.Policies[i], nil
}

func noRetention(g Grant, id int32) error {
	return Fail(NotFound, "there is no retention policy %d of %s", id, g.Path())
}

func (s *retentionState) find(id int32) int {
	return slices.IndexFunc(s.Policies, func(p Retention) bool { return p.ID == id })
}

func (h *Hub) retentionState(ctx context.Context, repoID string) (store.Item, retentionState, error) {
	item, err := h.get(ctx, retentionKey(repoID))
	if err != nil {
		return item, retentionState{}, err
	}
	s, err := found[retentionState](item)
	return item, s, err
}

// CreateRetention gives the granted repository (role Writer) another policy. It
// answers BadField, and Conflict where there are too many.
func (h *Hub) CreateRetention(ctx context.Context, g Grant, rules []RetentionRule) (Retention, error) {
	p := Retention{Rules: rules}
	if err := p.check(); err != nil {
		return p, err
	}
	err := h.changeRetentions(ctx, g, func(s *retentionState) error {
		if len(s.Policies) == maxRetentions {
			return Fail(Conflict, "%s has %d retention policies already; delete one first, or put the rules into one", g.Path(), maxRetentions)
		}
		s.Last++
		p.ID = s.Last
		auditDetail(ctx, "policy %d", p.ID)
		s.Policies = append(s.Policies, p)
		return nil
	})
	return p, err
}

// UpdateRetention gives a policy other rules (role Writer): NotFound, BadField.
func (h *Hub) UpdateRetention(ctx context.Context, g Grant, id int32, rules []RetentionRule) error {
	p := Retention{ID: id, Rules: rules}
	if err := p.check(); err != nil {
		return err
	}
	return h.changeRetentions(ctx, g, func(s *retentionState) error {
		i := s.find(id)
		if i < 0 {
			return noRetention(g, id)
		}
		s.Policies[i] = p
		return nil
	})
}

// DeleteRetention takes a policy away (role Writer): NotFound. What it did stays in
// the history.
func (h *Hub) DeleteRetention(ctx context.Context, g Grant, id int32) error {
	return h.changeRetentions(ctx, g, func(s *retentionState) error {
		i := s.find(id)
		if i < 0 {
			return noRetention(g, id)
		}
		s.Policies = slices.Delete(s.Policies, i, i+1)
		return nil
	})
}

// changeRetentions changes the policies, and keeps the repository in the index of
// those that have some.
func (h *Hub) changeRetentions(ctx context.Context, g Grant, change func(*retentionState) error) error {
	return h.again(ctx, func() error {
		item, s, err := h.retentionState(ctx, g.RepoID)
		if err != nil {
			return err
		}
		if err := change(&s); err != nil {
			return err
		}
		value := encode(s)
		if len(value) > maxRetentionSize {
			return FailField("rules", "the policies of a repository may have %d bytes together", maxRetentionSize)
		}
		index := store.Delete(retentionIndexKey(g.RepoID))
		if len(s.Policies) > 0 {
			index = store.Put(index.Key, encode(retentionRef{g.Namespace, g.NamespaceID, g.Repository}))
		}
		alive := store.CheckExists(repositoryKey(g.RepoID))
		err = h.change(ctx, store.PutFrom(item, value), index, alive)
		if isConflictOn(err, alive.Key) {
			return Fail(RepositoryNotFound, "there is no repository %s", g.Path())
		}
		return err
	})
}

// RetentionHistory lists what policies took away from the granted repository (role
// Reader), the latest first. total counts all there is.
func (h *Hub) RetentionHistory(ctx context.Context, g Grant, w Window) (list []RetentionLog, total int64, err error) {
	_, s, err := h.retentionState(ctx, g.RepoID)
	if total = int64(s.LastLog); err != nil || int64(w.Skip) >= total {
		return nil, total, err
	}
	// Their numbers have no gaps, so that a number says where an entry stands.
	r := store.Prefix(store.Repositories, "repo/"+g.RepoID, "retained/", min(w.Size, 1000))
	r.From = retentionLogKey(g.RepoID, s.LastLog-int32(w.Skip)).Sort
	err = h.each(ctx, r, func(item store.Item) error {
		if len(list) == w.Size {
			return errEnough
		}
		l, err := decode[RetentionLog](item)
		list = append(list, l)
		return err
	})
	return list, total, err
}
