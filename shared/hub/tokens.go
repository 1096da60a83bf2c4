package hub

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"berth/shared/store"
)

// AccessToken is a personal token of an account, or a robot's of a namespace. Only
// its secret's hash is stored.
type AccessToken struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Account      string   `json:"account"` // its maker; a robot may at most what its maker may at present
	Robot        bool     `json:"robot,omitempty"`
	Namespace    string   `json:"namespace,omitempty"`
	NamespaceID  string   `json:"namespace_id,omitempty"`
	Permissions  []string `json:"permissions"`            // pull, push, admin
	Repositories []string `json:"repositories,omitempty"` // names "ns/repo"; empty = all
	Hash         []byte   `json:"hash"`
	Created      Time     `json:"created"`
	Expires      Time     `json:"expires"` // zero = never
	// Temporary tokens are in no list; the store may drop them when they expired.
	Temporary bool `json:"temporary,omitempty"`
	// A temporary token, which nobody can revoke by itself, ends with what it was made
	// with: the access token of that id, or the password of that fingerprint.
	FromToken    string `json:"from_token,omitempty"`
	FromPassword string `json:"from_password,omitempty"`
	// Build is the build that the token was made for: it then writes to the one
	// repository BuildOf, and reads the others of its namespace.
	Build   string `json:"build,omitempty"`
	BuildOf string `json:"build_of,omitempty"` // namespace/repository
}

// permissions by the role that each stands for.
var permissions = map[string]Role{"pull": Reader, "push": Writer, "admin": Owner}

// most is the role that the token's strongest permission stands for.
func (t *AccessToken) most() Role {
	r := NoRole
	for _, p := range t.Permissions {
		r = max(r, permissions[p])
	}
	return r
}

// Allows says whether the token has the permission: pull, push or admin. A stronger
// one has the weaker.
func (t *AccessToken) Allows(permission string) bool { return t.most() >= permissions[permission] }

// cap is the most that the token allows in a repository, or with repo "" in the
// namespace itself, which a token that is bound to repositories does not reach.
func (t *AccessToken) cap(ns, repo string) Role {
	if t.Robot && t.Namespace != ns {
		return NoRole
	}
	if len(t.Repositories) > 0 && !slices.Contains(t.Repositories, path(ns, repo)) {
		return NoRole
	}
	if t.Build != "" && t.BuildOf != path(ns, repo) {
		return min(t.most(), Reader)
	}
	return t.most()
}

func (t *AccessToken) expired(now time.Time) bool {
	return !t.Expires.IsZero() && !now.Before(t.Expires.Time)
}

// token reads a token's record; it is zero if there is none.
func (h *Hub) token(ctx context.Context, id string) (*AccessToken, error) {
	item, err := h.get(ctx, tokenKey(id))
	if err != nil {
		return nil, err
	}
	t, err := found[AccessToken](item)
	return &t, err
}

// NewToken describes a token to be made.
type NewToken struct {
	Name         string
	Namespace    string // makes it a robot of this namespace
	Permissions  []string
	Repositories []string  // "ns/repo", or for a robot also bare names in its namespace; empty = all
	Expires      time.Time // zero = never
	Temporary    bool      // in no list: for a log-in that ends by itself
}

// Limits of a token's description.
const (
	maxTokenName  = 100 // characters
	maxTokenRepos = 50
)

// CreateToken makes an access token for the caller and returns its text, which is
// never shown again. A caller who uses a token makes none that is stronger, in
// permissions, repositories, time or namespace; a robot gets no permission beyond
// its maker's role at that time.
func (h *Hub) CreateToken(ctx context.Context, c Caller, n NewToken) (t AccessToken, text string, err error) {
	t = AccessToken{
		Name: n.Name, Account: c.member(), Robot: n.Namespace != "", Namespace: n.Namespace,
		Permissions: n.Permissions, Repositories: n.Repositories, Expires: At(n.Expires), Temporary: n.Temporary,
	}
	if n.Expires.IsZero() {
		t.Expires = Time{}
	}
	if t.Account == "" {
		return t, "", Fail(Unauthenticated, "log in with a password or an access token to make tokens")
	}
	if err := h.checkToken(&t); err != nil {
		return t, "", err
	}
	if c.Token != nil {
		if c.Token.Build != "" {
			return t, "", Fail(Denied, "a build makes no tokens")
		}
		if err := noStronger(c.Token, &t); err != nil {
			return t, "", err
		}
	}
	var ns store.Item
	if t.Robot {
		maker := Caller{Account: c.Account, Admin: c.Admin || c.MakerAdmin}
		if c.Token != nil && c.Token.Robot {
			maker.Account = c.Token.Account
		}
		g, err := h.Authorize(ctx, maker, Target{Namespace: t.Namespace, Need: t.most()})
		if err != nil {
			return t, "", err
		}
		if c.Token != nil && c.Token.Robot && c.Token.NamespaceID != g.NamespaceID {
			return t, "", Fail(Denied, "a robot makes tokens for its own namespace alone")
		}
		t.NamespaceID, ns = g.NamespaceID, g.namespace
	}
	if t.Temporary {
		if err := h.root(ctx, c, &t); err != nil {
			return t, "", err
		}
	}
	t, text = h.mint(t)
	ops := tokenOps(t)
	if t.Robot {
		ops = append(ops, store.CheckFrom(ns))
	}
	auditIn(ctx, t.NamespaceID)
	auditDetail(ctx, "%s %s", t.ID, t.Name)
	err = h.change(ctx, ops...)
	if isConflict(err) { // the namespace was changed or deleted at this moment
		return h.CreateToken(ctx, c, n)
	}
	return t, text, err
}

// root notes what a temporary token is made with; one that is made with a temporary
// one hangs on the same.
func (h *Hub) root(ctx context.Context, c Caller, t *AccessToken) error {
	if c.Token != nil {
		if t.FromToken, t.FromPassword = c.Token.FromToken, c.Token.FromPassword; t.FromToken == "" && t.FromPassword == "" {
			t.FromToken = c.Token.ID
		}
		return nil
	}
	a, err := h.Account(ctx, c.Account)
	t.FromPassword = a.Password.fingerprint()
	return err
}

// rooted answers Unauthenticated where what a temporary token was made with is gone.
// maker is the token's, as at present.
func (h *Hub) rooted(ctx context.Context, t *AccessToken, maker Account) error {
	gone := Fail(Unauthenticated, "the log-in ended with the password or access token that it was made with; log in again")
	if t.FromPassword != "" && t.FromPassword != maker.Password.fingerprint() {
		return gone
	}
	if t.FromToken == "" {
		return nil
	}
	from, err := h.token(ctx, t.FromToken)
	if err == nil && (from.ID == "" || from.expired(h.Now())) {
		err = gone
	}
	return err
}

// mint gives a token its id, its secret and the time.
func (h *Hub) mint(t AccessToken) (AccessToken, string) {
	secret := make([]byte, 20)
	h.random(secret)
	t.ID, t.Created = h.newID(), h.now()
	text := tokenText(t.ID, secret)
	_, body, _ := splitToken(text)
	t.Hash = hashSecret(body)
	return t, text
}

// checkToken checks and tidies what was asked for.
func (h *Hub) checkToken(t *AccessToken) error {
	if n := utf8.RuneCountInString(t.Name); n < 1 || n > maxTokenName {
		return FailField("name", "must have 1 to %d characters", maxTokenName)
	}
	if t.Robot {
		if err := CheckNamespace(t.Namespace); err != nil {
			return err
		}
	}
	if len(t.Permissions) == 0 {
		return FailField("permissions", "must list at least one of pull, push and admin")
	}
	for _, p := range t.Permissions {
		if permissions[p] == NoRole {
			return FailField("permissions", "knows pull, push and admin, not %q", p)
		}
	}
	slices.SortFunc(t.Permissions, func(a, b string) int { return int(permissions[a] - permissions[b]) })
	t.Permissions = slices.Compact(t.Permissions)
	if len(t.Repositories) > maxTokenRepos {
		return FailField("repositories", "lists at most %d repositories", maxTokenRepos)
	}
	t.Repositories = slices.Clone(t.Repositories)
	for i, name := range t.Repositories {
		if t.Robot && !strings.Contains(name, "/") {
			name = path(t.Namespace, name)
		}
		ns, repo, ok := splitPath(name)
		if !ok || CheckNamespace(ns) != nil || CheckRepository(repo) != nil {
			return FailField("repositories", "%q is no name of a repository; write namespace/repository", name)
		}
		if t.Robot && ns != t.Namespace {
			return FailField("repositories", "%q is outside the robot's namespace %s", name, t.Namespace)
		}
		t.Repositories[i] = name
	}
	slices.Sort(t.Repositories)
	t.Repositories = slices.Compact(t.Repositories)
	if t.expired(h.Now()) {
		return FailField("expires_at", "must be in the future")
	}
	return nil
}

// noStronger answers Denied where child could do what parent, with which it is to
// be made or revoked, cannot.
func noStronger(parent, child *AccessToken) error {
	switch {
	case child.most() > parent.most():
		return Fail(Denied, "permissions: the token that you use has %s; it cannot do more", strings.Join(parent.Permissions, ", "))
	case parent.Robot && (!child.Robot || child.Namespace != parent.Namespace):
		return Fail(Denied, "namespace: the token that you use is a robot's of %s and stays in it", parent.Namespace)
	case !parent.Expires.IsZero() && (child.Expires.IsZero() || child.Expires.After(parent.Expires.Time)):
		return Fail(Denied, "expires_at: the token that you use ends at %s; no other may outlive it", parent.Expires)
	case len(parent.Repositories) == 0:
		return nil
	case len(child.Repositories) == 0:
		return Fail(Denied, "repositories: the token that you use is bound to some; list which of them the new one is for")
	}
	for _, name := range child.Repositories {
		if !slices.Contains(parent.Repositories, name) {
			return Fail(Denied, "repositories: the token that you use does not reach %s", name)
		}
	}
	return nil
}

// Counts of an account's and a namespace's stats item.
const (
	statTokens  = "tokens"  // an account's, robots that it made too; a namespace's robots
	statOrgs    = "orgs"    // an account's memberships in organisations
	statSecrets = "secrets" // a namespace's
	statMembers = "members" // a namespace's
)

// tokenOps store a new token with its index entries and counts.
func tokenOps(t AccessToken) []store.Op {
	if t.Temporary {
		return []store.Op{store.Create(tokenKey(t.ID), encode(t)).Until(t.Expires.Time)}
	}
	ops := []store.Op{
		store.Create(tokenKey(t.ID), encode(t)),
		store.Put(accountTokenKey(t.Account, t.ID), encode(t)),
		store.Add(accountStatsKey(t.Account), map[string]int64{statTokens: 1}),
	}
	if t.Robot {
		ops = append(ops,
			store.Put(robotTokenKey(t.NamespaceID, t.ID), encode(t)),
			store.Add(namespaceStatsKey(t.NamespaceID), map[string]int64{statTokens: 1}))
	}
	return ops
}

// untokenOps take away what tokenOps stored; item is the token's record as read.
func untokenOps(t AccessToken, item store.Item) []store.Op {
	ops := []store.Op{store.DeleteAt(item.Key, item.Version)}
	if t.Temporary {
		return ops
	}
	ops = append(ops, store.Delete(accountTokenKey(t.Account, t.ID)),
		store.Add(accountStatsKey(t.Account), map[string]int64{statTokens: -1}))
	if t.Robot {
		ops = append(ops, store.Delete(robotTokenKey(t.NamespaceID, t.ID)),
			store.Add(namespaceStatsKey(t.NamespaceID), map[string]int64{statTokens: -1}))
	}
	return ops
}

// DeleteToken revokes a token: its maker may, and for a robot's also an owner of
// the namespace; for others it does not exist. A caller who uses a token revokes
// that very one, or another that is no stronger.
func (h *Hub) DeleteToken(ctx context.Context, c Caller, id string) error {
	none := Fail(NotFound, "you have no token %s", id)
	if !isID(id) || len(id) != tokenIDLen {
		return none
	}
	return h.again(ctx, func() error {
		item, err := h.get(ctx, tokenKey(id))
		if err != nil {
			return err
		}
		t, err := found[AccessToken](item)
		if err != nil {
			return err
		}
		if t.ID == "" {
			return none
		}
		if own := c.Token != nil && c.Token.ID == id; !own {
			if err := h.mayRevoke(ctx, c, &t); err != nil {
				return orElse(err, none)
			}
		}
		auditIn(ctx, t.NamespaceID)
		auditDetail(ctx, "%s", t.Name)
		return h.change(ctx, untokenOps(t, item)...)
	})
}

func (h *Hub) mayRevoke(ctx context.Context, c Caller, t *AccessToken) error {
	if c.Account != t.Account && !c.Admin { // a robot is not its maker
		if !t.Robot {
			return Fail(NotFound, "you have no token %s", t.ID)
		}
		g, err := h.Authorize(ctx, c, Target{Namespace: t.Namespace, Need: Owner})
		if err != nil || g.NamespaceID != t.NamespaceID {
			return Fail(NotFound, "you have no token %s", t.ID)
		}
	}
	if c.Token != nil {
		return noStronger(c.Token, t)
	}
	return nil
}

// AccountTokens lists the tokens that an account made, robots too, by id.
func (h *Hub) AccountTokens(ctx context.Context, account string, w Window) (Listing[AccessToken], error) {
	count, err := h.stat(ctx, accountStatsKey(account), statTokens)
	if err != nil {
		return Listing[AccessToken]{}, err
	}
	return listing[AccessToken](ctx, h, w, store.Prefix(store.Repositories, "account/"+account, "token/", 1), count)
}

// RobotTokens lists the robots' tokens of the granted namespace (role Owner), by id.
func (h *Hub) RobotTokens(ctx context.Context, g Grant, w Window) (Listing[AccessToken], error) {
	count, err := h.stat(ctx, namespaceStatsKey(g.NamespaceID), statTokens)
	if err != nil {
		return Listing[AccessToken]{}, err
	}
	return listing[AccessToken](ctx, h, w, store.Prefix(store.Repositories, "ns/"+g.NamespaceID, "token/", 1), count)
}
