package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certify writes a certificate of its own making with that number, and its key.
func certify(t *testing.T, number int64, cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(number), NotAfter: time.Now().Add(time.Hour)}
	c, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: c}, key: {Type: "EC PRIVATE KEY", Bytes: b}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		// Whatever the file system's clock is good for, the file is seen to have changed.
		at := time.Unix(1_000_000*number, 0)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// served is the number of the certificate that a client is shown.
func served(t *testing.T, c *tls.Config) int64 {
	t.Helper()
	here, there := net.Pipe()
	server := tls.Server(there, c)
	go func() {
		server.Handshake()
		server.Close()
	}()
	client := tls.Client(here, &tls.Config{InsecureSkipVerify: true})
	defer client.Close()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	return client.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestCertificateIsRenewed(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "hub.pem"), filepath.Join(dir, "hub.key")
	certify(t, 1, cert, key)
	c := &certificate{certFile: cert, keyFile: key, log: slog.New(slog.DiscardHandler)}
	if err := c.read(); err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{GetCertificate: c.get}
	later := func(want int64, when string) {
		t.Helper()
		c.looked = time.Time{}
		if got := served(t, config); got != want {
			t.Errorf("%s: certificate %d is served, not %d", when, got, want)
		}
	}
	later(1, "at first")
	certify(t, 2, cert, key)
	later(2, "renewed")
	certify(t, 3, cert, filepath.Join(dir, "other"))
	later(2, "with the old key still there")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	later(2, "with no key")
	if err := os.Rename(filepath.Join(dir, "other"), key); err != nil {
		t.Fatal(err)
	}
	later(3, "with both in place")
}
