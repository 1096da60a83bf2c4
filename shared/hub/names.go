package hub

import (
	"regexp"
	"slices"
)

// The grammars of names. See the OCI Distribution Specification 1.1, "Pulling
// manifests", for repositories and tags.
const (
	NamespaceGrammar  = `^[a-z][a-z0-9]*(?:(?:__?|-+)[a-z0-9]+)*$`
	RepositoryGrammar = `^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$`
	TagGrammar        = `^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`
)

var (
	strictName = regexp.MustCompile(NamespaceGrammar)
	looseName  = regexp.MustCompile(RepositoryGrammar)
	reserved   = []string{"manage", "token", "manifests", "blobs", "referrers", "tags"}
)

const (
	maxNamespace  = 64
	maxRepository = 128
	maxTag        = 128
)

const strictRule = "begin with a lower-case letter, go on with lower-case letters, digits, _ , __ or -, and end in a letter or digit (an underscore never beside a hyphen)"

// CheckNamespace says whether a name can be a namespace (or an account, which has
// a namespace of its name): 1 to 64 characters, not reserved.
func CheckNamespace(name string) error {
	switch {
	case name == "":
		return Fail(BadNamespace, "namespace: a name is needed")
	case len(name) > maxNamespace:
		return Fail(BadNamespace, "namespace: a name has at most %d characters, this one has %d", maxNamespace, len(name))
	case slices.Contains(reserved, name):
		return Fail(BadNamespace, "namespace: %q is reserved; choose another name", name)
	case !simple(name) && !strictName.MatchString(name):
		return Fail(BadNamespace, "namespace: %q must %s", name, strictRule)
	}
	return nil
}

// CheckRepository says whether a name can be a repository's: one path component of
// the OCI grammar, 1 to 128 characters.
func CheckRepository(name string) error {
	return checkRepository(name, looseName, "be lower-case letters and digits, with single dots, one or two underscores or any number of hyphens between them")
}

// CheckManagedRepository is the narrower rule for repositories that the Manage API
// makes: as a namespace's, 1 to 128 characters.
func CheckManagedRepository(name string) error {
	return checkRepository(name, strictName, strictRule)
}

func checkRepository(name string, grammar *regexp.Regexp, rule string) error {
	switch {
	case name == "":
		return Fail(BadRepository, "repository: a name is needed")
	case len(name) > maxRepository:
		return Fail(BadRepository, "repository: a name has at most %d characters, this one has %d", maxRepository, len(name))
	case !simple(name) && !grammar.MatchString(name):
		return Fail(BadRepository, "repository: %q must %s", name, rule)
	}
	return nil
}

// simple reports whether a name has only letters, digits and hyphens, as most have:
// either grammar takes it then, and need not be run for each request.
func simple(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '-') {
			return false
		}
	}
	return name != "" && name[len(name)-1] != '-'
}

// isTag decides what TagGrammar decides.
func isTag(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
		case i > 0 && (c == '.' || c == '-'):
		default:
			return false
		}
	}
	return name != "" && len(name) <= maxTag
}

// CheckTag says whether a name can be a tag.
func CheckTag(name string) error {
	if !isTag(name) {
		return Fail(BadTag, "tag: %q must be 1 to 128 letters, digits, dots, underscores and hyphens, and not begin with a dot or hyphen", name)
	}
	return nil
}
