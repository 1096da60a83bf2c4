package hub

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// Scope is what a client asks a registry token for, as the Docker Registry v2
// token scope grammar has it: type, an optional class in parentheses, name,
// actions.
type Scope struct {
	Type    string   // repository or registry; others grant nothing
	Name    string   // namespace/repository, or catalog
	Actions []string // pull, push, delete, *
}

// ParseScopes reads the scopes of one parameter, which spaces separate. What has
// not the form type:name:actions is left out: a token grants what it can. Names may
// hold colons (a host with its port).
func ParseScopes(s string) []Scope {
	var scopes []Scope
	for _, word := range strings.Fields(s) {
		kind, rest, ok := strings.Cut(word, ":")
		at := strings.LastIndexByte(rest, ':')
		if !ok || at < 1 {
			continue
		}
		if base, class, ok := strings.Cut(kind, "("); ok {
			if !strings.HasSuffix(class, ")") {
				continue
			}
			kind = base
		}
		if kind == "" {
			continue
		}
		scopes = append(scopes, Scope{Type: kind, Name: rest[:at], Actions: strings.Split(rest[at+1:], ",")})
	}
	return scopes
}

// maxScopes bounds the repositories that one token names.
const maxScopes = 32

// role is what the actions come to; NoRole if none of them is known.
func (s Scope) role() Role {
	r := NoRole
	for _, action := range s.Actions {
		switch action {
		case "pull":
			r = max(r, Reader)
		case "push", "delete", "*":
			r = max(r, Writer)
		}
	}
	return r
}

// GrantToken makes a registry token for the caller with as much of the scopes as
// they may have; what they may not is left out. BadRequest for more than 32.
func (h *Hub) GrantToken(ctx context.Context, c Caller, scopes []Scope) (*RegistryToken, error) {
	t := &RegistryToken{}
	if c.Known() {
		t.Subject, t.Admin = c.Name(), c.Admin
	}
	if c.Token != nil {
		t.TokenID, t.Build = c.Token.ID, c.Token.Build
	}
	if len(scopes) > maxScopes {
		return nil, Fail(BadRequest, "a token is given for at most %d scopes", maxScopes)
	}
	for _, s := range scopes {
		switch {
		case s.Type == "registry" && s.Name == "catalog":
			t.Catalog = t.Catalog || slices.Contains(s.Actions, "*")
		case s.Type == "repository":
			a, err := h.grantAccess(ctx, c, s)
			if err != nil {
				return nil, err
			}
			if a == nil {
				continue
			}
			if old := t.access(a.Path); old != nil {
				old.Role = max(old.Role, a.Role)
			} else {
				t.Access = append(t.Access, *a)
			}
		}
	}
	return t, nil
}

// grantAccess is what the caller gets of a scope; nil = nothing.
func (h *Hub) grantAccess(ctx context.Context, c Caller, s Scope) (*Access, error) {
	want := s.role()
	ns, repo, ok := splitPath(s.Name)
	if !ok || want == NoRole || CheckNamespace(ns) != nil || CheckRepository(repo) != nil {
		return nil, nil
	}
	g, err := h.Authorize(ctx, c, Target{Namespace: ns, Repository: repo, Need: Reader, Make: true})
	var refused *Error
	if errors.As(err, &refused) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	role := min(want, g.Role)
	if want > g.Role && !slices.Contains(s.Actions, "pull") {
		return nil, nil // a push alone was asked for, and may not be
	}
	return &Access{Path: g.Path(), ID: g.RepoID, NamespaceID: g.NamespaceID, Role: role}, nil
}

// Holder is the caller that a registry token was given to, with all their rights,
// as far as they have them now: Unauthenticated if the account or access token is
// gone, or the account is locked. Any other caller is returned as they are, and so is
// a build, which has no rights but its token's.
func (h *Hub) Holder(ctx context.Context, c Caller) (Caller, error) {
	t := c.Registry
	if t == nil || t.Build != "" || t.Subject == "" {
		return c, nil
	}
	return h.holder(ctx, t.Subject, t.TokenID)
}

func (h *Hub) holder(ctx context.Context, subject, tokenID string) (Caller, error) {
	var c Caller
	if tokenID != "" {
		item, err := h.get(ctx, tokenKey(tokenID))
		if err != nil {
			return c, err
		}
		t, err := found[AccessToken](item)
		if err != nil {
			return c, err
		}
		if t.ID == "" || !t.Expires.IsZero() && !h.Now().Before(t.Expires.Time) {
			return c, Fail(Unauthenticated, "the access token was revoked or has expired; log in again")
		}
		c.Token, subject = &t, t.Account
	}
	a, _, err := h.account(ctx, subject)
	if err != nil {
		return c, err
	}
	if a.Name == "" {
		return c, Fail(Unauthenticated, "the account is gone")
	}
	if a.Locked {
		return Caller{}, lockedOut()
	}
	if c.Token != nil {
		if err := h.rooted(ctx, c.Token, a); err != nil {
			return Caller{}, err
		}
		if c.Token.Robot {
			c.MakerAdmin = a.Admin
			return c, nil
		}
	}
	c.Account, c.Admin = a.Name, a.Admin
	return c, nil
}

// refreshToken is what /v2/token gives to a client that asks for offline access:
// signed, not stored. It lives 90 days, and only as long as what it was given
// for: the account's password does not change, the access token is not revoked. While
// the account is locked it opens nothing.
type refreshToken struct {
	Subject  string `json:"sub"`
	TokenID  string `json:"tid,omitempty"`
	Password string `json:"pw,omitempty"` // fingerprint of the stored password
	Expires  int64  `json:"exp"`          // Unix seconds
}

const (
	refreshTokenPrefix = "brf_"
	refreshTokenLife   = 90 * 24 * time.Hour
)

// SignRefreshToken makes a refresh token for a caller who is known; "" for others.
func (h *Hub) SignRefreshToken(ctx context.Context, c Caller) (string, error) {
	if !c.Known() || c.Registry != nil {
		return "", nil
	}
	t := refreshToken{Subject: c.Name(), Expires: h.Now().Add(refreshTokenLife).Unix()}
	if c.Token != nil {
		t.TokenID = c.Token.ID
	} else {
		a, _, err := h.account(ctx, c.Account)
		if err != nil {
			return "", err
		}
		t.Password = a.Password.fingerprint()
	}
	body := refreshTokenPrefix + base64.RawURLEncoding.EncodeToString(encode(t))
	return body + "." + base64.RawURLEncoding.EncodeToString(h.registryMAC(body)), nil
}

// Refresh is the caller that a refresh token stands for: Unauthenticated unless it
// still does.
func (h *Hub) Refresh(ctx context.Context, text string) (Caller, error) {
	bad := Fail(Unauthenticated, "the refresh token is not valid any more; log in again")
	body, sum, _ := strings.Cut(text, ".")
	claims, ok := strings.CutPrefix(body, refreshTokenPrefix)
	mac, err := base64.RawURLEncoding.DecodeString(sum)
	if !ok || err != nil || !hmac.Equal(mac, h.registryMAC(body)) {
		return Caller{}, bad
	}
	var t refreshToken
	if b, err := base64.RawURLEncoding.DecodeString(claims); err != nil || json.Unmarshal(b, &t) != nil || h.Now().Unix() >= t.Expires {
		return Caller{}, bad
	}
	c, err := h.holder(ctx, t.Subject, t.TokenID)
	if err != nil || t.TokenID != "" {
		return c, err
	}
	a, _, err := h.account(ctx, c.Account)
	if err != nil {
		return Caller{}, err
	}
	if a.Password.fingerprint() != t.Password {
		return Caller{}, bad
	}
	return c, nil
}

// fingerprint changes with each setting of the password, and tells nothing of it.
func (p Password) fingerprint() string {
	sum := sha256.Sum256(append([]byte("refresh"), p.Hash...))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}
