package hubapi

import (
	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

// repository is how the hub API shows a repository. Its dates bear each of the
// three names that clients of this API know them by.
type repository struct {
	Namespace        string   `json:"namespace"`
	RepoName         string   `json:"repo_name"`
	RepoPath         string   `json:"repo_path" about:"the repository's name on the registry"`
	Description      string   `json:"description"`
	FullDescription  string   `json:"full_description"`
	IsPublic         bool     `json:"is_public"`
	IsAutomated      bool     `json:"is_automated" about:"it has a build configuration"`
	Category         string   `json:"category"`
	ImmutableTags    bool     `json:"immutable_tags"`
	Logo             string   `json:"logo" about:"https address of a picture, or default-icon.jpg for none"`
	LogoFile         string   `json:"logo_file" about:"where the logo is: an address, or a path of the hub"`
	CreatedBy        string   `json:"created_by"`
	CreationTime     hub.Time `json:"creation_time"`
	CreationAt       hub.Time `json:"creation_at"`
	CreatedAt        hub.Time `json:"created_at"`
	UpdatedTime      hub.Time `json:"updated_time"`
	UpdatedAt        hub.Time `json:"updated_at" about:"when the repository's own fields were changed; pushes do not move it"`
	Download         int64    `json:"download" about:"manifests given to clients; may lag a minute"`
	Upload           int64    `json:"upload" about:"manifests pushed"`
	PulledAt         hub.Time `json:"pulled_at"`
	PushedAt         hub.Time `json:"pushed_at"`
	RepoStarredCount int64    `json:"repo_starred_count"`
	IsRepoStarred    bool     `json:"is_repo_starred" about:"by the caller"`
	// BuildConfig is null where there is none, and for who may not see it.
	BuildConfig *buildConfig `json:"build_config"`
}

const defaultLogoFile = "/static/images/user/default-logo.png"

func show(v hub.RepositoryView) repository {
	r := repository{
		Namespace: v.Namespace, RepoName: v.Name, RepoPath: v.Path(),
		Description: v.Description, FullDescription: v.Readme,
		IsPublic: v.Public, IsAutomated: v.Automated, Category: v.Category, ImmutableTags: v.ImmutableTags,
		Logo: v.Logo, LogoFile: v.Logo, CreatedBy: v.CreatedBy,
		CreationTime: v.CreatedAt, CreationAt: v.CreatedAt, CreatedAt: v.CreatedAt,
		UpdatedTime: v.UpdatedAt, UpdatedAt: v.UpdatedAt,
		Download: v.Stats.Downloads, Upload: v.Stats.Uploads, PulledAt: v.Stats.PulledAt, PushedAt: v.Stats.PushedAt,
		RepoStarredCount: v.Stats.Stars, IsRepoStarred: v.Starred,
	}
	if r.Logo == "" {
		r.Logo, r.LogoFile = hub.DefaultLogo, defaultLogoFile
	}
	if r.Category == "" {
		r.Category = hub.DefaultCategory
	}
	return r
}

// repositoryFields are what a client may set of a repository.
type repositoryFields struct {
	Description     *string `json:"description" about:"at most 100 characters"`
	FullDescription *string `json:"full_description" about:"Markdown, at most 64 KiB"`
	IsPublic        *bool   `json:"is_public" about:"false if not given; changed by owners"`
	Category        *string `json:"category" about:"app_server, linux, framework_app, database, lang, other (if not given), windows or arms"`
	ImmutableTags   *bool   `json:"immutable_tags" about:"tags cannot be moved or deleted; changed by owners"`
	Logo            *string `json:"logo" about:"https address of a picture, at most 255 bytes, or default-icon.jpg for none"`
}

func (f repositoryFields) change() hub.RepositoryChange {
	return hub.RepositoryChange{
		Description: f.Description, Readme: f.FullDescription, Category: f.Category, Logo: f.Logo,
		Public: f.IsPublic, ImmutableTags: f.ImmutableTags,
	}
}

// newRepository is the body of repository-create.
type newRepository struct {
	RepoName  string  `json:"repo_name" about:"at most 128 characters"`
	Namespace *string `json:"namespace" about:"the namespace of the path, if given"`
	repositoryFields
	BuildConfig *newBuildConfig `json:"build_config"`
}

func repositoryRoutes() []web.Route {
	read := web.Needs{Read: []store.Table{store.Repositories}}
	// A build configuration shows its webhook's secret to writers.
	shows := web.Needs{Read: []store.Table{store.Repositories, store.Builds}, Secrets: true}
	changes := web.Needs{Write: []store.Table{store.Repositories}, Read: []store.Table{store.Builds}, Secrets: true}
	makes := web.Needs{Write: []store.Table{store.Repositories, store.Builds}, Secrets: true}
	stars := web.Needs{Write: []store.Table{store.Repositories}}
	sweeps := web.Needs{Write: []store.Table{store.Repositories, store.Tags}} // the note for the sweep
	return []web.Route{
		{
			Name: "repository-create", Method: "POST", Pattern: "/v1/repositories/{namespace}", Rule: web.NamespaceWriter, Needs: makes,
			Doc: web.Doc{
				Summary: "Create a repository",
				About:   "Whoever writes to the namespace may make public ones too.",
				Body:    newRepository{}, Required: []string{"repo_name"},
				Answers: map[int]any{201: repository{}},
			},
			Handle: createRepository,
		},
		{
			Name: "repository-list", Method: "GET", Pattern: "/v1/repositories/{namespace}", Rule: web.VisibleNamespace, Needs: read,
			Doc: web.Doc{
				Summary: "List a namespace's repositories by name, as far as the caller may see them",
				Query: append([]web.Param{
					{Name: "q", About: "part of the name or description, in any case"},
					{Name: "is_public", About: "only public, or only private ones", Type: "boolean"},
					{Name: "is_automated", About: "only those with, or without, a build configuration", Type: "boolean"},
				}, web.PageParams...),
				Answers: map[int]any{200: web.Page[repository]{}},
			},
			Handle: listRepositories,
		},
		{
			Name: "repository-get", Method: "GET", Pattern: "/v1/repositories/{namespace}/{repo}", Rule: web.RepositoryReader, Needs: shows,
			Doc:    web.Doc{Summary: "Show a repository", Answers: map[int]any{200: repository{}}},
			Handle: getRepository,
		},
		{
			Name: "repository-update", Method: "PUT", Pattern: "/v1/repositories/{namespace}/{repo}", Rule: web.RepositoryWriter, Needs: changes,
			Doc: web.Doc{
				Summary: "Change a repository; is_public and immutable_tags want an owner",
				Body:    repositoryFields{},
				Answers: map[int]any{200: repository{}},
			},
			Handle: updateRepository,
		},
		{
			Name: "repository-delete", Method: "DELETE", Pattern: "/v1/repositories/{namespace}/{repo}", Rule: web.RepositoryOwner, Needs: sweeps,
			Doc:    web.Doc{Summary: "Delete a repository with all that it holds", Answers: map[int]any{204: nil}},
			Handle: deleteRepository,
		},
		{
			Name: "repository-star", Method: "PUT", Pattern: "/v1/repositories/{namespace}/{repo}/star", Rule: web.RepositoryKnown, Needs: stars,
			Doc:    web.Doc{Summary: "Star a repository", Answers: map[int]any{204: nil}},
			Handle: func(c *web.Call) error { return star(c, true) },
		},
		{
			Name: "repository-unstar", Method: "DELETE", Pattern: "/v1/repositories/{namespace}/{repo}/star", Rule: web.RepositoryKnown, Needs: stars,
			Doc:    web.Doc{Summary: "Take a star back", Answers: map[int]any{204: nil}},
			Handle: func(c *web.Call) error { return star(c, false) },
		},
	}
}

func createRepository(c *web.Call) error {
	var in newRepository
	if err := c.Decode(&in); err != nil {
		return err
	}
	if err := in.check(c.Grant.Namespace); err != nil {
		return err
	}
	r := hub.Repository{Name: in.RepoName, Category: hub.DefaultCategory}
	if in.BuildConfig != nil {
		return createAutomated(c, in, in.change().On(r))
	}
	r, err := c.Hub.CreateRepository(c.Context(), c.Grant, in.change().On(r), text(in.FullDescription))
	if err != nil {
		return err
	}
	return c.JSON(201, show(hub.RepositoryView{Repository: r, Readme: text(in.FullDescription)}))
}

func (in newRepository) check(namespace string) error {
	if err := hub.Named("repo_name", hub.CheckRepository(in.RepoName)); err != nil {
		return err
	}
	if in.Namespace != nil && *in.Namespace != namespace {
		return hub.FailField("namespace", "%q is not the namespace of the path, %s", *in.Namespace, namespace)
	}
	return in.change().Check()
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func listRepositories(c *web.Call) error {
	p, err := c.PageQuery()
	if err != nil {
		return err
	}
	f := hub.RepositoryFilter{Text: c.URLQuery().Get("q")}
	if f.Public, err = c.Bool("is_public"); err != nil {
		return err
	}
	if f.Automated, err = c.Bool("is_automated"); err != nil {
		return err
	}
	list, err := c.Hub.ListRepositories(c.Context(), c.Grant, f, hub.Window{Size: p.Size, Skip: p.Skip(), After: p.Cursor})
	if err != nil {
		return err
	}
	results := make([]repository, len(list.Repositories))
	readmes := 0
	for i, v := range list.Repositories {
		results[i] = show(v)
		readmes += len(v.Readme)
	}
	if readmes > 64<<10 { // no page without long descriptions comes near the limit
		if n := web.Fit(results); n < len(results) {
			results, list.Next = results[:n], results[n-1].RepoName
		}
	}
	return web.Paged(c, p, list.Count, results, list.Next)
}

func getRepository(c *web.Call) error {
	v, err := c.Hub.ViewRepository(c.Context(), c.Grant)
	if err != nil {
		return err
	}
	return answerRepository(c, v)
}

// answerRepository shows a repository, to its writers with how it is built.
func answerRepository(c *web.Call, v hub.RepositoryView) error {
	shown := show(v)
	if v.Automated && c.Grant.Member >= hub.Writer {
		b, err := c.Hub.BuildConfig(c.Context(), c.Grant)
		if err != nil {
			return err
		}
		if shown.BuildConfig, err = showConfig(c, v.Path(), b); err != nil {
			return err
		}
	}
	return c.JSON(200, shown)
}

func updateRepository(c *web.Call) error {
	var in repositoryFields
	if err := c.Decode(&in); err != nil {
		return err
	}
	v, err := c.Hub.UpdateRepository(c.Context(), c.Grant, in.change())
	if err != nil {
		return err
	}
	return answerRepository(c, v)
}

func deleteRepository(c *web.Call) error {
	if err := c.Hub.DeleteRepository(c.Context(), c.Grant, false); err != nil {
		return err
	}
	return c.Empty(204)
}

func star(c *web.Call, on bool) error {
	if err := c.Hub.Star(c.Context(), c.Grant, on); err != nil {
		return err
	}
	return c.Empty(204)
}
