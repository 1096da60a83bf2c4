package hub

import (
	"context"
	"crypto/subtle"
	"time"

	"berth/shared/store"
)

// Credentials are what a request brings to prove who makes it.
type Credentials struct {
	Method Method
	User   string // with Basic
	Secret string // password or token
	Remote string // the client's address, for counting failed log-ins
	Signed Signed // with BySignature
}

// Authenticate finds out who calls. It answers Unauthenticated for anything that
// is not right, and TooManyRequests where a password may not be tried at present;
// the anonymous caller is no failure.
func (h *Hub) Authenticate(ctx context.Context, c Credentials) (Caller, error) {
	switch c.Method {
	case Anonymous:
		return Caller{}, nil
	case ByRegistryToken:
		t, err := h.ParseRegistryToken(c.Secret)
		if err != nil {
			return Caller{}, err
		}
		return Caller{Registry: t, Method: c.Method}, nil
	case ByToken, ByBasicToken:
		id, secret, ok := splitToken(c.Secret)
		if !ok {
			return Caller{}, Fail(Unauthenticated, "this is no access token of this hub")
		}
		return h.byToken(ctx, id, c.Method, func(t *AccessToken) bool {
			return subtle.ConstantTimeCompare(t.Hash, hashSecret(secret)) == 1
		})
	case BySignature:
		if err := h.checkSignature(c.Signed); err != nil {
			return Caller{}, err
		}
		return h.byToken(ctx, c.Signed.KeyID, c.Method, func(*AccessToken) bool { return true })
	case ByPassword:
		a, err := h.LogIn(ctx, c.User, c.Secret, c.Remote)
		if err != nil {
			return Caller{}, err
		}
		return Caller{Account: a.Name, Admin: a.Admin, Method: c.Method}, nil
	}
	return Caller{}, Fail(Unauthenticated, "unknown credentials")
}

// byToken is who calls with the access token of that id, if proven says that they
// know its secret: Unauthenticated if they do not, or it was revoked, has expired or
// its maker is gone. It is one read once the token's maker is known: that never changes.
func (h *Hub) byToken(ctx context.Context, id string, m Method, proven func(*AccessToken) bool) (Caller, error) {
	keys := []store.Key{tokenKey(id)}
	if maker, ok := h.makers.get(id); ok {
		keys = append(keys, accountKey(maker))
	}
	items, err := h.Records.Get(ctx, keys...)
	if err != nil {
		return Caller{}, err
	}
	t, err := found[AccessToken](items[0])
	if err != nil {
		return Caller{}, err
	}
	if t.ID == "" || !proven(&t) {
		return Caller{}, Fail(Unauthenticated, "the access token is unknown or was revoked")
	}
	if t.expired(h.Now()) {
		return Caller{}, Fail(Unauthenticated, "the access token has expired; make a new one")
	}
	if len(items) == 1 {
		h.makers.put(id, t.Account)
		maker, err := h.get(ctx, accountKey(t.Account))
		if err != nil {
			return Caller{}, err
		}
		items = append(items, maker)
	}
	a, err := found[Account](items[1])
	if err != nil {
		return Caller{}, err
	}
	if a.Name == "" {
		return Caller{}, Fail(Unauthenticated, "the access token's account is gone")
	}
	if a.Locked {
		return Caller{}, lockedOut()
	}
	if err := h.rooted(ctx, &t, a); err != nil {
		return Caller{}, err
	}
	c := Caller{Token: &t, Method: m}
	if t.Robot {
		c.MakerAdmin = a.Admin
	} else {
		c.Account, c.Admin = a.Name, a.Admin
	}
	return c, nil
}

// LogIn checks a password: the one place where a password is taken. It answers
// Unauthenticated where the pair is wrong, after the same work whether or not there
// is such an account, and TooManyRequests, with the time to wait, after too many
// failures. A pair found right is remembered in memory for [rememberFor]. Only
// whoever knows the password is told that the account is locked.
func (h *Hub) LogIn(ctx context.Context, name, password, remote string) (Account, error) {
	a, err := h.logIn(ctx, name, password, remote)
	if err == nil && a.Locked {
		return Account{}, lockedOut()
	}
	return a, err
}

func lockedOut() error {
	return Fail(Unauthenticated, "this account was locked by an administrator of the hub, who can unlock it")
}

func (h *Hub) logIn(ctx context.Context, name, password, remote string) (Account, error) {
	if IsAccessToken(password) { // never counted, and no password: newPassword refuses its form
		return Account{}, wrongPair()
	}
	a, failures, err := h.loginRecords(ctx, name, remote)
	if err != nil {
		return Account{}, err
	}
	if err := failures.check(h.Now()); err != nil {
		return Account{}, err
	}
	pair := h.pairs.key(h, name, password)
	if h.pairs.knows(pair, a.Password, h.Now()) {
		return a, nil
	}
	if err := h.takeSlot(ctx); err != nil {
		return Account{}, err
	}
	defer freeSlot()
	if h.pairs.knows(pair, a.Password, h.Now()) { // found right while this one waited
		return a, nil
	}
	// The attempt counts as failed until it is known not to be, so that no number of
	// attempts at once can pass the limit.
	attempt, err := h.countFailure(ctx, name, remote)
	if err != nil {
		return Account{}, err
	}
	if !h.matches(a.Password, password) {
		return Account{}, wrongPair()
	}
	h.pairs.remember(pair, a.Password, h.Now())
	if err := h.forgive(ctx, name, remote, attempt); err != nil {
		h.Log.WarnContext(ctx, "a good log-in stays counted as a failed one", "account", a.Name, "err", err)
	}
	return a, nil
}

func wrongPair() error { return Fail(Unauthenticated, "the user name or password is wrong") }

// rememberFor is how long a pair that was found right is trusted without hashing.
const rememberFor = 5 * time.Minute
