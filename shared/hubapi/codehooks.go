package hubapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

// maxCodeHook is the most that a Git host's webhook may send, in bytes.
const maxCodeHook = 5 << 20

// startedBuilds is the answer to a Git host's webhook.
type startedBuilds struct {
	BuildIDs []string `json:"build_ids"`
}

func codeHookRoutes() []web.Route {
	return []web.Route{{
		Name: "code-hook", Method: "POST", Pattern: "/v1/hooks/code/{code}", Rule: web.Open, MaxBody: maxCodeHook,
		Needs: web.Needs{
			Read:  []store.Table{store.Tags}, // for version tags that are taken
			Write: []store.Table{store.Repositories, store.Builds}, Secrets: true, Builds: true,
			Sends: []web.Queue{web.Webhooks, web.Mail},
		},
		// The first build that is started has its line in the log; what starts none changes nothing.
		Unaudited: true,
		Doc: web.Doc{
			Summary: "Take a push event from a Git host, and start the builds that it asks for",
			About: "For the webhooks of GitHub (X-Hub-Signature-256; JSON or a form), GitLab (X-Gitlab-Token), Bitbucket (X-Hub-Signature) and " +
				"Gitee (X-Gitee-Token and X-Gitee-Timestamp), with the code and secret that the build configuration shows. Anything else sends " +
				`{"ref": "refs/heads/main", "after": "<full commit id>"} with X-Hub-Signature-256: sha256= and the hexadecimal HMAC-SHA-256 of the body. ` +
				"A push to a branch or tag that an active tag configuration names starts one build of that commit: 202. A repeat (by its name or, where that is not signed, its body) within a week starts nothing: 200. " +
				"Pings, deletions and other events start nothing: 202 with an empty list. Without a valid signature: 401. Up to 5 MiB.",
			BytesIn: true, Answers: map[int]any{200: startedBuilds{}, 202: startedBuilds{}},
		},
		Handle: takeCodeHook,
	}}
}

func takeCodeHook(c *web.Call) error {
	body, err := c.Body()
	if err != nil {
		return err
	}
	hook, err := c.Hub.CodeHook(c.Context(), c.Var("code"))
	if err != nil && hub.CodeOf(err) != hub.NotFound {
		return err
	}
	host := gitHostOf(c.R.Header)
	// A code that nobody has is answered as a wrong signature is.
	if !host.proven(c.R.Header, body, hook.Secret, c.Hub.Now()) || hook.Secret == "" {
		return hub.Fail(hub.Unauthenticated, "the signature (X-Hub-Signature-256) or token (X-Gitlab-Token, X-Gitee-Token) is missing or wrong: enter the address and the secret that the build configuration shows at the Git host; Gitee's clock must be right")
	}
	refs, err := host.pushes(c.R.Header, body)
	if err != nil {
		return err
	}
	builds, repeat, err := c.Hub.Pushed(c.Context(), hook, host.names(c.R.Header, body), refs)
	if len(builds) > 0 {
		dispatch(c)
	}
	if err != nil {
		return err
	}
	started := startedBuilds{BuildIDs: []string{}}
	for _, b := range builds {
		started.BuildIDs = append(started.BuildIDs, b.ID)
	}
	if repeat {
		return c.JSON(http.StatusOK, started)
	}
	return c.JSON(http.StatusAccepted, started)
}

// gitHost is how a Git host's webhooks speak.
type gitHost struct {
	proof    string   // the header by which they prove themselves
	event    string   // the header that says what happened
	events   []string // what it says of a push; where it is absent, the body tells
	delivery string   // the header that names the delivery; "" = none
	apart    string   // the header that tells equal bodies apart where there is no name; "" = none
	// bodyProof says that the proof holds for this body alone, under any name.
	bodyProof bool
	genuine   func(proof string, h http.Header, body []byte, secret string, now time.Time) bool
	refs      func(body []byte) ([]hub.CodeRef, error)
}

// gitHosts are told from each other by the header of the proof. GitHub sends the
// older X-Hub-Signature too, so that it comes before Bitbucket. Hooks that have no
// X-GitHub-Event are the generic ones.
var gitHosts = []gitHost{
	{
		proof: "X-Gitlab-Token", event: "X-Gitlab-Event", events: []string{"Push Hook", "Tag Push Hook"}, delivery: "Idempotency-Key",
		// Before 17.4 it sent no key, but a name for the event, which webhooks that set off
		// others share with them.
		apart:   "X-Gitlab-Event-UUID",
		genuine: sameToken, refs: refPushes,
	},
	{
		proof: "X-Gitee-Token", event: "X-Gitee-Event", events: []string{"Push Hook", "Tag Push Hook"},
		genuine: giteeToken, refs: refPushes,
	},
	{
		proof: "X-Hub-Signature-256", event: "X-GitHub-Event", events: []string{"push"}, delivery: "X-GitHub-Delivery",
		bodyProof: true, genuine: bodySignature, refs: refPushes,
	},
	{
		proof: "X-Hub-Signature", event: "X-Event-Key", events: []string{"repo:push"}, delivery: "X-Request-UUID",
		bodyProof: true, genuine: bodySignature, refs: bitbucketPushes,
	},
}

// gitHostOf is the Git host that a request's headers speak of; without a proof the
// zero one.
func gitHostOf(h http.Header) gitHost {
	for _, host := range gitHosts {
		if h.Get(host.proof) != "" {
			return host
		}
	}
	return gitHost{}
}

func (g gitHost) proven(h http.Header, body []byte, secret string, now time.Time) bool {
	return g.genuine != nil && g.genuine(h.Get(g.proof), h, body, secret, now)
}

// pushes are the references that a request says were pushed; none where it tells of
// something else.
func (g gitHost) pushes(h http.Header, body []byte) ([]hub.CodeRef, error) {
	if event := h.Get(g.event); event != "" && !slices.Contains(g.events, event) || h.Get("X-Gitee-Ping") == "true" {
		return nil, nil
	}
	payload, err := codePayload(h.Get("Content-Type"), body)
	if err != nil {
		return nil, err
	}
	return g.refs(payload)
}

// names are those that a delivery is known again by: the Git host's for it, or else
// what it contains. Where the proof is over the body alone, whoever saw a delivery
// could send it under another name, so there the body counts beside the name.
func (g gitHost) names(h http.Header, body []byte) (names []string) {
	if g.delivery != "" && h.Get(g.delivery) != "" {
		names = append(names, g.delivery+" "+h.Get(g.delivery))
	}
	if len(names) == 0 || g.bodyProof {
		sum := sha256.Sum256(body)
		names = append(names, "body "+hex.EncodeToString(sum[:])+" "+h.Get(g.apart))
	}
	return names
}

// sum is HMAC-SHA-256.
func sum(secret string, data []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(data)
	return mac.Sum(nil)
}

// bodySignature is the proof of GitHub and Bitbucket: sha256= and the HMAC of the body.
func bodySignature(proof string, _ http.Header, body []byte, secret string, _ time.Time) bool {
	text, ok := strings.CutPrefix(proof, "sha256=")
	given, err := hex.DecodeString(text)
	return hmac.Equal(given, sum(secret, body)) && ok && err == nil
}

// sameToken is GitLab's: the secret itself.
func sameToken(proof string, _ http.Header, _ []byte, secret string, _ time.Time) bool {
	return hmac.Equal([]byte(proof), []byte(secret))
}

// giteeSkew is how far Gitee's time and the hub's may be apart.
const giteeSkew = time.Hour

// giteeToken is Gitee's: the secret itself (its password form), or the HMAC of the
// time in milliseconds, a line feed and the secret, in base64, which may be escaped
// as for an address.
func giteeToken(proof string, h http.Header, _ []byte, secret string, now time.Time) bool {
	stamp := h.Get("X-Gitee-Timestamp")
	ms, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.UnixMilli(ms)).Abs() > giteeSkew {
		return false
	}
	signature := base64.StdEncoding.EncodeToString(sum(secret, []byte(stamp+"\n"+secret)))
	is := func(wanted string) bool { return hmac.Equal([]byte(proof), []byte(wanted)) }
	return is(secret) || is(signature) || is(url.QueryEscape(signature))
}
