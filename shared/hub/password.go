package hub

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
)

// Password is a stored password: argon2id, 19 MiB, two passes, one lane.
type Password struct {
	Salt []byte `json:"salt"`
	Hash []byte `json:"hash"`
}

// hashSlots lets at most two passwords be hashed at once: each takes 19 MiB.
var hashSlots = make(chan struct{}, 2)

// takeSlot waits for one of the two places at hashing; freeSlot gives it back.
func (h *Hub) takeSlot(ctx context.Context) error {
	select {
	case hashSlots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func freeSlot() { <-hashSlots }

// argon hashes a password. The caller holds a slot. The 19 MiB, more than all the
// rest of the hub needs, go back to the system before the next hash takes its own.
func (h *Hub) argon(password string, salt []byte) []byte {
	h.hashed.Add(1)
	defer debug.FreeOSMemory()
	return argon2.IDKey([]byte(password), salt, 2, 19<<10, 1, 32)
}

// PasswordHashes is how often this process has run argon2id: a figure for the
// metrics, and how tests see that unknown accounts cost what known ones do.
func (h *Hub) PasswordHashes() int64 { return h.hashed.Load() }

// newPassword hashes a password with a fresh salt.
func (h *Hub) newPassword(ctx context.Context, password string) (Password, error) {
	if err := h.takeSlot(ctx); err != nil {
		return Password{}, err
	}
	defer freeSlot()
	salt := make([]byte, 16)
	h.random(salt)
	return Password{Salt: salt, Hash: h.argon(password, salt)}, nil
}

// matches compares; the caller holds a slot. The zero Password, that of no
// account, costs the same and matches nothing.
func (h *Hub) matches(p Password, password string) bool {
	salt := p.Salt
	if len(salt) == 0 {
		salt = make([]byte, 16)
	}
	return subtle.ConstantTimeCompare(p.Hash, h.argon(password, salt)) == 1
}

// CheckPassword says whether a new password will do: 8 to 256 bytes, and nothing
// that looks like an access token.
func CheckPassword(p string) error {
	if len(p) < 8 || len(p) > 256 {
		return FailField("password", "must be 8 to 256 bytes long, this one has %d", len(p))
	}
	if IsAccessToken(p) {
		return FailField("password", "this is an access token; choose something else")
	}
	return nil
}

// goodPairs remembers log-ins that were found right, by a keyed hash that means
// nothing outside this process. What it says is held against the account's
// present password, which every request reads anyway.
type goodPairs struct {
	once   sync.Once
	secret [32]byte

	mu sync.Mutex
	m  map[[32]byte]goodPair
}

type goodPair struct {
	hash  []byte // Password.Hash at that time
	until time.Time
}

const goodPairsSize = 10_000

func (g *goodPairs) key(h *Hub, name, password string) (k [32]byte) {
	g.once.Do(func() { h.random(g.secret[:]) })
	m := hmac.New(sha256.New, g.secret[:])
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name))))
	m.Write([]byte(name))
	m.Write([]byte(password))
	m.Sum(k[:0])
	return k
}

func (g *goodPairs) knows(k [32]byte, now Password, at time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.m[k]
	if !ok {
		return false
	}
	if !at.Before(p.until) || !bytes.Equal(p.hash, now.Hash) {
		delete(g.m, k)
		return false
	}
	return true
}

func (g *goodPairs) remember(k [32]byte, p Password, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.m == nil || len(g.m) >= goodPairsSize {
		g.m = make(map[[32]byte]goodPair)
	}
	g.m[k] = goodPair{p.Hash, at.Add(rememberFor)}
}
