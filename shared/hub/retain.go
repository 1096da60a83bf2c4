package hub

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"time"

	"berth/shared/store"
)

// RetentionReport says what an execution of all policies did.
type RetentionReport struct {
	Repositories int `json:"repositories"` // that have policies
	Tags         int `json:"tags"`         // that were taken away
}

// RunRetentions executes every retention policy. Each tag goes by the same deletion
// as a client's, in one write with its line of the history, and only if it and the
// policy are still as they were judged. A repository whose tags are immutable is left
// alone. Images that have no tag any more go with the next [Hub.Sweep], unless
// something refers to them. It may be ended at any point, and two at once do no harm.
func (h *Hub) RunRetentions(ctx context.Context) (RetentionReport, error) {
	var report RetentionReport
	var failed []error
	all := store.Range{Table: store.Repositories, Part: retentionIndexKey("x").Part, Limit: 100}
	err := h.each(ctx, all, func(item store.Item) error {
		ref, err := decode[retentionRef](item)
		if err != nil {
			return err
		}
		r := retention{hub: h, report: &report, now: h.Now(), grant: Grant{
			Namespace: ref.Namespace, NamespaceID: ref.NamespaceID, Repository: ref.Repository, RepoID: item.Sort, Role: Owner,
		}}
		if err := r.run(ctx, item); err != nil {
			failed = append(failed, fmt.Errorf("retention in %s: %w", r.grant.Path(), err))
		}
		return ctx.Err()
	})
	return report, errors.Join(append(failed, err)...)
}

// retention is the execution of a repository's policies.
type retention struct {
	hub    *Hub
	grant  Grant
	report *RetentionReport
	now    time.Time
}

func (r *retention) run(ctx context.Context, index store.Item) error {
	h := r.hub
	repo, err := h.get(ctx, repositoryKey(r.grant.RepoID))
	if err != nil {
		return err
	}
	if !repo.Found() { // it was deleted with its policies
		return h.Records.Write(ctx, store.DeleteAt(index.Key, index.Version))
	}
	r.report.Repositories++
	record, err := decode[Repository](repo)
	if err != nil || record.ImmutableTags {
		return err
	}
	policies, err := h.Retentions(ctx, r.grant)
	if err != nil {
		return err
	}
	for _, p := range policies {
		for _, rule := range p.Rules {
			err := r.apply(ctx, p, rule)
			if errors.Is(err, errPolicyChanged) {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// apply takes away the tags that a rule names.
func (r *retention) apply(ctx context.Context, p Retention, rule RetentionRule) error {
	stays, err := rule.exceptions()
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(rule.Params[retentionParams[rule.Template].name])
	if err != nil {
		return err
	}
	pushed := store.Prefix(store.Tags, tagKey(r.grant.RepoID, "x").Part, "pushed/", 100)
	if rule.Template == DateRule {
		before := r.now.Add(-time.Duration(n) * 24 * time.Hour)
		pushed.From = fmt.Sprintf("pushed/%016x", uint64(math.MaxInt64-before.UnixMilli()))
		n = 0
	}
	return r.hub.each(ctx, pushed, func(item store.Item) error {
		t, err := decode[Tag](item)
		if err != nil || stays(t.Name) {
			return err
		}
		if n > 0 {
			n--
			return nil
		}
		return r.remove(ctx, p, rule, t)
	})
}

// exceptions makes of the rule's selectors a function that says which tags stay.
func (r RetentionRule) exceptions() (func(tag string) bool, error) {
	labels := make(map[string]bool)
	var patterns []*regexp.Regexp
	for _, s := range r.Selectors {
		if s.Kind == "label" {
			labels[s.Pattern] = true
			continue
		}
		p, err := regexp.Compile(s.Pattern)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, p)
	}
	return func(tag string) bool {
		for _, p := range patterns {
			if p.MatchString(tag) {
				return true
			}
		}
		return labels[tag]
	}, nil
}

// errPolicyChanged ends a policy that is not what it was when it was read.
var errPolicyChanged = errors.New("the retention policy was changed")

// errTagMoved says that a tag is not the one that was judged.
var errTagMoved = errors.New("the tag was pushed again")

// remove takes one tag away.
func (r *retention) remove(ctx context.Context, p Retention, rule RetentionRule, judged Tag) error {
	h, id := r.hub, r.grant.RepoID
	ctx = h.Audited(ctx, r.grant.NamespaceID, AuditEntry{
		Who: fmt.Sprintf("retention policy %d", p.ID), What: "retention-run",
		On: "/v2/manage/namespaces/" + r.grant.Namespace + "/repos/" + r.grant.Repository + "/tags/" + judged.Name, Detail: judged.Digest,
	})
	err := h.deleteTag(ctx, r.grant, judged.Name, func(t Tag) ([]store.Op, error) {
		if t.Digest != judged.Digest || !t.PushedAt.Equal(judged.PushedAt.Time) {
			return nil, errTagMoved
		}
		item, s, err := h.retentionState(ctx, id)
		if err != nil {
			return nil, err
		}
		if i := s.find(p.ID); i < 0 || !reflect.DeepEqual(s.Policies[i], p) {
			return nil, errPolicyChanged
		}
		s.LastLog++
		log := RetentionLog{
			Number: s.LastLog, At: h.now(), Policy: p.ID, Rule: rule, Tag: t.Name, Digest: t.Digest,
		}
		return []store.Op{
			store.PutFrom(item, encode(s)), store.Put(retentionLogKey(id, log.Number), encode(log)),
			h.markUntagged(id, t.Digest), store.Put(sweepKey(sweepUntagged, id), nil),
		}, nil
	})
	switch {
	case errors.Is(err, errTagMoved), is(err, TagNotFound), is(err, TagImmutable), is(err, RepositoryNotFound):
		return nil
	case err == nil:
		r.report.Tags++
	}
	return err
}
