package hub

import "sync"

// seenTokens remembers registry tokens whose signature was verified, so that a
// client which sends one with each request has it verified once.
type seenTokens struct {
	mu sync.RWMutex
	m  map[string]*RegistryToken
}

const seenTokensSize = 4096

func (s *seenTokens) get(token string) (*RegistryToken, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.m[token]
	return t, ok
}

func (s *seenTokens) put(token string, t *RegistryToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil || len(s.m) >= seenTokensSize {
		s.m = make(map[string]*RegistryToken)
	}
	s.m[token] = t
}
