package hub

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"

	"golang.org/x/crypto/ssh"
)

// deployKeyBits is the length of deploy keys, which are ssh-rsa because every Git
// host takes those.
const deployKeyBits = 3072

// newDeployKey makes a key pair: the public part as a line for authorized_keys,
// the private part in PEM.
func (h *Hub) newDeployKey() (public string, private []byte, err error) {
	key, err := rsa.GenerateKey(h.Rand, deployKeyBits)
	if err != nil {
		return "", nil, err
	}
	p, err := ssh.NewPublicKey(&key.PublicKey)
	if err != nil {
		return "", nil, err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(p))), pem.EncodeToMemory(block), nil
}
