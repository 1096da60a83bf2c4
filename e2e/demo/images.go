package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// writeBase writes an image with this machine's busybox, as an OCI layout.
func (s *stage) writeBase() error {
	at, err := exec.LookPath("busybox")
	if err != nil {
		return fmt.Errorf("%w; `make packages` installs it", err)
	}
	program, err := os.ReadFile(at)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755, Size: int64(len(program))},
		{Typeflag: tar.TypeSymlink, Name: "bin/sh", Linkname: "busybox", Mode: 0o777},
	} {
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(program); err != nil {
				return err
			}
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	if image, err = mutate.Config(image, v1.Config{Env: []string{"PATH=/bin"}, Cmd: []string{"sh"}}); err != nil {
		return err
	}
	to, err := layout.Write(s.path("busybox"), empty.Index)
	if err != nil {
		return err
	}
	return to.AppendImage(image)
}

// createRepository sends the request that the hub API's description prints, for a
// plain Git address and built at each push.
func (s *stage) createRepository(ctx context.Context, clone string) (webhook, error) {
	body := fmt.Sprintf(`{
    "repo_name": "docker_images_test",
    "description": "docker images",
    "full_description": "",
    "is_public": true,
    "build_config": {
        "code_repo_client": "Simple",
        "code_repo_clone_url": %q,
        "build_node": "in",
        "email_enabled": false,
        "tag_configs": [
            {
                "code_repo_type": "branch",
                "code_repo_type_value": "master",
                "docker_repo_tag": "latest",
                "build_context_path": "/",
                "dockerfile_location": "/",
                "is_active": true,
                "build_cache_enabled": true,
                "version_tagging": 1
            }
        ]
    }
}`, clone)
	say("POST %s/v1/repositories/admin\n%s", s.hub, body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.hub+"/v1/repositories/admin", strings.NewReader(body))
	if err != nil {
		return webhook{}, err
	}
	req.SetBasicAuth("admin", adminPassword)
	req.Header.Set("Content-Type", "application/json")
	var made struct {
		Path        string `json:"repo_path"`
		BuildConfig struct {
			Key    string `json:"code_repo_public_key"`
			URL    string `json:"code_repo_webhook_url"`
			Secret string `json:"code_repo_webhook_secret"`
		} `json:"build_config"`
	}
	if err := exchange(req, http.StatusCreated, &made); err != nil {
		return webhook{}, err
	}
	say("201 Created: %s\nDeploy key:   %.60s…\nWebhook:      %s", made.Path, made.BuildConfig.Key, made.BuildConfig.URL)
	return webhook{made.BuildConfig.URL, made.BuildConfig.Secret}, nil
}

// expected is a build that there must be, and what its image must serve.
type expected struct {
	commit, greeting string
	auto             bool
}

// built is a build as the command line shows it to scripts.
type built struct {
	ID      string    `json:"build_id"`
	Status  string    `json:"status"`
	Commit  string    `json:"code_head_commit"`
	Digest  string    `json:"digest"`
	Version string    `json:"docker_repo_version_tag"`
	Auto    bool      `json:"auto_created"`
	Created time.Time `json:"created_at"`
	Ended   time.Time `json:"ended_at"`
}

// pullBoth pulls the images of the builds, oldest first, by their version tags, and
// says what they are.
func (s *stage) pullBoth(ctx context.Context, want []expected) error {
	list, err := s.output(ctx, s.dir, s.berth, "build", "list", repository, "--json")
	if err != nil {
		return err
	}
	var builds []built
	if err := json.Unmarshal([]byte(list), &builds); err != nil {
		return err
	}
	if len(builds) != len(want) {
		return fmt.Errorf("there are %d builds, not %d:\n%s", len(builds), len(want), list)
	}
	rows := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(rows, "TAG\tDIGEST\tCOMMIT\tSTARTED BY\tSECONDS\tSERVES")
	for i, w := range want {
		b := builds[len(builds)-1-i]
		served, err := s.pull(ctx, b)
		if err != nil {
			return err
		}
		if b.Status != "S" || b.Commit != w.commit || b.Auto != w.auto || served != strings.ToUpper(w.greeting) {
			return fmt.Errorf("build %+v serves %q; expected was %+v", b, served, w)
		}
		by := "hand"
		if b.Auto {
			by = "push"
		}
		fmt.Fprintf(rows, "%s\t%s\t%.12s\t%s\t%.2f\t%s\n", b.Version, b.Digest, b.Commit, by, b.Ended.Sub(b.Created).Seconds(), served)
	}
	newest := builds[0].Digest
	latest, err := s.output(ctx, s.dir, "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://"+s.host()+"/"+repository+":latest")
	if err != nil {
		return err
	}
	if latest != newest || builds[1].Digest == newest {
		return fmt.Errorf("latest is %s, the builds made %s and then %s", latest, builds[1].Digest, newest)
	}
	fmt.Fprintf(rows, "latest\t%s\n", latest)
	return rows.Flush()
}

// pull pulls an image with skopeo, without a log-in, and returns what it serves.
func (s *stage) pull(ctx context.Context, b built) (string, error) {
	from, to := "docker://"+s.host()+"/"+repository+":"+b.Version, s.path("pulled-"+b.Version)
	say("%s", styled("2", "$ skopeo copy "+from+" oci:…"))
	if _, err := s.output(ctx, s.dir, "skopeo", "copy", "--src-tls-verify=false", from, "oci:"+to+":v"); err != nil {
		return "", err
	}
	index, err := layout.ImageIndexFromPath(to)
	if err != nil {
		return "", err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return "", err
	}
	if len(m.Manifests) != 1 || m.Manifests[0].Digest.String() != b.Digest {
		return "", fmt.Errorf("skopeo pulled %+v from %s, not %s", m.Manifests, filepath.Base(to), b.Digest)
	}
	image, err := index.Image(m.Manifests[0].Digest)
	if err != nil {
		return "", err
	}
	files := mutate.Extract(image)
	defer files.Close()
	for r := tar.NewReader(files); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("%s has no served.txt", b.Version)
		}
		if err != nil {
			return "", err
		}
		if h.Name == "served.txt" {
			text, err := io.ReadAll(r)
			return strings.TrimSpace(string(text)), err
		}
	}
}
