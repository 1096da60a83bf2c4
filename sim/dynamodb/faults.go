package dynamodb

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Faults are what DynamoDB may do at any time and a healthy emulator never does.
// Each number is the share of calls, from 0 to 1, that it befalls.
type Faults struct {
	// Throttle refuses a read or write: as ThrottlingException,
	// ProvisionedThroughputExceededException or RequestLimitExceeded, and
	// transactions also as a cancellation. Nothing is done.
	Throttle float64
	// Conflict refuses a write as being in conflict with a transaction: a
	// transaction by the cancellation reason TransactionConflict at one of its
	// items, others by TransactionConflictException. Nothing is done.
	Conflict float64
	// Unprocessed leaves that share of a batch's keys or items out of it.
	Unprocessed float64
	// LostRequest breaks the connection, or answers 500, before anything is done.
	LostRequest float64
	// LostAnswer does what was asked, and then breaks the connection, answers
	// 500, or breaks off amid the answer.
	LostAnswer float64
	// IndexLag lets reads of a global secondary index see a state up to that old.
	IndexLag time.Duration
	// Hold is how long a transaction holds its items before it is done: another one that
	// comes upon one of them meanwhile is canceled by TransactionConflict.
	Hold time.Duration
	// Seed makes the choices; 0 is a seed too.
	Seed uint64
}

// Inject replaces the faults. The zero Faults ends them.
func (d *DB) Inject(f Faults) {
	d.past.drop(nil)
	d.fault.mu.Lock()
	defer d.fault.mu.Unlock()
	d.fault.f, d.fault.rnd = f, rand.New(rand.NewPCG(f.Seed, 4620))
}

// Injected tells how many faults of all kinds have befallen calls so far.
func (d *DB) Injected() int {
	d.fault.mu.Lock()
	defer d.fault.mu.Unlock()
	return d.fault.n
}

// chaos draws faults.
type chaos struct {
	mu  sync.Mutex
	f   Faults
	rnd *rand.Rand
	n   int
}

func (c *chaos) hit(share func(*Faults) float64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rnd == nil || c.rnd.Float64() >= share(&c.f) {
		return false
	}
	c.n++
	return true
}

func (c *chaos) pick(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rnd.IntN(n)
}

func (c *chaos) lag() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.f.IndexLag
}

// held are the items of transactions under way.
type held struct {
	mu   sync.Mutex
	keys map[string]bool
}

// take holds the items of a transaction for its time. release lets go of them; it is nil if
// another transaction holds item number at.
func (d *DB) take(ws []*writeReq) (release func(), at int) {
	d.fault.mu.Lock()
	hold := d.fault.f.Hold
	d.fault.mu.Unlock()
	if hold == 0 {
		return func() {}, 0
	}
	d.held.mu.Lock()
	for i, w := range ws {
		if d.held.keys[string(w.key)] {
			d.held.mu.Unlock()
			d.fault.mu.Lock()
			d.fault.n++
			d.fault.mu.Unlock()
			return nil, i
		}
	}
	for _, w := range ws {
		d.held.keys[string(w.key)] = true
	}
	d.held.mu.Unlock()
	time.Sleep(hold)
	return func() {
		d.held.mu.Lock()
		defer d.held.mu.Unlock()
		for _, w := range ws {
			delete(d.held.keys, string(w.key))
		}
	}, 0
}

func throttle(f *Faults) float64    { return f.Throttle }
func conflict(f *Faults) float64    { return f.Conflict }
func unprocessed(f *Faults) float64 { return f.Unprocessed }
func lostRequest(f *Faults) float64 { return f.LostRequest }
func lostAnswer(f *Faults) float64  { return f.LostAnswer }

var (
	throttled = []*Err{
		{Code: "ThrottlingException", Msg: "Throughput exceeds the current capacity of your table or index."},
		{Code: "ProvisionedThroughputExceededException", Msg: "The level of configured provisioned throughput for the table was exceeded."},
		{Code: "RequestLimitExceeded", Msg: "Throughput exceeds the current throughput limit for your account."},
	}
	internal = &Err{Code: "InternalServerError", Msg: "The request processing has failed because of an unknown error.", Status: 500}
)

// refuse draws the faults that keep an operation from being done.
func (d *DB) refuse(op string) error {
	var items bool
	switch op {
	case "GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan":
	case "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems":
		items = op != "BatchWriteItem"
	default:
		return nil
	}
	if d.fault.hit(throttle) {
		i := d.fault.pick(len(throttled) + 1)
		switch {
		case i < len(throttled):
			return throttled[i]
		case op == "TransactWriteItems":
			return &cancel{"ThrottlingError", "Throughput exceeds the current capacity of your table or index."}
		}
		return throttled[0]
	}
	if items && d.fault.hit(conflict) {
		const msg = "Transaction is ongoing for the item"
		if op == "TransactWriteItems" {
			return &cancel{"TransactionConflict", msg}
		}
		return &Err{Code: "TransactionConflictException", Msg: msg}
	}
	return nil
}

// cancel asks for a transaction to be canceled at one of its items.
type cancel struct{ code, msg string }

func (c *cancel) Error() string { return c.code }

// breakOff loses an answer: with nothing, or after half of it.
func breakOff(w http.ResponseWriter, body []byte) {
	if len(body) > 1 {
		w.WriteHeader(http.StatusOK)
		w.Write(body[:len(body)/2])
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
	panic(http.ErrAbortHandler)
}

// snapshot keeps one read of the store open, for reads that may see the past.
type snapshot struct {
	mu   sync.Mutex
	asks chan func(Tx) // nil while none is open
	end  chan struct{}
	done sync.WaitGroup
}

// view runs fn on a state that is at most lag old.
func (s *snapshot) view(kv KV, lag time.Duration, fn func(Tx) error) error {
	answer := make(chan error, 1)
	ask := func(tx Tx) { answer <- fn(tx) }
	for {
		s.mu.Lock()
		if s.asks == nil {
			s.begin(kv, lag)
		}
		asks, end := s.asks, s.end
		s.mu.Unlock()
		select {
		case asks <- ask:
			return <-answer
		case <-end:
		}
	}
}

// begin opens a state that answers for the time of lag. s.mu is held.
func (s *snapshot) begin(kv KV, lag time.Duration) {
	asks, end := make(chan func(Tx)), make(chan struct{})
	s.asks, s.end = asks, end
	old := time.AfterFunc(lag, func() { s.drop(end) })
	s.done.Go(func() {
		defer old.Stop()
		kv.View(func(tx Tx) error {
			for {
				select {
				case ask := <-asks:
					ask(tx)
				case <-end:
					return nil
				}
			}
		})
	})
}

// drop lets go of the state that end belongs to, or of any if end is nil.
func (s *snapshot) drop(end chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asks != nil && (end == nil || end == s.end) {
		close(s.end)
		s.asks = nil
	}
}

func (s *snapshot) close() {
	s.drop(nil)
	s.done.Wait()
}
