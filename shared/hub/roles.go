package hub

// Role is what somebody may do in a namespace or repository. Its numbers are the
// Manage API's.
type Role int

const (
	NoRole Role = 0
	Reader Role = 1 // reads, pulls
	Writer Role = 3 // also pushes, deletes tags, builds, edits descriptions
	Owner  Role = 7 // also deletes, changes visibility, members, secrets, webhooks, quotas
)

// String is the role's name on /v1.
func (r Role) String() string {
	switch r {
	case Reader:
		return "reader"
	case Writer:
		return "writer"
	case Owner:
		return "owner"
	}
	return "none"
}

// ParseRole reads a role's name.
func ParseRole(s string) (Role, error) {
	for _, r := range []Role{Reader, Writer, Owner} {
		if r.String() == s {
			return r, nil
		}
	}
	return NoRole, FailField("role", "must be owner, writer or reader, not %q", s)
}

// Membership is an account's role in a namespace or in one repository.
type Membership struct {
	Account     string `json:"account"`
	Role        Role   `json:"role"`
	Namespace   string `json:"namespace"`
	NamespaceID string `json:"namespace_id"`
	Repository  string `json:"repository,omitempty"`
	RepoID      string `json:"repo_id,omitempty"`
	Since       Time   `json:"since"`
}

// Caller is who makes a request, as their credentials prove it. The zero Caller
// is anonymous.
type Caller struct {
	Account string // the account's name; "" for robots and the anonymous
	Admin   bool   // an administrator of the hub
	// MakerAdmin is set for a robot whose maker is an administrator: its namespace is
	// then its maker's to own.
	MakerAdmin bool
	// Token is the access token that was used, nil for a password or registry token.
	Token *AccessToken
	// Registry is the registry token that was used, if any. It alone then says what
	// the caller may do.
	Registry *RegistryToken
	// Method is how the caller proved who they are.
	Method Method
}

// Method is a way to prove who one is.
type Method uint8

const (
	Anonymous       Method = iota
	ByPassword             // Authorization: Basic with the account's password
	ByBasicToken           // Authorization: Basic with an access token as password
	ByToken                // Authorization: Token or Bearer, or X-Auth-Token, with an access token
	BySignature            // Authorization: SDK-HMAC-SHA256
	ByRegistryToken        // Authorization: Bearer with a registry token
)

// Known reports whether the caller proved to be somebody.
func (c Caller) Known() bool {
	return c.Account != "" || c.Token != nil || c.Registry != nil && c.Registry.Subject != ""
}

// Whole reports whether the caller stands for their account in everything: with
// the password, or with a personal token that has every permission and is not
// bound to repositories. Only such callers change the account itself.
func (c Caller) Whole() bool {
	if c.Registry != nil || c.Account == "" {
		return false
	}
	t := c.Token
	return t == nil || !t.Robot && len(t.Repositories) == 0 && t.most() == Owner
}

// member is the account whose memberships give the caller their role: a robot has
// its maker's, as they are at present.
func (c Caller) member() string {
	if c.Token != nil && c.Token.Robot {
		return c.Token.Account
	}
	return c.Account
}

// build is the build that the caller's token was made for; "" = none.
func (c Caller) build() string {
	switch {
	case c.Token != nil:
		return c.Token.Build
	case c.Registry != nil:
		return c.Registry.Build
	}
	return ""
}

// Name is how logs and the audit log name the caller.
func (c Caller) Name() string {
	switch {
	case c.Account != "":
		return c.Account
	case c.Token != nil:
		return "robot:" + c.Token.Namespace + "/" + c.Token.Name
	case c.Registry != nil && c.Registry.Subject != "":
		return c.Registry.Subject
	}
	return "anonymous"
}

// cap is the most that the caller's token allows in a repository (repo "": in the
// namespace itself).
func (c Caller) cap(ns, repo string) Role {
	if c.Token == nil {
		return Owner
	}
	return c.Token.cap(ns, repo)
}
