// Package manage is the Manage API under /v2/manage: the single-registry part of a
// cloud vendor's public API, so that its SDK works unchanged.
package manage

import (
	"slices"

	"berth/shared/store"
	"berth/shared/web"
)

// Routes are the Manage API's operations.
func Routes() []web.Route {
	routes := slices.Concat(namespaceRoutes(), accessRoutes(), repositoryRoutes(), listRoutes(), tagRoutes(), retentionRoutes(), accountRoutes())
	for i := range routes {
		routes[i].Surface = web.Manage
	}
	return routes
}

var (
	repositories = []store.Table{store.Repositories}
	tags         = []store.Table{store.Repositories, store.Tags}
)
