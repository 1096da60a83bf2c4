// Command s3 runs an S3 gateway (versitygw) over a folder, until its standard
// input ends. It is a program of its own because the gateway changes the folder of
// its process and allows one instance in it.
//
// It verifies signatures, and lets in whoever has one: an access key that begins
// with "ASIA" has the secret that [account.Secret] makes of it, and every right. Who
// may do what is for the caller to judge, see package stack.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"flag"
	"io"
	"log"
	"os"
	"path/filepath"

	"berth/sim/account"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:4621", "loopback address to listen on")
	path := flag.String("path", "s3", "folder; its parent must exist")
	flag.Parse()
	if err := run(*addr, *path); err != nil {
		log.Fatal(err)
	}
}

func run(addr, path string) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	objects, notes := filepath.Join(path, "objects"), filepath.Join(path, "notes")
	for _, dir := range []string{objects, notes} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	sidecar, err := meta.NewSideCar(notes)
	if err != nil {
		return err
	}
	backend, err := posix.New(objects, sidecar, posix.PosixOpts{
		SideCarDir: notes, Concurrency: 256, CopyObjectThreshold: 5 << 30, ForceNoTmpFile: true,
	})
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
		RootUserAccess: "test", RootUserSecret: "testtest", Region: "eu-central-1",
		Ports: []string{addr}, MaxConnections: 1024, MaxRequests: 512, MultipartMaxParts: 10000,
		KeepAlive: true, Quiet: true, DisableACLs: true, IAMService: accounts{},
	})
}

// accounts knows everybody whose access key has the form.
type accounts struct{ auth.IAMService }

func (accounts) GetUserAccount(access string) (auth.Account, error) {
	if !account.Valid(access) {
		return auth.Account{}, auth.ErrNoSuchUser
	}
	return auth.Account{Access: access, Secret: account.Secret(access), Role: auth.RoleAdmin}, nil
}

// DeriveSigningKey takes session tokens with any key: they tell instances of a function apart.
func (a accounts) DeriveSigningKey(access, _, date, region, service string) ([]byte, auth.Account, error) {
	acc, err := a.GetUserAccount(access)
	key := []byte("AWS4" + acc.Secret)
	for _, word := range []string{date, region, service, "aws4_request"} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(word))
		key = mac.Sum(nil)
	}
	acc.Secret = ""
	return key, acc, err
}

// ResolveAccounts answers which of some accounts there are not.
func (accounts) ResolveAccounts(keys []string) (absent []string, err error) {
	for _, key := range keys {
		if !account.Valid(key) {
			absent = append(absent, key)
		}
	}
	return absent, nil
}

func (accounts) ListUserAccounts() ([]auth.Account, error) { return nil, nil }

func (accounts) Shutdown() error { return nil }
