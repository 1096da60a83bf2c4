package hub

import (
	"errors"
	"fmt"
	"net/url"
	slash "path"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// BuildConfig says how a repository's images are built from a Git repository.
type BuildConfig struct {
	ID            int64       `json:"id"` // never used again in this hub
	RepoID        string      `json:"repo_id"`
	Client        string      `json:"client"` // one of CodeClients
	CodeNamespace string      `json:"code_namespace,omitempty"`
	CodeName      string      `json:"code_name,omitempty"`
	CloneURL      string      `json:"clone_url,omitempty"` // of client Simple
	Node          string      `json:"node"`                // in or cn: kept and shown
	Email         bool        `json:"email"`
	CreatedBy     string      `json:"created_by"`
	Tags          []TagConfig `json:"tags"`
	PublicKey     string      `json:"public_key"`  // deploy key, ssh-rsa
	PrivateKey    []byte      `json:"private_key"` // sealed
	HookCode      string      `json:"hook_code,omitempty"`
	HookSecret    []byte      `json:"hook_secret,omitempty"` // sealed
}

// TagConfig says what makes one tag: a branch or tag of the code repository, and
// how it is built.
type TagConfig struct {
	ID         int64             `json:"id"` // never used again in this hub
	RefType    string            `json:"ref_type"`
	Ref        string            `json:"ref"` // a name, or a regular expression between slashes
	Tag        string            `json:"tag"` // may use {sourceref}, {1}… where Ref is an expression
	Context    string            `json:"context"`
	Dockerfile string            `json:"dockerfile"` // the directory of it
	Active     bool              `json:"active"`
	Cache      bool              `json:"cache"`
	Versions   int               `json:"versions"` // version_tagging: 0 none, 1 time, 2 commit
	Args       map[string]string `json:"args,omitempty"`
	Platforms  []string          `json:"platforms,omitempty"`
	Secrets    []string          `json:"secrets,omitempty"` // names of the namespace's build secrets
}

// Code hosts. GitCafe has closed: such a configuration is kept, and builds nothing.
const (
	GitHub    = "GitHub"
	GitLab    = "GitLab"
	Bitbucket = "Bitbucket"
	OSChina   = "OSChina" // today gitee.com
	GitCafe   = "GitCafe"
	Simple    = "Simple" // any Git address
)

// codeHost is how the pages of a code host are found.
type codeHost struct{ base, commit, branch, keys string }

var codeHosts = map[string]codeHost{
	GitHub:    {"https://github.com/", "/commit/", "/tree/", "/settings/keys"},
	GitLab:    {"https://gitlab.com/", "/commit/", "/tree/", "/-/settings/repository"},
	Bitbucket: {"https://bitbucket.org/", "/commits/", "/branch/", "/admin/access-keys/"},
	OSChina:   {"https://gitee.com/", "/commit/", "/tree/", "/deploy_keys"},
	GitCafe:   {"https://gitcafe.com/", "/commit/", "/tree/", ""},
}

// Kinds of references.
const (
	RefBranch = "branch"
	RefTag    = "tag"
)

// DefaultTagConfig is what a tag configuration is where nothing else is said.
func DefaultTagConfig() TagConfig {
	return TagConfig{RefType: RefBranch, Ref: "master", Tag: "latest", Context: "/", Dockerfile: "/", Cache: true}
}

// CodePath is the code repository's name with its host, or its clone address.
func (b BuildConfig) CodePath() string {
	if b.Client == Simple {
		return b.CloneURL
	}
	return b.CodeNamespace + "/" + b.CodeName
}

// CodeURL is the code repository's web page; "" where none is known.
func (b BuildConfig) CodeURL() string {
	if b.Client == Simple {
		return ""
	}
	return codeHosts[b.Client].base + b.CodePath()
}

// DeployURL is the page where the deploy key is entered; "" where none is known.
func (b BuildConfig) DeployURL() string {
	if keys := codeHosts[b.Client].keys; keys != "" {
		return b.CodeURL() + keys
	}
	return ""
}

// clones are the addresses to clone from, in the order in which they are tried.
func (b BuildConfig) clones() []string {
	if b.Client == Simple {
		return []string{b.CloneURL}
	}
	host := strings.TrimPrefix(codeHosts[b.Client].base, "https://")
	return []string{b.CodeURL() + ".git", "ssh://git@" + host + b.CodePath() + ".git"}
}

// CommitURL and BranchURL are pages of the code repository; "" where none is known.
func (b BuildConfig) CommitURL(commit string) string {
	if b.Client == Simple || commit == "" {
		return ""
	}
	return b.CodeURL() + codeHosts[b.Client].commit + commit
}

// BranchURL is the page of a branch or tag.
func (b BuildConfig) BranchURL(ref string) string {
	if b.Client == Simple {
		return ""
	}
	return b.CodeURL() + codeHosts[b.Client].branch + ref
}

var codeNames = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// checkCode says whether the code repository is one that can be cloned. The
// address itself is judged again when it is connected to.
func (h *Hub) checkCode(b BuildConfig) error {
	if b.Client == Simple {
		return h.checkClone(b.CloneURL)
	}
	if _, ok := codeHosts[b.Client]; !ok {
		return FailField("code_repo_client", "must be GitHub, GitLab, Bitbucket, OSChina, GitCafe or Simple, not %q", b.Client)
	}
	// GitLab has groups in groups.
	parts := []string{b.CodeNamespace}
	if b.Client == GitLab {
		parts = strings.Split(b.CodeNamespace, "/")
	}
	for _, p := range parts {
		if !codeNames.MatchString(p) {
			return FailField("code_repo_namespace", "%q is not the name of a user or group there", b.CodeNamespace)
		}
	}
	if !codeNames.MatchString(b.CodeName) {
		return FailField("code_repo_name", "%q is not the name of a code repository", b.CodeName)
	}
	return nil
}

// checkNode says whether a build node is one.
func checkNode(node string) error {
	if node != "in" && node != "cn" {
		return FailField("build_node", "must be in or cn, not %q", node)
	}
	return nil
}

// maxAddress is the longest address that is taken, in bytes.
const maxAddress = 2048

// secureCopy is an address as scp has it, which Git takes too and its hosts show.
var secureCopy = regexp.MustCompile(`^[\w.-]+@[\w.-]+:[^\s:]+$`)

func (h *Hub) checkClone(address string) error {
	const field = "code_repo_clone_url"
	u, err := url.Parse(address)
	switch {
	case address == "":
		return FailField(field, "is needed with the client Simple")
	case secureCopy.MatchString(address):
		host, path, _ := strings.Cut(address, ":")
		return FailField(field, "must be an address: write ssh://%s/%s", host, strings.TrimPrefix(path, "/"))
	case len(address) > maxAddress || err != nil || u.Opaque != "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return FailField(field, "is not a valid address")
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "ssh":
		return FailField(field, "must begin with https://, http:// or ssh://")
	case u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-") || strings.Trim(u.Path, "/") == "" || u.RawQuery != "" || u.Fragment != "":
		return FailField(field, "must have a host and a path, and nothing behind that")
	}
	if _, has := u.User.Password(); has || u.User != nil && u.Scheme != "ssh" {
		return FailField(field, "must not contain a user name or password; use ssh:// and enter the deploy key at the Git host")
	}
	if strings.HasPrefix(u.User.Username(), "-") {
		return FailField(field, "is not a valid address")
	}
	return nil
}

// maxTagConfigs bounds a build configuration, which is one record.
const maxTagConfigs = 50

// checkTagConfigs says whether a list of tag configurations will do.
func checkTagConfigs(list []TagConfig) error {
	if len(list) > maxTagConfigs {
		return FailField("tag_configs", "has at most %d entries", maxTagConfigs)
	}
	tags := make(map[string]bool)
	for i, t := range list {
		err := t.check()
		if err == nil && tags[t.Tag] {
			err = FailField("docker_repo_tag", "%q stands in two entries of tag_configs", t.Tag)
		}
		if err != nil {
			return fieldIn(fmt.Sprintf("tag_configs.%d", i), err)
		}
		tags[t.Tag] = true
	}
	return nil
}

func (t TagConfig) check() error {
	if t.RefType != RefBranch && t.RefType != RefTag {
		return FailField("code_repo_type", "must be branch or tag, not %q", t.RefType)
	}
	pattern, err := t.pattern()
	switch {
	case err != nil:
		return FailField("code_repo_type_value", "%v", err)
	case pattern == nil && !isRef(t.Ref):
		return FailField("code_repo_type_value", "%q is not the name of a %s", t.Ref, t.RefType)
	case pattern == nil && !isTag(t.Tag):
		return FailField("docker_repo_tag", "%q must be 1 to 128 letters, digits, dots, underscores and hyphens, and not begin with a dot or hyphen", t.Tag)
	case pattern != nil && !tagTemplate(t.Tag, pattern.NumSubexp()):
		return FailField("docker_repo_tag", "%q is not a tag, with {sourceref} and {1} to {%d} where parts of the name go", t.Tag, pattern.NumSubexp())
	case isCacheTag(t.Tag):
		return FailField("docker_repo_tag", "%q has the form of the names that builds keep their cache under; choose another", t.Tag)
	case t.Versions < 0 || t.Versions > 2:
		return FailField("version_tagging", "must be 0, 1 or 2, not %d", t.Versions)
	}
	for field, dir := range map[string]string{"build_context_path": t.Context, "dockerfile_location": t.Dockerfile} {
		if _, ok := insideDir(dir); !ok {
			return FailField(field, "%q must be a directory inside the code repository; / is its root", dir)
		}
	}
	return t.checkOptions()
}

var (
	argName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	platforms = regexp.MustCompile(`^[a-z0-9]{1,32}/[a-z0-9]{1,32}(/[a-z0-9.]{1,32})?$`)
)

// checkOptions says whether build_args, platforms and build_secrets will do.
func (t TagConfig) checkOptions() error {
	switch {
	case len(t.Args) > 100:
		return FailField("build_args", "has at most 100 entries")
	case len(t.Platforms) > 10:
		return FailField("platforms", "has at most 10 entries")
	case len(t.Secrets) > 50:
		return FailField("build_secrets", "has at most 50 entries")
	}
	for name, value := range t.Args {
		if !argName.MatchString(name) || len(value) > 4096 || strings.ContainsRune(value, 0) {
			return FailField("build_args", "%q must be a name of letters, digits and underscores, with a value of at most 4096 bytes", name)
		}
	}
	for i, p := range t.Platforms {
		if !platforms.MatchString(p) || slices.Contains(t.Platforms[:i], p) {
			return FailField("platforms", "%q must be like linux/amd64 or linux/arm/v7, and stand there once", p)
		}
	}
	for i, s := range t.Secrets {
		if checkSecretName(s) != nil || slices.Contains(t.Secrets[:i], s) {
			return FailField("build_secrets", "%q must be the name of a secret of the namespace, and stand there once", s)
		}
	}
	return nil
}

// isRef reports whether a name can be a branch's or tag's. See git-check-ref-format.
func isRef(s string) bool {
	if s == "" || len(s) > 255 || s == "@" || strings.ContainsAny(s, "~^:?*[\\ ") ||
		strings.Contains(s, "..") || strings.Contains(s, "@{") || strings.Contains(s, "//") ||
		strings.HasPrefix(s, "-") || strings.HasSuffix(s, "/") || strings.HasSuffix(s, ".") {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}

// insideDir is a directory as a path below the clone, without a leading slash ("."
// for its root); ok is false where it would leave the clone.
func insideDir(dir string) (inside string, ok bool) {
	if len(dir) > 1024 || strings.ContainsFunc(dir, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == '\uFFFD' }) {
		return "", false
	}
	inside = slash.Clean(strings.TrimLeft(dir, "/"))
	return inside, inside != ".." && !strings.HasPrefix(inside, "../")
}

// refPattern is a regular expression for references.
type refPattern struct {
	*regexp.Regexp
	steps int // about how many the match of one byte takes at the most
}

// maxPatternSteps bounds a refPattern: what stands in it counts as often as it is
// repeated.
const maxPatternSteps = 1000

// pattern is the regular expression that Ref is; nil if it is a plain name. Its error
// says what is wrong with it.
func (t TagConfig) pattern() (*refPattern, error) {
	if len(t.Ref) < 3 || t.Ref[0] != '/' || t.Ref[len(t.Ref)-1] != '/' {
		return nil, nil
	}
	if len(t.Ref) > 512 {
		return nil, errors.New("has at most 512 bytes")
	}
	text := t.Ref[1 : len(t.Ref)-1]
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("is not a valid regular expression: %w", err)
	}
	p := &refPattern{steps: patternSteps(tree)}
	if p.steps > maxPatternSteps {
		return nil, fmt.Errorf("repeats too much for a regular expression of references: it takes %d steps a byte, and %d are the most", p.steps, maxPatternSteps)
	}
	p.Regexp, err = regexp.Compile(text)
	return p, err
}

func patternSteps(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += patternSteps(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

var placeholders = regexp.MustCompile(`\{(sourceref|[0-9])\}`)

// tagTemplate reports whether a tag may come of the template.
func tagTemplate(s string, groups int) bool {
	for _, m := range placeholders.FindAllStringSubmatch(s, -1) {
		if m[1] != "sourceref" && (m[1][0] == '0' || int(m[1][0]-'0') > groups) {
			return false
		}
	}
	return len(s) <= 256 && isTag(placeholders.ReplaceAllString(s, "x"))
}

// made is the tag configuration that a pushed reference of the right type makes, with
// its names filled in. pattern is the one that Ref is. ok is false where the reference
// is none of its, or makes no name for a tag.
func (t TagConfig) made(pattern *refPattern, ref string) (made TagConfig, ok bool) {
	if pattern == nil {
		return t, t.Ref == ref
	}
	m := pattern.FindStringSubmatch(ref)
	if m == nil {
		return t, false
	}
	t.Tag = placeholders.ReplaceAllStringFunc(t.Tag, func(p string) string {
		if p == "{sourceref}" {
			return tagText(ref)
		}
		return tagText(m[p[1]-'0'])
	})
	t.Ref = ref
	// What builds keep their cache under is not for whoever names branches.
	return t, isTag(t.Tag) && !isCacheTag(t.Tag)
}

var noTagText = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// tagText makes a part of a reference fit into a tag: feature/x becomes feature-x.
func tagText(s string) string { return noTagText.ReplaceAllString(s, "-") }
