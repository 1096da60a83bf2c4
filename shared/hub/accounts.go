package hub

import (
	"context"
	"crypto/subtle"
	"encoding/base64"

	"berth/shared/store"

	"golang.org/x/crypto/argon2"
)

// Account is somebody who can log in.
type Account struct {
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	RealName string   `json:"real_name"`
	Admin    bool     `json:"admin,omitempty"`
	Password Password `json:"password"`
	Created  Time     `json:"created"`
}

// Password is a stored password: argon2id, 19 MiB, two passes, one lane.
type Password struct {
	Salt []byte `json:"salt"`
	Hash []byte `json:"hash"`
}

// hashing lets at most two passwords be hashed at once: each takes 19 MiB.
var hashing = make(chan struct{}, 2)

func argon(password string, salt []byte) []byte {
	hashing <- struct{}{}
	defer func() { <-hashing }()
	return argon2.IDKey([]byte(password), salt, 2, 19<<10, 1, 32)
}

func (h *Hub) newPassword(password string) Password {
	salt := make([]byte, 16)
	h.random(salt)
	return Password{Salt: salt, Hash: argon(password, salt)}
}

func (p Password) matches(password string) bool {
	return subtle.ConstantTimeCompare(p.Hash, argon(password, p.Salt)) == 1
}

// CheckPassword says whether a new password will do: 8 to 256 bytes.
func CheckPassword(p string) error {
	if len(p) < 8 || len(p) > 256 {
		return FailField("password", "must be 8 to 256 bytes long, this one has %d", len(p))
	}
	return nil
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
		return Account{}, FailField("username", "%s", err.(*Error).Message)
	}
	if err := CheckPassword(n.Password); err != nil {
		return Account{}, err
	}
	a := Account{
		Name: n.Name, Email: n.Email, RealName: n.RealName, Admin: n.Admin,
		Password: h.newPassword(n.Password), Created: h.now(),
	}
	_, ops := h.newNamespace(n.Name, n.Name, false)
	ops = append(ops,
		store.Create(accountKey(n.Name), encode(a)),
		store.Put(accountIndexKey(n.Name), encode(struct{}{})))
	if err := h.Records.Write(ctx, ops...); err != nil {
		if isConflict(err) {
			return Account{}, Fail(AccountExists, "the name %s is taken; choose another", n.Name)
		}
		return Account{}, err
	}
	return a, nil
}

// account reads an account; ok is false if there is none.
func (h *Hub) account(ctx context.Context, name string) (Account, store.Item, error) {
	item, err := h.get(ctx, accountKey(name))
	if err != nil {
		return Account{}, item, err
	}
	a, err := found[Account](item)
	return a, item, err
}

// secretText is a secret's printable form.
func secretText(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
