package client

import (
	"context"
	"net/http"
	"net/url"
)

// Repository is a repository of the hub. Times are RFC 3339, nil = not yet.
type Repository struct {
	Path        string       `json:"repo_path"`
	Description string       `json:"description"`
	IsPublic    bool         `json:"is_public"`
	IsAutomated bool         `json:"is_automated"`
	Category    string       `json:"category"`
	CreatedBy   string       `json:"created_by"`
	CreatedAt   *string      `json:"created_at"`
	PushedAt    *string      `json:"pushed_at"`
	PulledAt    *string      `json:"pulled_at"`
	Upload      int64        `json:"upload"`
	Download    int64        `json:"download"`
	BuildConfig *BuildConfig `json:"build_config"`
}

// BuildConfig is how a repository is built from a Git repository.
type BuildConfig struct {
	Client        string      `json:"code_repo_client"`
	CodePath      string      `json:"code_repo_path"`
	PublicKey     string      `json:"code_repo_public_key"`
	DeployURL     *string     `json:"deploy_url"`
	WebhookURL    *string     `json:"code_repo_webhook_url"`
	WebhookSecret *string     `json:"code_repo_webhook_secret"`
	Email         bool        `json:"email_enabled"`
	Tags          []TagConfig `json:"tag_configs"`
}

// TagConfig is what makes one tag. Its fields are those of the hub API.
type TagConfig struct {
	ID         int64             `json:"id"`
	Tag        string            `json:"docker_repo_tag"`
	RefType    string            `json:"code_repo_type"`
	Ref        string            `json:"code_repo_type_value"`
	Context    string            `json:"build_context_path"`
	Dockerfile string            `json:"dockerfile_location"`
	Active     bool              `json:"is_active"`
	Cache      bool              `json:"build_cache_enabled"`
	Versions   int               `json:"version_tagging"`
	Args       map[string]string `json:"build_args"`
	Platforms  []string          `json:"platforms"`
	Secrets    []string          `json:"build_secrets"`
}

// Tag is a tag of a repository.
type Tag struct {
	Tag       string   `json:"tag"`
	Digest    string   `json:"digest"`
	Size      int64    `json:"size"`
	Platforms []string `json:"platforms"`
	PushedAt  *string  `json:"pushed_at"`
}

func repositoryPath(n Name) string {
	return "/v1/repositories/" + url.PathEscape(n.Namespace) + "/" + url.PathEscape(n.Repository)
}

// CreateRepository makes a repository with these fields of the hub API.
func (c *Client) CreateRepository(ctx context.Context, n Name, fields map[string]any) (r Answer[Repository], err error) {
	fields["repo_name"] = n.Repository
	err = c.Do(ctx, http.MethodPost, "/v1/repositories/"+url.PathEscape(n.Namespace), fields, &r)
	return r, err
}

// Repositories lists a namespace's, at most that many (0 = all). text, where given,
// is a part of the name or description.
func (c *Client) Repositories(ctx context.Context, namespace, text string, most int) ([]Answer[Repository], error) {
	q := url.Values{}
	if text != "" {
		q.Set("q", text)
	}
	return list[Repository](ctx, c, "/v1/repositories/"+url.PathEscape(namespace), q, most)
}

// Repository shows one.
func (c *Client) Repository(ctx context.Context, n Name) (r Answer[Repository], err error) {
	err = c.Do(ctx, http.MethodGet, repositoryPath(n), nil, &r)
	return r, err
}

// UpdateRepository changes the given fields of a repository.
func (c *Client) UpdateRepository(ctx context.Context, n Name, fields map[string]any) (r Answer[Repository], err error) {
	err = c.Do(ctx, http.MethodPut, repositoryPath(n), fields, &r)
	return r, err
}

// DeleteTag deletes a tag; other tags of its image stay.
func (c *Client) DeleteTag(ctx context.Context, n Name, tag string) error {
	return c.Do(ctx, http.MethodDelete, repositoryPath(n)+"/tags/"+url.PathEscape(tag), nil, nil)
}

// DeleteRepository deletes one with all that it holds.
func (c *Client) DeleteRepository(ctx context.Context, n Name) error {
	return c.Do(ctx, http.MethodDelete, repositoryPath(n), nil, nil)
}

// Tags are a repository's newest tags, at most 100.
func (c *Client) Tags(ctx context.Context, n Name) (tags []Tag, err error) {
	err = c.Do(ctx, http.MethodGet, repositoryPath(n)+"/tags?page=1&page_size=100", nil, &tags)
	return tags, err
}

// BuildConfig shows how a repository is built.
func (c *Client) BuildConfig(ctx context.Context, n Name) (b Answer[BuildConfig], err error) {
	err = c.Do(ctx, http.MethodGet, repositoryPath(n)+"/build-config", nil, &b)
	return b, err
}

// UpdateBuildConfig changes the given fields of how a repository is built.
func (c *Client) UpdateBuildConfig(ctx context.Context, n Name, fields map[string]any) (b Answer[BuildConfig], err error) {
	err = c.Do(ctx, http.MethodPut, repositoryPath(n)+"/build-config", fields, &b)
	return b, err
}
