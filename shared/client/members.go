package client

import (
	"context"
	"net/http"
	"net/url"
)

// AccessToken is an access token without its secret.
type AccessToken struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Namespace    *string  `json:"namespace"` // of a robot; nil = personal
	Permissions  []string `json:"permissions"`
	Repositories []string `json:"repositories"` // empty = all
	CreatedBy    string   `json:"created_by"`
	CreatedAt    *string  `json:"created_at"`
	ExpiresAt    *string  `json:"expires_at"`
}

// Tokens lists the caller's own access tokens, or a namespace's robots'.
func (c *Client) Tokens(ctx context.Context, namespace string) ([]Answer[AccessToken], error) {
	q := url.Values{}
	if namespace != "" {
		q.Set("namespace", namespace)
	}
	return list[AccessToken](ctx, c, "/v1/tokens", q, 0)
}

// Secret is a build secret without its value.
type Secret struct {
	Name      string  `json:"name"`
	UpdatedAt *string `json:"updated_at"`
}

func secretsPath(namespace string) string {
	return "/v1/namespaces/" + url.PathEscape(namespace) + "/secrets"
}

// PutSecret makes or replaces a build secret.
func (c *Client) PutSecret(ctx context.Context, namespace, name, value string) (s Answer[Secret], err error) {
	err = c.Do(ctx, http.MethodPut, secretsPath(namespace)+"/"+url.PathEscape(name), map[string]string{"value": value}, &s)
	return s, err
}

// Secrets lists a namespace's.
func (c *Client) Secrets(ctx context.Context, namespace string) ([]Answer[Secret], error) {
	return list[Secret](ctx, c, secretsPath(namespace), url.Values{}, 0)
}

// DeleteSecret deletes a build secret.
func (c *Client) DeleteSecret(ctx context.Context, namespace, name string) error {
	return c.Do(ctx, http.MethodDelete, secretsPath(namespace)+"/"+url.PathEscape(name), nil, nil)
}

// Org is an organisation.
type Org struct {
	Name    string `json:"name"`
	Company string `json:"company"`
	Role    string `json:"role"` // the caller's
}

// Member is a member of an organisation.
type Member struct {
	Username string  `json:"username"`
	Role     string  `json:"role"`
	Since    *string `json:"since"`
}

// CreateOrg makes an organisation; company, its full name, may be "".
func (c *Client) CreateOrg(ctx context.Context, name, company string) (o Answer[Org], err error) {
	err = c.Do(ctx, http.MethodPost, "/v1/orgs", map[string]string{"name": name, "company": company}, &o)
	return o, err
}

// Orgs lists those that the caller is a member of.
func (c *Client) Orgs(ctx context.Context) ([]Answer[Org], error) {
	return list[Org](ctx, c, "/v1/orgs", url.Values{}, 0)
}

// DeleteOrg deletes an organisation that has no repositories.
func (c *Client) DeleteOrg(ctx context.Context, name string) error {
	return c.Do(ctx, http.MethodDelete, "/v1/orgs/"+url.PathEscape(name), nil, nil)
}

func membersPath(org string) string { return "/v1/orgs/" + url.PathEscape(org) + "/members" }

// Members lists an organisation's.
func (c *Client) Members(ctx context.Context, org string) ([]Answer[Member], error) {
	return list[Member](ctx, c, membersPath(org), url.Values{}, 0)
}

// SetMember gives an account a role in an organisation, whether or not it has one.
func (c *Client) SetMember(ctx context.Context, org, username, role string) (m Answer[Member], err error) {
	err = c.Do(ctx, http.MethodPost, membersPath(org), map[string]string{"username": username, "role": role}, &m)
	if IsStatus(err, http.StatusConflict) {
		err = c.Do(ctx, http.MethodPut, membersPath(org)+"/"+url.PathEscape(username), map[string]string{"role": role}, &m)
	}
	return m, err
}

// RemoveMember takes an account's role in an organisation away.
func (c *Client) RemoveMember(ctx context.Context, org, username string) error {
	return c.Do(ctx, http.MethodDelete, membersPath(org)+"/"+url.PathEscape(username), nil, nil)
}

// Account is an account as administrators see it.
type Account struct {
	Username  string  `json:"username"`
	Email     string  `json:"email"`
	RealName  string  `json:"realname"`
	IsAdmin   bool    `json:"is_admin"`
	IsLocked  bool    `json:"is_locked"`
	CreatedAt *string `json:"created_at"`
}

// CreateAccount makes an account with these fields of the hub API.
func (c *Client) CreateAccount(ctx context.Context, fields map[string]any) (a Answer[Account], err error) {
	err = c.Do(ctx, http.MethodPost, "/v1/auth/register", fields, &a)
	return a, err
}

// Accounts lists all of the hub's.
func (c *Client) Accounts(ctx context.Context) ([]Answer[Account], error) {
	return list[Account](ctx, c, "/v1/admin/accounts", url.Values{}, 0)
}

// UpdateAccount changes the given fields of an account.
func (c *Client) UpdateAccount(ctx context.Context, name string, fields map[string]any) (a Answer[Account], err error) {
	err = c.Do(ctx, http.MethodPut, "/v1/admin/accounts/"+url.PathEscape(name), fields, &a)
	return a, err
}
