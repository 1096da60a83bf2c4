package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"berth/shared/store"
)

// Limits of failed password log-ins within failureWindow, for an account name,
// whether or not there is such an account.
const (
	failureWindow   = 10 * time.Minute
	failuresAddress = 10 // from one address
	failuresName    = 50 // from anywhere
)

// failures are the recent failed log-ins for one name: two records, each a list of
// moments, oldest first.
type failures struct {
	address, name failureList
}

type failureList struct {
	item store.Item
	at   []int64 // milliseconds
}

type failureRecord struct {
	At []int64 `json:"at"`
}

// failureKey keeps what clients call an account out of the key: it may be anything.
func failureKey(name, remote string) store.Key {
	sum := sha256.Sum256([]byte(name))
	sort := "all"
	if remote != "" {
		from := sha256.Sum256([]byte(remote))
		sort = "from/" + hex.EncodeToString(from[:16])
	}
	return rkey("failed/"+hex.EncodeToString(sum[:16]), sort)
}

func failureKeys(name, remote string) []store.Key {
	if remote == "" {
		remote = "unknown"
	}
	return []store.Key{failureKey(name, remote), failureKey(name, "")}
}

// loginRecords reads what a log-in is judged by, in one call. The Account is zero
// where there is none.
func (h *Hub) loginRecords(ctx context.Context, name, remote string) (Account, failures, error) {
	key := accountKey(orNobody(name))
	if CheckNamespace(name) != nil {
		key = accountKey(orNobody("")) // no account can have that name
	}
	items, err := h.Records.Get(ctx, append(failureKeys(name, remote), key)...)
	if err != nil {
		return Account{}, failures{}, err
	}
	a, err := found[Account](items[2])
	if err != nil {
		return Account{}, failures{}, err
	}
	f, err := readFailures(items[:2], h.Now())
	return a, f, err
}

// readFailures decodes the two records, without what is past.
func readFailures(items []store.Item, now time.Time) (f failures, err error) {
	for i, l := range []*failureList{&f.address, &f.name} {
		r, err := found[failureRecord](items[i])
		if err != nil {
			return f, err
		}
		past := now.Add(-failureWindow).UnixMilli()
		l.item, l.at = items[i], slices.DeleteFunc(r.At, func(at int64) bool { return at <= past })
	}
	return f, nil
}

// check answers TooManyRequests, with the time until the next try, where a limit is reached.
func (f failures) check(now time.Time) error {
	wait := max(f.address.wait(failuresAddress, now), f.name.wait(failuresName, now))
	if wait <= 0 {
		return nil
	}
	return &Error{
		Code: TooManyRequests, Wait: wait,
		Message: "too many failed log-ins for this account name; wait before the next one, or use an access token",
	}
}

func (l failureList) wait(limit int, now time.Time) time.Duration {
	if len(l.at) < limit {
		return 0
	}
	return time.UnixMilli(l.at[len(l.at)-limit]).Add(failureWindow).Sub(now)
}

// op writes the list back, if nobody wrote it since it was read.
func (l failureList) op(now time.Time) store.Op {
	return store.PutFrom(l.item, encode(failureRecord{l.at})).Until(now.Add(failureWindow))
}

// countFailure counts one failed log-in, or answers TooManyRequests. It returns
// what forgive wants.
func (h *Hub) countFailure(ctx context.Context, name, remote string) (attempt int64, err error) {
	err = h.settle(ctx, func(lost bool) error {
		items, err := h.Records.Get(ctx, failureKeys(name, remote)...)
		if err != nil {
			return err
		}
		now := h.Now()
		f, err := readFailures(items, now)
		if err != nil {
			return err
		}
		if lost && slices.Contains(f.address.at, attempt) {
			return nil // it was written
		}
		if err := f.check(now); err != nil {
			return err
		}
		attempt = now.UnixMilli()
		f.address.at, f.name.at = append(f.address.at, attempt), append(f.name.at, attempt)
		return h.Records.Write(ctx, f.address.op(now), f.name.op(now))
	})
	return attempt, err
}

// forgive takes back what countFailure counted: the log-in was good.
func (h *Hub) forgive(ctx context.Context, name, remote string, attempt int64) error {
	return h.settle(ctx, func(bool) error {
		items, err := h.Records.Get(ctx, failureKeys(name, remote)...)
		if err != nil {
			return err
		}
		now := h.Now()
		f, err := readFailures(items, now)
		if err != nil {
			return err
		}
		for _, l := range []*failureList{&f.address, &f.name} {
			if i := slices.Index(l.at, attempt); i >= 0 {
				l.at = slices.Delete(l.at, i, i+1)
			}
		}
		return h.Records.Write(ctx, f.address.op(now), f.name.op(now))
	})
}
