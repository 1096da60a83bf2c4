package dynamodb

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"
)

const (
	transactItems = 100
	transactBytes = 4 << 20 // of all items of one transaction
	tokenLives    = 10 * time.Minute
)

type transactReq struct {
	ClientRequestToken string
	TransactItems      []struct{ Put, Update, Delete, ConditionCheck *writeReq }
}

// transactWrite does a transaction, or refuses it as refused says.
func (d *DB) transactWrite(body []byte, refused error) (any, error) {
	return call(body, func(in *transactReq) (any, error) {
		if n := len(in.TransactItems); n == 0 || n > transactItems {
			return nil, validation("Member must have length less than or equal to 100")
		}
		ws, err := d.compileAll(in)
		if err != nil {
			return nil, err
		}
		var c *cancel
		if errors.As(refused, &c) {
			return nil, canceled(len(ws), map[int]reason{d.fault.pick(len(ws)): {"Code": c.code, "Message": c.msg}})
		} else if refused != nil {
			return nil, refused
		}
		done, err := d.toks.begin(in.ClientRequestToken, body)
		if done || err != nil {
			return map[string]any{}, err
		}
		release, at := d.take(ws)
		if release == nil {
			d.toks.end(in.ClientRequestToken, false)
			return nil, canceled(len(ws), map[int]reason{at: {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}})
		}
		defer release()
		var used units
		err = d.kv.Update(func(tx Tx) (err error) {
			used, err = transact(tx, ws)
			return err
		})
		d.toks.end(in.ClientRequestToken, err == nil)
		return metered{map[string]any{}, used}, err
	})
}

func (d *DB) compileAll(in *transactReq) ([]*writeReq, error) {
	var ws []*writeReq
	seen := map[string]bool{}
	for _, x := range in.TransactItems {
		w, kind := x.Put, "put"
		switch {
		case x.Update != nil:
			w, kind = x.Update, "update"
		case x.Delete != nil:
			w, kind = x.Delete, "delete"
		case x.ConditionCheck != nil:
			w, kind = x.ConditionCheck, "check"
		}
		if w == nil {
			return nil, validation("Invalid Request: TransactWriteRequest should contain Delete or Put or Update request")
		}
		w.kind = kind
		if err := d.compile(w); err != nil {
			return nil, err
		}
		if seen[string(w.key)] {
			return nil, validation("Transaction request cannot include multiple operations on one item")
		}
		seen[string(w.key)] = true
		ws = append(ws, w)
	}
	return ws, nil
}

// transact checks all, then applies all, and tells what that uses.
func transact(tx Tx, ws []*writeReq) (units, error) {
	reasons := map[int]reason{}
	plans := make([]*plan, len(ws))
	size := 0
	for i, w := range ws {
		p, err := w.check(tx)
		if err != nil {
			var e *Err
			if !errors.As(err, &e) {
				return units{}, err
			}
			r := reason{"Code": "ValidationError", "Message": e.Msg}
			if e.Code == "ConditionalCheckFailedException" {
				r["Code"] = "ConditionalCheckFailed"
			}
			if it, ok := e.Extra["Item"]; ok {
				r["Item"] = it
			}
			reasons[i] = r
		}
		if p != nil {
			size += p.size
		}
		plans[i] = p
	}
	if len(reasons) > 0 {
		return units{}, canceled(len(ws), reasons)
	}
	if size > transactBytes {
		return units{}, validation("Transaction request size exceeds the maximum allowed size of 4 MB")
	}
	used, err := written(plans)
	if err != nil {
		return units{}, err
	}
	return used, applyAll(tx, plans)
}

type reason = map[string]any

// canceled is the answer to a transaction of n items that failed at some.
func canceled(n int, at map[int]reason) *Err {
	all := make([]reason, n)
	codes := make([]string, n)
	for i := range all {
		all[i] = at[i]
		if all[i] == nil {
			all[i] = reason{"Code": "None"}
		}
		codes[i] = all[i]["Code"].(string)
	}
	return &Err{
		Code:  "TransactionCanceledException",
		Msg:   "Transaction cancelled, please refer cancellation reasons for specific reasons [" + strings.Join(codes, ", ") + "]",
		Extra: map[string]any{"CancellationReasons": all},
	}
}

// tokens remembers the client tokens of transactions under way and done.
type tokens struct {
	mu   sync.Mutex
	seen map[string]token
}

type token struct {
	sum  [sha256.Size]byte
	at   time.Time
	done bool
}

// begin reports whether the token's transaction is done already. A body that
// differs in more than the order of its maps is another transaction.
func (t *tokens) begin(name string, body []byte) (done bool, err error) {
	if name == "" {
		return false, nil
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return false, err
	}
	canonical, err := json.Marshal(v)
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256(canonical)
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, old := range t.seen {
		if time.Since(old.at) > tokenLives {
			delete(t.seen, k)
		}
	}
	old, ok := t.seen[name]
	switch {
	case ok && old.sum != sum:
		return false, &Err{Code: "IdempotentParameterMismatchException", Msg: "The provided idempotency token was used with different parameters"}
	case ok && !old.done:
		return false, &Err{Code: "TransactionInProgressException", Msg: "The transaction with the given request token is already in progress."}
	case ok:
		return true, nil
	}
	t.seen[name] = token{sum: sum, at: time.Now()}
	return false, nil
}

// end keeps the token of a transaction that was done, and forgets another.
func (t *tokens) end(name string, done bool) {
	if name == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !done {
		delete(t.seen, name)
		return
	}
	tok := t.seen[name]
	tok.done = true
	t.seen[name] = tok
}
