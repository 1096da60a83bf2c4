package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"

	"berth/shared/client"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// defaultHub is where `berth serve` listens if it is told nothing else.
const defaultHub = "http://127.0.0.1:8080"

// tokenPrefix is what every access token begins with.
const tokenPrefix = "brt_"

func loginCommand() *cobra.Command {
	a, username := &account{}, ""
	fromStdin, forDocker := false, false
	c := &cobra.Command{
		Use:     "login [HUB]",
		GroupID: clientGroup,
		Short:   "Log in to a hub",
		Long: `Log in to a hub, which is then the one that all commands use. The password is asked
for, or read from standard input; an access token (brt_...) does as well. Kept is an
access token that is named after this machine, never the password, in the
folder that BERTH_CONFIG names (default: berth in the user's configuration folder).

HUB is an address like https://hub.example.com or a host. Without one it is the hub
of the last log-in, or else ` + defaultHub + `.`,
		Example: `  berth login hub.example.com -u alice
  berth login -u alice --password-stdin --docker < password.txt`,
		Args: arguments(0, 1, "at most one hub"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.url = args[0]
			}
			return a.logIn(c, username, fromStdin, forDocker)
		},
	}
	c.Flags().StringVarP(&username, "username", "u", "", "the account's name; asked for where it is not given")
	c.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	c.Flags().BoolVar(&forDocker, "docker", false, "also let docker, podman, crane and skopeo use the log-in")
	c.Flags().StringVar(&a.url, "url", "", "address of the hub, where HUB is not given")
	c.Flags().BoolVar(&a.json, "json", false, "answer in JSON, for scripts")
	return withEnv(c, "url")
}

func (a *account) logIn(c *cobra.Command, username string, fromStdin, forDocker bool) error {
	known, err := readLogins()
	if err != nil {
		return err
	}
	at := a.url
	for _, other := range []string{known.Current, defaultHub} {
		if at == "" {
			at = other
		}
	}
	u, err := client.ParseURL(at)
	if err != nil {
		return wrongUse("%w", err)
	}
	username, secret, err := credentials(c, u.String(), username, fromStdin)
	if err != nil {
		return err
	}
	l, p, err := newLogin(c, &client.Client{URL: u, Username: username, Secret: secret})
	if err != nil {
		return err
	}
	old, had := known.Hubs[u.String()]
	if forDocker {
		if err := writeDockerLogin(u.Host, l.Username, l.Token); err != nil {
			return err
		}
		l.Docker = true
	}
	known.Current, known.Hubs[u.String()] = u.String(), l
	if err := known.write(); err != nil {
		return err
	}
	if had && old.TokenID != "" { // replaced; where the hub does not answer now, it stays until its owner revokes it
		(&client.Client{URL: u, Username: old.Username, Secret: old.Token}).DeleteToken(c.Context(), old.TokenID)
	}
	return a.answer(c, p, func(w io.Writer) {
		fmt.Fprintf(w, "Logged in to %s as %s\n", u, p.Of.Username)
	})
}

// newLogin makes an access token, or takes the one that was given as the password.
func newLogin(c *cobra.Command, h *client.Client) (l login, p client.Answer[client.Profile], err error) {
	refused := func(err error) error {
		if client.IsStatus(err, http.StatusUnauthorized) {
			return fmt.Errorf("%s does not let you in: %w", h.URL, errors.New(err.Error()))
		}
		return err
	}
	if strings.HasPrefix(h.Secret, tokenPrefix) {
		l.Token = h.Secret
	} else {
		machine, err := os.Hostname()
		if err != nil {
			machine = "an unknown machine"
		}
		t, err := h.CreateToken(c.Context(), map[string]any{"name": "berth on " + machine, "permissions": []string{"pull", "push", "admin"}})
		if err != nil {
			return l, p, refused(err)
		}
		l.Token, l.TokenID = t.Of.Token, t.Of.ID
	}
	h.Secret = l.Token
	if p, err = h.Profile(c.Context()); err != nil {
		return l, p, refused(err)
	}
	l.Username = p.Of.Username
	return l, p, nil
}

// credentials are the user name and password, asked for where they are not given.
func credentials(c *cobra.Command, hub, username string, fromStdin bool) (string, string, error) {
	if fromStdin {
		if username == "" {
			return "", "", wrongUse("--password-stdin needs the account's name too; give it with -u")
		}
		b, err := io.ReadAll(io.LimitReader(c.InOrStdin(), 4<<10))
		secret := strings.TrimRight(string(b), "\r\n")
		if err == nil && secret == "" {
			err = errors.New("standard input has no password")
		}
		return username, secret, err
	}
	if !isTerminal(os.Stdin) {
		return "", "", wrongUse("there is no terminal to ask for the password; pass it in with --password-stdin")
	}
	fmt.Fprintf(os.Stderr, "Log in to %s\n", hub)
	if username == "" {
		fmt.Fprint(os.Stderr, "Username: ")
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil {
			return "", "", err
		}
		username = strings.TrimSpace(line)
	}
	secret, err := askHidden("Password: ")
	return username, secret, err
}

// askHidden reads a line that is not shown. An interrupt ends the program, and leaves
// the terminal as it was.
func askHidden(prompt string) (string, error) {
	fd := int(os.Stdin.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		select {
		case <-interrupts:
			term.Restore(fd, state)
			fmt.Fprintln(os.Stderr)
			os.Exit(130)
		case <-answered:
		}
	}()
	fmt.Fprint(os.Stderr, prompt)
	b, err := term.ReadPassword(fd)
	fmt.Fprintln(os.Stderr)
	if err == nil && len(b) == 0 {
		err = errors.New("no password was given")
	}
	return string(b), err
}

func logoutCommand() *cobra.Command {
	forget := false
	a := &account{}
	c := &cobra.Command{
		Use:     "logout [HUB]",
		GroupID: clientGroup,
		Short:   "Log out of a hub, and revoke the token of the log-in",
		Args:    arguments(0, 1, "at most one hub"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.url = args[0]
			}
			return a.logOut(c, forget)
		},
	}
	c.Flags().BoolVar(&forget, "forget", false, "forget the log-in without asking the hub to revoke its token")
	c.Flags().StringVar(&a.url, "url", "", "address of the hub, where HUB is not given")
	return withEnv(c, "url")
}

func (a *account) logOut(c *cobra.Command, forget bool) error {
	h, err := a.hub("")
	if err != nil {
		return err
	}
	known, err := readLogins()
	if err != nil {
		return err
	}
	at := h.URL.String()
	l, ok := known.Hubs[at]
	if !ok {
		return fmt.Errorf("you are not logged in to %s", at)
	}
	if !forget && l.TokenID != "" {
		err := h.DeleteToken(c.Context(), l.TokenID)
		if err != nil && !client.IsStatus(err, http.StatusUnauthorized) && !client.IsStatus(err, http.StatusNotFound) {
			return fmt.Errorf("%w; --forget logs out here all the same", err)
		}
	}
	if l.Docker {
		if err := removeDockerLogin(h.URL.Host); err != nil {
			return err
		}
	}
	delete(known.Hubs, at)
	if known.Current == at {
		known.Current = ""
	}
	if err := known.write(); err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "Logged out of %s\n", at)
	return nil
}

func whoamiCommand() *cobra.Command {
	a := &account{}
	return a.flags(&cobra.Command{
		Use:     "whoami",
		GroupID: clientGroup,
		Short:   "Say which account the hub takes you for",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			h, err := a.hub("")
			if err != nil {
				return err
			}
			p, err := h.Profile(c.Context())
			if err != nil {
				return err
			}
			return a.answer(c, p, func(w io.Writer) {
				role := ""
				if p.Of.IsAdmin {
					role = ", an administrator"
				}
				fmt.Fprintf(w, "%s at %s%s\n", shown(p.Of.Username), h.URL, role)
			})
		},
	})
}
