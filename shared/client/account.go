package client

import (
	"context"
	"net/http"
	"net/url"
)

// Token is an access token that was just made.
type Token struct {
	ID    string `json:"id"`
	Token string `json:"token"`
}

// CreateToken makes an access token with these fields of the hub API.
func (c *Client) CreateToken(ctx context.Context, fields map[string]any) (t Answer[Token], err error) {
	err = c.Do(ctx, http.MethodPost, "/v1/tokens", fields, &t)
	return t, err
}

// DeleteToken revokes an access token.
func (c *Client) DeleteToken(ctx context.Context, id string) error {
	return c.Do(ctx, http.MethodDelete, "/v1/tokens/"+url.PathEscape(id), nil, nil)
}

// Profile is who calls.
type Profile struct {
	Username  string `json:"username"`
	Namespace string `json:"namespace"`
	Email     string `json:"email"`
	IsAdmin   bool   `json:"is_admin"`
}

// Profile asks the hub who it takes the caller for.
func (c *Client) Profile(ctx context.Context) (p Answer[Profile], err error) {
	err = c.Do(ctx, http.MethodGet, "/v1/auth/profile", nil, &p)
	return p, err
}
