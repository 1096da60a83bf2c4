package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"berth/shared/hub"
)

// remote is the hub that a build is claimed from. It implements [local.Hub].
type remote struct {
	base   *url.URL
	client *http.Client
	claim  string
	over   chan struct{} // closed when the hub wants nothing more of the build

	mu    sync.Mutex
	token string
	ended bool // the hub has the result
	once  sync.Once
}

func newRemote(address, claim string) (*remote, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("%s must be as https://hub.example.com, not %q", hub.HubVariable, address)
	}
	// The hub's address comes from its operator: no rule about addresses holds it back,
	// and no proxy stands before it.
	client := &http.Client{
		Timeout: time.Minute, Transport: &http.Transport{ResponseHeaderTimeout: 30 * time.Second},
		// The code that claims the build is for the hub's own address alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &remote{base: base, client: client, claim: claim, over: make(chan struct{})}, nil
}

// claimTime is how long a build is tried to be claimed.
const claimTime = 5 * time.Minute

// TakeJob claims the build, again and again while the hub does not answer: the code
// is good until something is reported.
func (r *remote) TakeJob(ctx context.Context, id string) (hub.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		var j hub.Job
		err := r.post(ctx, id, "claim", "", map[string]string{"claim": r.claim}, &j)
		if err == nil {
			r.mu.Lock()
			r.token = j.Token
			r.mu.Unlock()
			return j, nil
		}
		if hub.CodeOf(err) != "" || ctx.Err() != nil {
			return j, err
		}
		select {
		case <-ctx.Done():
			return j, err
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
	}
}

// BuildEvent reports. Once the hub refuses to be told, the build is over.
func (r *remote) BuildEvent(ctx context.Context, id string, e hub.BuildEvent) error {
	r.mu.Lock()
	token := r.token
	r.mu.Unlock()
	err := r.post(ctx, id, "events", token, e, nil)
	if err == nil && e.Result != nil {
		r.mu.Lock()
		r.ended = true
		r.mu.Unlock()
	}
	if hub.CodeOf(err) != "" {
		r.once.Do(func() { close(r.over) })
	}
	return err
}

// told reports whether the hub has the build's result, or wants none.
func (r *remote) told() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.over:
		return true
	default:
		return r.ended
	}
}

// post sends something to the hub. Its error is a *hub.Error where the hub refused
// it, and repeating it is of no use.
func (r *remote) post(ctx context.Context, id, what, token string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	at := r.base.JoinPath("v1", "builds", id, what).String()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode/100 == 2 && out != nil:
		return json.NewDecoder(res.Body).Decode(out)
	case res.StatusCode/100 == 2:
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	text := fmt.Sprintf("%s answers %s: %s", at, res.Status, strings.TrimSpace(string(said)))
	if res.StatusCode/100 == 4 && res.StatusCode != http.StatusRequestTimeout && res.StatusCode != http.StatusTooManyRequests {
		return hub.Fail(hub.Conflict, "%s", text)
	}
	return fmt.Errorf("%s", text)
}
