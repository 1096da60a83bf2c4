package hubapi

import (
	"berth/shared/hub"
	"berth/shared/store"
	"berth/shared/web"
)

// buildClaim is the body of build-claim.
type buildClaim struct {
	Claim string `json:"claim"`
}

// maxReport is the most that a runner may tell at once, in bytes: a function takes
// 6 MB.
const maxReport = 4 << 20

// runnerRoutes are for the programs that run builds elsewhere than the hub.
func runnerRoutes() []web.Route {
	tables := []store.Table{store.Repositories, store.Builds}
	return []web.Route{{
		Name: "build-claim", Method: "POST", Pattern: "/v1/builds/{build}/claim", Rule: web.Open,
		Needs:     web.Needs{Write: tables, Secrets: true},
		Unaudited: true, // the build was asked for, and that is in the log
		Doc: web.Doc{
			Summary: "Take the job of a build, for its runner",
			About: "The code comes from whatever starts the runner, and is good until the runner has reported something. " +
				"The answer holds the build's secrets, and the access token to report and to push with.",
			Body: buildClaim{}, Required: []string{"claim"}, Answers: map[int]any{200: hub.Job{}},
		},
		Handle: claimBuild,
	}, {
		Name: "build-report", Method: "POST", Pattern: "/v1/builds/{build}/events", Rule: web.Runner, MaxBody: maxReport,
		// A log that is too long ends the build, and that is told.
		Needs:     web.Needs{Write: tables, Builds: true, Sends: []web.Queue{web.Webhooks, web.Mail}},
		Unaudited: true, // the build's own log tells it
		Doc: web.Doc{
			Summary: "Tell of a build that runs: how far it is, lines of its log, its result",
			About: "Lines have numbers without gaps; a request may be repeated as it was. A build that is over answers 409, or 401 because " +
				"its token ended with it: the runner then stops.",
			Body: hub.BuildEvent{}, Answers: map[int]any{204: nil},
		},
		Handle: reportBuild,
	}}
}

func claimBuild(c *web.Call) error {
	var in buildClaim
	if err := c.Decode(&in); err != nil {
		return err
	}
	if in.Claim == "" {
		return hub.FailField("claim", "is required")
	}
	j, err := c.Hub.ClaimBuild(c.Context(), c.Var("build"), in.Claim)
	if err != nil {
		return err
	}
	c.W.Header().Set("Cache-Control", "no-store")
	return c.JSON(200, j)
}

func reportBuild(c *web.Call) error {
	var e hub.BuildEvent
	if err := c.Decode(&e); err != nil {
		return err
	}
	if err := c.Hub.ReportBuild(c.Context(), c.Var("build"), e); err != nil {
		return err
	}
	return c.Empty(204)
}
