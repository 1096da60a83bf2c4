package hub

import (
	"context"
)

// Credentials are what a request brings to prove who makes it.
type Credentials struct {
	Method Method
	User   string // with Basic
	Secret string // password or token
	Remote string // the client's address, for counting failed log-ins
}

// Authenticate finds out who calls. It answers Unauthenticated for anything that
// is not right; the anonymous caller is no failure.
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
		return h.byToken(ctx, c)
	case ByPassword:
		return h.byPassword(ctx, c)
	}
	return Caller{}, Fail(Unauthenticated, "unknown credentials")
}

func (h *Hub) byToken(ctx context.Context, c Credentials) (Caller, error) {
	t, err := h.useToken(ctx, c.Secret)
	if err != nil {
		return Caller{}, err
	}
	caller := Caller{Token: t, Method: c.Method}
	if !t.Robot {
		a, _, err := h.account(ctx, t.Account)
		if err != nil {
			return Caller{}, err
		}
		if a.Name == "" {
			return Caller{}, Fail(Unauthenticated, "the access token's account is gone")
		}
		caller.Account, caller.Admin = a.Name, a.Admin
	}
	return caller, nil
}

func (h *Hub) byPassword(ctx context.Context, c Credentials) (Caller, error) {
	a, _, err := h.account(ctx, c.User)
	if err != nil {
		return Caller{}, err
	}
	if a.Name == "" { // takes as long as a known account does
		Password{Salt: make([]byte, 16)}.matches(c.Secret)
	} else if a.Password.matches(c.Secret) {
		return Caller{Account: a.Name, Admin: a.Admin, Method: c.Method}, nil
	}
	return Caller{}, Fail(Unauthenticated, "the user name or password is wrong")
}
