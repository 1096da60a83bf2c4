package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"berth/shared/store"
)

// CodeHook is a build repository as the webhook of its code repository reaches it.
// Who holds the secret may start the builds that pushes start, and nothing else.
type CodeHook struct {
	Secret string // with which the Git host proves itself

	config BuildConfig
	grant  Grant
}

var hookCodes = regexp.MustCompile(`^[0-9a-f]{32}$`)

// CodeHook finds the webhook of a code: NotFound where there is none.
func (h *Hub) CodeHook(ctx context.Context, code string) (hook CodeHook, err error) {
	none := Fail(NotFound, "there is no webhook of this code")
	if !hookCodes.MatchString(code) {
		return hook, none
	}
	item, err := h.get(ctx, hookCodeKey(code))
	if err != nil {
		return hook, err
	}
	id, err := found[string](item)
	if err != nil {
		return hook, err
	}
	if id == "" {
		return hook, none
	}
	items, err := h.Records.Get(ctx, configKey(id), repositoryKey(id))
	if err != nil {
		return hook, err
	}
	if hook.config, err = found[BuildConfig](items[0]); err != nil {
		return hook, err
	}
	r, err := found[Repository](items[1])
	if err != nil {
		return hook, err
	}
	if r.ID == "" || hook.config.HookCode != code { // the repository is being deleted
		return hook, none
	}
	hook.grant = Grant{
		Namespace: r.Namespace, NamespaceID: r.NamespaceID, Repository: r.Name, RepoID: r.ID, Role: Writer, Public: r.Public, repo: items[1],
	}
	hook.Secret, err = h.HookSecret(ctx, hook.config)
	return hook, err
}

// CodeRef is a branch or tag of a code repository that was pushed.
type CodeRef struct {
	Type   string // RefBranch or RefTag
	Name   string
	Commit string // full id of the commit that it now stands at
}

// codeDelivery remembers a delivery of a webhook that asked for builds, under each
// of its names. It is written together with each of them, so that a delivery that
// was interrupted is ended by its repeat, and one that was not starts nothing again.
type codeDelivery struct {
	Left    []string `json:"left"` // what is still to be started: see pushedTag.name
	Expires Time     `json:"expires"`
}

const (
	// deliveryMemory is how long the deliveries of a webhook are remembered.
	deliveryMemory = 7 * 24 * time.Hour
	// maxPushed bounds the builds that one delivery asks for.
	maxPushed = 100
	// maxMatching bounds the steps of the regular expressions that one delivery is held
	// against: some seconds at the worst.
	maxMatching = 50_000_000
)

// pushedTag is a build that a push asks for.
type pushedTag struct {
	ref    CodeRef
	config TagConfig // with its names filled in
}

func (p pushedTag) name() string { return fmt.Sprintf("%d %s %s", p.config.ID, p.ref.Type, p.ref.Name) }

// pushed are the builds that pushed references ask for: one for every active entry
// of the configuration that matches one.
func (hook CodeHook) pushed(refs []CodeRef) (list []pushedTag, err error) {
	seen := make(map[string]bool)
	steps := 0
	for _, t := range hook.config.Tags {
		pattern, err := t.pattern()
		if err != nil || !t.Active {
			continue
		}
		for _, ref := range refs {
			if ref.Type != t.RefType || !isRef(ref.Name) {
				continue
			}
			if pattern != nil {
				steps += pattern.steps * len(ref.Name)
			}
			if steps > maxMatching {
				return nil, Fail(BadRequest, "the push names too many branches and tags to look for those that the regular expressions mean; push fewer at once")
			}
			made, ok := t.made(pattern, ref.Name)
			if p := (pushedTag{ref, made}); ok && !seen[p.name()] {
				seen[p.name()] = true
				list = append(list, p)
			}
		}
	}
	if len(list) > maxPushed {
		err = Fail(BadRequest, "the push asks for %d builds, and %d are the most; push fewer branches and tags at once", len(list), maxPushed)
	}
	return list, err
}

// Pushed starts the builds that a delivery of the webhook asks for, each once,
// however often it is repeated within a week. repeat says that the delivery was seen
// before and nothing is left of it. TooManyRequests where the namespace's queue is
// full: the builds before that are started, and a repeat of the delivery starts the
// others. Names are those that the delivery is known again by, whichever of them.
func (h *Hub) Pushed(ctx context.Context, hook CodeHook, names []string, refs []CodeRef) (builds []Build, repeat bool, err error) {
	wanted, err := hook.pushed(refs)
	if err != nil || len(wanted) == 0 {
		return nil, false, err
	}
	AuditedBy(ctx, hook.config.CreatedBy)
	auditIn(ctx, hook.grant.NamespaceID)
	keys := make([]store.Key, len(names))
	for i, name := range names {
		sum := sha256.Sum256([]byte(name))
		keys[i] = codeDeliveryKey(hook.config.HookCode, hex.EncodeToString(sum[:]))
	}
	for {
		b, seen, err := h.pushedNext(ctx, hook, keys, wanted)
		if full := (*Error)(nil); errors.As(err, &full) && full.Code == QueueFull {
			err = &Error{Code: QueueFull, Wait: full.Wait, Message: fmt.Sprintf(
				"%s; of this delivery %d were started, and sending it again starts what is left", full.Message, len(builds))}
		}
		if err != nil || b.ID == "" {
			return builds, seen && len(builds) == 0, err
		}
		builds = append(builds, b)
	}
}

// pushedNext starts the next build of a delivery; none where nothing is left. seen
// says that the delivery was remembered.
func (h *Hub) pushedNext(ctx context.Context, hook CodeHook, keys []store.Key, wanted []pushedTag) (b Build, seen bool, err error) {
	err = h.again(ctx, func() error {
		b = Build{}
		items, err := h.Records.Get(ctx, keys...)
		if err != nil {
			return err
		}
		var left []pushedTag
		var expires []Time
		if left, expires, seen, err = h.leftOf(items, wanted); err != nil || len(left) == 0 {
			return err
		}
		p := left[0]
		d := codeDelivery{Left: []string{}}
		for _, later := range left[1:] {
			d.Left = append(d.Left, later.name())
		}
		var remember []store.Op
		for i, item := range items {
			d.Expires = expires[i]
			remember = append(remember, store.PutFrom(item, encode(d)).Until(d.Expires.Time))
		}
		auditDetail(ctx, "%s:%s", hook.grant.Path(), p.config.Tag)
		b, err = h.createBuild(ctx, hook.grant, NewBuild{
			Tag: p.config.Tag, Commit: p.ref.Commit, Auto: true, By: hook.config.CreatedBy, Config: &p.config, Delivery: remember,
		})
		return err
	})
	return b, seen, err
}

// leftOf are those of the wanted builds that a delivery has not started under any of
// its names, whose records are items; and until when each is to be remembered.
func (h *Hub) leftOf(items []store.Item, wanted []pushedTag) (left []pushedTag, expires []Time, seen bool, err error) {
	left = slices.Clone(wanted)
	for _, item := range items {
		d, err := found[codeDelivery](item)
		if err != nil {
			return nil, nil, false, err
		}
		if item.Found() && h.Now().Before(d.Expires.Time) {
			seen = true
			left = slices.DeleteFunc(left, func(p pushedTag) bool { return !slices.Contains(d.Left, p.name()) })
		} else {
			d.Expires = At(h.Now().Add(deliveryMemory))
		}
		expires = append(expires, d.Expires)
	}
	return left, expires, seen, nil
}

// CheckCommit says whether a commit's id is a full one, of SHA-1 or SHA-256.
func CheckCommit(field, id string) error {
	if !commitID.MatchString(id) {
		return FailField(field, "must be a full commit id, 40 or 64 hexadecimal digits, not %.80q", id)
	}
	return nil
}

// NoCommit reports whether an id is the one of zeros alone by which Git says that
// there is no commit.
func NoCommit(id string) bool { return len(id) >= 40 && strings.Trim(id, "0") == "" }
