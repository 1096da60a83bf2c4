package hub

import (
	"context"
	"time"
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
		t, err := h.useToken(ctx, c.Secret)
		if err != nil {
			return Caller{}, err
		}
		return h.tokenCaller(ctx, t, c.Method)
	case BySignature:
		t, err := h.checkSignature(ctx, c.Signed)
		if err != nil {
			return Caller{}, err
		}
		return h.tokenCaller(ctx, t, c.Method)
	case ByPassword:
		a, err := h.LogIn(ctx, c.User, c.Secret, c.Remote)
		if err != nil {
			return Caller{}, err
		}
		return Caller{Account: a.Name, Admin: a.Admin, Method: c.Method}, nil
	}
	return Caller{}, Fail(Unauthenticated, "unknown credentials")
}

// tokenCaller is who calls with an access token that was found good.
func (h *Hub) tokenCaller(ctx context.Context, t *AccessToken, m Method) (Caller, error) {
	a, _, err := h.account(ctx, t.Account)
	if err != nil {
		return Caller{}, err
	}
	if a.Name == "" {
		return Caller{}, Fail(Unauthenticated, "the access token's account is gone")
	}
	c := Caller{Token: t, Method: m}
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
// failures. A pair found right is remembered in memory for [rememberFor].
func (h *Hub) LogIn(ctx context.Context, name, password, remote string) (Account, error) {
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
