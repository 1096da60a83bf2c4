package hubapi

import (
	"encoding/json"
	"reflect"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

// buildConfig is how the hub API shows a build configuration, to those who may
// change it.
type buildConfig struct {
	ID                    int64       `json:"id"`
	DockerRepoPath        string      `json:"docker_repo_path"`
	CodeRepoClient        string      `json:"code_repo_client"`
	CodeRepoPath          string      `json:"code_repo_path"`
	CodeRepoPathURL       *string     `json:"code_repo_path_url"`
	CodeRepoHTTPURL       *string     `json:"code_repo_http_url"`
	CodeRepoCloneURL      *string     `json:"code_repo_clone_url"` // of the client Simple
	CodeRepoWebhookCode   *string     `json:"code_repo_webhook_code"`
	CodeRepoWebhookSecret *string     `json:"code_repo_webhook_secret"`
	CodeRepoWebhookURL    *string     `json:"code_repo_webhook_url"` // to be entered at the Git host
	CodeRepoPublicKey     string      `json:"code_repo_public_key"`
	CreatedBy             string      `json:"created_by"`
	BuildNode             string      `json:"build_node"`
	EmailEnabled          bool        `json:"email_enabled"`
	DeployURL             *string     `json:"deploy_url"`
	TagConfigs            []tagConfig `json:"tag_configs"`
}

// tagConfig is how the hub API shows a tag configuration.
type tagConfig struct {
	ID                  int64             `json:"id"`
	DockerBuildConfigID int64             `json:"docker_build_config_id"`
	DockerRepoTag       string            `json:"docker_repo_tag"`
	DockerfileLocation  string            `json:"dockerfile_location"`
	CodeRepoType        string            `json:"code_repo_type"`
	CodeRepoTypeValue   string            `json:"code_repo_type_value"`
	IsActive            bool              `json:"is_active"`
	VersionTagging      int               `json:"version_tagging"`
	BuildContextPath    string            `json:"build_context_path"`
	BuildCacheEnabled   bool              `json:"build_cache_enabled"`
	BuildArgs           map[string]string `json:"build_args"`
	Platforms           []string          `json:"platforms"`
	BuildSecrets        []string          `json:"build_secrets"`
}

// newBuildConfig is build_config in the body of repository-create.
type newBuildConfig struct {
	CodeRepoClient    string       `json:"code_repo_client" need:"required" about:"GitHub, GitLab, Bitbucket, OSChina (Gitee) or Simple, which is any clone address; GitCafe has closed"`
	CodeRepoNamespace string       `json:"code_repo_namespace" about:"whose code it is at the Git host; not with Simple"`
	CodeRepoName      string       `json:"code_repo_name" about:"not with Simple"`
	CodeRepoCloneURL  string       `json:"code_repo_clone_url" about:"for Simple: an https://, http:// or ssh:// address without a password"`
	BuildNode         *string      `json:"build_node" about:"in (if not given) or cn; kept and shown"`
	EmailEnabled      bool         `json:"email_enabled" about:"an e-mail at the end to whoever asked for the build"`
	TagConfigs        []tagChanges `json:"tag_configs" about:"one for each tag that is built"`
}

// tagChanges are what a client may set of a tag configuration; null leaves a part
// as it is, or as the default.
type tagChanges struct {
	ID                 *int64             `json:"id" about:"of the entry that is changed; without one it is a new one"`
	DockerRepoTag      *string            `json:"docker_repo_tag" about:"latest if not given"`
	DockerBuildTag     *string            `json:"docker_build_tag" about:"another name of docker_repo_tag"`
	DockerfileLocation *string            `json:"dockerfile_location" about:"its folder in the code; / if not given"`
	CodeRepoType       *string            `json:"code_repo_type" about:"branch (if not given) or tag"`
	CodeRepoTypeValue  *string            `json:"code_repo_type_value" about:"which branch or tag, master if not given; /…/ is a regular expression for pushes, and docker_repo_tag may then hold {sourceref} and {1}"`
	IsActive           *bool              `json:"is_active" about:"build at each push, by the webhook"`
	VersionTagging     *int               `json:"version_tagging" about:"a second tag: 0 none, 1 by time, 2 by commit"`
	BuildContextPath   *string            `json:"build_context_path" about:"a folder in the code; / if not given"`
	BuildCacheEnabled  *bool              `json:"build_cache_enabled" about:"true if not given"`
	BuildArgs          *map[string]string `json:"build_args" about:"for ARG"`
	Platforms          *[]string          `json:"platforms" about:"such as linux/arm64"`
	BuildSecrets       *[]string          `json:"build_secrets" about:"names of the namespace's secrets, which RUN --mount=type=secret reads"`
}

// UnmarshalJSON refuses null, which package json takes for an object without fields.
func (n *tagChanges) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return &json.UnmarshalTypeError{Value: "null", Type: reflect.TypeFor[tagChanges]()}
	}
	type fields tagChanges
	return json.Unmarshal(b, (*fields)(n))
}

// on is a tag configuration with the changes.
func (n tagChanges) on(t hub.TagConfig) hub.TagConfig {
	if n.DockerRepoTag == nil {
		n.DockerRepoTag = n.DockerBuildTag
	}
	set(&t.Tag, n.DockerRepoTag)
	set(&t.Dockerfile, n.DockerfileLocation)
	set(&t.RefType, n.CodeRepoType)
	set(&t.Ref, n.CodeRepoTypeValue)
	set(&t.Active, n.IsActive)
	set(&t.Versions, n.VersionTagging)
	set(&t.Context, n.BuildContextPath)
	set(&t.Cache, n.BuildCacheEnabled)
	set(&t.Args, n.BuildArgs)
	set(&t.Platforms, n.Platforms)
	set(&t.Secrets, n.BuildSecrets)
	return t
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// buildConfigChange is the body of build-config-update.
type buildConfigChange struct {
	BuildNode    *string       `json:"build_node"`
	EmailEnabled *bool         `json:"email_enabled"`
	TagConfigs   *[]tagChanges `json:"tag_configs"` // the whole new list
}

func buildConfigRoutes() []web.Route {
	const pattern = "/v1/repositories/{namespace}/{repo}/build-config"
	tables := []store.Table{store.Repositories, store.Builds}
	return []web.Route{
		{
			Name: "build-config-get", Method: "GET", Pattern: pattern, Rule: web.BuildConfigReader,
			Needs:  web.Needs{Read: tables, Secrets: true},
			Doc:    web.Doc{Summary: "Show how a repository is built", Answers: map[int]any{200: buildConfig{}}},
			Handle: getBuildConfig,
		},
		{
			Name: "build-config-update", Method: "PUT", Pattern: pattern, Rule: web.RepositoryWriter,
			Needs: web.Needs{Write: tables, Secrets: true},
			Doc: web.Doc{
				Summary: "Change how a repository is built",
				About: "tag_configs, where given, is the whole new list: an entry with an id changes that one, one without is new, " +
					"one left out is deleted. Builds that were asked for before are not affected.",
				Body: buildConfigChange{}, Answers: map[int]any{200: buildConfig{}},
			},
			Handle: updateBuildConfig,
		},
	}
}

// showConfig shows a build configuration to a writer.
func showConfig(c *web.Call, path string, b hub.BuildConfig) (*buildConfig, error) {
	secret, err := c.Hub.HookSecret(c.Context(), b)
	if err != nil {
		return nil, err
	}
	v := &buildConfig{
		ID: b.ID, DockerRepoPath: path, CodeRepoClient: b.Client, CodeRepoPath: b.CodePath(),
		CodeRepoPathURL: known(b.CodeURL()), CodeRepoHTTPURL: known(b.CodeURL()), CodeRepoCloneURL: known(b.CloneURL),
		CodeRepoWebhookCode: known(b.HookCode), CodeRepoWebhookSecret: known(secret),
		CodeRepoPublicKey: b.PublicKey, CreatedBy: b.CreatedBy, BuildNode: b.Node, EmailEnabled: b.Email,
		DeployURL: known(b.DeployURL()), TagConfigs: []tagConfig{},
	}
	if b.HookCode != "" {
		v.CodeRepoWebhookURL = known(c.URL("/v1/hooks/code/"+b.HookCode, nil))
	}
	for _, t := range b.Tags {
		v.TagConfigs = append(v.TagConfigs, tagConfig{
			ID: t.ID, DockerBuildConfigID: b.ID, DockerRepoTag: t.Tag, DockerfileLocation: t.Dockerfile,
			CodeRepoType: t.RefType, CodeRepoTypeValue: t.Ref, IsActive: t.Active, VersionTagging: t.Versions,
			BuildContextPath: t.Context, BuildCacheEnabled: t.Cache,
			BuildArgs: orEmptyMap(t.Args), Platforms: orEmpty(t.Platforms), BuildSecrets: orEmpty(t.Secrets),
		})
	}
	return v, nil
}

// known is nil for a text that is not known.
func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func orEmptyMap(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// createAutomated is repository-create with a build configuration.
func createAutomated(c *web.Call, in newRepository, r hub.Repository) error {
	n := in.BuildConfig
	b := hub.BuildConfig{
		Client: n.CodeRepoClient, CodeNamespace: n.CodeRepoNamespace, CodeName: n.CodeRepoName, CloneURL: n.CodeRepoCloneURL,
		Node: "in", Email: n.EmailEnabled,
	}
	set(&b.Node, n.BuildNode)
	if b.Client == "" {
		return hub.FailField("build_config.code_repo_client", "is needed: GitHub, GitLab, Bitbucket, OSChina, GitCafe or Simple")
	}
	if b.Client != hub.Simple {
		b.CloneURL = ""
	} else {
		b.CodeNamespace, b.CodeName = "", ""
	}
	for _, t := range n.TagConfigs {
		b.Tags = append(b.Tags, t.on(hub.DefaultTagConfig()))
	}
	r, b, err := c.Hub.CreateAutomated(c.Context(), c.Grant, r, text(in.FullDescription), b)
	if err != nil {
		return err
	}
	v := show(hub.RepositoryView{Repository: r, Readme: text(in.FullDescription)})
	if v.BuildConfig, err = showConfig(c, r.Path(), b); err != nil {
		return err
	}
	return c.JSON(201, v)
}

func getBuildConfig(c *web.Call) error {
	b, err := c.Hub.BuildConfig(c.Context(), c.Grant)
	if err != nil {
		return err
	}
	return answerConfig(c, b)
}

func answerConfig(c *web.Call, b hub.BuildConfig) error {
	v, err := showConfig(c, c.Grant.Path(), b)
	if err != nil {
		return err
	}
	return c.JSON(200, v)
}

func updateBuildConfig(c *web.Call) error {
	var in buildConfigChange
	if err := c.Decode(&in); err != nil {
		return err
	}
	change := hub.BuildConfigChange{Node: in.BuildNode, Email: in.EmailEnabled}
	if in.TagConfigs != nil {
		change.Tags = func(present []hub.TagConfig) ([]hub.TagConfig, error) { return changedTags(present, *in.TagConfigs) }
	}
	b, err := c.Hub.UpdateBuildConfig(c.Context(), c.Grant, change)
	if err != nil {
		return err
	}
	return answerConfig(c, b)
}

// changedTags applies the entries of a request to the present tag configurations.
func changedTags(present []hub.TagConfig, entries []tagChanges) (list []hub.TagConfig, err error) {
	for _, e := range entries {
		t := hub.DefaultTagConfig()
		if e.ID != nil {
			t = hub.TagConfig{}
			for _, p := range present {
				if p.ID == *e.ID {
					t = p
				}
			}
			if t.ID == 0 {
				return nil, hub.FailField("id", "%d is no tag configuration of this repository", *e.ID)
			}
		}
		list = append(list, e.on(t))
	}
	return list, nil
}
