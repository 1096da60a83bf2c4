package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is the pair given for TLS. A pair that is renewed in its files is
// served without a restart, soon after both files fit together.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	files  [2]time.Time // when the files were changed that were last read
	looked time.Time
}

// certificateEvery is how often, at most, the files are looked at.
const certificateEvery = 10 * time.Second

// certificate is what TLS is configured with; nil = none.
func (s *settings) certificate(log *slog.Logger) (*tls.Config, error) {
	if s.tlsCert == "" && s.tlsKey == "" {
		return nil, nil
	}
	if s.tlsCert == "" || s.tlsKey == "" {
		return nil, wrongUse("give --tls-cert and --tls-key together")
	}
	c := &certificate{certFile: s.tlsCert, keyFile: s.tlsKey, log: log}
	if err := c.read(); err != nil {
		return nil, err
	}
	c.looked = time.Now()
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// get answers a client that begins to speak TLS.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= certificateEvery {
		c.looked = now
		if c.changed() {
			if err := c.read(); err != nil {
				c.log.Warn("the renewed certificate is not used", "err", err)
			} else {
				c.log.Info("the certificate was renewed")
			}
		}
	}
	return c.loaded, nil
}

func (c *certificate) changed() bool {
	files, err := c.times()
	return err == nil && files != c.files
}

func (c *certificate) times() (files [2]time.Time, err error) {
	for i, path := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(path)
		if err != nil {
			return files, err
		}
		files[i] = info.ModTime()
	}
	return files, nil
}

// read reads the files. The times are taken first: what changes meanwhile is read again.
func (c *certificate) read() error {
	files, err := c.times()
	if err == nil {
		c.files = files
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.certFile, c.keyFile); err == nil {
			c.loaded = &pair
		}
	}
	if err != nil {
		return fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	return nil
}
