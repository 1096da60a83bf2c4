package hubapi

import (
	"encoding/json"
	"errors"
	"mime"
	"net/url"
	"strings"

	"berth/shared/hub"
)

// codePayload is the JSON that a webhook sent, as the body or as a form's payload.
func codePayload(contentType string, body []byte) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return body, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, hub.Fail(hub.BadRequest, "the body is no valid form: %v", err)
	}
	if !form.Has("payload") {
		return nil, hub.FailField("payload", "is needed in a form")
	}
	return []byte(form.Get("payload")), nil
}

// refPush is the push event of GitHub, GitLab, Gitee and generic webhooks. After is
// where the reference stands now, which for an annotated tag is the tag itself; the
// commit that it names is in head_commit, GitLab's in checkout_sha.
type refPush struct {
	Ref        string  `json:"ref"`
	After      *string `json:"after"`
	Deleted    bool    `json:"deleted"`
	HeadCommit *struct {
		ID string `json:"id"`
	} `json:"head_commit"`
	Checkout *string `json:"checkout_sha"`
}

// refPushes reads a push of one reference. A body that names none is of another event.
func refPushes(payload []byte) ([]hub.CodeRef, error) {
	var p refPush
	if err := decodePush(payload, &p); err != nil {
		return nil, err
	}
	var ref hub.CodeRef
	switch {
	case p.Ref == "" || p.Deleted || hub.NoCommit(text(p.After)):
		return nil, nil
	case strings.HasPrefix(p.Ref, "refs/heads/"):
		ref = hub.CodeRef{Type: hub.RefBranch, Name: p.Ref[len("refs/heads/"):]}
	case strings.HasPrefix(p.Ref, "refs/tags/"):
		ref = hub.CodeRef{Type: hub.RefTag, Name: p.Ref[len("refs/tags/"):]}
	case strings.HasPrefix(p.Ref, "refs/"):
		return nil, nil
	default:
		return nil, hub.FailField("ref", "must begin with refs/heads/ or refs/tags/, not %.80q", p.Ref)
	}
	field := "after"
	switch ref.Commit = text(p.After); {
	case text(p.Checkout) != "":
		field, ref.Commit = "checkout_sha", *p.Checkout
	case p.HeadCommit != nil && p.HeadCommit.ID != "":
		field, ref.Commit = "head_commit.id", p.HeadCommit.ID
	}
	return []hub.CodeRef{ref}, hub.CheckCommit(field, ref.Commit)
}

// bitbucketPush is Bitbucket's push event, of any number of references; new is null
// where one was deleted.
type bitbucketPush struct {
	Push struct {
		Changes []struct {
			New *struct {
				Type   string `json:"type"`
				Name   string `json:"name"`
				Target struct {
					Hash string `json:"hash"`
				} `json:"target"`
			} `json:"new"`
		} `json:"changes"`
	} `json:"push"`
}

func bitbucketPushes(payload []byte) (refs []hub.CodeRef, err error) {
	var p bitbucketPush
	if err := decodePush(payload, &p); err != nil {
		return nil, err
	}
	for _, c := range p.Push.Changes {
		if c.New == nil || c.New.Type != "branch" && c.New.Type != "tag" {
			continue
		}
		if err := hub.CheckCommit("push.changes.new.target.hash", c.New.Target.Hash); err != nil {
			return nil, err
		}
		refs = append(refs, hub.CodeRef{Type: c.New.Type, Name: c.New.Name, Commit: c.New.Target.Hash})
	}
	return refs, nil
}

// decodePush reads a push event, which is an object, or null for none.
func decodePush(payload []byte, v any) error {
	err := json.Unmarshal(payload, v)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return hub.FailField(wrong.Field, "has another type in a push event than %s", wrong.Value)
	case err != nil:
		return hub.Fail(hub.BadRequest, "the body is no push event in JSON; choose application/json as the webhook's content type")
	}
	return nil
}
