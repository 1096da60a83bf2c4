package hub

import (
	"context"

	"berth/shared/store"
)

// FirstAdministrator is the account that a new hub begins with.
const FirstAdministrator = "admin"

// EnsureAdministrator makes the account FirstAdministrator if there is none, with
// the password that it asks for only then. made tells whether it did.
func (h *Hub) EnsureAdministrator(ctx context.Context, password func() string) (made bool, err error) {
	item, err := h.get(ctx, accountKey(FirstAdministrator))
	if err != nil || item.Found() {
		return false, err
	}
	_, err = h.CreateAccount(ctx, NewAccount{Name: FirstAdministrator, Password: password(), Admin: true})
	return err == nil, err
}

// Ready answers nil when the records can be read and take writes.
func (h *Hub) Ready(ctx context.Context) error {
	if _, err := h.get(ctx, accountKey(FirstAdministrator)); err != nil {
		return err
	}
	// A write that changes nothing: no account has this name.
	return h.Records.Write(ctx, store.CheckAbsent(accountKey(orNobody(""))))
}
