package e2e_test

import (
	"archive/tar"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestBuilders has each builder do the same, on a machine that has no other one.
func TestBuilders(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	if _, err := berth(); err != nil { // while there is a go
		t.Fatal(err)
	}
	private := newPrivateRegistry(t)
	docker, socket := engine(t)
	docker(string(buildkitImage(t)), "import", "-", "buildkit:here")
	for _, b := range []struct {
		name     string
		programs []string
	}{
		{"buildah", []string{"buildah", "runc"}},
		{"buildkit", []string{"buildkitd", "buildctl", "runc", "buildah"}},
		{"buildx", []string{"docker", "docker-buildx", "buildkitd", "buildctl", "runc", "buildah"}},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Setenv("SSL_CERT_FILE", private.certificate)
			t.Setenv("DOCKER_HOST", "unix://"+socket)
			scenario := builderScenario{t: t, git: newGitHost(t), name: b.name, path: only(t, b.programs...), private: private}
			scenario.withPath(func() error {
				scenario.server = ownHub(t, "--allow-host", "127.0.0.1", "--allow-host", private.address,
					"--builder-image", "buildkit:here", "--build-tasks", fmt.Sprint(mostTasks))
				return nil
			})
			scenario.client = scenario.account(t)
			scenario.all()
			scenario.client.escape(t, scenario.git)
			scenario.client.reachOutside(t, scenario.git)
			if b.name == "buildx" {
				scenario.killed()
				scenario.imageless()
			}
			scenario.nothingLeft(t)
			if left := docker("", "ps", "--all", "--quiet"); left != "" {
				t.Errorf("of the builds are left the containers %s", left)
			}
			scenario.noGroupLeft()
		})
	}
}

// TestBuilderMissing has a machine without any builder say what to install.
func TestBuilderMissing(t *testing.T) {
	if asRootAgain(t) {
		return
	}
	if _, err := berth(); err != nil {
		t.Fatal(err)
	}
	s := builderScenario{t: t, path: only(t)}
	s.withPath(func() error { s.server = ownHub(t, "--allow-host", "127.0.0.1"); return nil })
	c, g := s.account(t), newGitHost(t)
	c.fails(t, c.buildRepository(t, g.repository("x", map[string]string{"Dockerfile": "FROM scratch\n"}), ""), "",
		"nothing that builds images", "apt-get install docker.io", "there is no buildkitd", "apt-get install buildah")
	s.nothingLeft(t)
}

// builderScenario is a hub with one builder.
type builderScenario struct {
	t *testing.T
	*server
	client  client
	git     *gitHost
	name    string
	path    string // folders of the programs that the hub finds
	private privateRegistry
}

// withPath does something, such as to start the hub, with these programs alone.
func (s *builderScenario) withPath(do func() error) {
	s.t.Helper()
	path := os.Getenv("PATH")
	s.t.Setenv("PATH", s.path)
	err := do()
	s.t.Setenv("PATH", path)
	if err != nil {
		s.t.Fatal(err)
	}
}

// mostTasks is how many processes and threads a build may run at once.
const mostTasks = 400

func (s *builderScenario) all() {
	t, c := s.t, s.client
	const secret = "s3cr3t value of 7 words"
	c.call(t, 201, "PUT", "/v1/namespaces/"+c.user+"/secrets/npm", fmt.Sprintf(`{"value":%q}`, secret))
	files := busyboxFiles(t,
		"COPY busybox /bin/busybox", "COPY probe /probe",
		`RUN --mount=type=secret,id=npm echo "it is $(/bin/busybox cat /run/secrets/npm)"; /bin/busybox cat /proc/sys/kernel/random/uuid > /random`,
		"ARG WHO", // buildah reuses nothing from here on
		`RUN echo "for $WHO"`,
		`RUN echo "keys seen: $(/bin/busybox grep -l builder: /proc/[0-9]*/environ | /bin/busybox wc -l)"`,
		fmt.Sprintf(`RUN if /bin/busybox mknod /disk b %s && /bin/busybox dd if=/disk of=/dev/null bs=512 count=1; then echo a step "reads the disk"; fi`, disk()))
	files["probe"] = probe(t)
	forbidden := []string{s.private.host, "169.254.169.254:80", "10.0.0.1:80"}
	probes, _ := json.Marshal(append([]string{"/probe", s.host}, forbidden...))
	files["Dockerfile"] += "RUN " + string(probes) + "\n"
	repo := c.buildRepository(t, s.git.repository("base", files), `"version_tagging":1,"build_secrets":["npm"],"build_args":{"WHO":"one of us"}`)

	first := c.until(t, c.build(t, repo, "").ID, "S")
	log := c.buildLog(t, first.ID)
	if strings.Contains(log, secret) || strings.Contains(log, "a step reads the disk") {
		t.Errorf("the secret is not hidden, or a device not out of reach:\n%s", log)
	}
	for _, text := range []string{"building with " + s.name, "it is ***", "for one of us", "keys seen: 0"} {
		if !strings.Contains(log, text) {
			t.Errorf("the log does not say %q:\n%s", text, log)
		}
	}
	for _, way := range []string{"directly", "by proxy"} {
		if !strings.Contains(log, "reached "+s.host+" "+way) {
			t.Errorf("a step does not reach the hub %s:\n%s", way, log)
		}
		for _, at := range forbidden {
			if !strings.Contains(log, "refused "+at+" "+way) {
				t.Errorf("a step reached %s %s, or did not try:\n%s", at, way, log)
			}
		}
	}
	image := c.image(t, first.Repository, "latest")
	if version := c.image(t, first.Repository, *first.Version); version.digest != image.digest || !strings.HasPrefix(image.Config.Digest, "sha256:"+first.Image) {
		t.Errorf("%+v has the image %+v, and by its version %s", first, image, version.digest)
	}

	// A second one, which has nothing but what the hub keeps, has the same layers.
	second := c.until(t, c.build(t, repo, "").ID, "S")
	const reusable = 4 // the layers before ARG
	if again := c.image(t, second.Repository, "latest"); len(image.Layers) < reusable || fmt.Sprint(again.Layers[:reusable]) != fmt.Sprint(image.Layers[:reusable]) {
		t.Errorf("the layers %v are built again as %v:\n%s", image.Layers, again.Layers, c.buildLog(t, second.ID))
	}
	if log := c.buildLog(t, second.ID); !regexp.MustCompile(`CACHED|Using cache|Cache pulled from remote`).MatchString(log) {
		t.Errorf("the log tells of no reuse:\n%s", log)
	}

	// On an image of the namespace, and on one of a registry that is allowed by name.
	s.private.take(t, c, s.host+"/"+first.Repository+":latest")
	child := s.git.repository("child", map[string]string{
		"Dockerfile": fmt.Sprintf("FROM %s/%s:latest AS own\nFROM %s\nCOPY --from=own /random /same\nRUN /bin/busybox cmp /random /same\n", s.host, first.Repository, s.private.image()),
	})
	c.until(t, c.build(t, c.buildRepository(t, child, `"build_cache_enabled":false`), "").ID, "S")

	many := s.git.repository("many", map[string]string{"Dockerfile": "FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY Dockerfile /\n"})
	b := c.until(t, c.build(t, c.buildRepository(t, many, `"platforms":["linux/amd64","linux/arm64"]`), "").ID, "S")
	var index struct {
		Manifests []struct{ Platform struct{ Architecture string } }
	}
	if err := json.Unmarshal(c.call(t, 200, "GET", "/v2/"+b.Repository+"/manifests/latest", "").body, &index); err != nil || len(index.Manifests) != 2 ||
		index.Manifests[0].Platform == index.Manifests[1].Platform {
		t.Errorf("the index is %+v (%v)", index, err)
	}

	failing := s.git.repository("failing", busyboxFiles(t, `RUN ["/bin/sh", "-c", "echo about to fail; exit 3"]`))
	c.fails(t, c.buildRepository(t, failing, ""), "", "about to fail")

	if s.name != "buildah" { // which takes a syntax for a comment
		foreign := s.git.repository("syntax", map[string]string{"Dockerfile": "# syntax=" + s.host + "/" + first.Repository + ":latest\nFROM scratch\nCOPY Dockerfile /\n"})
		c.fails(t, c.buildRepository(t, foreign, ""), "", "is not an allowed gateway source")
	}

	tasks := fmt.Sprintf(`RUN i=0; while [ $i -lt %d ]; do i=$((i+1)); /bin/busybox sleep 60 & done; wait`, 2*mostTasks)
	b = c.until(t, c.build(t, c.buildRepository(t, s.git.repository("tasks", busyboxFiles(t, "COPY busybox /bin/busybox", tasks)), ""), "").ID, "F")
	if log := c.buildLog(t, b.ID); !regexp.MustCompile(fmt.Sprintf("can't fork|more than %d processes", mostTasks)).MatchString(log) {
		t.Errorf("the log does not tell of too many processes:\n%s", log)
	}

	id := s.begun()
	s.hidden(t)
	c.call(t, 204, "DELETE", "/v1/builds/"+id, "")
	s.nothingLeft(t)
}

// noGroupLeft wants no control group of the builds on the machine.
func (s *builderScenario) noGroupLeft() {
	var page struct{ Results []built }
	if err := json.Unmarshal(s.client.call(s.t, 200, "GET", "/v1/builds?page_size=100&namespace="+s.client.user, "").body, &page); err != nil || len(page.Results) == 0 {
		s.t.Fatal(err, page)
	}
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // groups of others come and go
		}
		for _, b := range page.Results {
			if strings.Contains(path, b.ID) {
				s.t.Errorf("of a build is left the control group %s", path)
				return fs.SkipDir
			}
		}
		return nil
	})
}

// disk is the numbers of a block device, of this machine if it has one.
func disk() string {
	for _, pattern := range []string{"/sys/block/[hnsv]*/dev", "/sys/block/*/dev"} {
		disks, _ := filepath.Glob(pattern)
		for _, name := range disks {
			if numbers, err := os.ReadFile(name); err == nil {
				return strings.ReplaceAll(strings.TrimSpace(string(numbers)), ":", " ")
			}
		}
	}
	return "8 0" // the first SCSI disk
}

// begun is a build with a step that does not end by itself.
func (s *builderScenario) begun() string {
	s.t.Helper()
	name := fresh("slow")
	clone := s.git.repository(name, busyboxFiles(s.t, "COPY busybox /bin/busybox",
		`RUN ["/bin/sh", "-c", "trap '' TERM; /bin/busybox setsid /bin/busybox sleep 600 & echo begun; /bin/busybox sleep 600"]`))
	id := s.client.build(s.t, s.client.buildRepository(s.t, clone, ""), "").ID
	s.client.waitLog(s.t, id, " begun")
	return id
}

// killed kills the hub while a build runs.
func (s *builderScenario) killed() {
	id := s.begun()
	s.kill()
	s.withPath(func() error { return s.again("--builds", "1") })
	s.client.until(s.t, id, "F")
}

// imageless has the engine without the image of BuildKit: the next builder builds.
func (s *builderScenario) imageless() {
	if err := s.stop(); err != nil {
		s.t.Fatal(err)
	}
	s.withPath(func() error { return s.again("--allow-host", "127.0.0.1", "--builder-image", "127.0.0.1:1/nothing:1") })
	clone := s.git.repository("imageless", map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	b := s.client.until(s.t, s.client.build(s.t, s.client.buildRepository(s.t, clone, ""), "").ID, "S")
	log := s.client.buildLog(s.t, b.ID)
	for _, text := range []string{"WARN buildx cannot build here", "cannot pull 127.0.0.1:1/nothing:1", "building with buildkit"} {
		if !strings.Contains(log, text) {
			s.t.Errorf("the log does not say %q:\n%s", text, log)
		}
	}
}

// builtImage is the manifest of an image.
type builtImage struct {
	digest string
	Config struct{ Digest string }
	Layers []struct{ Digest string }
}

func (c client) image(t *testing.T, repo, reference string) (i builtImage) {
	t.Helper()
	a := c.call(t, 200, "GET", "/v2/"+repo+"/manifests/"+reference, "")
	i.digest = a.header.Get("Docker-Content-Digest")
	if err := json.Unmarshal(a.body, &i); err != nil {
		t.Fatal(err)
	}
	return i
}

// only is a folder of these programs and no others: those that `make builders`
// built, or the machine's.
func only(t *testing.T, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range programs {
		if err := os.Symlink(find(t, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func find(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append([]string{"../.make/bin"}, filepath.SplitList(os.Getenv("PATH")+":/usr/sbin:/sbin")...) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			path, err = filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	t.Fatalf("there is no %s: `make packages builders` sees to that", name)
	return ""
}

// buildkitImage is the content of an image with BuildKit and what it needs.
func buildkitImage(t *testing.T) []byte {
	t.Helper()
	files := map[string]string{"usr/bin/buildkitd": find(t, "buildkitd"), "usr/bin/runc": find(t, "runc")}
	libraries, _ := exec.Command("ldd", files["usr/bin/runc"]).Output() // says nothing of a program that needs none
	for _, path := range regexp.MustCompile(`/\S+`).FindAllString(string(libraries), -1) {
		files[path[1:]] = path
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h *tar.Header, content []byte) {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	add(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil)
	for name, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		add(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// privateRegistry is another hub, at an address that is not public, with a
// certificate that nobody else trusts.
type privateRegistry struct {
	address, host, certificate string
	client                     client
}

func newPrivateRegistry(t *testing.T) privateRegistry {
	t.Helper()
	var b [3]byte // another one in each run
	rand.Read(b[:])
	address := net.IPv4(10, b[0], b[1], b[2]).String()
	program(t, "ip", "address", "add", address+"/32", "dev", "lo")
	t.Cleanup(func() { exec.Command("ip", "address", "delete", address+"/32", "dev", "lo").Run() })
	p := privateRegistry{address: address, certificate: filepath.Join(t.TempDir(), "certificate.pem")}
	key := filepath.Join(t.TempDir(), "key.pem")
	certify(t, address, p.certificate, key)
	t.Setenv("SSL_CERT_FILE", p.certificate)
	s := ownHub(t, "--listen", address+":0", "--tls-cert", p.certificate, "--tls-key", key, "--builds", "0")
	p.host, p.client = s.host, s.client
	return p
}

func (p *privateRegistry) image() string { return p.host + "/admin/base:v1" }

// take copies an image into a public repository of the registry.
func (p *privateRegistry) take(t *testing.T, c client, from string) {
	t.Helper()
	program(t, "skopeo", "copy", "--src-tls-verify=false", "--src-creds", c.user+":"+c.password,
		"--dest-creds", p.client.user+":"+p.client.password, "docker://"+from, "docker://"+p.image())
	p.client.call(t, 200, "PUT", "/v1/repositories/admin/base", `{"is_public":true}`)
}

// certify makes a certificate for an address.
func certify(t *testing.T, address, certificate, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "private"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.ParseIP(address)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
