package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// dockerConfig is docker's configuration file, as far as log-ins go; podman, buildah,
// skopeo, crane and oras read it too.
type dockerConfig struct {
	path  string
	whole map[string]json.RawMessage
	auths map[string]json.RawMessage
}

func readDockerConfig() (*dockerConfig, error) {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(home, ".docker")
	}
	d := &dockerConfig{filepath.Join(dir, "config.json"), map[string]json.RawMessage{}, map[string]json.RawMessage{}}
	b, err := os.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &d.whole)
	}
	if auths, ok := d.whole["auths"]; ok && err == nil {
		err = json.Unmarshal(auths, &d.auths)
	}
	if err != nil {
		return nil, fmt.Errorf("docker's configuration %s: %w", d.path, err)
	}
	return d, nil
}

func (d *dockerConfig) write() (err error) {
	if d.whole["auths"], err = json.Marshal(d.auths); err != nil {
		return err
	}
	b, err := json.MarshalIndent(d.whole, "", "\t")
	if err != nil {
		return err
	}
	if err := makeDir(filepath.Dir(d.path)); err != nil {
		return err
	}
	return writeDurably(d.path, append(b, '\n'))
}

// writeDockerLogin lets docker use a log-in.
func writeDockerLogin(host, username, token string) error {
	d, err := readDockerConfig()
	if err != nil {
		return err
	}
	var store string
	var helpers map[string]string
	json.Unmarshal(d.whole["credsStore"], &store)
	json.Unmarshal(d.whole["credHelpers"], &helpers)
	if helpers[host] != "" {
		store = helpers[host]
	}
	if store != "" {
		return fmt.Errorf("docker keeps its log-ins in the store %q, which `docker login %s -u %s` writes to; leave --docker out", store, host, username)
	}
	auth := map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(username + ":" + token))}
	if d.auths[host], err = json.Marshal(auth); err != nil {
		return err
	}
	return d.write()
}

// removeDockerLogin takes it back.
func removeDockerLogin(host string) error {
	d, err := readDockerConfig()
	if err != nil || d.auths[host] == nil {
		return err
	}
	delete(d.auths, host)
	return d.write()
}
