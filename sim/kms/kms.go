// Package kms stands in for AWS KMS: it encrypts and decrypts under symmetric keys
// that never leave it. A ciphertext opens with the key and the encryption context
// that it was made with, and else not at all.
package kms

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"strings"

	"berth/sim/awsjson"
)

// maxPlain is what KMS encrypts directly, in bytes.
const maxPlain = 4096

// New serves the keys that have these ARNs.
func New(arns ...string) awsjson.Service {
	k := keys{}
	for _, arn := range arns {
		block, err := aes.NewCipher(fresh(32))
		if err != nil {
			panic(err) // 32 bytes are a key
		}
		if k[arn], err = cipher.NewGCM(block); err != nil {
			panic(err)
		}
	}
	return awsjson.Service{
		"Encrypt": awsjson.Op(k.encrypt), "Decrypt": awsjson.Op(k.decrypt), "GenerateDataKey": awsjson.Op(k.dataKey),
	}
}

type keys map[string]cipher.AEAD // by ARN

type request struct {
	KeyId             string
	Plaintext         []byte
	CiphertextBlob    []byte
	EncryptionContext map[string]string
	KeySpec           string
	NumberOfBytes     int
}

type answer struct {
	KeyId          string
	Plaintext      []byte `json:",omitempty"`
	CiphertextBlob []byte `json:",omitempty"`
}

// find is a key by its ARN or its id.
func (k keys) find(id string) (string, cipher.AEAD, error) {
	for arn, key := range k {
		if arn == id || strings.HasSuffix(arn, ":key/"+id) {
			return arn, key, nil
		}
	}
	return "", nil, &awsjson.Error{Code: "NotFoundException", Message: "Key '" + id + "' does not exist"}
}

func (k keys) encrypt(_ context.Context, in *request) (answer, error) {
	arn, key, err := k.find(in.KeyId)
	if err != nil {
		return answer{}, err
	}
	if n := len(in.Plaintext); n == 0 || n > maxPlain {
		return answer{}, &awsjson.Error{Code: "ValidationException", Message: "Plaintext must have 1 to 4096 bytes"}
	}
	return answer{KeyId: arn, CiphertextBlob: seal(arn, key, in.Plaintext, in.EncryptionContext)}, nil
}

func (k keys) decrypt(_ context.Context, in *request) (answer, error) {
	invalid := &awsjson.Error{Code: "InvalidCiphertextException"}
	arn, sealed, ok := strings.Cut(string(in.CiphertextBlob), "\n")
	key := k[arn]
	if !ok || key == nil || len(sealed) < key.NonceSize() {
		return answer{}, invalid
	}
	if in.KeyId != "" {
		if asked, _, err := k.find(in.KeyId); err != nil || asked != arn {
			return answer{}, &awsjson.Error{Code: "IncorrectKeyException", Message: "The key ID in the request does not identify a CMK that can perform this operation"}
		}
	}
	n := key.NonceSize()
	plain, err := key.Open(nil, []byte(sealed[:n]), []byte(sealed[n:]), bound(in.EncryptionContext))
	if err != nil {
		return answer{}, invalid
	}
	return answer{KeyId: arn, Plaintext: plain}, nil
}

func (k keys) dataKey(_ context.Context, in *request) (answer, error) {
	arn, key, err := k.find(in.KeyId)
	if err != nil {
		return answer{}, err
	}
	n := in.NumberOfBytes
	switch in.KeySpec {
	case "AES_256":
		n = 32
	case "AES_128":
		n = 16
	}
	if n < 1 || n > 1024 {
		return answer{}, &awsjson.Error{Code: "ValidationException", Message: "NumberOfBytes or KeySpec must be given"}
	}
	plain := fresh(n)
	return answer{KeyId: arn, Plaintext: plain, CiphertextBlob: seal(arn, key, plain, in.EncryptionContext)}, nil
}

// seal begins a ciphertext with its key's ARN, as KMS finds a key by the ciphertext.
func seal(arn string, key cipher.AEAD, plain []byte, context map[string]string) []byte {
	nonce := fresh(key.NonceSize())
	return append([]byte(arn+"\n"), key.Seal(nonce, nonce, plain, bound(context))...)
}

// bound is what a ciphertext is bound to.
func bound(context map[string]string) []byte {
	b, _ := json.Marshal(context) // in the order of the names
	if len(context) == 0 {
		b = nil
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

func fresh(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}
