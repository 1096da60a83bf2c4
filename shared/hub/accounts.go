package hub

import (
	"bytes"
	"context"
	"net/mail"
	"strings"
	"unicode/utf8"

	"berth/shared/store"
)

// Account is somebody who can log in.
type Account struct {
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	RealName string   `json:"real_name"`
	Admin    bool     `json:"admin,omitempty"`
	Locked   bool     `json:"locked,omitempty"` // nobody gets in as it, by password or token
	Password Password `json:"password"`
	Created  Time     `json:"created"`
}

// NewAccount describes an account to be made.
type NewAccount struct {
	Name, Password, Email, RealName string
	Admin                           bool
}

// CreateAccount makes an account and its namespace of the same name. It answers
// AccountExists where either is taken.
func (h *Hub) CreateAccount(ctx context.Context, n NewAccount) (Account, error) {
	if err := CheckNamespace(n.Name); err != nil {
		return Account{}, FailField("username", "%s", strings.TrimPrefix(err.(*Error).Message, "namespace: "))
	}
	if err := CheckPassword(n.Password); err != nil {
		return Account{}, err
	}
	if err := checkPerson(n.Email, n.RealName); err != nil {
		return Account{}, err
	}
	taken := Fail(AccountExists, "the name %s is taken; choose another", n.Name)
	if ns, err := h.get(ctx, namespaceKey(n.Name)); err != nil || ns.Found() {
		return Account{}, orElse(err, taken) // before a password is hashed for nothing
	}
	password, err := h.newPassword(ctx, n.Password)
	if err != nil {
		return Account{}, err
	}
	a := Account{
		Name: n.Name, Email: n.Email, RealName: n.RealName, Admin: n.Admin,
		Password: password, Created: h.now(),
	}
	_, ops := h.newNamespace(n.Name, n.Name, false)
	ops = append(ops,
		store.Create(accountKey(n.Name), encode(a)),
		store.Put(accountIndexKey(n.Name), encode(struct{}{})),
		store.Add(hubCountKey("", shardOf(n.Name)), map[string]int64{countAccounts: 1}))
	auditDetail(ctx, "%s", n.Name)
	err = h.change(ctx, ops...)
	if isConflict(err) {
		return Account{}, taken
	}
	return a, err
}

// checkPerson says whether an e-mail address (may be empty) and a name will do.
func checkPerson(email, realName string) error {
	if email != "" {
		a, err := mail.ParseAddress(email)
		if err != nil || a.Address != email || len(email) > 254 {
			return FailField("email", "must be an e-mail address like name@example.com, not %q", email)
		}
	}
	if utf8.RuneCountInString(realName) > 100 {
		return FailField("realname", "has at most 100 characters")
	}
	return nil
}

// Account reads an account: AccountNotFound if there is none.
func (h *Hub) Account(ctx context.Context, name string) (Account, error) {
	a, _, err := h.account(ctx, name)
	if err == nil && a.Name == "" {
		err = Fail(AccountNotFound, "there is no account %s", name)
	}
	return a, err
}

// account reads an account; it is the zero Account if there is none, also where
// there can be none of that name.
func (h *Hub) account(ctx context.Context, name string) (Account, store.Item, error) {
	if CheckNamespace(name) != nil {
		return Account{}, store.Item{}, nil
	}
	item, err := h.get(ctx, accountKey(name))
	if err != nil {
		return Account{}, item, err
	}
	a, err := found[Account](item)
	return a, item, err
}

// AccountChange is what changes of an account; nil stays as it is.
type AccountChange struct {
	Email, RealName *string
	Password        *string
	Admin, Locked   *bool // for administrators to change
	// Was is the account as the old password was checked against it. If the password
	// was changed meanwhile, the old one was a wrong one.
	Was *Account
	// By is the administrator who changes another's account; "" = its own holder does.
	// Who is no administrator any more when it is written is Denied, so that two who
	// take each other's role at once cannot both succeed.
	By string
}

// ChangeAccount changes an account. Whoever asks for a new password must have
// shown the old one: see [Hub.LogIn].
func (h *Hub) ChangeAccount(ctx context.Context, name string, c AccountChange) (a Account, err error) {
	if err := checkPerson(deref(c.Email), deref(c.RealName)); err != nil {
		return a, err
	}
	var password Password
	if c.Password != nil {
		if err := CheckPassword(*c.Password); err != nil {
			return a, err
		}
		if password, err = h.newPassword(ctx, *c.Password); err != nil {
			return a, err
		}
	}
	auditDetail(ctx, "%s", c.words())
	err = h.again(ctx, func() error {
		var item store.Item
		if a, item, err = h.account(ctx, name); err != nil {
			return err
		}
		if a.Name == "" {
			return Fail(AccountNotFound, "there is no account %s", name)
		}
		ops, err := h.administers(ctx, c.By, name)
		if err != nil {
			return err
		}
		if c.Was != nil && !bytes.Equal(c.Was.Password.Hash, a.Password.Hash) {
			return wrongPair()
		}
		if c.Email != nil {
			a.Email = *c.Email
		}
		if c.RealName != nil {
			a.RealName = *c.RealName
		}
		if c.Password != nil {
			a.Password = password
		}
		if c.Admin != nil {
			a.Admin = *c.Admin
		}
		if c.Locked != nil {
			a.Locked = *c.Locked
		}
		return h.change(ctx, append(ops, store.Replace(item.Key, item.Version, encode(a)))...)
	})
	return a, err
}

// administers are the operations by which a change of another's account wants its
// administrator to be one still.
func (h *Hub) administers(ctx context.Context, by, name string) ([]store.Op, error) {
	if by == "" || by == name {
		return nil, nil
	}
	a, item, err := h.account(ctx, by)
	if err == nil && (!a.Admin || a.Locked) {
		err = Fail(Denied, "only administrators of the hub may do this")
	}
	return []store.Op{store.CheckFrom(item)}, err
}

// words say what is changed, for the audit log.
func (c AccountChange) words() string {
	var w []string
	for _, f := range []struct {
		set  bool
		word string
	}{
		{c.Email != nil, "email"}, {c.RealName != nil, "realname"}, {c.Password != nil, "password"},
		{isTrue(c.Admin), "made an administrator"}, {isFalse(c.Admin), "made no administrator"},
		{isTrue(c.Locked), "locked"}, {isFalse(c.Locked), "unlocked"},
	} {
		if f.set {
			w = append(w, f.word)
		}
	}
	return strings.Join(w, ", ")
}

func isTrue(b *bool) bool  { return b != nil && *b }
func isFalse(b *bool) bool { return b != nil && !*b }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
