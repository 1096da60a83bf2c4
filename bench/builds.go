package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// buildsCmd measures what the hub adds to a build: the same clone, build and push
// by the hub and by hand, in turn, with the same builder, each from nothing.
func buildsCmd(args []string) error {
	fs := flag.NewFlagSet("builds", flag.ExitOnError)
	src := fs.String("src", "..", "Berth's source")
	dir := fs.String("dir", "/var/tmp", "directory on the disk to measure on; a temporary folder is made in it")
	rounds := fs.Int("rounds", 10, "builds of each kind")
	fs.Parse(args)
	if os.Geteuid() != 0 {
		return fmt.Errorf("builds need root")
	}
	tmp, err := os.MkdirTemp(*dir, "berth-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	b := &builds{tmp: tmp, password: rand.Text()}
	if err := b.code(); err != nil {
		return err
	}
	git, err := exec.LookPath("git")
	if err != nil {
		return err
	}
	host := httptest.NewServer(&cgi.Handler{Path: git, Args: []string{"http-backend"}, Env: []string{"GIT_PROJECT_ROOT=" + tmp, "GIT_HTTP_EXPORT_ALL=1"}})
	defer host.Close()
	b.clone = host.URL + "/code/.git"
	if err := b.start(*src); err != nil {
		return err
	}
	defer b.server.stop()
	for _, cached := range []bool{false, true} {
		if err := b.compare(cached, *rounds); err != nil {
			return err
		}
	}
	return nil
}

type builds struct {
	tmp, password, clone string
	server               *server
	at                   string // host:port of the hub
}

// code makes the code repository.
func (b *builds) code() error {
	dir := filepath.Join(b.tmp, "code")
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"Dockerfile": "FROM scratch\nCOPY busybox /bin/sh\nRUN [\"/bin/sh\", \"-c\", \"echo built > /built\"]\nCOPY Dockerfile /\n", "busybox": string(program),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			return err
		}
	}
	return b.shell(nil, `cd code && git init -q -b master && git add -A && git -c user.name=a -c user.email=a@example.com commit -q -m x`)
}

// start starts the hub.
func (b *builds) start(src string) error {
	bin, err := buildBerth(src, b.tmp)
	if err != nil {
		return err
	}
	if b.at, err = freeAddr(); err != nil {
		return err
	}
	b.server = &server{
		name: subject, base: "http://" + b.at, log: filepath.Join(b.tmp, "log"), env: []string{"BERTH_ADMIN_PASSWORD=" + b.password},
		command: []string{bin, "serve", "--listen", b.at, "--data", filepath.Join(b.tmp, "data"), "--allow-host", "127.0.0.1", "--builder", "buildah"},
	}
	_, err = b.server.start()
	return err
}

// compare measures both ways, with the registry's cache or without.
func (b *builds) compare(cached bool, rounds int) error {
	name := fmt.Sprintf("cached-%t", cached)
	var made struct{}
	err := b.call("POST", "/v1/repositories/admin", map[string]any{"repo_name": name, "build_config": map[string]any{
		"code_repo_client": "Simple", "code_repo_clone_url": b.clone, "tag_configs": []any{map[string]any{"build_cache_enabled": cached}},
	}}, &made)
	if err != nil {
		return err
	}
	var hub, hand []time.Duration
	for i := range rounds + 1 {
		took, err := b.byHub(name)
		if err != nil {
			return err
		}
		by, err := b.byHand(name, cached)
		if err != nil {
			return err
		}
		if i > 0 { // the first ones fill the cache
			hub, hand = append(hub, took), append(hand, by)
		}
	}
	h, m := middle(hub), middle(hand)
	fmt.Printf("build, %s: hub %.0f ms, by hand %.0f ms, overhead %.0f ms (medians of %d; the hub %.0f to %.0f, by hand %.0f to %.0f)\n", name,
		ms(h), ms(m), ms(h-m), rounds, ms(slices.Min(hub)), ms(slices.Max(hub)), ms(slices.Min(hand)), ms(slices.Max(hand)))
	return nil
}

func middle(list []time.Duration) time.Duration {
	list = slices.Sorted(slices.Values(list))
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

// byHub is how long a build of the hub takes, from the request until it is shown as
// succeeded.
func (b *builds) byHub(name string) (time.Duration, error) {
	var build struct {
		ID     string `json:"build_id"`
		Status string
		Detail string
	}
	begun := time.Now()
	err := b.call("POST", "/v1/builds", map[string]string{"namespace": "admin", "repo_name": name, "tag": "latest"}, &build)
	for err == nil && (build.Status == "W" || build.Status == "I") {
		time.Sleep(5 * time.Millisecond)
		err = b.call("GET", "/v1/builds/"+build.ID, nil, &build)
	}
	if err == nil && build.Status != "S" {
		err = fmt.Errorf("the build failed: %s", build.Detail)
	}
	return time.Since(begun), err
}

// byHand is how long the same takes by the programs alone.
func (b *builds) byHand(name string, cached bool) (time.Duration, error) {
	work := filepath.Join(b.tmp, "hand")
	cache := "--no-cache --layers=false"
	if cached {
		cache = "--layers --cache-from $REPO-hand --cache-to $REPO-hand"
	}
	env := []string{"CLONE=" + b.clone, "REPO=" + b.at + "/admin/" + name, "CREDS=admin:" + b.password, "TMPDIR=" + work}
	if err := os.Mkdir(work, 0o700); err != nil {
		return 0, err
	}
	begun := time.Now()
	err := b.shell(env, `cd hand
buildah="buildah --root $PWD/storage --runroot $PWD/runroot --storage-driver overlay --storage-opt overlay.mountopt=nodev"
git clone -q --depth 1 $CLONE source
$buildah build --format oci --isolation oci --network host --runtime runc --tls-verify=false --creds $CREDS `+cache+` --tag localhost/x:build source
$buildah push --tls-verify=false --creds $CREDS localhost/x:build docker://$REPO-hand:latest`)
	took := time.Since(begun)
	return took, errors.Join(err, b.shell(nil, `umount hand/storage/overlay 2>/dev/null || true; rm -rf hand`))
}

// shell runs a script in the folder, whose output is shown where it fails.
func (b *builds) shell(env []string, script string) error {
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir, cmd.Env = b.tmp, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// call calls the hub's interface as its administrator.
func (b *builds) call(method, path string, body, answer any) error {
	sent, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, "http://"+b.at+path, bytes.NewReader(sent))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth("admin", b.password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s %s %w", method, path, resp.Status, got, err)
	}
	return json.Unmarshal(got, answer)
}
