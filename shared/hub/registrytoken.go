package hub

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// RegistryToken is what /v2/token gives: proof, for a short while, of what its
// holder may do in named repositories. It is signed, not stored. See the Docker
// Registry v2 token authentication specification.
type RegistryToken struct {
	Subject string   `json:"sub,omitempty"` // account or robot; "" = anonymous
	Issued  int64    `json:"iat"`           // Unix seconds
	Expires int64    `json:"exp"`           // Unix seconds
	Access  []Access `json:"access,omitempty"`
	Catalog bool     `json:"catalog,omitempty"` // may list what the subject may read
	Build   string   `json:"build,omitempty"`   // the build that the token was made for
	Admin   bool     `json:"admin,omitempty"`
	TokenID string   `json:"tid,omitempty"` // the access token it was asked for with
}

// Access is what a registry token allows in one repository.
type Access struct {
	Path        string `json:"path"`         // namespace/repository
	ID          string `json:"id,omitempty"` // "" = it did not exist yet
	NamespaceID string `json:"ns"`
	Role        Role   `json:"role"` // Reader: pull; Writer: push and delete
}

// RegistryTokenLife is how long a registry token lives.
const RegistryTokenLife = 300 * time.Second

const registryTokenPrefix = "brr_"

func (t *RegistryToken) access(path string) *Access {
	for i := range t.Access {
		if t.Access[i].Path == path {
			return &t.Access[i]
		}
	}
	return nil
}

// Scope writes what the token allows as a client asks for it.
func (t *RegistryToken) Scope() string {
	var words []string
	for _, a := range t.Access {
		actions := "pull"
		if a.Role >= Writer {
			actions = "pull,push,delete"
		}
		words = append(words, "repository:"+a.Path+":"+actions)
	}
	if t.Catalog {
		words = append(words, "registry:catalog:*")
	}
	return strings.Join(words, " ")
}

// SignRegistryToken stamps the token with the present time, and signs it.
func (h *Hub) SignRegistryToken(t *RegistryToken) string {
	now := h.Now()
	t.Issued, t.Expires = now.Unix(), now.Add(RegistryTokenLife).Unix()
	claims, _ := json.Marshal(t)
	body := registryTokenPrefix + base64.RawURLEncoding.EncodeToString(claims)
	return body + "." + base64.RawURLEncoding.EncodeToString(h.registryMAC(body))
}

func (h *Hub) registryMAC(body string) []byte {
	m := hmac.New(sha256.New, h.Keys.Registry)
	m.Write([]byte(body))
	return m.Sum(nil)
}

// IsRegistryToken tells a registry token from an access token by its prefix.
func IsRegistryToken(s string) bool { return strings.HasPrefix(s, registryTokenPrefix) }

// ParseRegistryToken verifies a registry token: Unauthenticated if it is not one
// of this hub's or has expired.
func (h *Hub) ParseRegistryToken(s string) (*RegistryToken, error) {
	if t, ok := h.seen.get(s); ok {
		return t, h.checkExpiry(t)
	}
	body, sum, ok := strings.Cut(s, ".")
	mac, err := base64.RawURLEncoding.DecodeString(sum)
	if !ok || err != nil || !hmac.Equal(mac, h.registryMAC(body)) {
		return nil, Fail(Unauthenticated, "this is no registry token of this hub")
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(body, registryTokenPrefix))
	if err != nil {
		return nil, Fail(Unauthenticated, "the registry token is damaged")
	}
	t := new(RegistryToken)
	if err := json.Unmarshal(claims, t); err != nil {
		return nil, Fail(Unauthenticated, "the registry token is damaged")
	}
	if err := h.checkExpiry(t); err != nil {
		return nil, err
	}
	h.seen.put(s, t)
	return t, nil
}

func (h *Hub) checkExpiry(t *RegistryToken) error {
	if h.Now().Unix() >= t.Expires {
		return Fail(Unauthenticated, "the registry token has expired; ask for a new one")
	}
	return nil
}
