// Package sealing encrypts a hub's stored secrets with AWS KMS.
package sealing

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"berth/shared/cloud"
	"berth/shared/hub"
	"berth/shared/store"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// WithKMS makes a hub seal by the key in the environment.
func WithKMS(e *cloud.Environment, h *hub.Hub) {
	h.Sealer = New(kms.NewFromConfig(e.For(cloud.Settings.KMS)), e.Need(cloud.Settings.KMSKey))
}

// Sealer seals each secret by a key of its own, which it keeps beside it encrypted
// by KMS: KMS takes 4 KiB at most, and a secret never leaves the process. KMS opens
// that key only for the place that it was made for, which its log shows too. It
// implements [hub.Sealer].
type Sealer struct {
	client *kms.Client
	key    string // ARN
}

// New seals by a key of KMS.
func New(client *kms.Client, key string) *Sealer { return &Sealer{client, key} }

// place is what KMS holds an encrypted key together with.
func place(at string) map[string]string { return map[string]string{"berth:place": at} }

// Seal implements [hub.Sealer]. What it makes is the length of the encrypted key in
// two bytes, that key, and what [hub.KeySealer] makes with it.
func (s *Sealer) Seal(ctx context.Context, at string, secret []byte) ([]byte, error) {
	out, err := s.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &s.key, KeySpec: types.DataKeySpecAes256, EncryptionContext: place(at),
	})
	if err != nil {
		return nil, unavailable("make a key", err)
	}
	sealed, err := hub.KeySealer{Key: out.Plaintext, Rand: rand.Reader}.Seal(ctx, at, secret)
	if err != nil {
		return nil, err
	}
	whole := binary.BigEndian.AppendUint16(nil, uint16(len(out.CiphertextBlob)))
	return append(append(whole, out.CiphertextBlob...), sealed...), nil
}

// Open implements [hub.Sealer].
func (s *Sealer) Open(ctx context.Context, at string, sealed []byte) ([]byte, error) {
	if len(sealed) < 2 {
		return nil, hub.ErrSealed
	}
	n := int(binary.BigEndian.Uint16(sealed))
	if sealed = sealed[2:]; len(sealed) < n {
		return nil, hub.ErrSealed
	}
	out, err := s.client.Decrypt(ctx, &kms.DecryptInput{
		KeyId: &s.key, CiphertextBlob: sealed[:n], EncryptionContext: place(at),
	})
	var bad *types.InvalidCiphertextException
	var other *types.IncorrectKeyException
	if errors.As(err, &bad) || errors.As(err, &other) {
		return nil, hub.ErrSealed
	}
	if err != nil {
		return nil, unavailable("open a key", err)
	}
	return hub.KeySealer{Key: out.Plaintext}.Open(ctx, at, sealed[n:])
}

func unavailable(what string, err error) error {
	return fmt.Errorf("%w: KMS does not %s: %w", store.ErrUnavailable, what, err)
}
