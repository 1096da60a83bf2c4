package hub

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"berth/shared/store"
)

// Status is where a build is in its life.
type Status string

const (
	Waiting   Status = "W"
	Running   Status = "I"
	Succeeded Status = "S"
	Failed    Status = "F"
	Deleted   Status = "D"
)

// Over reports whether a build has ended.
func (s Status) Over() bool { return s == Succeeded || s == Failed || s == Deleted }

// ended says in words how a build that is over came to that.
func (s Status) ended() string {
	switch s {
	case Succeeded:
		return "succeeded"
	case Failed:
		return "failed"
	}
	return "was cancelled"
}

// Steps of a build; one that fails keeps the step that it failed in.
const (
	StepQueued   = 1
	StepCloning  = 10
	StepBuilding = 20
	StepTagging  = 30
	StepPushing  = 40
	StepDone     = 50
)

// Build is one run of a tag configuration, which it carries as it was when the
// build was asked for.
type Build struct {
	ID          string      `json:"id"` // a UUID
	RepoID      string      `json:"repo_id"`
	Namespace   string      `json:"namespace"`
	NamespaceID string      `json:"namespace_id"`
	Repository  string      `json:"repository"`
	CreatedAt   Time        `json:"created_at"`
	StartedAt   Time        `json:"started_at"`
	EndedAt     Time        `json:"ended_at"`
	CreatedBy   string      `json:"created_by"`
	Maker       string      `json:"maker"`          // the account behind CreatedBy: the build may do what it may
	Auto        bool        `json:"auto,omitempty"` // a push to the code repository asked for it
	Status      Status      `json:"status"`
	Step        int         `json:"step"`
	Detail      string      `json:"detail"` // what happened last, in words
	Commit      string      `json:"commit,omitempty"`
	Digest      string      `json:"digest,omitempty"`   // of the manifest that it pushed
	ImageID     string      `json:"image_id,omitempty"` // first 12 hex of the image configuration's digest
	VersionTag  string      `json:"version_tag,omitempty"`
	Email       bool        `json:"email,omitempty"`
	Tag         TagConfig   `json:"tag"`
	Code        BuildConfig `json:"code"`               // where the code comes from, without keys and tag configurations
	TokenID     string      `json:"token_id,omitempty"` // of its access token, while it runs

	// Where a runner has to claim its build: the hash of the code by which it may, and
	// the result that it told, while the build runs.
	Claim    []byte       `json:"claim,omitempty"`
	Reported *BuildResult `json:"reported,omitempty"`
}

// Path is the repository's name on the registry.
func (b Build) Path() string { return path(b.Namespace, b.Repository) }

// createdDetail is what a build says of itself at first.
const createdDetail = "build request was created.\n"

// NewBuild asks for a build.
type NewBuild struct {
	Tag    string // the tag configuration's
	Commit string // full commit id; "" = the branch's or tag's latest
	Auto   bool
	By     string     // the account that asks, where it is not the caller
	Config *TagConfig // of a push that the configuration matched, with its names filled in
	// Delivery is the record of a webhook's delivery, to be written along.
	Delivery []store.Op
}

var commitID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// QueueFull says that a namespace has as many waiting builds as it may.
const QueueFull = TooManyRequests

// CreateBuild puts a build of the granted repository (role Writer) into its
// namespace's queue. BadField where there is no such tag configuration or the
// commit is no full id, in whatever case; NotFound where it is no build repository; TooManyRequests
// where the queue is full.
func (h *Hub) CreateBuild(ctx context.Context, g Grant, n NewBuild) (b Build, err error) {
	if n.Commit = strings.ToLower(n.Commit); n.Commit != "" && !commitID.MatchString(n.Commit) {
		return b, FailField("code_commit_id", "must be a full commit id, 40 or 64 hexadecimal digits")
	}
	auditDetail(ctx, "%s:%s", g.Path(), n.Tag)
	err = h.again(ctx, func() error {
		b, err = h.createBuild(ctx, g, n)
		return err
	})
	return b, err
}

// tagNames lists the tags that are built.
func tagNames(list []TagConfig) string {
	if len(list) == 0 {
		return "none"
	}
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = t.Tag
	}
	return strings.Join(names, ", ")
}

func (h *Hub) createBuild(ctx context.Context, g Grant, n NewBuild) (Build, error) {
	config, item, err := h.buildConfig(ctx, g)
	if err != nil {
		return Build{}, err
	}
	if config.Client == GitCafe {
		return Build{}, FailField("code_repo_client", "GitCafe has closed; make a build repository with another one")
	}
	tag := n.Config
	if tag == nil {
		i := slices.IndexFunc(config.Tags, func(t TagConfig) bool { return t.Tag == n.Tag })
		if i < 0 {
			return Build{}, FailField("tag", "%s has no tag configuration for %q, only for %s", g.Path(), n.Tag, tagNames(config.Tags))
		}
		if tag = &config.Tags[i]; tag.Ref[0] == '/' {
			return Build{}, FailField("tag", "%q is made by pushes that match %s; push to the code repository instead", n.Tag, tag.Ref)
		}
	}
	b := Build{
		ID: h.newUUID(), RepoID: g.RepoID, Namespace: g.Namespace, NamespaceID: g.NamespaceID, Repository: g.Repository,
		CreatedAt: h.now(), CreatedBy: g.Caller.Name(), Maker: g.Caller.member(), Auto: n.Auto, Status: Waiting, Step: StepQueued,
		Detail: createdDetail, Commit: n.Commit, Email: config.Email, Tag: *tag, Code: config,
	}
	b.Code.PrivateKey, b.Code.HookSecret, b.Code.HookCode, b.Code.PublicKey, b.Code.Tags = nil, nil, "", "", nil
	if n.By != "" {
		b.CreatedBy, b.Maker = n.By, n.By
	}
	queue, err := h.queue(ctx, g.NamespaceID)
	if err != nil {
		return b, err
	}
	if len(queue.Waiting) >= h.limits().Waiting {
		return b, &Error{
			Code: QueueFull, Wait: time.Minute,
			Message: fmt.Sprintf("%s has %d waiting builds already, which is the most; wait for one to end or delete one", g.Namespace, len(queue.Waiting)),
		}
	}
	queue.Waiting = append(queue.Waiting, b.ID)
	ops := append(n.Delivery, store.CheckFrom(item), store.CheckExists(repositoryKey(g.RepoID)))
	if tag.Versions == 1 {
		if b.VersionTag, err = h.freeVersion(ctx, b); err != nil {
			return b, err
		}
		ops = append(ops, store.Create(versionKey(b.RepoID, b.VersionTag), encode(b.ID)))
	}
	if tag.Versions == 2 {
		b.VersionTag = b.Commit
	}
	for _, key := range b.lists() {
		ops = append(ops, store.Add(key, map[string]int64{"builds": 1}))
	}
	return b, h.change(ctx, append(append(ops, queue.ops()...), b.ops(0)...)...)
}

// versionLayout is the version tag of a moment.
const versionLayout = "v20060102.150405"

// freeVersion is the version tag of a build's second, or of the next one that neither
// a build nor, so far, a push has taken.
func (h *Hub) freeVersion(ctx context.Context, b Build) (string, error) {
	at := b.CreatedAt.UTC()
	for seconds := 1; ; seconds = min(4*seconds, store.MaxGet/2) {
		var keys []store.Key
		for range seconds {
			tag := at.Format(versionLayout)
			keys = append(keys, versionKey(b.RepoID, tag), tagKey(b.RepoID, tag))
			at = at.Add(time.Second)
		}
		items, err := h.Records.Get(ctx, keys...)
		if err != nil {
			return "", err
		}
		for i := 0; i < len(items); i += 2 {
			if !items[i].Found() && !items[i+1].Found() {
				return items[i].Sort, nil
			}
		}
	}
}

// newUUID is a random UUID, RFC 9562 version 4.
func (h *Hub) newUUID() string {
	var u [16]byte
	h.random(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// lists are the counts of the lists that a build stands in.
func (b Build) lists() []store.Key {
	keys := b.listed()
	for i := range keys {
		keys[i].Sort = "count"
	}
	return keys
}

// listed are its places there.
func (b Build) listed() []store.Key {
	at := fmt.Sprintf("at/%016x/%s", math.MaxInt64-b.CreatedAt.UnixMilli(), b.ID)
	return []store.Key{
		bkey("builds/ns/"+b.NamespaceID, at), bkey("builds/repo/"+b.RepoID, at), bkey("builds/by/"+b.CreatedBy, at),
	}
}

// ops write a build and its places in the lists. version is the record's that was
// read; 0 makes it.
func (b Build) ops(version int64) []store.Op {
	value := encode(b)
	ops := []store.Op{store.Replace(buildKey(b.ID), version, value)}
	if version == 0 {
		ops[0] = store.Create(buildKey(b.ID), value)
	}
	for _, key := range b.listed() {
		ops = append(ops, store.Put(key, value))
	}
	return ops
}

// build reads a build; it may be none.
func (h *Hub) build(ctx context.Context, id string) (b Build, item store.Item, err error) {
	if !uuid.MatchString(id) {
		return b, item, noBuild(id)
	}
	if item, err = h.get(ctx, buildKey(id)); err != nil {
		return b, item, err
	}
	if b, err = found[Build](item); err == nil && b.ID == "" {
		err = noBuild(id)
	}
	return b, item, err
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func noBuild(id string) error {
	return Fail(NotFound, "there is no build %q that you may read", id)
}

// AuthorizeBuild is Authorize for a build, which is its namespace's members' to
// read: for others it does not exist, also where its repository is public. Need is
// Reader, or Writer to end it.
func (h *Hub) AuthorizeBuild(ctx context.Context, c Caller, id string, need Role) (Build, Grant, error) {
	if !c.Known() && need > Reader {
		return Build{}, Grant{}, Fail(Unauthenticated, "log in to do this")
	}
	b, _, err := h.build(ctx, id)
	if err != nil {
		return b, Grant{}, err
	}
	g, err := h.Authorize(ctx, c, Target{Namespace: b.Namespace, Repository: b.Repository, Need: Reader})
	if e := (*Error)(nil); errors.As(err, &e) {
		return b, g, noBuild(id)
	}
	if err != nil {
		return b, g, err
	}
	if g.RepoID != b.RepoID || g.Member < Reader {
		return b, g, noBuild(id)
	}
	if g.Member < need {
		return b, g, Fail(Denied, "this needs the role %s in %s; yours is %s", need, g.Path(), g.Member)
	}
	return b, g, nil
}

// BuildFilter narrows a list of builds; its zero value lets all through.
type BuildFilter struct {
	Status Status
	Tag    string
}

// Builds lists builds, newest first: of a granted repository or namespace (its
// members), or, with neither, those that the caller asked for and may read still.
// Without a filter only what is returned is read, unless the window skips. What the
// caller may read no more is left out of its window, which is shorter then, and
// counted where the list is longer than one.
func (h *Hub) Builds(ctx context.Context, c Caller, g Grant, f BuildFilter, w Window) (l Listing[Build], err error) {
	part, own := "builds/by/"+c.Name(), false
	switch {
	case g.RepoID != "":
		part = "builds/repo/" + g.RepoID
	case g.NamespaceID != "":
		part = "builds/ns/" + g.NamespaceID
	default:
		own = true
	}
	r := store.Prefix(store.Builds, part, "at/", 1)
	if f == (BuildFilter{}) {
		count, err := h.stat(ctx, bkey(part, "count"), "builds")
		if err != nil {
			return l, err
		}
		l, err = listing[Build](ctx, h, w, r, count)
		if err != nil {
			return l, err
		}
	} else if l, err = h.filteredBuilds(ctx, r, f, w); err != nil {
		return l, err
	}
	if !own {
		return l, nil
	}
	whole := int64(len(l.Entries)) == l.Count
	l.Entries, err = h.readableBuilds(ctx, c, l.Entries)
	if whole {
		l.Count = int64(len(l.Entries))
	}
	return l, err
}

// readableBuilds are those of a list that the caller may read, as AuthorizeBuild
// decides it. It reads the rights together.
func (h *Hub) readableBuilds(ctx context.Context, c Caller, list []Build) ([]Build, error) {
	may := make(map[string]bool) // by the repository's id
	var of []Build               // one build of each repository
	var keys []store.Key
	account := orNobody(c.member())
	for _, b := range list {
		if _, known := may[b.RepoID]; !known {
			may[b.RepoID], of = false, append(of, b)
			keys = append(keys, namespaceKey(b.Namespace), entryKey(b.NamespaceID, b.Repository),
				memberKey(b.NamespaceID, account), repoGrantKey(b.RepoID, account))
		}
	}
	items, err := h.getAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i, b := range of {
		read := items[4*i:]
		ns, err1 := found[Namespace](read[0])
		entry, err2 := found[repoEntry](read[1])
		member, err3 := found[Membership](read[2])
		grant, err4 := found[Membership](read[3])
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return nil, err
		}
		may[b.RepoID] = ns.ID == b.NamespaceID && entry.ID == b.RepoID && h.roleOf(c, ns, max(member.Role, grant.Role), b.Repository) >= Reader
	}
	return slices.DeleteFunc(list, func(b Build) bool { return !may[b.RepoID] }), nil
}

func (h *Hub) filteredBuilds(ctx context.Context, r store.Range, f BuildFilter, w Window) (l Listing[Build], err error) {
	prefix := r.From
	r.Limit = maxEntries
	var last string
	err = h.each(ctx, r, func(item store.Item) error {
		b, err := decode[Build](item)
		if err != nil || f.Status != "" && f.Status != b.Status || f.Tag != "" && f.Tag != b.Tag.Tag {
			return err
		}
		l.Count++
		place := strings.TrimPrefix(item.Sort, prefix)
		switch {
		case w.After != "" && place <= w.After:
		case w.After == "" && l.Count <= int64(w.Skip):
		case len(l.Entries) < w.Size:
			l.Entries, last = append(l.Entries, b), place
		default:
			l.Next = last
		}
		return nil
	})
	return l, err
}

// checkBuilding refuses what a build pushes that is over: its registry token may
// outlive it by minutes.
func (h *Hub) checkBuilding(ctx context.Context, c Caller) error {
	id := c.build()
	if id == "" {
		return nil
	}
	b, _, err := h.build(ctx, id)
	if err != nil && !is(err, NotFound) {
		return err
	}
	if b.Status != Running {
		return Fail(Denied, "the build %s is over: it pushes nothing more", id)
	}
	return nil
}
