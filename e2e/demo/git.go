package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// gitHost is a Git host with one repository, which tells a webhook of pushes in
// GitHub's words.
type gitHost struct {
	s    *stage
	url  string // clone address
	bare string // the repository
	work string // a clone of it, where commits are made
	hook *webhook
	told chan delivered
}

// webhook is where pushes are told, and the secret to sign them with.
type webhook struct{ url, secret string }

// delivered is what became of one.
type delivered struct {
	builds []string
	err    error
}

// serveGit makes the repository and serves it.
func (s *stage) serveGit(ctx context.Context) (*gitHost, error) {
	g := &gitHost{s: s, bare: s.path("git/demo.git"), work: s.path("work"), told: make(chan delivered, 1)}
	for _, args := range [][]string{
		{"init", "-q", "--bare", "-b", "master", g.bare},
		{"-C", g.bare, "config", "http.receivepack", "true"},
		{"init", "-q", "-b", "master", g.work},
	} {
		if _, err := s.output(ctx, s.dir, "git", args...); err != nil {
			return nil, err
		}
	}
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	backend := &cgi.Handler{Path: program, Args: []string{"http-backend"}, Env: []string{
		"GIT_PROJECT_ROOT=" + filepath.Dir(g.bare), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + s.dir,
	}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pushed := strings.HasSuffix(r.URL.Path, "/git-receive-pack")
		before := g.head(ctx)
		backend.ServeHTTP(w, r)
		if after := g.head(ctx); pushed && after != before && g.hook != nil {
			go func() {
				builds, err := g.deliver(ctx, before, after)
				g.told <- delivered{builds, err}
			}()
		}
	})}
	go server.Serve(l)
	s.ends = append(s.ends, server.Close)
	g.url = "http://" + l.Addr().String() + "/demo.git"
	_, err = s.output(ctx, g.work, "git", "remote", "add", "origin", g.url)
	say("git http-backend answers at %s", g.url)
	return g, err
}

// head is the commit that master is at; zeros where there is none yet.
func (g *gitHost) head(ctx context.Context) string {
	id, err := g.s.output(ctx, g.bare, "git", "rev-parse", "--verify", "-q", "refs/heads/master")
	if err != nil {
		return strings.Repeat("0", 40)
	}
	return id
}

// commit changes files, commits that and pushes it, and returns the commit's id.
func (g *gitHost) commit(ctx context.Context, message string, files map[string]string) (string, error) {
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(g.work, name), []byte(content), 0o644); err != nil {
			return "", err
		}
	}
	for _, args := range [][]string{
		{"add", "-A"},
		{"-c", "user.name=Demo", "-c", "user.email=demo@example.com", "commit", "-q", "-m", message},
		{"push", "-q", "origin", "master"},
	} {
		if _, err := g.s.output(ctx, g.work, "git", args...); err != nil {
			return "", err
		}
	}
	id, err := g.s.output(ctx, g.work, "git", "rev-parse", "HEAD")
	say("git push: %.12s %q", id, message)
	return id, err
}

// tells lets pushes from now on be told.
func (g *gitHost) tells(w webhook) { g.hook = &w }

// started is the build that the last push started.
func (g *gitHost) started(ctx context.Context) (string, error) {
	var d delivered
	select {
	case d = <-g.told:
	case <-ctx.Done():
		d.err = ctx.Err()
	}
	if d.err == nil && len(d.builds) != 1 {
		d.err = fmt.Errorf("the push started the builds %q, and not one", d.builds)
	}
	if d.err != nil {
		return "", d.err
	}
	say("The webhook was answered with build %s", d.builds[0])
	return d.builds[0], nil
}

// deliver tells the webhook of a push, and returns the builds that it started.
func (g *gitHost) deliver(ctx context.Context, before, after string) ([]string, error) {
	body, err := json.Marshal(map[string]any{
		"ref": "refs/heads/master", "before": before, "after": after, "created": false, "deleted": false, "forced": false,
		"repository":  map[string]any{"name": "demo", "full_name": "demo/demo", "clone_url": g.url},
		"pusher":      map[string]any{"name": "Demo", "email": "demo@example.com"},
		"head_commit": map[string]any{"id": after},
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.hook.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, []byte(g.hook.secret))
	mac.Write(body)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/demo", "X-GitHub-Event": "push",
		"X-GitHub-Delivery": rand.Text(), "X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	} {
		req.Header.Set(name, value)
	}
	var answer struct {
		BuildIDs []string `json:"build_ids"`
	}
	err = exchange(req, http.StatusAccepted, &answer)
	return answer.BuildIDs, err
}

// exchange sends a request, wants that status and decodes the answer.
func exchange(req *http.Request, want int, to any) error {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != want {
		err = errors.New("the hub answers " + res.Status + " " + string(b))
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}
