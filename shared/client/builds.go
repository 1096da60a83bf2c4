package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"berth/shared/hub"
)

// Build is a build of the hub. Times are RFC 3339, nil = not yet.
type Build struct {
	ID         string     `json:"build_id"`
	Path       string     `json:"docker_repo_path"`
	Tag        string     `json:"docker_repo_tag"`
	VersionTag *string    `json:"docker_repo_version_tag"`
	Status     hub.Status `json:"status"`
	Step       int        `json:"step_at"`
	Detail     string     `json:"detail"`
	Commit     *string    `json:"code_head_commit"`
	CodePath   string     `json:"code_repo_path"`
	RefType    string     `json:"code_repo_type"`
	Ref        string     `json:"code_repo_type_value"`
	ImageID    *string    `json:"image_id"`
	Digest     *string    `json:"digest"`
	Auto       bool       `json:"auto_created"`
	CreatedBy  string     `json:"created_by"`
	CreatedAt  *string    `json:"created_at"`
	StartedAt  *string    `json:"started_at"`
	EndedAt    *string    `json:"ended_at"`
}

// LogLine is a line of a build's log; Seq counts from 1.
type LogLine struct {
	Seq       int64  `json:"seq"`
	Level     string `json:"level"`
	Message   string `json:"message"`
	Time      int64  `json:"time"` // Unix seconds
	Continued bool   `json:"continued"`
}

// StartBuild asks for a build of a tag; commit "" = the latest.
func (c *Client) StartBuild(ctx context.Context, n Name, tag, commit string) (b Answer[Build], err error) {
	in := map[string]any{"namespace": n.Namespace, "repo_name": n.Repository, "tag": tag}
	if commit != "" {
		in["code_commit_id"] = commit
	}
	err = c.Do(ctx, http.MethodPost, "/v1/builds", in, &b)
	return b, err
}

// Build shows one.
func (c *Client) Build(ctx context.Context, id string) (b Answer[Build], err error) {
	err = c.Do(ctx, http.MethodGet, "/v1/builds/"+url.PathEscape(id), nil, &b)
	return b, err
}

// Builds lists builds, the newest first, at most that many (0 = all): those of a
// repository, of a namespace, or, with a zero name, the caller's own.
func (c *Client) Builds(ctx context.Context, n Name, status, tag string, most int) ([]Answer[Build], error) {
	q := url.Values{}
	for key, value := range map[string]string{"namespace": n.Namespace, "repo_name": n.Repository, "status": status, "tag": tag} {
		if value != "" {
			q.Set(key, value)
		}
	}
	return list[Build](ctx, c, "/v1/builds", q, most)
}

// CancelBuild ends a build that waits or runs.
func (c *Client) CancelBuild(ctx context.Context, id string) error {
	return c.Do(ctx, http.MethodDelete, "/v1/builds/"+url.PathEscape(id), nil, nil)
}

// logAfter is the next piece of a log.
func (c *Client) logAfter(ctx context.Context, id string, after int64) (lines []Answer[LogLine], err error) {
	err = c.Do(ctx, http.MethodGet, fmt.Sprintf("/v1/builds/%s/logs?after=%d", url.PathEscape(id), after), nil, &lines)
	return lines, err
}

// Log gives each line of the log that is there now.
func (c *Client) Log(ctx context.Context, id string, line func(Answer[LogLine])) error {
	_, err := c.logRest(ctx, id, 0, line)
	return err
}

// logRest gives each line after the one with that seq, and returns the last's.
func (c *Client) logRest(ctx context.Context, id string, after int64, line func(Answer[LogLine])) (int64, error) {
	for {
		lines, err := c.logAfter(ctx, id, after)
		if err != nil || len(lines) == 0 {
			return after, err
		}
		for _, l := range lines {
			line(l)
			after = l.Of.Seq
		}
	}
}

// Follower is told of a build that goes on.
type Follower struct {
	Line func(Answer[LogLine]) // each line of the log, once and in order
	Now  func(Build)           // how the build stands, after the lines that it had by then
	Lost func(error)           // the hub does not answer and is asked again; nil when it answers again
}

// How a build is followed: how soon the hub is asked again, at first and while
// nothing happens, and how long it may not answer.
const (
	followSoon  = 200 * time.Millisecond
	followLate  = 2 * time.Second
	followUntil = 10 * time.Minute
)

// Follow tells f of a build until that has ended, and returns it as it ended. It
// asks again where the hub does not answer for a while: no line is lost or
// told twice.
func (c *Client) Follow(ctx context.Context, id string, f Follower) (b Answer[Build], err error) {
	after, wait, silent := int64(0), followSoon, time.Duration(0)
	for {
		was := after
		// The build first: what it had logged when it ended is then read below.
		var now Answer[Build]
		if now, err = c.Build(ctx, id); err == nil {
			b = now
			if after, err = c.logRest(ctx, id, after, f.Line); err == nil {
				f.Now(b.Of)
			}
		}
		if err == nil && silent > 0 {
			silent = 0
			f.Lost(nil)
		}
		switch {
		case err == nil && b.Of.Status.Over():
			return b, nil
		case err == nil:
			if wait = min(wait*5/4, followLate); after > was {
				wait = followSoon
			}
		case !passing(err) || silent > followUntil:
			return b, err
		default:
			if silent == 0 {
				f.Lost(err)
			}
			silent += wait
			wait = min(wait*2, 2*followLate)
		}
		if err := sleep(ctx, wait); err != nil {
			return b, err
		}
	}
}

// sleep waits, or answers why ctx ended first.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
