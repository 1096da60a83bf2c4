package hubapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

// build is how the hub API shows a build.
type build struct {
	BuildID              string     `json:"build_id"`
	CreatedAt            hub.Time   `json:"created_at"`
	StartedAt            hub.Time   `json:"started_at"`
	EndedAt              hub.Time   `json:"ended_at"`
	CodeHeadCommit       *string    `json:"code_head_commit"`
	CodeRepoClient       string     `json:"code_repo_client"`
	CodeRepoPath         string     `json:"code_repo_path"`
	CodeRepoType         string     `json:"code_repo_type"`
	CodeRepoTypeValue    string     `json:"code_repo_type_value"`
	CreatedBy            string     `json:"created_by"`
	Detail               string     `json:"detail"`
	ImageID              *string    `json:"image_id"`
	Digest               *string    `json:"digest"`
	Namespace            string     `json:"namespace"`
	RepoName             string     `json:"repo_name"`
	DockerRepoPath       string     `json:"docker_repo_path"`
	DockerRepoTag        string     `json:"docker_repo_tag"`
	DockerRepoVersionTag *string    `json:"docker_repo_version_tag"`
	DockerfileLocation   string     `json:"dockerfile_location"`
	Status               hub.Status `json:"status"`
	AutoCreated          bool       `json:"auto_created"`
	StepAt               int        `json:"step_at"`
	BuildNode            string     `json:"build_node"`
	BuildContextPath     string     `json:"build_context_path"`
	BuildCacheEnabled    bool       `json:"build_cache_enabled"`
	CodeRepoHTTPURL      *string    `json:"code_repo_http_url"`
	CodeCommitHTTPURL    *string    `json:"code_commit_http_url"`
	CodeRepoBranchURL    *string    `json:"code_repo_branch_url"`
	IsRemovable          bool       `json:"is_removable"`
}

func showBuild(b hub.Build) build {
	return build{
		BuildID: b.ID, CreatedAt: b.CreatedAt, StartedAt: b.StartedAt, EndedAt: b.EndedAt, CodeHeadCommit: known(b.Commit),
		CodeRepoClient: b.Code.Client, CodeRepoPath: b.Code.CodePath(), CodeRepoType: b.Tag.RefType, CodeRepoTypeValue: b.Tag.Ref,
		CreatedBy: b.CreatedBy, Detail: b.Detail, ImageID: known(b.ImageID), Digest: known(b.Digest),
		Namespace: b.Namespace, RepoName: b.Repository, DockerRepoPath: b.Path(),
		DockerRepoTag: b.Tag.Tag, DockerRepoVersionTag: known(b.VersionTag), DockerfileLocation: b.Tag.Dockerfile,
		Status: b.Status, AutoCreated: b.Auto, StepAt: b.Step, BuildNode: b.Code.Node,
		BuildContextPath: b.Tag.Context, BuildCacheEnabled: b.Tag.Cache,
		CodeRepoHTTPURL: known(b.Code.CodeURL()), CodeCommitHTTPURL: known(b.Code.CommitURL(b.Commit)),
		CodeRepoBranchURL: known(b.Code.BranchURL(b.Tag.Ref)), IsRemovable: !b.Status.Over(),
	}
}

// newBuild is the body of build-create.
type newBuild struct {
	Namespace    string  `json:"namespace"`
	RepoName     string  `json:"repo_name"`
	Tag          string  `json:"tag"`
	CodeCommitID *string `json:"code_commit_id"`
}

// logLine is how the hub API shows a line of a log.
type logLine struct {
	Seq       int64  `json:"seq"`
	Message   string `json:"message"`
	Level     string `json:"level"`
	Time      int64  `json:"time"`
	Continued bool   `json:"continued"`
}

func buildRoutes() []web.Route {
	tables := []store.Table{store.Repositories, store.Builds}
	// A build that cannot be started ends, and its end is told.
	queues := web.Needs{Write: tables, Builds: true, Sends: []web.Queue{web.Webhooks, web.Mail}}
	creates := queues
	creates.Read = []store.Table{store.Tags} // for version tags that are taken
	const one = "/v1/builds/{build}"
	return []web.Route{
		{
			Name: "build-create", Method: "POST", Pattern: "/v1/builds", Rule: web.SignedIn, Needs: creates,
			Doc: web.Doc{
				Summary:  "Build one tag of a build repository; wants a writer",
				Required: []string{"namespace", "repo_name", "tag"}, Body: newBuild{}, Answers: map[int]any{201: build{}},
			},
			Handle: createBuild,
		},
		{
			Name: "build-list", Method: "GET", Pattern: "/v1/builds", Rule: web.Open, Needs: web.Needs{Read: tables},
			Doc: web.Doc{
				Summary: "List builds, newest first: a namespace's, a repository's, or those that the caller asked for",
				About: "Of the caller's own those are left out that they may read no more. A page may then be shorter, and count is exact " +
					"where all is on one page.",
				Query: append([]web.Param{
					{Name: "namespace", About: "whose builds; without it the caller's own"},
					{Name: "repo_name", About: "only those of this repository of the namespace"},
					{Name: "status", About: "only those in this state: W, I, S, F or D"},
					{Name: "tag", About: "only those of this tag"},
				}, web.PageParams...),
				Answers: map[int]any{200: web.Page[build]{}},
			},
			Handle: listBuilds,
		},
		{
			Name: "build-get", Method: "GET", Pattern: one, Rule: web.BuildReader, Needs: web.Needs{Read: tables},
			Doc:    web.Doc{Summary: "Show a build", Answers: map[int]any{200: build{}}},
			Handle: func(c *web.Call) error { return c.JSON(200, showBuild(c.Build)) },
		},
		{
			Name: "build-log", Method: "GET", Pattern: one + "/logs", Rule: web.BuildReader, Needs: web.Needs{Read: tables},
			Doc: web.Doc{
				Summary: "Read a build's log, oldest line first",
				About:   "Up to 10,000 lines or 4 MiB; Link then leads to the next piece. A client follows a running build with after.",
				Query: []web.Param{
					{Name: "start_time", About: "Unix seconds: no line before this", Type: "integer"},
					{Name: "end_time", About: "Unix seconds: no line after this", Type: "integer"},
					{Name: "after", About: "only lines that follow the one with this seq", Type: "integer"},
				},
				Answers: map[int]any{200: []logLine{}},
			},
			Handle: readLog,
		},
		{
			Name: "build-delete", Method: "DELETE", Pattern: one, Rule: web.BuildWriter, Needs: queues,
			Doc:    web.Doc{Summary: "End a build that waits or runs", Answers: map[int]any{204: nil}},
			Handle: deleteBuild,
		},
	}
}

func createBuild(c *web.Call) error {
	var in newBuild
	if err := c.Decode(&in); err != nil {
		return err
	}
	g, err := builtRepository(c, in.Namespace, in.RepoName, hub.Writer)
	if err != nil {
		return err
	}
	b, err := c.Hub.CreateBuild(c.Context(), g, hub.NewBuild{Tag: in.Tag, Commit: text(in.CodeCommitID)})
	if err != nil {
		return err
	}
	dispatch(c)
	return c.JSON(201, showBuild(b))
}

// dispatch starts what may start. Where it fails, builds wait all the same.
func dispatch(c *web.Call) {
	if err := c.Hub.Dispatch(c.Context()); err != nil {
		c.Hub.Log.WarnContext(c.Context(), "builds are not started at present", "err", err)
	}
}

// builtRepository is the grant for a repository that the request itself names, not
// its path.
func builtRepository(c *web.Call, namespace, name string, need hub.Role) (hub.Grant, error) {
	if err := hub.CheckNamespace(namespace); err != nil {
		return hub.Grant{}, err
	}
	if err := hub.Named("repo_name", hub.CheckRepository(name)); err != nil {
		return hub.Grant{}, err
	}
	return c.Hub.Authorize(c.Context(), c.Caller, hub.Target{Namespace: namespace, Repository: name, Need: need})
}

func listBuilds(c *web.Call) error {
	p, err := c.PageQuery()
	if err != nil {
		return err
	}
	q := c.URLQuery()
	f := hub.BuildFilter{Status: hub.Status(q.Get("status")), Tag: q.Get("tag")}
	switch f.Status {
	case "", hub.Waiting, hub.Running, hub.Succeeded, hub.Failed, hub.Deleted:
	default:
		return hub.FailField("status", "must be W, I, S, F or D, not %q", f.Status)
	}
	g, err := listedBuilds(c, q)
	if err != nil {
		return err
	}
	list, err := c.Hub.Builds(c.Context(), c.Caller, g, f, hub.Window{Size: p.Size, Skip: p.Skip(), After: p.Cursor})
	if err != nil {
		return err
	}
	builds := make([]build, len(list.Entries))
	for i, b := range list.Entries {
		builds[i] = showBuild(b)
	}
	return web.Paged(c, p, list.Count, builds, list.Next)
}

// listedBuilds is the grant for the builds that are asked for: a repository's, a
// namespace's, or none for the caller's own.
func listedBuilds(c *web.Call, q url.Values) (g hub.Grant, err error) {
	namespace, name := q.Get("namespace"), q.Get("repo_name")
	switch {
	case namespace == "" && !c.Caller.Known():
		return g, hub.Fail(hub.Unauthenticated, "log in to see the builds that you asked for")
	case namespace == "" && name == "":
		if t := c.Caller.Token; t != nil && len(t.Repositories) > 0 {
			err = hub.FailField("repo_name", "is needed, and namespace too: your token is for some repositories alone")
		}
		return g, err
	case namespace == "":
		if namespace = c.Caller.Account; namespace == "" {
			return g, hub.FailField("namespace", "is needed with repo_name")
		}
	}
	if name == "" {
		if err := hub.CheckNamespace(namespace); err != nil {
			return g, err
		}
		g, err = c.Hub.Authorize(c.Context(), c.Caller, hub.Target{Namespace: namespace})
		if err == nil && g.Role < hub.Reader {
			err = hub.Fail(hub.NamespaceNotFound, "there is no namespace %s whose builds you may read", namespace)
		}
		return g, err
	}
	g, err = builtRepository(c, namespace, name, hub.Reader)
	if err == nil && g.Member < hub.Reader {
		err = hub.Fail(hub.RepositoryNotFound, "there is no repository %s whose builds you may read", g.Path())
	}
	return g, err
}

// latest is the last second, and the last line, that a log can be asked for.
const latest = 1 << 53

func readLog(c *web.Call) error {
	end := int64(latest)
	query := hub.LogQuery{To: &end}
	for name, n := range map[string]*int64{"start_time": &query.From, "end_time": &end, "after": &query.After} {
		given, err := c.Number(name, 0, latest, int(*n))
		if err != nil {
			return err
		}
		*n = int64(given)
	}
	lines, more, err := c.Hub.BuildLog(c.Context(), c.Build.ID, query)
	if err != nil {
		return err
	}
	shown := make([]logLine, len(lines))
	for i, l := range lines {
		shown[i] = logLine{l.Seq, l.Message, l.Level, l.Time, l.Continued}
	}
	if n := web.Fit(shown); n < len(shown) {
		shown, more = shown[:n], true
	}
	if more {
		q := c.URLQuery()
		q.Set("after", strconv.FormatInt(shown[len(shown)-1].Seq, 10))
		c.W.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, c.URL(c.R.URL.Path, q)))
	}
	return c.JSON(http.StatusOK, shown)
}

func deleteBuild(c *web.Call) error {
	if err := c.Hub.CancelBuild(c.Context(), c.Caller, c.Build.ID); err != nil {
		return err
	}
	dispatch(c)
	return c.Empty(http.StatusNoContent)
}
