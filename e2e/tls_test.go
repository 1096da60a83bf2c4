package e2e_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate writes a pair for 127.0.0.1, and returns who trusts it.
func certificate(t *testing.T) (cert, key string, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trust = x509.NewCertPool()
	trust.AddCert(parsed)
	return cert, key, trust
}

func TestTLS(t *testing.T) {
	cert, key, trust := certificate(t)
	s := ownHub(t, "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(s.base, "https://") {
		t.Fatalf("the hub answers at %s", s.base)
	}
	for _, c := range []struct {
		protocols func(*http.Protocols)
		major     int
	}{
		{func(p *http.Protocols) { p.SetHTTP2(true) }, 2},
		{func(p *http.Protocols) { p.SetHTTP1(true) }, 1},
	} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, Protocols: new(http.Protocols)}
		c.protocols(transport.Protocols)
		https := &http.Client{Transport: transport}
		send := func(method, at string, body []byte, want int) (*http.Response, []byte) {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), method, at, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth(s.user, s.password)
			res, err := https.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != want || res.ProtoMajor != c.major {
				t.Fatalf("%s %s answers %s %s %.300s, %v", method, at, res.Proto, res.Status, b, err)
			}
			return res, b
		}
		layer := randomBytes(5 << 20)
		res, _ := send("POST", s.base+"/v2/admin/tls/blobs/uploads/", nil, 202)
		at, err := res.Location()
		if err != nil {
			t.Fatal(err)
		}
		send("PUT", location(at.String(), sha256Of(layer)), layer, 201)
		if _, got := send("GET", s.base+"/v2/admin/tls/blobs/"+sha256Of(layer), nil, 200); !bytes.Equal(got, layer) {
			t.Errorf("HTTP/%d: of %d bytes %d come back", c.major, len(layer), len(got))
		}
		transport.CloseIdleConnections()
	}
}
