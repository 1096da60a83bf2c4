package cloud

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"berth/shared/hub"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// startTime bounds what a process asks before it can serve.
const startTime = 8 * time.Second

// keys are the hub's keys: derived from one secret, which is read once in the life
// of a process.
func (e *Environment) keys() hub.Keys {
	secret, name := e.getenv(Settings.Secret), Settings.Secret
	if secret == "" {
		name = Settings.SecretARN
		arn := e.Need(name)
		if e.refused() != nil {
			return hub.Keys{}
		}
		ctx, cancel := context.WithTimeout(context.Background(), startTime)
		defer cancel()
		out, err := secretsmanager.NewFromConfig(e.For(Settings.SecretsManager)).
			GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
		if err != nil {
			e.Refuse(fmt.Errorf("%s cannot be read: %w", arn, err))
			return hub.Keys{}
		}
		secret = aws.ToString(out.SecretString)
	}
	k, err := deriveKeys(secret)
	if err != nil {
		e.Refuse(fmt.Errorf("%s: %w", name, err))
	}
	return k
}

// deriveKeys makes the hub's keys of its one secret (HKDF, RFC 5869, SHA-256).
func deriveKeys(secret string) (hub.Keys, error) {
	var k hub.Keys
	secret = strings.TrimSpace(secret)
	if len(secret) < 32 {
		return k, fmt.Errorf("it has %d characters, at least 32 are needed", len(secret))
	}
	for name, key := range map[string]*[]byte{"registry": &k.Registry, "sdk": &k.SDK, "seal": &k.Seal} {
		b, err := hkdf.Key(sha256.New, []byte(secret), nil, "berth "+name, 32)
		if err != nil {
			return k, err
		}
		*key = b
	}
	return k, nil
}
