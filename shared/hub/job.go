package hub

import (
	"context"
	"fmt"
	"time"

	"berth/shared/store"
)

// Job is all that a runner needs to run a build. It holds secrets: it travels in
// memory, over pipes and in the answer to a claim, and is never stored or logged.
type Job struct {
	BuildID    string            `json:"build_id"`
	Clones     []string          `json:"clones"` // addresses, in the order in which they are tried
	CodePath   string            `json:"code_path"`
	RefType    string            `json:"ref_type"` // RefBranch or RefTag
	Ref        string            `json:"ref"`
	Commit     string            `json:"commit,omitempty"` // full id; "" = the latest of Ref
	DeployKey  string            `json:"deploy_key"`       // PEM
	Context    string            `json:"context"`          // directory below the clone; "." is its root
	Dockerfile string            `json:"dockerfile"`       // likewise
	Cache      bool              `json:"cache"`
	Args       map[string]string `json:"args,omitempty"`
	Platforms  []string          `json:"platforms,omitempty"`
	Secrets    map[string]string `json:"secrets,omitempty"`
	Missing    []string          `json:"missing,omitempty"` // secrets that the namespace does not have: the build fails

	Registry   string   `json:"registry"`                // the hub's address: https://hub.example
	Repository string   `json:"repository"`              // namespace/repository
	Tag        string   `json:"tag"`                     // to be pushed
	Version    string   `json:"version"`                 // further tag of the same manifest; "" = none
	ByCommit   bool     `json:"by_commit"`               // the version is the commit's id
	Token      string   `json:"token"`                   // access token: pushes to Repository, reads its namespace
	Allowed    []string `json:"allowed_hosts,omitempty"` // see Options.AllowedHosts

	Builder      string `json:"builder,omitempty"`       // program that builds; "" = the first that the machine has
	BuilderImage string `json:"builder_image,omitempty"` // of BuildKit, for a Docker engine

	Time     time.Duration `json:"time"`
	LogBytes int64         `json:"log_bytes"`
	Memory   int64         `json:"memory"`
	Tasks    int           `json:"tasks"`
	Disk     int64         `json:"disk"`
}

// TakeJob makes the job of a build that runs, for its runner, with a fresh access
// token: an earlier one is good no more. Conflict where the build does not run.
func (h *Hub) TakeJob(ctx context.Context, id string) (Job, error) {
	return h.takeJob(ctx, id, func(Build) error { return nil })
}

func (h *Hub) takeJob(ctx context.Context, id string, check func(Build) error) (j Job, err error) {
	err = h.again(ctx, func() error {
		b, item, err := h.build(ctx, id)
		if err != nil {
			return err
		}
		if err := check(b); err != nil {
			return err
		}
		if b.Status != Running {
			return notRunning(b)
		}
		token, text := h.buildToken(b)
		if j, err = h.job(ctx, b, text); err != nil {
			return err
		}
		ops := append(b.endToken(), store.Create(tokenKey(token.ID), encode(token)).Until(token.Expires.Time))
		b.TokenID = token.ID
		return h.Records.Write(ctx, append(ops, b.ops(item.Version)...)...)
	})
	return j, err
}

func notRunning(b Build) error {
	return Fail(Conflict, "the build does not run: its status is %s", b.Status)
}

// endToken takes the build's access token away, if it has one.
func (b Build) endToken() []store.Op {
	if b.TokenID == "" {
		return nil
	}
	return []store.Op{store.Delete(tokenKey(b.TokenID))}
}

// job makes the job of a build that is about to run.
func (h *Hub) job(ctx context.Context, b Build, token string) (Job, error) {
	item, err := h.get(ctx, configKey(b.RepoID))
	if err != nil {
		return Job{}, err
	}
	config, err := found[BuildConfig](item)
	if err != nil {
		return Job{}, err
	}
	limits := h.limits()
	context, _ := insideDir(b.Tag.Context)
	dockerfile, _ := insideDir(b.Tag.Dockerfile)
	j := Job{
		BuildID: b.ID, Clones: b.Code.clones(), CodePath: b.Code.CodePath(),
		RefType: b.Tag.RefType, Ref: b.Tag.Ref, Commit: b.Commit, Context: context, Dockerfile: dockerfile,
		Cache: b.Tag.Cache, Args: b.Tag.Args, Platforms: b.Tag.Platforms,
		Registry: h.Options.PublicURL.String(), Repository: b.Path(), Tag: b.Tag.Tag,
		Version: b.VersionTag, ByCommit: b.Tag.Versions == 2, Token: token, Allowed: h.Options.AllowedHosts,
		Time: limits.Time, LogBytes: limits.LogBytes, Memory: limits.Memory, Tasks: limits.Tasks, Disk: limits.Disk,
	}
	if item.Found() {
		key, err := h.DeployKey(ctx, config)
		if err != nil {
			return j, err
		}
		j.DeployKey = string(key)
	}
	for _, name := range b.Tag.Secrets {
		value, err := h.SecretValue(ctx, Grant{Namespace: b.Namespace, NamespaceID: b.NamespaceID}, name)
		if is(err, NotFound) {
			j.Missing = append(j.Missing, name)
			continue
		}
		if err != nil {
			return j, err
		}
		if j.Secrets == nil {
			j.Secrets = make(map[string]string)
		}
		j.Secrets[name] = string(value)
	}
	return j, nil
}

// buildToken makes the access token that a build pushes with. It ends with the
// build, or a little after the longest that one may take.
func (h *Hub) buildToken(b Build) (AccessToken, string) {
	return h.mint(AccessToken{
		Name: "build " + b.ID, Account: b.Maker, Robot: true, Temporary: true, Namespace: b.Namespace, NamespaceID: b.NamespaceID,
		Permissions: []string{"push"}, Build: b.ID, BuildOf: b.Path(),
		Expires: At(h.Now().Add(h.limits().Time + 10*time.Minute)),
	})
}

// BuildEvent is what a runner tells of a build.
type BuildEvent struct {
	Step   int          `json:"step,omitempty"`
	Commit string       `json:"commit,omitempty"` // that the reference was resolved to
	Lines  []LogLine    `json:"lines,omitempty"`
	Result *BuildResult `json:"result,omitempty"` // ends the build
}

// BuildEvent takes what a runner tells of a build. What comes for a build that does
// not run changes nothing: Conflict where that is lines of its log.
func (h *Hub) BuildEvent(ctx context.Context, id string, e BuildEvent) error {
	if _, err := h.appendLog(ctx, id, e.Lines); err == errLogFull {
		return h.EndBuild(ctx, id, h.logTooLong())
	} else if err != nil {
		return err
	}
	if e.Step != 0 || e.Commit != "" {
		err := h.again(ctx, func() error {
			b, item, err := h.build(ctx, id)
			if err != nil || b.Status != Running {
				return err
			}
			b.advance(e)
			return h.Records.Write(ctx, b.ops(item.Version)...)
		})
		if err != nil {
			return err
		}
	}
	if e.Result == nil {
		return nil
	}
	return h.EndBuild(ctx, id, *e.Result)
}

// logTooLong is the end of a build whose runner does not hold itself to the limit.
func (h *Hub) logTooLong() BuildResult {
	return BuildResult{Status: Failed, Detail: LogTooLong(h.limits().LogBytes) + "\n"}
}

// LogTooLong says why a build ends whose log has more bytes than it may.
func LogTooLong(most int64) string {
	return fmt.Sprintf("the log is longer than %d bytes, which is the most", most)
}

// advance notes how far an event says that the build has come.
func (b *Build) advance(e BuildEvent) {
	if e.Step != 0 {
		b.Step = e.Step
	}
	if e.Commit != "" {
		b.Commit = e.Commit
		if b.Tag.Versions == 2 {
			b.VersionTag = e.Commit
		}
	}
}

// buildEnded are the operations that ride in the Write that ends a build: what its
// webhooks and whoever asked for it are told. by is the account that ended it; ""
// where it ended by itself.
func (h *Hub) buildEnded(ctx context.Context, b Build, by string) ([]store.Op, error) {
	hooks, err := h.get(ctx, hooksKey(b.NamespaceID))
	if err != nil {
		return nil, err
	}
	ops, err := h.happened(hooks, b.NamespaceID, EventBuild, BuildCompleteEvent{
		Event: EventBuild, Namespace: b.Namespace, RepoName: b.Repository, RepoPath: b.Path(),
		BuildID: b.ID, Status: b.Status, Tag: b.Tag.Tag, VersionTag: b.VersionTag, Commit: b.Commit,
		Digest: b.Digest, ImageID: b.ImageID, Detail: b.Detail, AutoCreated: b.Auto, CreatedBy: b.CreatedBy,
		StartedAt: b.StartedAt, EndedAt: b.EndedAt, OccurredAt: h.now(),
	})
	if h.Options.Mail && b.Email && by != b.Maker {
		ops = append(ops, mailOf(b))
	}
	return ops, err
}

// BuildCompleteEvent is the body of the event build:complete.
type BuildCompleteEvent struct {
	Event       string `json:"event"`
	Namespace   string `json:"namespace"`
	RepoName    string `json:"repo_name"`
	RepoPath    string `json:"repo_path"`
	BuildID     string `json:"build_id"`
	Status      Status `json:"status"`
	Tag         string `json:"tag"`
	VersionTag  string `json:"version_tag"`
	Commit      string `json:"commit"`
	Digest      string `json:"digest"`
	ImageID     string `json:"image_id"`
	Detail      string `json:"detail"`
	AutoCreated bool   `json:"auto_created"`
	CreatedBy   string `json:"created_by"`
	StartedAt   Time   `json:"started_at"`
	EndedAt     Time   `json:"ended_at"`
	OccurredAt  Time   `json:"occurred_at"`
}
