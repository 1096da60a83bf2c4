// Package web is what Berth's HTTP surfaces have in common: the form of a route,
// who may call it, credentials, bodies, pages and the three envelopes of errors.
package web

import (
	"net/http"
	"slices"
	"strings"

	"berth/shared/hub"
	"berth/shared/store"
)

// Surface is one of the interfaces of the hub; it decides what errors look like.
type Surface uint8

const (
	HubAPI   Surface = iota // /v1
	Manage                  // /v2/manage
	Registry                // /v2
	Operator                // /healthz and the like
)

// Rule says who may call a route. [serve] holds every call against it before
// the handler runs, so that no handler can forget to.
type Rule uint8

const (
	_ Rule = iota // a route without a rule is a fault, and a test finds it

	// Open routes take anybody, known or not. The handler shows only what
	// Call.Caller may see.
	Open
	// SignedIn routes take whoever proves who they are.
	SignedIn
	// AsAccount routes change the account itself: they take its password, or a
	// personal token with all permissions (see [hub.Caller.Whole]).
	AsAccount
	// Administrators routes take administrators of the hub, with the same proof.
	Administrators
	// InNamespace rules judge the caller's role in {namespace}. Visible takes
	// anybody, if the namespace exists.
	VisibleNamespace
	NamespaceReader
	NamespaceWriter
	NamespaceOwner
	// In a repository: {namespace}/{repo}.
	RepositoryReader
	RepositoryKnown // RepositoryReader, for those who prove who they are
	RepositoryWriter
	RepositoryOwner
	// RepositoryPush is RepositoryWriter; a repository that does not exist yet may
	// be made by those who write to the namespace. Call.Grant.RepoID is "" then.
	RepositoryPush
	// RepositoryReaderOrNew is RepositoryReader; a repository that does not exist
	// yet is as an empty one to those who may make it. Call.Grant.RepoID is "" then.
	RepositoryReaderOrNew
	// BuildConfigReader takes who writes to {namespace}/{repo}, to read how it is built:
	// for others that does not exist.
	BuildConfigReader
	// Of a build: {build}. It is its namespace's members' to read, and its writers'
	// to end; for others it does not exist. Call.Build is it.
	BuildReader
	BuildWriter
	// Runner takes the access token that {build} runs with, and nobody else.
	Runner
)

// makes reports whether a repository that does not exist is no failure to those
// who may make it.
func (r Rule) makes() bool { return r == RepositoryPush || r == RepositoryReaderOrNew }

// need is the role a rule wants, and where.
func (r Rule) target() (in target, need hub.Role) {
	switch r {
	case VisibleNamespace:
		return namespace, hub.NoRole
	case NamespaceReader:
		return namespace, hub.Reader
	case NamespaceWriter:
		return namespace, hub.Writer
	case NamespaceOwner:
		return namespace, hub.Owner
	case RepositoryReader, RepositoryKnown, RepositoryReaderOrNew, BuildConfigReader:
		return repository, hub.Reader
	case RepositoryWriter, RepositoryPush:
		return repository, hub.Writer
	case RepositoryOwner:
		return repository, hub.Owner
	}
	return nowhere, hub.NoRole
}

// Anonymous reports whether the rule lets in callers who do not prove who they are,
// if only to what is public.
func (r Rule) Anonymous() bool {
	in, need := r.target()
	return r == Open || in == namespace && need == hub.NoRole || in == repository && need == hub.Reader && r != RepositoryKnown && r != BuildConfigReader
}

// String says whom the rule lets in.
func (r Rule) String() string {
	switch r {
	case Open:
		return "anybody"
	case SignedIn:
		return "whoever proves who they are"
	case AsAccount:
		return "an account, with its password or a personal token of all permissions"
	case Administrators:
		return "administrators of the hub"
	case VisibleNamespace:
		return "anybody, to see what they may of the namespace"
	case BuildConfigReader:
		return "writers of the repository"
	case BuildReader:
		return "readers of the build's namespace"
	case BuildWriter:
		return "writers of the build's namespace"
	case Runner:
		return "the build's own runner"
	case RepositoryKnown:
		return "readers of the repository who prove who they are"
	case RepositoryPush:
		return "writers of the repository, or of the namespace where it is not there yet"
	}
	in, need := r.target()
	if r == RepositoryReaderOrNew {
		return "readers of the repository, or writers of the namespace where it is not there yet"
	}
	if in == namespace {
		return need.String() + "s of the namespace"
	}
	return need.String() + "s of the repository"
}

type target uint8

const (
	nowhere target = iota
	namespace
	repository
)

// Needs is what a function uses on AWS. Of a route it leaves out what finding out
// who calls uses: see [Route.All].
type Needs struct {
	Read    []store.Table
	Write   []store.Table // implies reading
	LogIns  bool          // counts failed log-ins: puts items of the table repositories
	Layers  Rights
	Secrets bool    // seals or opens stored secrets
	Builds  bool    // starts, stops or looks at builds
	Sends   []Queue // hints that something waits there
	Console bool    // serves the console's files
}

// Queue is one of the queues that hold hints of work: whoever finds one looks at
// the records, which alone say what there is to do.
type Queue string

const (
	Webhooks Queue = "webhooks" // events and deliveries of the outbox
	Mail     Queue = "mail"     // mails of the outbox
	Pulls    Queue = "pulls"    // pulls of manifests that are to be counted
)

// Queues are all of them.
var Queues = []Queue{Webhooks, Mail, Pulls}

// Rights in the layers' bucket.
type Rights uint8

const (
	NoLayers Rights = iota
	ReadLayers
	WriteLayers
)

// Route is one operation: an entry of the one table that the mux mounts, the
// functions are named after, rights are derived from and the OpenAPI document is
// written from.
type Route struct {
	Name    string // the operation, in kebab case; the folder under functions/
	Surface Surface
	Method  string
	Pattern string // as net/http's, without method, host and trailing slash; see [Route.Base]
	Rule    Rule
	Needs   Needs
	Doc     Doc
	Handle  func(*Call) error

	// Unaudited routes change nothing that the audit log should tell, such as the
	// parts of an upload that only a manifest makes visible. Of the others, all but GET
	// and HEAD are in the log once they succeed.
	Unaudited bool

	// MaxBody is the most that the body may have, in bytes; 0 = [MaxBody].
	MaxBody int64

	// Items are records that the handler wants of the repository, read together with
	// the rights: Call.Grant.Items.
	Items func(repoID string, r *http.Request) []store.Key
}

// Base is the path without what it leaves open: a pattern that ends in {name...}
// fits the path before it too, there with "". "/" fits itself alone.
func (r *Route) Base() (path string, open bool) {
	i := strings.LastIndex(r.Pattern, "/{")
	if i < 0 || !strings.HasSuffix(r.Pattern, "...}") {
		return r.Pattern, false
	}
	return r.Pattern[:i], true
}

// patterns are net/http's for the paths that the route serves.
func (r *Route) patterns() []string {
	base, open := r.Base()
	switch {
	case open:
		return []string{r.Pattern, base}
	case base == "/":
		return []string{"/{$}"}
	}
	return []string{base}
}

// All is everything that the route's function uses, and so what it must be allowed
// to use: its Needs, and the table repositories, where tokens and accounts are read
// and failed log-ins are counted.
func (r *Route) All() Needs {
	n := r.Needs
	n.LogIns = true
	if !slices.Contains(n.Write, store.Repositories) && !slices.Contains(n.Read, store.Repositories) {
		n.Read = append(slices.Clone(n.Read), store.Repositories)
	}
	return n
}

// Doc describes an operation for the OpenAPI document.
type Doc struct {
	Summary  string
	About    string // what the summary leaves open; may be ""
	Query    []Param
	Body     any         // an example value or nil struct pointer of the request's JSON body; nil = none
	Required []string    // fields that the body must have
	Form     bool        // the body may also be multipart/form-data or url-encoded
	Optional bool        // there need be no body
	Answers  map[int]any // by status: an example value of the JSON answer; nil = no body
	// BytesIn and BytesOut: the body, and the body of good answers that have no
	// example, are bytes and not JSON.
	BytesIn, BytesOut bool
}

// Param is a query parameter.
type Param struct {
	Name, About string
	Type        string // "string", "integer" or "boolean"; "" = string
}
