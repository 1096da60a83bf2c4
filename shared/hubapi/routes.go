// Package hubapi is the hub API under /v1: accounts, organisations, tokens,
// repositories and tags.
package hubapi

import (
	"slices"

	"berth/shared/web"
)

// Routes are the hub API's operations.
func Routes() []web.Route {
	return slices.Concat(accountRoutes(), repositoryRoutes(), buildConfigRoutes(), buildRoutes(), runnerRoutes(), codeHookRoutes(), tagRoutes(), searchRoutes())
}
