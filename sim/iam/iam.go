// Package iam decides whether a role may do what a call asks, by the policies that a
// template gives it: allowed only if a statement allows it, and none denies it. Of
// conditions it knows StringEquals: a statement with another does not apply, unless it
// denies.
package iam

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"berth/sim/glob"
)

// Ask is one right that a call needs.
type Ask struct {
	Action   string // as "dynamodb:GetItem"
	Resource string // an ARN, or "*" where the service has none
}

func (a Ask) String() string { return a.Action + " on " + a.Resource }

// Role is what a program of the stack acts as. It notes which of its rights were used.
type Role struct {
	Name string

	mu     sync.Mutex
	rights []*right
}

// right is one action of a statement on one of its resources; both may hold * and ?.
type right struct {
	Ask
	when conditions
	deny bool
	used bool
}

// conditions are an operator's keys with the values, one of which the call must have.
type conditions map[string]map[string]list[string]

// hold tells whether all do, by what is known of the call.
func (c conditions) hold(known map[string]string) bool {
	for operator, keys := range c {
		for key, values := range keys {
			if operator != "StringEquals" || !slices.Contains(values, known[key]) {
				return false
			}
		}
	}
	return true
}

// Allow adds the statements of a policy document, in which nothing is left to be
// resolved.
func (r *Role) Allow(document any) error {
	b, err := json.Marshal(document)
	if err != nil {
		return err
	}
	var doc struct {
		Statement list[struct {
			Effect           string
			Action, Resource list[string]
			Condition        conditions
		}]
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("a policy of %s: %w", r.Name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range doc.Statement {
		when, deny := s.Condition, s.Effect == "Deny"
		if deny {
			when = nil
		}
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				r.rights = append(r.rights, &right{Ask: Ask{action, resource}, when: when, deny: deny})
			}
		}
	}
	return nil
}

// Allows tells whether the role may do it. known is what conditions may ask of the call.
func (r *Role) Allows(a Ask, known map[string]string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	allowed := false
	for _, right := range r.rights {
		if !glob.Match(strings.ToLower(right.Action), strings.ToLower(a.Action)) || !glob.Match(right.Resource, a.Resource) || !right.when.hold(known) {
			continue
		}
		if right.deny {
			return false
		}
		right.used, allowed = true, true
	}
	return allowed
}

// Unused are the rights that nothing has asked for.
func (r *Role) Unused() []Ask {
	r.mu.Lock()
	defer r.mu.Unlock()
	var unused []Ask
	for _, right := range r.rights {
		if !right.used && !right.deny && !slices.Contains(unused, right.Ask) {
			unused = append(unused, right.Ask)
		}
	}
	return unused
}

// list is a JSON list, or one element alone.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(l))
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*l = list[T]{one}
	return nil
}
