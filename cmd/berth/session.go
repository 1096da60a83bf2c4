package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"berth/shared/client"
	"berth/shared/hub"

	"github.com/spf13/cobra"
)

// logins is what `berth login` keeps, in a file that only its user can read.
type logins struct {
	Current string           `json:"current"` // the hub of the last log-in
	Hubs    map[string]login `json:"hubs"`    // by address
}

// login is how one hub knows the user.
type login struct {
	Username string `json:"username"`
	Token    string `json:"token"`
	TokenID  string `json:"token_id,omitempty"` // "" = a token that was made elsewhere
	Docker   bool   `json:"docker,omitempty"`   // docker's configuration has it too
}

func loginsPath() (string, error) {
	dir := os.Getenv("BERTH_CONFIG")
	if dir == "" {
		config, err := os.UserConfigDir()
		if err != nil {
			return "", fmt.Errorf("%w; name a folder for log-ins in BERTH_CONFIG", err)
		}
		dir = filepath.Join(config, "berth")
	}
	return filepath.Join(dir, "logins.json"), nil
}

func readLogins() (l logins, err error) {
	path, err := loginsPath()
	if err != nil {
		return l, err
	}
	b, err := os.ReadFile(path)
	if err == nil {
		if err = json.Unmarshal(b, &l); err != nil {
			err = fmt.Errorf("%s is damaged (%w); delete it and log in again", path, err)
		}
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if l.Hubs == nil {
		l.Hubs = map[string]login{}
	}
	return l, err
}

func (l logins) write() error {
	path, err := loginsPath()
	if err != nil {
		return err
	}
	if err := makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return writeDurably(path, append(b, '\n'))
}

// tokenUser goes with an access token whose account is not known. No account has this
// name, and the hub does not look at it.
const tokenUser = "token"

// account is how a client's command reaches a hub, and how it answers.
type account struct {
	url, token string
	json       bool
}

// flags adds the account's flags to a command; the first two also come from the
// environment.
func (a *account) flags(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&a.url, "url", "", "address of the hub (default: the one of the last log-in)")
	c.Flags().StringVar(&a.token, "token", "", "access token to use instead of the log-in's")
	c.Flags().BoolVar(&a.json, "json", false, "answer in JSON, for scripts")
	return withEnv(c, "url", "token")
}

// hub is the hub of the command. host is the one that an image's name begins with,
// where it does.
func (a *account) hub(host string) (*client.Client, error) {
	known, err := readLogins()
	if err != nil {
		return nil, err
	}
	at := a.url
	if at == "" {
		at = known.named(host)
	}
	if at == "" {
		return nil, errors.New("you are not logged in to a hub; `berth login HUB -u NAME` does it, or give its address with --url")
	}
	u, err := client.ParseURL(at)
	if err != nil {
		return nil, wrongUse("%w", err)
	}
	if host != "" && host != u.Host {
		return nil, wrongUse("the image's name says %s, but --url %s", host, u)
	}
	c := &client.Client{URL: u}
	if a.token != "" {
		if !hub.IsAccessToken(a.token) {
			return nil, wrongUse("--token is no access token, which begins with %s; was it copied whole?", tokenPrefix)
		}
		c.Username, c.Secret = tokenUser, a.token
	} else if l, ok := known.Hubs[u.String()]; ok {
		c.Username, c.Secret = l.Username, l.Token
	}
	return c, nil
}

// named is the address of the hub with that host: one that is logged in to, or the
// host itself; "" is the hub of the last log-in.
func (l logins) named(host string) string {
	if host == "" {
		return l.Current
	}
	for at := range l.Hubs {
		if u, err := url.Parse(at); err == nil && u.Host == host {
			return at
		}
	}
	return host
}

// asked is the hub of the command, and the repository on it that an argument names.
func (a *account) asked(c *cobra.Command, name string) (*client.Client, client.Name, error) {
	h, err := a.hub("")
	if err != nil {
		return nil, client.Name{}, err
	}
	if name, err = ownName(c, h, name); err != nil {
		return nil, client.Name{}, err
	}
	n, err := client.ParseName(name)
	if err != nil {
		return nil, n, wrongUse("%w", err)
	}
	return h, n, nil
}

// namespace is the one that is given, or else the account's own.
func (a *account) namespace(c *cobra.Command, given string) (*client.Client, string, error) {
	h, err := a.hub("")
	if err != nil || given != "" {
		return h, given, err
	}
	p, err := h.Profile(c.Context())
	return h, p.Of.Namespace, err
}

// ownName is a name with the account's own namespace where it has none.
func ownName(c *cobra.Command, h *client.Client, name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	p, err := h.Profile(c.Context())
	return p.Of.Namespace + "/" + name, err
}
